"""A body that does not arrive whole is no body; and what takes long keeps nobody else."""

import asyncio
import threading
from typing import Any

import pytest

from lead_assets.api import health
from lead_assets.api.limits import BodyLimit
from lead_assets.api.models import Health
from lead_assets.config.environment import Environment
from lead_assets.storage.database import Database


def asked(messages: list[dict[str, Any]]) -> list[str]:
    """What came of a request with these messages: the body that the application saw, and the statuses sent."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(f"body {(await receive())['body'].decode()}")

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.append(f"status {message['status']}")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(BodyLimit(app)(scope, receive, send))
    return seen


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


def test_a_body_in_parts_arrives_whole() -> None:
    assert asked([part(b'{"a":', more=True), part(b"1}", more=False)]) == ['body {"a":1}']


@pytest.mark.parametrize("before", [[], [part(b"", more=True)], [part(b'{"settings":', more=True)]])
def test_nothing_is_done_for_somebody_who_goes_away_before_the_end(before: list[dict[str, Any]]) -> None:
    assert asked([*before, GONE]) == []


def test_a_body_that_is_too_large_is_refused_while_it_comes() -> None:
    assert asked([part(b"x" * 40_000, more=True), part(b"x" * 40_000, more=True)]) == ["status 413"]


def test_health_waits_for_nobody_s_long_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.01)
    database = Database("postgresql://nobody@127.0.0.1:9/none")
    checks = health.HealthChecks(Environment.read({}), database)
    asking, answered = threading.Event(), threading.Event()
    found = health.UNKNOWN.model_copy(update={"postgres": "ok"})

    def long_question() -> Health:
        asking.set()
        assert answered.wait(60)
        return found

    monkeypatch.setattr(checks, "_ask", long_question)
    first = threading.Thread(target=checks.read)
    first.start()
    try:
        assert asking.wait(60)
        assert checks.read() == health.UNKNOWN
    finally:
        answered.set()
        first.join()
        checks.close()
        database.close()
    assert checks.read() == found
