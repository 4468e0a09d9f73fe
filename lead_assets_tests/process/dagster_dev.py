"""A real `lead-assets dev` for tests: daemon, web server and code server as processes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import yaml

from lead_assets import servers as embedded
from lead_assets_tests.conftest import AS_OF, PROJECT

PATIENCE_SECONDS = 240
COMMAND = Path(sys.executable).parent / "lead-assets"
"""The command as it is installed."""

T = TypeVar("T")


def eventually(found: Callable[[], T | None], what: str) -> T:
    """What ``found`` gives once it gives something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.5)
    raise AssertionError(f"{what} did not happen within {PATIENCE_SECONDS} seconds")


def installation(folder: Path, database_url: str, servers: embedded.Servers) -> dict[str, str]:
    """The environment of an installation with its state and campaigns in ``folder``, whose campaigns are none yet."""
    (folder / "campaigns").mkdir()
    return {
        "DATABASE_URL": database_url,
        "TYPESENSE_URL": servers.typesense_url,
        "TYPESENSE_API_KEY": servers.typesense_api_key,
        "LEAD_ASSETS_HOME": str(folder / "home"),
        "LEAD_ASSETS_CAMPAIGNS": str(folder / "campaigns"),
        "DAGSTER_HOME": str(PROJECT),
    }


def write_campaign(folder: Path, campaign_id: str) -> None:
    """The file of a campaign whose archive is beside the campaigns, named like it."""
    content = {
        "name": campaign_id,
        "product": "A simple CRM for small businesses.",
        "keywords": ["crm"],
        "source": "archive",
        "archive": {"path": f"../{campaign_id}.ndjson", "as_of": AS_OF},
    }
    (folder / "campaigns" / f"{campaign_id}.yaml").write_text(yaml.safe_dump(content))


@contextmanager
def dagster_dev(folder: Path) -> Iterator[int]:
    """`lead-assets dev` in this process's environment; gives the port of its web server. All of it has ended after."""
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(COMMAND), "dev", "--port", str(port)], stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        eventually(lambda: answers(port), "the web server's start")
        yield port
    finally:
        stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the service and all that it started."""
    family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
