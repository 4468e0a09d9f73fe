"""Leads as records for other programs: JSON lines, and CSV that no spreadsheet takes for formulas."""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

from lead_assets.domain.document import short_url
from lead_assets.domain.plain_text import printable
from lead_assets.storage.rejection_csv import safe_cell

Record = Mapping[str, Any]

EXTRACTED_COLUMNS = (
    *("intent", "urgency", "budget", "pain_point", "summary", "confidence", "extractor"),
    *("evidence", "contact"),
)
"""What was extracted, in columns of their own in CSV files."""


def flat_lead(row: Record) -> dict[str, Any]:
    """A lead for a spreadsheet: what was extracted in columns of its own."""
    data = row["extracted_data"]
    flat = {name: value for name, value in row.items() if name != "extracted_data"}
    flat["matched_keywords"] = "; ".join(row["matched_keywords"])
    flat["other_places"] = listed_places(row)
    extracted = {name: data[name] for name in EXTRACTED_COLUMNS}
    return flat | {name: " | ".join(value) if isinstance(value, list) else value for name, value in extracted.items()}


def flat_candidate(row: Record) -> dict[str, Any]:
    """A candidate for a spreadsheet."""
    return {**row, "matched_keywords": "; ".join(row["matched_keywords"])}


def lead_columns(columns: Sequence[str]) -> list[str]:
    """The columns of ``flat_lead`` for rows with ``columns``: a file without a lead has its header too."""
    return [*(column for column in columns if column != "extracted_data"), *EXTRACTED_COLUMNS]


def listed_places(row: Record) -> str:
    """Where else a lead was posted, in one line."""
    return "; ".join(
        f"r/{place['subreddit']} {short_url(place['reddit_id'], place['url'])}" for place in row["other_places"]
    )


def write_records(file: IO[str], rows: Sequence[Record], form: str, columns: Sequence[str] = ()) -> None:
    """Write rows as JSON lines, or as CSV that no spreadsheet takes for formulas; ``columns`` where there is no row."""
    if form == "jsonl":
        file.writelines(escaped(json.dumps(row, ensure_ascii=False, default=json_value)) + "\n" for row in rows)
    else:
        writer = csv.DictWriter(file, list(rows[0]) if rows else columns)
        writer.writeheader()
        writer.writerows({name: safe_cell(_text(value)) for name, value in row.items()} for row in rows)


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def escaped(text: str) -> str:
    """JSON whose controls, directions and lone surrogates are escapes: the same values, and nothing that acts."""
    if printable(text) == text:
        return text
    return "".join(each if printable(each) else json.dumps(each)[1:-1] for each in text)


def json_value(value: Any) -> Any:
    """What JSON does not know, as text."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
