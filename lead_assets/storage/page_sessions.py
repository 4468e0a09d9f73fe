"""Sessions of the page. One counts until it expires, is ended, or its token is revoked."""

from datetime import datetime

import sqlalchemy as sa

from lead_assets.storage.api_tokens import StoredToken
from lead_assets.storage.schema import api_tokens, page_sessions


def add_session(connection: sa.Connection, session_hash: str, token_name: str, expires_at: datetime) -> None:
    """Store a session, and forget those that have expired."""
    connection.execute(sa.delete(page_sessions).where(page_sessions.c.expires_at < sa.func.now()))
    row = {"session_hash": session_hash, "token_name": token_name, "expires_at": expires_at}
    connection.execute(sa.insert(page_sessions).values(row))


def read_session(connection: sa.Connection, session_hash: str) -> StoredToken | None:
    """The token that a session was begun with; None where the session or the token does not count."""
    query = (
        sa.select(api_tokens)
        .join(page_sessions, page_sessions.c.token_name == api_tokens.c.name)
        .where(
            page_sessions.c.session_hash == session_hash,
            page_sessions.c.expires_at > sa.func.now(),
            api_tokens.c.revoked_at.is_(None),
        )
    )
    row = connection.execute(query).one_or_none()
    return StoredToken(*row) if row else None


def end_session(connection: sa.Connection, session_hash: str) -> None:
    """Let a session count no longer."""
    connection.execute(sa.delete(page_sessions).where(page_sessions.c.session_hash == session_hash))
