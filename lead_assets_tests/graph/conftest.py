"""The stand-ins of Reddit and Arctic Shift for tests of the whole graph, and the environment that leads to them."""

from collections.abc import Iterator

import pytest

from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer


@pytest.fixture
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture
def reddit(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedditServer]:
    with RedditServer(corpus) as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
        yield server


@pytest.fixture
def arctic(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArcticShiftServer]:
    with ArcticShiftServer() as server:
        monkeypatch.setenv("ARCTIC_SHIFT_URL", server.url)
        monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
        yield server
