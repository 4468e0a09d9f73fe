"""The log file of a server."""

from collections.abc import Sequence
from pathlib import Path

LOG_LINES = 8


def says(log: Path, offset: int, phrases: Sequence[str]) -> bool:
    text = tail(log, offset, lines=200).lower()
    return any(phrase in text for phrase in phrases)


def log_size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, offset: int = 0, lines: int = LOG_LINES) -> str:
    """The last lines of `log` from byte `offset` on, or a remark that there are none."""
    if not log.exists():
        return "(there is no log)"
    with log.open("rb") as file:
        # A log that was moved away since then starts anew.
        file.seek(offset if offset <= log_size(log) else 0)
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
