"""Who may ask: everything but ``/health`` is refused before it is looked at, unless a rule here lets it in.

Once a token was made, every request needs one that is not revoked: revoking the last closes the API, it does not open
it. Before that, only this machine may ask, and a browser on it only for a page of our own: a name that an attacker
points at 127.0.0.1 comes with the attacker's ``Host``, another page's request with its ``Origin``.

The page has the same rules. Its cookie counts for its own paths only, and what changes something must come from the
page itself. A token of the kind ``read`` changes nothing.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lead_assets.api.errors import UNTOLD, refused, told
from lead_assets.api.sessions import hash_session, session_in
from lead_assets.api.tokens import find_token
from lead_assets.domain.own_pages import hostname, is_loopback, is_of_another_page
from lead_assets.storage.api_tokens import StoredToken, read_tokens
from lead_assets.storage.database import Database
from lead_assets.storage.page_sessions import read_session

OPEN_PATH = "/health"
SIGN_IN = "/sign-in"
STATIC = "/static/"
TOKEN_PARAMETERS = frozenset({"token", "access_token", "api_key"})
HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ, WORK = "read", "work"
_IDENTITY = "lead_assets.identity"


@dataclass(frozen=True)
class Identity:
    """Who asks, as events name them, and whether they may change something."""

    actor: str
    may_work: bool


LOCAL = Identity("local", may_work=True)
"""Whoever sits at this machine, before a token was made."""


def identity_of(connection: HTTPConnection) -> Identity:
    """Who asks, as the guard has found."""
    return connection.scope[_IDENTITY]


def is_of_page(path: str) -> bool:
    """Whether ``path`` is one of the page's, for people with a browser."""
    return path in ("/", SIGN_IN, "/sign-out") or path.startswith("/c/")


class Guard:
    """Middleware in front of everything."""

    def __init__(self, app: ASGIApp, *, database: Database, beyond_loopback: bool) -> None:
        """``beyond_loopback``: whether other machines reach us."""
        self._app = app
        self._database = database
        self._beyond_loopback = beyond_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] += [header for header in added if header[0] not in there]
            await send(message)

        found = LOCAL if scope["path"] == OPEN_PATH else await run_in_threadpool(self._admit, scope)
        if isinstance(found, Identity):
            scope[_IDENTITY] = found
            await self._app(scope, receive, send_safely)
        else:
            await found(scope, receive, send_safely)

    def _admit(self, scope: Scope) -> Identity | Response:
        names = {name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)}
        if names & TOKEN_PARAMETERS:
            return refused(
                400, "A token belongs in the header Authorization: an address ends up in logs. Revoke this one."
            )
        headers = Headers(scope=scope)
        try:
            with self._database.connect() as connection:
                tokens = read_tokens(connection)
                session = session_in(headers.get("cookie", "")) if tokens and is_of_page(scope["path"]) else None
                signed_in = read_session(connection, hash_session(session)) if session else None
        except UNTOLD as error:
            return told(error)
        if not tokens:
            return _from_elsewhere(scope, headers, self._beyond_loopback) or LOCAL
        token = _bearer(headers, tokens)
        if token is None and is_of_page(scope["path"]):
            if (refusal := _from_another_page(scope, headers)) is not None:
                return refusal
            token = signed_in
        if token is None:
            return _stranger(scope)
        if token.kind != WORK and scope["method"] not in SAFE_METHODS and scope["path"] not in (SIGN_IN, "/sign-out"):
            return refused(403, f"The token {token.name} may only read. This needs one of the kind work.")
        return Identity(token.name, token.kind == WORK)


def _bearer(headers: Headers, tokens: list[StoredToken]) -> StoredToken | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = find_token(token.strip().encode("latin-1"), tokens)
    return found if scheme.lower() == "bearer" else None


def _stranger(scope: Scope) -> Identity | Response:
    """What somebody without a token gets: the page's sign-in, or a refusal."""
    path = scope["path"]
    if path == SIGN_IN or path.startswith(STATIC):
        return Identity("nobody", may_work=False)
    if is_of_page(path) and scope["method"] in SAFE_METHODS:
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(f"{SIGN_IN}?next={quote(f'{path}?{query}' if query else path, safe='/')}", 303)
    return refused(401, "This needs a token that is not revoked, as Authorization: Bearer TOKEN.")


def _from_another_page(scope: Scope, headers: Headers) -> Response | None:
    """The refusal of a change that another web page asks for with our cookie.

    A browser says where a form comes from. The scheme is not compared: a server with TLS may stand in front of us.
    """
    if scope["method"] in SAFE_METHODS:
        return None
    origin, hosts = headers.get("origin"), headers.getlist("host")
    ours = headers.get("sec-fetch-site", "same-origin") in ("none", "same-origin")
    if not ours or (origin is not None and (len(hosts) != 1 or _netloc(origin) != hosts[0].lower())):
        return refused(403, "Another web page may not change anything here.")
    return None


def _from_elsewhere(scope: Scope, headers: Headers, beyond_loopback: bool) -> Response | None:
    if beyond_loopback:
        return refused(401, "There is no token yet, and other machines reach this. Run `lead-assets tokens new NAME`.")
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_loopback(hostname(hosts[0])):
        return refused(403, "Without a token only this machine may ask, as 127.0.0.1 or localhost.")
    if _follows_a_link(scope, headers):
        return None
    if is_of_another_page(hosts, headers.getlist("origin"), headers.getlist("sec-fetch-site")):
        return refused(403, "Without a token a web page may not ask.")
    return None


def _follows_a_link(scope: Scope, headers: Headers) -> bool:
    """Whether a person has followed a link, such as an alert's, to a page: it is shown to nobody but that person."""
    navigates = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return navigates and is_of_page(scope["path"]) and scope["method"] == "GET" and "origin" not in headers


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
