"""Who may ask: everything but ``/health`` is refused before it is looked at, unless a rule here lets it in.

Once a token was made, every request needs one that is not revoked: revoking the last closes the API, it does not open
it. Before that, only this machine may ask, and a browser on it only for a page of our own: a name that an attacker
points at 127.0.0.1 comes with the attacker's ``Host``, another page's request with its ``Origin``.
"""

from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lead_assets.api.errors import UNTOLD, refused, told
from lead_assets.api.tokens import matches_one
from lead_assets.domain.own_pages import hostname, is_loopback, is_of_another_page
from lead_assets.storage.api_tokens import StoredToken, read_tokens
from lead_assets.storage.database import Database

OPEN_PATH = "/health"
TOKEN_PARAMETERS = frozenset({"token", "access_token", "api_key"})
HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


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
                message["headers"] += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        refusal = None if scope["path"] == OPEN_PATH else await run_in_threadpool(self._refusal, scope)
        await (refusal or self._app)(scope, receive, send_safely)

    def _refusal(self, scope: Scope) -> Response | None:
        names = {name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)}
        if names & TOKEN_PARAMETERS:
            return refused(
                400, "A token belongs in the header Authorization: an address ends up in logs; revoke this one."
            )
        try:
            with self._database.connect() as connection:
                tokens = read_tokens(connection)
        except UNTOLD as error:
            return told(error)
        headers = Headers(scope=scope)
        if tokens:
            return _without_token(headers, tokens)
        return _from_elsewhere(headers, self._beyond_loopback)


def _without_token(headers: Headers, tokens: list[StoredToken]) -> Response | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    counting = [stored.token_hash for stored in tokens if stored.revoked_at is None]
    if matches_one(token.strip().encode("latin-1"), counting) and scheme.lower() == "bearer":
        return None
    return refused(401, "This needs a token that is not revoked, as Authorization: Bearer TOKEN.")


def _from_elsewhere(headers: Headers, beyond_loopback: bool) -> Response | None:
    if beyond_loopback:
        return refused(401, "There is no token yet, and other machines reach this; run `lead-assets tokens new NAME`.")
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_loopback(hostname(hosts[0])):
        return refused(403, "Without a token only this machine may ask, as 127.0.0.1 or localhost.")
    if is_of_another_page(hosts, headers.getlist("origin"), headers.getlist("sec-fetch-site")):
        return refused(403, "Without a token a web page may not ask.")
    return None
