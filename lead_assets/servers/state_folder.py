"""The state folder: whose it must be, since its files are believed, and that nobody else reads what is in it."""

import os
import stat
from pathlib import Path

from lead_assets.domain.errors import LocalServerFailed

_PRIVATE, _ENTERED = 0o700, 0o711
"""Modes of a new folder. PostgreSQL, which as root's runs as another user, must be able to enter root's."""


def trusted(home: Path) -> Path:
    """``home`` with links resolved: a folder that only this user (or root) can have filled, or none yet.

    Raises:
        LocalServerFailed: it, or the link to it, belongs to another user, or everybody may write there.
    """
    for path in (home, home.resolve()):
        try:
            state = path.lstat()
        except FileNotFoundError:
            continue
        if state.st_uid not in _believed():
            raise _mistrusted(path, "belongs to another user")
        if stat.S_ISDIR(state.st_mode) and state.st_mode & stat.S_IWOTH:
            raise _mistrusted(path, "may be written by everybody")
    return home.resolve()


def make(home: Path) -> Path:
    """``home``, trusted, and made where there is none yet; raises LocalServerFailed and OSError."""
    home = trusted(home)
    home.mkdir(mode=_ENTERED if os.geteuid() == 0 else _PRIVATE, parents=True, exist_ok=True)
    return trusted(home)


def make_private(folder: Path) -> Path:
    """``folder`` in a state folder, made where there is none, and readable by its owner only."""
    folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    if folder.stat().st_uid == os.geteuid() and stat.S_IMODE(folder.stat().st_mode) != _PRIVATE:
        folder.chmod(_PRIVATE)
    return folder


def read_private(path: Path) -> str:
    """The text of a file with secrets that only this user (or root) can have written or read.

    Raises:
        LocalServerFailed: it may be another user's.
        OSError: it cannot be read; FileNotFoundError where there is none.
    """
    # Looked at after it was opened, so that it is the same file; O_NONBLOCK, as a FIFO would wait for a writer.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode) or state.st_uid not in _believed():
            raise _mistrusted(path, "is not a file of yours")
        if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _mistrusted(path, "may be read or written by others")
        return file.read()


def _believed() -> set[int]:
    return {os.geteuid(), 0}


def _mistrusted(path: Path, why: str) -> LocalServerFailed:
    return LocalServerFailed(
        f"{path} {why}, so what is in it cannot be trusted. Remove it, or set LEAD_ASSETS_HOME to a folder of your own."
    )
