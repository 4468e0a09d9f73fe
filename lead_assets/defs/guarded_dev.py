"""``python -m lead_assets.defs.guarded_dev dev …``: Dagster's own command, with its web server behind our guard.

Dagster's web server has no login and looks at no ``Host`` or ``Origin``: while it listens, any web page can start runs.
The guard stands within its process, so that there is no other port behind which it could be reached. Where a version of
Dagster starts its web server in another way, this refuses to start instead of starting it without the guard.
"""

import signal
import sys
import warnings

from lead_assets.interruption import INTERRUPTED, SENTENCE, ends_in_one_sentence

WEB_SERVER = ["-m", "dagster_webserver"]
GUARDED = ["-m", "lead_assets.defs.guarded_webserver"]


def guarded(command: list[str]) -> list[str]:
    """``command`` as Dagster starts a process, its web server with the guard.

    Raises:
        RuntimeError: the web server is started in a way that we do not know.
    """
    if command[1:3] == WEB_SERVER:
        return [command[0], *GUARDED, *command[3:]]
    if any("webserver" in part for part in command[:4]):
        raise RuntimeError("This version of Dagster starts its web server in a way that the guard does not know.")
    return command


def main() -> None:
    """Run Dagster's command line with the guard in place; Ctrl-C ends it in order, or with one sentence."""
    sys.argv[0] = "dagster"
    # Dagster would advise to start `dg dev` instead, which has no guard.
    warnings.filterwarnings("ignore", ".*dev_command.* is superseded", FutureWarning)
    with ends_in_one_sentence():
        from lead_assets.defs.dagster_private import run_dagster_command
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
        # A terminal that closes tells this process only: it ends the others.
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGINT))
    try:
        run_dagster_command(guarded)
    except KeyboardInterrupt:
        sys.stderr.write(f"{SENTENCE}\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
