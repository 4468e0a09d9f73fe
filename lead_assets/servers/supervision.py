"""Starting, recognising and stopping a server process that outlives the command which started it."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import psutil

from lead_assets.domain.errors import LocalServerFailed
from lead_assets.servers.state import HOST, Record

Say = Callable[[str], None]

START_SECONDS = 180.0  # crash recovery and loading a large index both happen before the first answer
GRACE_SECONDS = 30.0  # for a server that lives but does not answer (yet)
STOP_SECONDS = 60.0  # a shutdown writes everything to disk before it ends
ORPHAN_SECONDS = 10.0  # for the children of a killed server to notice
START_ATTEMPTS = 5
# What the servers write when somebody took their port between our look and their start …
PORT_TAKEN = ("address already in use", "fail to listen", "failed to listen")
# … and when children of a killed PostgreSQL, which we cannot always see, have not noticed its end yet.
STILL_IN_USE = ("is still in use",)
STILL_IN_USE_SECONDS = 2.0
LOG_LINES = 8
LOG_BYTES = 20_000_000
PORTS = range(20_000, 32_000)  # below what Linux and macOS hand to outgoing connections, so a port stays ours
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}  # nothing of the caller's: PGPORT or TYPESENSE_* would interfere


class _Detached(subprocess.Popen[bytes]):
    """A child that outlives us on purpose: Popen itself warns when it is forgotten while the child runs."""

    def __del__(self, *_: object) -> None: ...


# Servers started by this process: polled, so that one that died leaves no zombie behind.
_children: dict[int, _Detached] = {}


@dataclass(frozen=True)
class Launch:
    """How a server is started: arguments, and the account it runs as where that is not the caller's."""

    arguments: Sequence[str]
    account: Mapping[str, object] = field(default_factory=dict)


class Server(Protocol):
    """What the supervisor asks of a server."""

    name: str  # its entry in servers.json
    title: str
    program: str  # beginning of the process's name
    variable: str  # the setting that replaces the embedded server
    data: Path
    log: Path
    stop_signals: Sequence[str]  # names, gentlest first: not every platform has them all

    def prepare(self, record: Record, say: Say) -> Record:
        """Make the data folder ready to be served with the record's secret."""
        ...

    def launch(self, record: Record) -> Launch:
        """The command for the record's ports; the secret must not be in it."""
        ...

    def answer(self, record: Record) -> str | None:
        """The server's version if it answers a request that needs the secret, else None."""
        ...

    def settle(self) -> None:
        """Clear away what only the start needed."""
        ...


def bring_up(server: Server, record: Record, save: Callable[[Record], None], say: Say) -> Record:
    """Reuse the living server or start it, and return its entry; `save` is called with each entry that must be kept.

    Raises LocalServerFailed with the last lines of the server's log if it does not start.
    """
    process = find(server, record)
    if process:
        reused = _identified(record, process)
        if _await_answer(server, reused, process, GRACE_SECONDS):
            if reused != record:
                save(reused)
            return reused
        say(f"{server.title} (process {process.pid}) does not answer and is started again.")
    stop(server, process)
    record = _with_new_secret_where_taken(replace(record, pid=None, started=None), say, server.title)
    save(record)
    record = server.prepare(record, say)
    save(record)
    return _start(server, record, save, say)


def find(server: Server, record: Record) -> psutil.Process | None:
    """The living main process of `server`: the recorded one, or else one that works in its data folder.

    The second way finds a server whose starting command was killed before it could record the process.
    """
    recorded = _recorded(record)
    if recorded and _owns(server, recorded):
        return recorded
    found = processes(server)
    ids = {process.pid for process in found}
    mains = (process for process in found if _parent_id(process) not in ids and not _is_orphan(process))
    return next(mains, None)


def processes(server: Server) -> list[psutil.Process]:
    """All living processes of `server`, known by their name and by its data folder."""
    _reap()
    return [process for process in psutil.process_iter() if _owns(server, process)]


def stop(server: Server, process: psutil.Process | None) -> None:
    """Stop the main process, gently first, and whatever a killed server left behind. A stranger is never touched."""
    for name in server.stop_signals if process else ():
        if process and _owns(server, process):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.Signals[name])
                process.resume()  # a suspended process would not notice
            _await_end(process, STOP_SECONDS)
    if process and _owns(server, process):
        _kill(process)
    _clear_orphans(server)


