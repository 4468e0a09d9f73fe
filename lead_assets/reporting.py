"""Reports: what assets say about a run in Dagster's metadata, and rejections in CSV files.

Texts stay in the store, where they can be deleted: metadata has ids, links and observed values only.
"""

import csv
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

import dagster as dg

from lead_assets.domain.document import short_url
from lead_assets.domain.errors import RejectionLogFailed
from lead_assets.domain.gates import RANK_GATES, REJUDGING_GATES, Gate

MAX_TABLE_ROWS = 50
PROGRESS_SECONDS = 2.0
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
    "url",
    "posted_at",
    "run_id",
)


def safe_cell(value: object) -> object:
    """``value`` for a CSV cell: text that a spreadsheet would take for a formula gets an apostrophe before it.

    Source: OWASP, CSV Injection.
    """
    if isinstance(value, str) and (value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)):
        return "'" + value
    return value


def table(records: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """``records`` as a metadata table, cut at ``MAX_TABLE_ROWS``; all have the same keys."""
    rows = [{key: _cell(value) for key, value in record.items()} for record in records[:MAX_TABLE_ROWS]]
    if not rows:
        return dg.MetadataValue.text("none")
    columns = [dg.TableColumn(name, _column_type(rows, name)) for name in rows[0]]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def rejection_table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Rejections as examples: ids, links and observed values, no texts."""
    shown = ("gate", "observed", "threshold", "reddit_id")
    return table(
        [{name: row[name] for name in shown} | {"link": short_url(row["reddit_id"], row["url"])} for row in rows]
    )


def funnel_steps(
    funnel: Mapping[str, Any], this_run: Mapping[str, Mapping[str, int]] | None = None
) -> list[dict[str, Any]]:
    """The funnel in the order in which documents go through it: ``step``, ``stored`` and, if given, ``this_run``.

    ``funnel`` is counted from what is stored; ``this_run`` has the counts of a run by asset.
    """
    run = this_run or {}
    crawl, rank = run.get("crawled_documents", {}), run.get("ranked_candidates", {})
    known = f", {crawl['duplicates']} known" if crawl.get("duplicates") else ""

    def rejected(gate: Gate, counts: Mapping[str, int]) -> tuple[str, int, str]:
        count = funnel["rejected"].get(gate.name, 0)
        return f"  rejected by {gate.name}", count, str(counts.get(f"rejected_{gate.name}", 0))

    steps = [
        ("crawled", funnel["crawled"], f"{crawl.get('judged', 0)} judged{known}"),
        *(rejected(gate, crawl) for gate in REJUDGING_GATES),
        ("ranked", funnel["ranked"], str(rank.get("ranked", 0))),
        *(rejected(gate, rank) for gate in RANK_GATES),
        ("  excluded by the campaign's lists", funnel["excluded"], str(rank.get("excluded", 0))),
        ("  near-duplicates", funnel["near_duplicates"], str(rank.get("near_duplicates", 0))),
        ("extracted", funnel["extracted"], str(run.get("extracted_leads", {}).get("extracted", 0))),
        ("leads", funnel["leads"], f"{run.get('leads', {}).get('leads', 0)} written"),
    ]
    shown = 2 if this_run is None else 3
    return [dict(zip(("step", "stored", "this_run")[:shown], step[:shown], strict=True)) for step in steps]


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _column_type(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    types = {type(row[name]) for row in rows if row[name] is not None}
    return "float" if types and types <= {int, float} else "string"


class Phases:
    """Seconds spent in each phase of an asset."""

    def __init__(self) -> None:
        """Nothing spent yet."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Add the time of the block to phase ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def metadata(self) -> dict[str, Any]:
        """``seconds_<phase>`` for each phase, rounded to milliseconds."""
        return {f"seconds_{name}": round(seconds, 3) for name, seconds in self.seconds.items()}


class Progress:
    """Says how far a step is, at most every ``PROGRESS_SECONDS``, so that neither the event log nor a reader drowns."""

    def __init__(self, say: Callable[[str], object]) -> None:
        """``say`` takes one line."""
        self._say = say
        self._next = time.monotonic() + PROGRESS_SECONDS

    def at(self, message: str) -> None:
        """Say ``message`` if it is time."""
        if time.monotonic() >= self._next:
            self._say(message)
            self._next = time.monotonic() + PROGRESS_SECONDS


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
        self._file: IO[str] | None = None

    @property
    def state(self) -> str:
        """Where the file is, or why it could not be written."""
        return f"not written: {self.failure}" if self.failure else str(self.path)

    def __enter__(self) -> Self:
        with self._noted():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.NamedTemporaryFile(
                "w", newline="", encoding="utf-8", dir=self.path.parent, prefix=".unfinished-", delete=False
            )
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
        if self._file is None:
            return
        unfinished = Path(self._file.name)
        with self._noted():
            self._file.close()
            if not self.failure:
                unfinished.replace(self.path)
        unfinished.unlink(missing_ok=True)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = f"{error.strerror or error} ({self.path.parent}); make room there or set REJECTION_LOG_DIR"


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
    removed, failures = 0, list[str]()
    for path in sorted((folder / campaign_id).glob("*.csv")) if reddit_ids else ():
        try:
            removed += _remove_rows(path, reddit_ids)
        except OSError as error:
            failures.append(f"{path} ({error.strerror or error})")
    if failures:
        raise RejectionLogFailed(
            f"Deleted documents could not be removed from {', '.join(failures)}; make the files writable and repeat."
        )
    return removed


def _read_rows(path: Path) -> list[list[str]]:
    # Somebody may have saved the file in another encoding: what cannot be read is written back as it was.
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def _remove_rows(path: Path, reddit_ids: Collection[str]) -> int:
    rows = _read_rows(path)
    column = REJECTION_COLUMNS.index("reddit_id")
    kept = [row for row in rows if len(row) <= column or row[column] not in reddit_ids]
    if len(kept) < len(rows):
        with tempfile.NamedTemporaryFile(
            "w",
            newline="",
            encoding="utf-8",
            errors="surrogateescape",
            dir=path.parent,
            prefix=".unfinished-",
            delete=False,
        ) as file:
            csv.writer(file).writerows(kept)
        Path(file.name).replace(path)
    return len(rows) - len(kept)
