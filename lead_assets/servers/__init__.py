"""The embedded PostgreSQL and Typesense: real servers on free ports of 127.0.0.1 that live on after the command ends.

`up` starts them or reuses those that live, `down` stops them, `status` looks, `read` gives their coordinates. Nothing
here knows what the servers are used for, and nothing reads the environment.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import psutil
from filelock import FileLock, Timeout

from lead_assets.domain.errors import LocalServerFailed
from lead_assets.servers import state as states
from lead_assets.servers.postgres import Postgres
from lead_assets.servers.processes import find
from lead_assets.servers.server import Server
from lead_assets.servers.state import HOST, Record, Servers, State
from lead_assets.servers.state import read_servers as read
from lead_assets.servers.state_folder import make, trusted
from lead_assets.servers.supervision import bring_up, stop
from lead_assets.servers.typesense import Typesense

__all__ = ["ServerStatus", "Servers", "down", "read", "status", "up"]

LOCK_SECONDS = 400.0  # longer than the slowest start of both


@dataclass(frozen=True)
class ServerStatus:
    """How one server is: `data_bytes` is what its data folder holds; what is not known is None."""

    name: str
    state: Literal["running", "stopped", "not answering"]
    pid: int | None
    port: int | None
    version: str | None
    data_bytes: int
    address: str | None


def _silent(message: str) -> None:
    """Tell nobody."""


def up(
    home: Path,
    *,
    postgres: bool = True,
    typesense: bool = True,
    on_progress: Callable[[str], None] = _silent,
) -> Servers:
    """Start the wanted servers, or reuse those that live, and return where they are. Safe to call at any time, twice.

    PostgreSQL comes first and stays up if Typesense then fails. Raises LocalServerFailed, with the last lines of the
    server's log where it has one.
    """
    with _told(home):
        home = make(home)
        with _locked(home, on_progress):
            for server in _servers(home, postgres, typesense):
                _bring_up(home, server, on_progress)
            return states.coordinates(states.load(home) or State())


def down(home: Path) -> list[str]:
    """Stop the servers of `home`, keep their data, and return the names of those that were running.

    Raises LocalServerFailed if `servers.json` is broken or a server cannot be stopped.
    """
    home = trusted(home)
    if not home.is_dir():
        return []
    with _told(home), _locked(home, _silent):
        return [server.name for server in reversed(_servers(home)) if _bring_down(home, server)]


def status(home: Path) -> list[ServerStatus]:
    """How both servers are, without changing anything. Raises LocalServerFailed if `servers.json` is broken."""
    home = trusted(home)
    with _told(home):
        state = states.load(home) or State()
        return [_status(server, state.record(server.name)) for server in _servers(home)]


def _servers(home: Path, postgres: bool = True, typesense: bool = True) -> list[Server]:
    servers: list[Server] = []
    if postgres:
        servers.append(Postgres(home))
    if typesense:
        servers.append(Typesense(home))
    return servers


def _bring_up(home: Path, server: Server, say: Callable[[str], None]) -> None:
    def save(record: Record) -> None:
        states.save(home, (states.load(home) or State()).with_record(server.name, record))

    record = (states.load(home) or State()).record(server.name) or Record()
    bring_up(server, record, save, say)


def _bring_down(home: Path, server: Server) -> bool:
    state = states.load(home) or State()
    record = state.record(server.name)
    process = find(server, record or Record())
    stop(server, process)
    if process and find(server, record or Record()):
        raise LocalServerFailed(f"{server.title} (process {process.pid}) cannot be stopped: end it by hand.")
    if record:
        states.save(home, state.with_record(server.name, replace(record, pid=None, started=None)))
    return process is not None


def _status(server: Server, record: Record | None) -> ServerStatus:
    process = find(server, record) if record else None
    version = server.answer(record) if process and record else None
    running = "running" if version else "not answering"
    return ServerStatus(
        name=server.name,
        state=running if process else "stopped",
        pid=process.pid if process else None,
        port=record.port if record and record.port else None,
        version=version,
        data_bytes=_size(server.data),
        address=f"{HOST}:{record.port}" if record and record.port else None,
    )


def _size(folder: Path) -> int:
    """Bytes of all files in `folder`; files that vanish meanwhile, as they do under a running server, count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total


@contextmanager
def _locked(home: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `home`, so that two commands do not start or stop the same server at once."""
    lock = FileLock(home / "servers.lock")
    try:
        if not _acquired_at_once(lock):
            say("Waiting for another command that starts or stops the servers.")
            lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise LocalServerFailed(
            f"Another command has held {lock.lock_file} for {LOCK_SECONDS:.0f} s: end that command and try again."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _acquired_at_once(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


@contextmanager
def _told(home: Path) -> Iterator[None]:
    """Turn refusals of the operating system into one sentence."""
    if sys.platform == "win32":
        raise LocalServerFailed(
            "The embedded servers need Linux or macOS: use WSL,"
            " or set DATABASE_URL, TYPESENSE_URL and TYPESENSE_API_KEY to servers of your own."
        )
    try:
        yield
    except (OSError, psutil.Error) as error:
        raise LocalServerFailed(
            f"The embedded servers in {home} could not be handled ({error}):"
            " check that the folder is yours and that its disk has room."
        ) from error