def _clear_orphans(server: Server) -> None:
    """Wait for children of a server that was killed; those that stay would keep the new one from starting."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while orphans := processes(server):
        if time.monotonic() > deadline:
            for orphan in orphans:
                _kill(orphan)
            return
        time.sleep(0.05)


def _start(server: Server, record: Record, save: Callable[[Record], None], say: Say) -> Record:
    offset = 0
    for _ in range(START_ATTEMPTS):
        record = _with_free_ports(record, say, server.title)
        offset = _log_size(server.log)
        process = _spawn(server, server.launch(record))
        record = _identified(record, process)
        save(record)
        try:
            if _await_answer(server, record, process, START_SECONDS):
                return record
        finally:
            server.settle()
        ended = not _alive(process)
        stop(server, process)
        save(replace(record, pid=None, started=None))
        if ended and _says(server.log, offset, PORT_TAKEN):
            record = replace(record, port=0, peering_port=0)
        elif ended and _says(server.log, offset, STILL_IN_USE):
            time.sleep(STILL_IN_USE_SECONDS)
        else:
            break
    raise LocalServerFailed(_failure(server, offset))


def _failure(server: Server, offset: int) -> str:
    lines = tail(server.log, offset)
    return (
        f"{server.title} did not start on {server.data}: mend what its log {server.log} says, or set"
        f" {server.variable} to a server of your own. Last lines of the log:\n{lines}"
    )


def _spawn(server: Server, launch: Launch) -> psutil.Process:
    """Start the server detached: own session, no terminal, no pipe of ours that it could block or die on."""
    server.log.parent.mkdir(exist_ok=True)
    if _log_size(server.log) > LOG_BYTES:
        server.log.replace(server.log.with_suffix(".log.1"))
    log = os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = _Detached(
            launch.arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=server.data,  # by which `processes` knows it
            env=ENVIRONMENT,
            start_new_session=True,
            **launch.account,  # pyright: ignore[reportArgumentType, reportCallIssue] user, group, extra_groups
        )
    finally:
        os.close(log)
    _children[child.pid] = child
    return psutil.Process(child.pid)


def _await_answer(server: Server, record: Record, process: psutil.Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    pause = 0.02
    while _alive(process):
        # The answer counts only while our process lives: otherwise it is somebody else's.
        if server.answer(record) and _alive(process):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)  # PostgreSQL logs every question that it cannot answer yet
    return False


def _await_end(process: psutil.Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    _await_end(process, ORPHAN_SECONDS)


def _recorded(record: Record) -> psutil.Process | None:
    _reap()
    if record.pid is None or record.started is None:
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(record.pid)
        # Whole seconds of tolerance: the creation time is counted from the boot time, which the clock's setting moves.
        if abs(process.create_time() - record.started) < 3:
            return process
    return None


def _identified(record: Record, process: psutil.Process) -> Record:
    return replace(record, pid=process.pid, started=process.create_time())


def _owns(server: Server, process: psutil.Process) -> bool:
    try:
        return (
            process.name().startswith(server.program)
            and _alive(process)
            and (str(server.data) in process.cmdline() or _works_in(process, server.data))
            and process.uids().effective in {os.geteuid(), server.data.stat().st_uid}
        )
    except (psutil.Error, OSError):
        return False


def _works_in(process: psutil.Process, folder: Path) -> bool:
    """Whether the process works in `folder`; False in a container whose root may not look at another account's."""
    try:
        return Path(process.cwd()) == folder
    except psutil.AccessDenied:
        return False


def _alive(process: psutil.Process) -> bool:
    _reap()
    try:
        return process.is_running() and process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False


def _is_orphan(process: psutil.Process) -> bool:
    """Whether it is a child of a killed server: those of PostgreSQL show `postgres: role` instead of arguments."""
    try:
        return process.cmdline()[:1] == ["postgres:"] or " ".join(process.cmdline()).startswith("postgres: ")
    except psutil.Error:
        return True


def _parent_id(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _reap() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            _children.pop(pid, None)


def _with_new_secret_where_taken(record: Record, say: Say, title: str) -> Record:
    """``record`` as it is, unless a stranger listens on its port, who may have been sent the secret meanwhile."""
    if not record.port or _is_free(record.port):
        return record
    say(f"{title}: port {record.port} is taken by another program; a new one and a new secret are chosen.")
    return replace(Record(), peering_port=record.peering_port)


def _with_free_ports(record: Record, say: Say, title: str) -> Record:
    if record.port and not _is_free(record.port):
        say(f"{title}: port {record.port} is taken by another program, a new one is chosen.")
    port = record.port if record.port and _is_free(record.port) else _free_port(())
    peering = record.peering_port
    if not peering or peering == port or not _is_free(peering):
        peering = _free_port((port,))
    return replace(record, port=port, peering_port=peering)


def _free_port(taken: Sequence[int]) -> int:
    for _ in range(200):
        port = PORTS[secrets.randbelow(len(PORTS))]
        if port not in taken and _is_free(port):
            return port
    raise LocalServerFailed(f"No free port between {PORTS[0]} and {PORTS[-1]} on {HOST}: stop what occupies them.")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do it: without this, a port is refused for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _says(log: Path, offset: int, phrases: Sequence[str]) -> bool:
    text = tail(log, offset, lines=200).lower()
    return any(phrase in text for phrase in phrases)


def _log_size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, offset: int = 0, lines: int = LOG_LINES) -> str:
    """The last lines of `log` from byte `offset` on, or a remark that there are none."""
    if not log.exists():
        return "(there is no log)"
    with log.open("rb") as file:
        # A log that was moved away since then starts anew.
        file.seek(offset if offset <= _log_size(log) else 0)
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
