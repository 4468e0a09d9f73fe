"""Paths that a user gives, and writing a file whole.

A reader, and whoever comes after a killed process or a full disk, sees the old file or the new one.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

PRIVATE, PUBLIC, PROGRAM = 0o600, 0o666, 0o755
"""Modes of a new file, before the process's umask: for its owner only, for all, and for all to run."""


def expanded(path: str) -> Path:
    """``path`` with a leading ``~`` as the home folder; as it is where there is no such user."""
    try:
        return Path(os.path.expanduser(path))  # noqa: PTH111  Path.expanduser raises where there is no such user
    except ValueError:  # a user's name with a NUL or half of a surrogate pair
        return Path(path)


@contextmanager
def replacing(path: Path, *, mode: int = PRIVATE, errors: str = "strict") -> Iterator[TextIOWrapper]:
    """A file for UTF-8 text (its ``buffer`` takes bytes) that takes the place of ``path`` when the block ends.

    Where the block ends with an error, ``path`` stays as it was. The file has ``mode`` from its first byte on.

    Raises:
        OSError: it cannot be written; ``path`` is as it was.
    """
    # Hidden, so that nobody takes it for a campaign or a CSV file.
    unfinished = path.parent / f".unfinished-{secrets.token_hex(8)}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    file = os.fdopen(descriptor, "w", encoding="utf-8", errors=errors, newline="")
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        unfinished.replace(path)
    finally:
        with contextlib.suppress(OSError):  # what could not be written is tried again, and told already
            file.close()
        unfinished.unlink(missing_ok=True)


def write_whole(path: Path, text: str, *, mode: int = PRIVATE) -> None:
    """Write ``text``, by ``replacing``; raises OSError."""
    with replacing(path, mode=mode) as file:
        file.write(text)
