"""Marks: what people have said of documents, as labels that a model can learn from, and as files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import sqlalchemy as sa

from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.frames import to_rows
from lead_assets.domain.inbox import MARKS, REASONS
from lead_assets.storage.lead_events import add_events, known_documents, read_all_marks

COLUMNS = ("reddit_id", "mark", "reason", "actor", "marked_at")
MOST_ROWS = 100_000


def read_marks(connection: sa.Connection, campaign_id: str) -> pd.DataFrame:
    """A campaign's marks in force, oldest first: ``reddit_id`` (text) and ``is_lead`` (bool).

    Contacted and won leads are leads. Dismissed as "not buying", "wrong product" or "seller or spam" they are not;
    other reasons say nothing of the text, and have no row.
    """
    marks = read_all_marks(connection, campaign_id)
    return pd.DataFrame({"reddit_id": marks["reddit_id"], "is_lead": (marks["mark"] == "lead").astype(bool)})


def export_rows(connection: sa.Connection, campaign_id: str) -> list[dict[str, Any]]:
    """The marks in force as rows of a file, with ``COLUMNS``."""
    return to_rows(read_all_marks(connection, campaign_id)[list(COLUMNS)])


@dataclass
class Imported:
    """What an import did: marks written, marks that were in force already, and ids that the campaign does not hold."""

    written: int = 0
    unchanged: int = 0
    unknown: list[str] = field(default_factory=list[str])


def import_rows(
    connection: sa.Connection, campaign_id: str, rows: Sequence[Mapping[str, str | None]], *, actor: str
) -> Imported:
    """Write the marks of ``rows`` that are not in force yet. A document that the campaign does not hold is counted.

    Raises:
        InvalidInput: a row has no such mark or reason; nothing is written.
    """
    chosen: dict[str, tuple[str, str | None]] = {}
    for number, row in enumerate(rows, 1):
        reddit_id, mark, reason = row.get("reddit_id") or "", row.get("mark") or "", row.get("reason") or None
        if not reddit_id or mark not in MARKS or (reason is not None and reason not in REASONS):
            raise InvalidInput(
                f"Mark {number} ({reddit_id[:40]!r}, {mark[:40]!r}, {(reason or '')[:40]!r}) is not valid. A mark has "
                f"reddit_id, mark ({', '.join(MARKS)}) and perhaps a reason ({', '.join(REASONS)})."
            )
        chosen[reddit_id] = mark, reason
    known = known_documents(connection, campaign_id, list(chosen))
    in_force = {row["reddit_id"]: row["mark"] for row in to_rows(read_all_marks(connection, campaign_id))}
    result = Imported()
    for reddit_id, (mark, reason) in chosen.items():
        if reddit_id not in known:
            result.unknown.append(reddit_id)
        elif in_force.get(reddit_id, "none") == mark:
            result.unchanged += 1
        else:
            add_events(connection, campaign_id, [reddit_id], event="mark", value=mark, reason=reason, actor=actor)
            result.written += 1
    return result


def parse_marks(text: str, form: str) -> list[dict[str, str | None]]:
    """The rows of a file that ``export_rows`` was written to: ``form`` is csv or jsonl.

    Raises:
        InvalidInput: it is not such a file.
    """
    rows = _from_json_lines(text) if form == "jsonl" else _from_csv(text)
    if len(rows) > MOST_ROWS:
        raise InvalidInput(f"The file has {len(rows):,} marks, and at most {MOST_ROWS:,} are read at once. Divide it.")
    return rows


def _from_csv(text: str) -> list[dict[str, str | None]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if not {"reddit_id", "mark"} <= set(reader.fieldnames or ()):
        raise InvalidInput("The first line does not name the columns reddit_id and mark. Export marks to see how.")
    try:
        return [{name: row.get(name) for name in ("reddit_id", "mark", "reason")} for row in reader]
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} is not valid CSV ({error}).") from None


def _from_json_lines(text: str) -> list[dict[str, str | None]]:
    rows: list[dict[str, str | None]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InvalidInput(f"Line {number} is not a JSON object.")
        rows.append({name: _text(row.get(name)) for name in ("reddit_id", "mark", "reason")})
    return rows


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None if value is None else json.dumps(value)[:100]
