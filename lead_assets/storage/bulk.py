"""Bulk writes: COPY into a temporary table, then one statement that merges it."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
_NULL = r"\N"


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Row],
    *,
    update: Iterable[str] | None = None,
    touch: str | None = None,
) -> int:
    """Insert ``rows`` into ``table`` or update the ones whose key is there.

    ``rows`` all have the same columns and different keys. ``update`` names the columns that a conflict overwrites
    (default: all that are not in the key), ``touch`` a time column to set to now. Returns the number of rows written.
    """
    if not rows:
        return 0
    columns = list(rows[0])
    keys = [column.name for column in table.primary_key]
    changed = [name for name in (columns if update is None else update) if name not in keys]
    assignments = [f"{_quoted(name)} = EXCLUDED.{_quoted(name)}" for name in changed]
    assignments += [f"{_quoted(touch)} = now()"] if touch else []
    action = f"DO UPDATE SET {', '.join(assignments)}" if assignments else "DO NOTHING"
    stage = copy_to_stage(connection, table, columns, rows)
    names = ", ".join(map(_quoted, columns))
    result = connection.exec_driver_sql(
        f"INSERT INTO {table.fullname} ({names}) SELECT {names} FROM {stage} "  # noqa: S608  names from schema.py only
        f"ON CONFLICT ({', '.join(keys)}) {action}"
    )
    connection.exec_driver_sql(f"DROP TABLE {stage}")
    return result.rowcount


def update_existing(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row], *, touch: str | None = None
) -> int:
    """Update the rows of ``table`` that have the keys of ``rows``; keys that are not there are passed over."""
    if not rows:
        return 0
    columns = list(rows[0])
    keys = [column.name for column in table.primary_key]
    stage = copy_to_stage(connection, table, columns, rows)
    assignments = [f"{_quoted(name)} = {stage}.{_quoted(name)}" for name in columns if name not in keys]
    assignments += [f"{_quoted(touch)} = now()"] if touch else []
    matching = " AND ".join(f"{table.fullname}.{key} = {stage}.{key}" for key in keys)
    result = connection.exec_driver_sql(
        f"UPDATE {table.fullname} SET {', '.join(assignments)} FROM {stage} WHERE {matching}"  # noqa: S608
    )
    connection.exec_driver_sql(f"DROP TABLE {stage}")
    return result.rowcount


def copy_to_stage(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Row]) -> str:
    """COPY ``rows`` into a new temporary table with ``columns`` of ``table``; returns its name."""
    stage = f"stage_{table.name}"
    names = ", ".join(map(_quoted, columns))
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {stage} ON COMMIT DROP AS SELECT {names} FROM {table.fullname} WITH NO DATA"  # noqa: S608
    )
    lines = io.StringIO()
    for row in rows:
        lines.write("\t".join(_field(row[name]) for name in columns))
        lines.write("\n")
    lines.seek(0)
    cursor: Any = connection.connection.cursor()  # psycopg2's, which alone can COPY
    with cursor:
        cursor.copy_expert(f"COPY {stage} ({names}) FROM STDIN", lines)
    return stage


def _quoted(name: str) -> str:
    return f'"{name}"'


def _field(value: Any) -> str:
    """``value`` in COPY's text format."""
    # What is common comes first: this is asked of every value.
    if value is None:
        return _NULL
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, float):
        return _NULL if value != value else str(value)
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy's, which is imported where somebody made it
        value = value.tolist()
        if isinstance(value, list):
            return "[" + ",".join([f"{number:.9g}" for number in value]) + "]"
    if value != value:  # NaT
        return _NULL
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _escaped(json.dumps(value, ensure_ascii=False))
    if isinstance(value, list | tuple):
        return _escaped("{" + ",".join(map(_array_element, value)) + "}")
    return str(value)


def _escaped(text: str) -> str:
    for mark, written in _ESCAPES:  # many times as fast as str.translate, whose table is asked for each character
        text = text.replace(mark, written)
    return text


def _array_element(value: str | float) -> str:
    if not isinstance(value, str):
        return repr(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
