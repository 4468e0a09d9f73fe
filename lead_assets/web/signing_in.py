"""Signing in with a token of the API, and out again."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from lead_assets.api.sessions import expiry, forget, hash_session, new_session, remember, session_in
from lead_assets.api.tokens import find_token
from lead_assets.storage.api_tokens import read_tokens
from lead_assets.storage.page_sessions import add_session, end_session
from lead_assets.web.rendering import OurForm, PageRoute, Visiting

signing_in = APIRouter(route_class=PageRoute)


@signing_in.get("/sign-in")
def show(visit: Visiting, next: str = Query(default="/", max_length=2_000)) -> Response:  # noqa: A002
    """The form for a token; what it leads to comes from the address."""
    return visit.render("sign_in.html", wanted=_own_path(next), wrong=False)


@signing_in.post("/sign-in")
def sign_in(visit: Visiting, form: OurForm) -> Response:
    """Begin a session with a token that counts."""
    with visit.services.database.engine.begin() as connection:
        token = find_token(form.get("token").encode(), read_tokens(connection))
        if token is None:
            return visit.render("sign_in.html", 403, wanted=_own_path(form.get("next")), wrong=True)
        session = new_session()  # another than before: nobody can have put it there
        add_session(connection, hash_session(session), token.name, expiry())
    response = RedirectResponse(_own_path(form.get("next")), 303)
    remember(response, session)
    return response


@signing_in.post("/sign-out")
def sign_out(visit: Visiting, form: OurForm) -> Response:
    """End the session."""
    session = session_in(visit.request.headers.get("cookie", ""))
    if session:
        with visit.services.database.engine.begin() as connection:
            end_session(connection, hash_session(session))
    response = RedirectResponse("/sign-in", 303)
    forget(response)
    return response


def _own_path(wanted: str) -> str:
    """A page of ours that ``wanted`` names, else the first one: nobody is sent elsewhere after signing in."""
    parts = urlsplit(wanted)
    path = parts.path
    if parts.scheme or parts.netloc or "\\" in wanted or not (path == "/" or path.startswith("/c/")):
        return "/"
    return f"{path}?{parts.query}" if parts.query else path
