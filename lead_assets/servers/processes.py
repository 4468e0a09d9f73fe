"""The processes of a server: finding them, whoever started them, and ending them. A stranger is never touched."""

import contextlib
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import psutil

from lead_assets.servers.server import Server
from lead_assets.servers.state import Record

ORPHAN_SECONDS = 10.0  # for the children of a killed server to notice


class Detached(subprocess.Popen[bytes]):
    """A child that outlives us on purpose: Popen itself warns when it is forgotten while the child runs."""

    def __del__(self, *_: object) -> None: ...


# Servers started by this process: polled, so that one that died leaves no zombie behind.
children: dict[int, Detached] = {}


def find(server: Server, record: Record) -> psutil.Process | None:
    """The living main process of `server`: the recorded one, or else one that works in its data folder.

    The second way finds a server whose starting command was killed before it could record the process.
    """
    recorded = _recorded(record)
    if recorded and owns(server, recorded):
        return recorded
    found = processes(server)
    ids = {process.pid for process in found}
    mains = (process for process in found if _parent_id(process) not in ids and not _is_orphan(process))
    return next(mains, None)


def processes(server: Server) -> list[psutil.Process]:
    """All living processes of `server`, known by their name and by its data folder."""
    _reap()
    return [process for process in psutil.process_iter() if owns(server, process)]


def await_end(process: psutil.Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    await_end(process, ORPHAN_SECONDS)


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


def identified(record: Record, process: psutil.Process) -> Record:
    return replace(record, pid=process.pid, started=process.create_time())


def owns(server: Server, process: psutil.Process) -> bool:
    try:
        return (
            process.name().startswith(server.program)
            and alive(process)
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


def alive(process: psutil.Process) -> bool:
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
    for pid, child in list(children.items()):
        if child.poll() is not None:
            children.pop(pid, None)
