"""How much one request may send: nothing here needs more than a few settings."""

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lead_assets.api.errors import refused

MAX_BODY_BYTES = 64 * 1024


class BodyLimit:
    """Middleware that reads a body to its end, or refuses it. Whoever sends it has been let in already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await _body(scope, receive)
        except ClientDisconnect:
            return  # half a body is no body: nothing is done for somebody who did not finish asking
        if body is None:
            too_large = refused(413, f"A request's body has at most {MAX_BODY_BYTES // 1024} kB.")
            await too_large(scope, receive, send)
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None where it is too large, whatever its header promises.

    Raises:
        ClientDisconnect: who sends it went away before its end.
    """
    promised = Headers(scope=scope).get("content-length", "")
    if promised.isdecimal() and int(promised[:20]) > MAX_BODY_BYTES:
        return None
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            return None
    return body
