"""Rejections in CSV files: one of each campaign and run."""

import csv
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Self

from lead_assets.domain.errors import RejectionLogFailed
from lead_assets.domain.plain_text import without_controls
from lead_assets.files import replacing

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

REJECTION_COLUMNS = (
    "campaign_id",
    "reddit_id",
    "stage",
    "gate",
    "setting",
    "observed",
    "threshold",
    "kind",
    "source",
    "subreddit",
    "author",
    "title",
    "excerpt",
    "url",
    "posted_at",
    "run_id",
)


_START_LOOKED_AT = 50


def safe_cell(value: object) -> object:
    """``value`` for a CSV cell: text that a spreadsheet would take for a formula gets an apostrophe before it.

    Control characters and lone surrogates are left out. Source of the rest: OWASP, CSV Injection.
    """
    if not isinstance(value, str):
        return value
    value = without_controls(value)
    if value[:1].isascii() and value[:1].isalnum():
        return value  # as most do: to find out where a text visibly begins takes many times as long
    if value.startswith(_FORMULA) or _visible_start(value).startswith(_FORMULA):
        return "'" + value
    return value


def _visible_start(text: str) -> str:
    """Where a text visibly begins, full-width characters as the plain ones that some spreadsheets read them as."""
    start = unicodedata.normalize("NFKC", text.lstrip()[:_START_LOOKED_AT])
    return "".join(each for each in start if unicodedata.category(each) not in ("Cf", "Cc")).lstrip()


class _GivenUp(Exception):
    """The new file is not to take the old one's place."""


class RejectionLog:
    """The CSV file of one campaign and run, which crawl and rank both add to.

    The table ``rejections`` is the record, this file a convenience: if it cannot be written, the run goes on and
    ``state`` says why. Rows go to a file beside it that takes its place when the block ends, so that a full disk or a
    killed run leaves the last whole file.
    """

    def __init__(self, folder: Path, campaign_id: str, run_id: str) -> None:
        """Nothing is written yet."""
        self.path = folder / campaign_id / f"{run_id}.csv"
        self.failure: str | None = None
        self._file: TextIOWrapper | None = None
        self._replacement = ExitStack()

    @property
    def state(self) -> str:
        """Where the file is, or why it could not be written."""
        return f"not written: {self.failure}" if self.failure else str(self.path)

    def __enter__(self) -> Self:
        with self._noted():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._replacement.enter_context(replacing(self.path))
            if self.path.is_file():
                # Bytes: its line ends stay, whatever encoding somebody may have saved it in.
                self._file.buffer.write(self.path.read_bytes())
            else:
                csv.writer(self._file).writerow(REJECTION_COLUMNS)
        return self

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rejections."""
        if self._file is None or self.failure:
            return
        with self._noted():
            csv.writer(self._file).writerows([safe_cell(row.get(name)) for name in REJECTION_COLUMNS] for row in rows)

    def __exit__(self, *_: object) -> None:
        with suppress(_GivenUp), self._noted(), self._replacement:
            if self.failure:
                raise _GivenUp

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = f"{error.strerror or error} ({self.path.parent}). Make room there or set REJECTION_LOG_DIR"


def logged_ids(folder: Path) -> dict[str, set[str]]:
    """The fullnames in the CSV files of each campaign."""
    column, found = REJECTION_COLUMNS.index("reddit_id"), dict[str, set[str]]()
    for path in sorted(folder.glob("*/*.csv")):
        rows = _read_rows(path)[1:]
        found.setdefault(path.parent.name, set()).update(row[column] for row in rows if len(row) > column)
    return found


def remove_rejections(folder: Path, campaign_id: str, reddit_ids: Collection[str]) -> int:
    """Remove the rows of ``reddit_ids`` from a campaign's CSV files; returns how many there were.

    Raises:
        RejectionLogFailed: a file could not be rewritten; the others are.
    """
    if not reddit_ids:
        return 0
    return _remove_rows(folder, campaign_id, lambda row: row.get("reddit_id") in reddit_ids)


def remove_old_rejections(folder: Path, campaign_id: str, before: datetime, but: Collection[str]) -> int:
    """Remove the rows of what was posted before ``before``, or nobody knows when, ``but`` of these; as above."""

    def is_old(row: Mapping[str, str]) -> bool:
        try:
            posted_at = datetime.fromisoformat(row.get("posted_at", ""))
        except ValueError:
            return True
        return (posted_at if posted_at.tzinfo else posted_at.replace(tzinfo=UTC)) < before

    return _remove_rows(folder, campaign_id, lambda row: row.get("reddit_id") not in but and is_old(row))


def _read_rows(path: Path) -> list[list[str]]:
    # Somebody may have saved the file in another encoding: what cannot be read is written back as it was.
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def _remove_rows(folder: Path, campaign_id: str, is_doomed: Callable[[Mapping[str, str]], bool]) -> int:
    removed, failures = 0, list[str]()
    for path in sorted((folder / campaign_id).glob("*.csv")):
        try:
            removed += _rewrite(path, is_doomed)
        except OSError as error:
            failures.append(f"{path} ({error.strerror or error})")
    if failures:
        raise RejectionLogFailed(
            f"Removed documents could not be taken from {', '.join(failures)}. Make the files writable and repeat."
        )
    return removed


def _rewrite(path: Path, is_doomed: Callable[[Mapping[str, str]], bool]) -> int:
    header, *rows = _read_rows(path) or [[]]
    kept = [row for row in rows if not is_doomed(dict(zip(header, row, strict=False)))]
    if len(kept) < len(rows):
        with replacing(path, errors="surrogateescape") as file:
            csv.writer(file).writerows([header, *kept])
    return len(rows) - len(kept)
