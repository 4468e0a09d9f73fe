"""Serve an NDJSON file of posts and comments until interrupted."""

import argparse
import contextlib
import json
from pathlib import Path

from lead_assets_tests.stand_ins.arctic_shift_server.server import ArcticShiftServer, subreddits_of


def main() -> None:
    """Read the options, serve, and print the address."""
    parser = argparse.ArgumentParser(prog="python -m lead_assets_tests.arctic_shift_server", description=__doc__)
    parser.add_argument("--port", type=int, default=8090, help="port on 127.0.0.1 (0: any free one)")
    parser.add_argument("--corpus", type=Path, help="NDJSON file of Reddit posts and comments")
    options = parser.parse_args()
    with ArcticShiftServer(options.port) as server:
        if options.corpus:
            server.add(*(json.loads(line) for line in options.corpus.read_text("utf-8").splitlines() if line.strip()))
        server.subreddits = subreddits_of([*server.posts, *server.comments])
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.stopping.wait()


if __name__ == "__main__":
    main()
