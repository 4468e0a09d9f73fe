"""Dagster's web server with a guard in front of everything, web sockets too."""

import socket
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lead_assets.defs.dagster_private import serve_web_server
from lead_assets.domain.own_pages import hostname, is_address, is_loopback, is_of_another_page

_REFUSED = 1008
"""The code by which a web socket is closed for a reason of policy (RFC 6455, 7.4.1)."""
_HEADERS = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "frame-ancestors 'self'",
}


class UiGuard:
    """Lets through what this machine's own programs and Dagster's own pages ask."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif (why := refusal(scope)) is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _REFUSED, "reason": why})
        else:
            await PlainTextResponse(why, 403)(scope, receive, send)


def refusal(scope: Scope) -> str | None:
    """Why a request is refused; None where it is let through."""
    headers = Headers(scope=scope)
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not _is_our_name(hostname(hosts[0])):
        return "Ask for Dagster by 127.0.0.1, localhost, or this machine's address."
    if not _follows_a_link(scope, headers) and is_of_another_page(
        hosts, headers.getlist("origin"), headers.getlist("sec-fetch-site")
    ):
        return "Another web page may not use Dagster. Type its address into the browser."
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and any(name == "query" for name, _ in query):
        # Browsers that do not say where a request comes from send such a one for any page's picture.
        return "Send GraphQL by POST." if scope["path"].rstrip("/").endswith("/graphql") else None
    return None


def _follows_a_link(scope: Scope, headers: Headers) -> bool:
    """Whether a person has followed a link, such as one of the inbox page, which listens on another port."""
    navigates = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return navigates and scope["type"] == "http" and scope["method"] == "GET" and "origin" not in headers


def _is_our_name(host: str) -> bool:
    return is_loopback(host) or is_address(host) or host.lower() in (socket.gethostname().lower(), socket.getfqdn())


def _with_headers(send: Send) -> Send:
    async def send_with(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in _HEADERS.items())]
        await send(message)

    return send_with


def main() -> None:
    """Serve Dagster's UI as its own command does, behind the guard."""
    serve_web_server(UiGuard)


if __name__ == "__main__":
    main()
