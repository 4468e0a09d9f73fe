"""Plain values as Dagster's metadata."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from lead_assets.domain.plain_text import printable

MAX_TABLE_ROWS = 50


def as_metadata(value: Any) -> Any:
    """Rows become a table, a path leads to its file, a web address is a link; all else is as Dagster takes it."""
    if isinstance(value, list):
        return table(value)
    if isinstance(value, Path):
        return dg.MetadataValue.path(str(value))
    if isinstance(value, str):
        return printable(value)
    return dg.MetadataValue.json(dict(value)) if isinstance(value, Mapping) else value


def table(records: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """``records`` as a metadata table, cut at ``MAX_TABLE_ROWS``; all have the same keys."""
    rows = [{key: _cell(value) for key, value in record.items()} for record in records[:MAX_TABLE_ROWS]]
    if not rows:
        return dg.MetadataValue.text("none")
    columns = [dg.TableColumn(name, _column_type(rows, name)) for name in rows[0]]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return value if value is None or isinstance(value, int | bool) else printable(str(value))


def _column_type(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    types = {type(row[name]) for row in rows if row[name] is not None}
    return "float" if types and types <= {int, float} else "string"
