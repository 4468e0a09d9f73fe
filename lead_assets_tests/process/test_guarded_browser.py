"""A real browser on another page cannot reach what is behind the guard; on our own page it can."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from lead_assets.defs.guarded_webserver import UiGuard

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

TRY_ALL = """async (target) => {
    const web = new WebSocket(target.replace('http', 'ws') + '/graphql', 'graphql-ws');
    const opened = new Promise(done => { web.onopen = () => done('open'); web.onerror = () => done('refused'); });
    const picture = new Promise(done => {
        const image = new Image();
        image.onload = image.onerror = () => done('tried');
        image.src = target + '/graphql?query=mutation{launch}';
    });
    const plain = {method: 'POST', headers: {'content-type': 'text/plain'}, body: '{"query": "mutation"}'};
    await fetch(target + '/graphql', {mode: 'no-cors', ...plain}).catch(() => null);
    const read = await fetch(target + '/graphql', plain).then(answer => answer.text()).catch(() => 'unreadable');
    await picture;
    return [await opened, read];
}"""


@contextmanager
def served(app: Any) -> Iterator[str]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def test_only_our_own_page_reaches_what_is_guarded() -> None:
    reached: list[str] = []

    async def graphql(request: Request) -> PlainTextResponse:
        reached.append(request.method)
        return PlainTextResponse("answered")

    async def web(socket: WebSocket) -> None:
        reached.append("websocket")
        await socket.accept("graphql-ws")
        await socket.close()

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse("<p>page</p>")

    ui = Starlette(
        routes=[Route("/", page), Route("/graphql", graphql, methods=["GET", "POST"]), WebSocketRoute("/graphql", web)]
    )
    foreign = Starlette(routes=[Route("/", page)])
    with served(UiGuard(ui)) as ours, served(foreign) as other, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            tab = browser.new_page()
            for elsewhere in (other, other.replace("127.0.0.1", "localhost")):
                tab.goto(elsewhere)
                assert tab.evaluate(TRY_ALL, ours) == ["refused", "unreadable"]
            assert reached == []

            tab.goto(ours)
            assert tab.evaluate(TRY_ALL, ours) == ["open", "answered"]
        finally:
            browser.close()
    assert sorted(reached) == ["POST", "POST", "websocket"]
