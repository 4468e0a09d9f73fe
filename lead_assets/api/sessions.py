"""Who is signed in to the page: a random value in a cookie, of which the hash is stored beside its token's name.

The value is also what form tokens are made of: a page elsewhere can send the cookie along, but cannot read it.
"""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie

from starlette.responses import Response

from lead_assets.api.tokens import hash_token

COOKIE = "lead_assets_session"
LIFETIME = timedelta(days=30)
_MAX_CHARACTERS = 100


def new_session() -> str:
    """A value for the cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def session_in(cookie_header: str) -> str | None:
    """The session in a ``Cookie`` header; None where there is none that could be ours."""
    try:
        morsel = SimpleCookie(cookie_header).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel and 20 <= len(morsel.value) <= _MAX_CHARACTERS and morsel.value.isascii() else None


def hash_session(session: str) -> str:
    """What is stored of a session."""
    return hash_token(session.encode())


def form_token(session: str) -> str:
    """What each form of this session has in a hidden field."""
    return hmac.new(session.encode(), b"lead_assets form", hashlib.sha256).hexdigest()


def is_form_token(session: str | None, given: str) -> bool:
    """Whether a form was made for this session."""
    return session is not None and hmac.compare_digest(form_token(session).encode(), given.encode())


def expiry() -> datetime:
    """When a session that begins now ends."""
    return datetime.now(UTC) + LIFETIME


def remember(response: Response, session: str) -> None:
    """Put the session into the browser's cookie.

    Lax: a link in an alert leads to the page without signing in again; forms of other pages are refused all the same.
    """
    age = int(LIFETIME.total_seconds())
    response.set_cookie(COOKIE, session, max_age=age, httponly=True, samesite="lax", path="/")


def forget(response: Response) -> None:
    """Take the cookie away."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", path="/")
