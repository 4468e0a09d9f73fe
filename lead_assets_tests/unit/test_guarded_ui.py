"""The guard in front of Dagster's UI: who is let through, and that Dagster's web server starts with it."""

import sys
from typing import Any

import pytest
from dagster_webserver import cli
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from lead_assets.defs import dagster_private, guarded_dev, guarded_webserver

HOST = "127.0.0.1:3000"


async def _answer(_: Any) -> PlainTextResponse:
    return PlainTextResponse("Dagster")


async def _greet(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("Dagster")
    await socket.close()


@pytest.fixture
def client() -> TestClient:
    routes = [
        Route("/graphql", _answer, methods=["GET", "POST"]),
        Route("/runs", _answer),
        WebSocketRoute("/graphql", _greet),
    ]
    return TestClient(guarded_webserver.UiGuard(Starlette(routes=routes)), base_url=f"http://{HOST}")


OURS: list[dict[str, str]] = [
    {},
    {"origin": f"http://{HOST}"},
    {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"host": "localhost:3000"},
    {"host": "[::1]:3000"},
]
FOREIGN: list[dict[str, str]] = [
    {"host": "attacker.example"},
    {"host": "attacker.example:3000", "origin": "http://attacker.example:3000", "sec-fetch-site": "same-origin"},
    {"host": "127.0.0.1.attacker.example"},
    {"host": "127.0.0.1@attacker.example"},
    {"host": ""},
    {"origin": "http://attacker.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:8080"},
    {"origin": f"https://{HOST}"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", OURS)
def test_this_machine_and_our_own_pages_are_answered(headers: dict[str, str], client: TestClient) -> None:
    assert client.get("/runs", headers=headers).text == "Dagster"
    assert client.post("/graphql", headers=headers, json={"query": "{ version }"}).text == "Dagster"
    with client.websocket_connect(f"ws://{HOST}/graphql", headers=headers) as socket:
        assert socket.receive_text() == "Dagster"


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_pages_and_other_names_are_refused(headers: dict[str, str], client: TestClient) -> None:
    for answer in (
        client.get("/runs", headers=headers),
        client.post("/graphql", headers={**headers, "content-type": "text/plain"}, content='{"query": "mutation"}'),
    ):
        assert answer.status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"ws://{HOST}/graphql", headers=headers):
        pass


LINK = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def test_a_link_of_another_page_is_followed_and_nothing_else(client: TestClient) -> None:
    assert client.get("/runs", headers=LINK).text == "Dagster"
    for other in ({"sec-fetch-dest": "iframe"}, {"sec-fetch-mode": "no-cors"}, {"origin": "http://127.0.0.1:8080"}):
        assert client.get("/runs", headers=LINK | other).status_code == 403
    assert client.post("/graphql", headers=LINK, json={}).status_code == 403
    assert client.get("/graphql?query=mutation{x}", headers=LINK).status_code == 403


def test_graphql_in_an_address_is_refused_whoever_asks(client: TestClient) -> None:
    assert client.get("/graphql?query=mutation{x}").status_code == 403
    assert client.get("/runs?query=status").status_code == 200


def test_our_pages_are_in_no_frame_of_another(client: TestClient) -> None:
    assert "frame-ancestors" in client.get("/runs").headers["content-security-policy"]


def test_dagsters_command_starts_its_web_server_through_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(dagster_private.dev, "open_ipc_subprocess", lambda parts, **_: started.append(parts))
    monkeypatch.setattr(dagster_private._cli.cli, "main", lambda **_: None)

    guarded_dev.main()
    dagster_private.dev.open_ipc_subprocess([sys.executable, "-m", "dagster_webserver", "--port", "1"])
    dagster_private.dev.open_ipc_subprocess([sys.executable, "-m", "dagster._daemon", "run"])

    assert started[0] == [sys.executable, "-m", "lead_assets.defs.guarded_webserver", "--port", "1"]
    assert started[1][2] == "dagster._daemon"
    with pytest.raises(RuntimeError):
        guarded_dev.guarded(["dagster-webserver", "--port", "1"])


def test_the_web_servers_app_is_made_behind_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "create_app_from_workspace_process_context", lambda *_, **__: Starlette())
    monkeypatch.setattr(cli, "main", lambda: None)

    guarded_webserver.main()

    made: Any = cli.create_app_from_workspace_process_context
    assert isinstance(made(), guarded_webserver.UiGuard)
