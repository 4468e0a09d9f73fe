"""Tokens of the HTTP API: a row per token that was ever made, with its hash. The token itself is never stored."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_into

from lead_assets.storage.schema import api_tokens


class StoredToken(NamedTuple):
    """One row; ``revoked_at`` is None while the token counts. ``kind`` is ``read``, or ``work``: it may change too."""

    name: str
    token_hash: str
    created_at: datetime
    revoked_at: datetime | None
    kind: str


def add_token(connection: sa.Connection, name: str, token_hash: str, kind: str = "work") -> bool:
    """Store a new token's hash; False where there is or was a token of this name."""
    insert = insert_into(api_tokens).values(name=name, token_hash=token_hash, kind=kind)
    return connection.execute(insert.on_conflict_do_nothing(index_elements=["name"])).rowcount == 1


def revoke_token(connection: sa.Connection, name: str) -> bool:
    """Let a token count no longer; False where none of this name counts."""
    counting = (api_tokens.c.name == name) & api_tokens.c.revoked_at.is_(None)
    return connection.execute(sa.update(api_tokens).where(counting).values(revoked_at=sa.func.now())).rowcount == 1


def read_tokens(connection: sa.Connection) -> list[StoredToken]:
    """All tokens, revoked ones too, oldest first."""
    query = sa.select(api_tokens).order_by(api_tokens.c.created_at, api_tokens.c.name)
    return [StoredToken(*row) for row in connection.execute(query)]
