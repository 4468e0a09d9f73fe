"""Starting, recognising and stopping a server process that outlives the command which started it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

import psutil

from lead_assets.domain.errors import LocalServerFailed
from lead_assets.servers.free_ports import is_free, with_free_ports
from lead_assets.servers.logs import log_size, says, tail
from lead_assets.servers.processes import (
    ORPHAN_SECONDS,
    Detached,
    alive,
    await_end,
    children,
    find,
    identified,
    kill,
    owns,
    processes,
)
from lead_assets.servers.server import Launch, Say, Server
from lead_assets.servers.state import Record
from lead_assets.servers.state_folder import make_private

START_SECONDS = 180.0  # crash recovery and loading a large index both happen before the first answer
GRACE_SECONDS = 30.0  # for a server that lives but does not answer (yet)
STOP_SECONDS = 60.0  # a shutdown writes everything to disk before it ends
START_ATTEMPTS = 5
# What the servers write when somebody took their port between our look and their start …
PORT_TAKEN = ("address already in use", "fail to listen", "failed to listen")
# … and when children of a killed PostgreSQL, which we cannot always see, have not noticed its end yet.
STILL_IN_USE = ("is still in use",)
STILL_IN_USE_SECONDS = 2.0
LOG_BYTES = 20_000_000
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}  # nothing of the caller's: PGPORT or TYPESENSE_* would interfere


def bring_up(server: Server, record: Record, save: Callable[[Record], None], say: Say) -> Record:
    """Reuse the living server or start it, and return its entry; `save` is called with each entry that must be kept.

    Raises LocalServerFailed with the last lines of the server's log if it does not start.
    """
    process = find(server, record)
    if process:
        reused = identified(record, process)
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


def stop(server: Server, process: psutil.Process | None) -> None:
    """Stop the main process, gently first, and whatever a killed server left behind. A stranger is never touched."""
    for name in server.stop_signals if process else ():
        if process and owns(server, process):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.Signals[name])
                process.resume()  # a suspended process would not notice
            await_end(process, STOP_SECONDS)
    if process and owns(server, process):
        kill(process)
    _clear_orphans(server)


def _clear_orphans(server: Server) -> None:
    """Wait for children of a server that was killed; those that stay would keep the new one from starting."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while orphans := processes(server):
        if time.monotonic() > deadline:
            for orphan in orphans:
                kill(orphan)
            return
        time.sleep(0.05)


def _start(server: Server, record: Record, save: Callable[[Record], None], say: Say) -> Record:
    offset = 0
    for _ in range(START_ATTEMPTS):
        record = with_free_ports(record, say, server.title)
        offset = log_size(server.log)
        process = _spawn(server, server.launch(record))
        record = identified(record, process)
        save(record)
        try:
            if _await_answer(server, record, process, START_SECONDS):
                return record
        finally:
            server.settle()
        ended = not alive(process)
        stop(server, process)
        save(replace(record, pid=None, started=None))
        if ended and says(server.log, offset, PORT_TAKEN):
            record = replace(record, port=0, peering_port=0)
        elif ended and says(server.log, offset, STILL_IN_USE):
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
    make_private(server.log.parent)
    if log_size(server.log) > LOG_BYTES:
        server.log.replace(server.log.with_suffix(".log.1"))
    log = os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = Detached(
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
    children[child.pid] = child
    return psutil.Process(child.pid)


def _await_answer(server: Server, record: Record, process: psutil.Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    pause = 0.02
    while alive(process):
        # The answer counts only while our process lives: otherwise it is somebody else's.
        if server.answer(record) and alive(process):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)  # PostgreSQL logs every question that it cannot answer yet
    return False


def _with_new_secret_where_taken(record: Record, say: Say, title: str) -> Record:
    """``record`` as it is, unless a stranger listens on its port, who may have been sent the secret meanwhile."""
    if not record.port or is_free(record.port):
        return record
    say(f"{title}: port {record.port} is taken by another program. A new one and a new secret are chosen.")
    return replace(Record(), peering_port=record.peering_port)
