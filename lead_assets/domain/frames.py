"""Frames between steps, whose columns are declared in ``columns``.

A frame may have a part of them. Numbers are float64 in memory, NaN where unknown, so that gates can compare them; what
is declared as an integer leaves as one (``to_rows``). Unknown texts are None, unknown times NaT, unknown flags NA.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lead_assets.domain.columns import COLUMNS, DOCUMENT_COLUMNS, Kind
from lead_assets.domain.document import Document, own_text_of

_DTYPES: Mapping[Kind, str] = {"integer": "float64", "number": "float64", "flag": "boolean"}


def to_frame(documents: Sequence[Document]) -> pd.DataFrame:
    """Documents as a frame with ``DOCUMENT_COLUMNS``; numbers are floats, NaN where unknown."""
    rows = [[getattr(document, name) for name in DOCUMENT_COLUMNS] for document in documents]
    return typed(pd.DataFrame(rows, columns=list(DOCUMENT_COLUMNS)))


def own_texts(frame: pd.DataFrame) -> list[str]:
    """For each row of a frame of documents what its author wrote."""
    return [own_text_of(*row) for row in zip(frame["kind"], frame["title"], frame["body"], strict=True)]


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with the declared types, whatever it was read from."""
    declared: dict[str, Kind] = {name: COLUMNS[name].kind for name in map(str, frame.columns) if name in COLUMNS}
    frame = frame.astype({name: dtype for name, kind in declared.items() if (dtype := _DTYPES.get(kind)) is not None})
    for name, kind in declared.items():
        if kind == "time":
            frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def to_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows with plain values: unknown is None, and what is declared as an integer is one."""
    columns = [_plain_values(str(name), frame[name]) for name in frame.columns]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain_values(name: str, column: "pd.Series[Any]") -> list[Any]:
    plain = column.tolist()
    if column.hasnans:
        plain = [None if _is_unknown(value) else value for value in plain]
    if name in COLUMNS and COLUMNS[name].kind == "integer":
        return [None if value is None else int(value) for value in plain]
    return plain


def _is_unknown(value: Any) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value))
