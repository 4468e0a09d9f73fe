"""The page beside Dagster: `lead-assets dev` starts it as a process of its own, which ends when `dev` does."""

import os
import signal
import subprocess
import sys
import threading
import time

from lead_assets.cli.ports import require_free_port
from lead_assets.cli.state import console
from lead_assets.domain.errors import InvalidInput

HOST = "127.0.0.1"
LOOK_SECONDS = 1.0


def start_page(port: int, dagster_url: str) -> str | None:
    """Start the page on ``port`` of this machine; returns its address.

    Where the port is taken it says so and returns None: Dagster does without the page.
    """
    try:
        require_free_port(HOST, port)
    except InvalidInput as error:
        console.print(
            f"The page is not served here. {error} The option is --page-port.", style="yellow", soft_wrap=True
        )
        return None
    arguments = [sys.executable, "-m", "lead_assets.program", "api", "--port", str(port), "--beside", str(os.getpid())]
    # In a process group of its own: Ctrl-C is `dev`'s to answer, and this process ends with it.
    environment = {**os.environ, "DAGSTER_URL": dagster_url}
    subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, process_group=0)  # noqa: S603
    return f"http://{HOST}:{port}"


def end_with(parent: int) -> None:
    """End this process, as Ctrl-C would, when the process ``parent`` is no longer the one that started it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
