"""What queries share: rows as dicts where they are few, as a frame where a step computes with them; a common column."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from lead_assets.storage.schema import documents

if TYPE_CHECKING:
    import pandas as pd

own_title = sa.case((documents.c.kind == "comment", ""), else_=documents.c.title).label("title")
"""The title that a document's author wrote: a comment's title is its post's, and only its context."""


def read_rows(connection: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """A query's rows; unknown is None."""
    return [dict(row) for row in connection.execute(query).mappings()]


def read_frame(
    connection: sa.Connection, query: sa.Select[Any], parameters: dict[str, Any] | None = None
) -> "pd.DataFrame":
    """A query's rows as a frame; columns as the query names them."""
    # Here, because a command that shows a few rows would pay half of its time for this import.
    import pandas as pd

    result = connection.execute(query, parameters)
    names = list(result.keys())
    # By columns: pandas would first make a tuple of each row, and an array of all values.
    return pd.DataFrame(dict(zip(names, zip(*result.fetchall(), strict=True), strict=False)), columns=names)
