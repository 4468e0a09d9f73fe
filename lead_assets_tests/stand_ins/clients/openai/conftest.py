"""A stand-in of OpenAI for each test, and retries that do not wait."""

from collections.abc import Iterator

import pytest

from lead_assets.models.openai import endpoint
from lead_assets_tests.stand_ins.openai_server import StandIn


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as started:
        yield started
