"""Run the stand-in on its own: try the whole path without an account.

python -m lead_assets_tests.openai_server --port 8099
OPENAI_BASE_URL=http://127.0.0.1:8099/v1 lead-assets run CAMPAIGN
"""

import argparse
import time

from lead_assets_tests.stand_ins.openai_server.server import DIALECTS, StandIn


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m lead_assets_tests.openai_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8099, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that an answer takes")
    parser.add_argument("--dialect", choices=sorted(DIALECTS), default="openai", help="the kind of server it is")
    parser.add_argument("--dimension", type=int, help="of vectors; default: the model's")
    parser.add_argument("--api-key", help="the only key that is let in; default: any")
    options = parser.parse_args()
    with StandIn(
        port=options.port,
        latency=options.latency,
        dialect=options.dialect,
        dimension=options.dimension,
        api_key=options.api_key,
        keep=False,
    ) as server:
        print(server.url, flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print(dict(server.requests), flush=True)


if __name__ == "__main__":
    main()
