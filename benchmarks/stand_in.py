"""The stand-in of an OpenAI-compatible endpoint, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@contextmanager
def stand_in(seconds: float, *options: str) -> Iterator[str]:
    """The URL of a stand-in whose answers take so long; ``options`` are those of its command."""
    command = [sys.executable, "-m", "lead_assets_tests.openai_server", "--port", "0", "--latency", str(seconds)]
    # It is not installed: it is found from the project's folder.
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
