"""Reddit's stand-in for tests of the whole graph, and the environment that leads to it."""

from collections.abc import Iterator

import pytest

from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer


@pytest.fixture
def corpus() -> Corpus:
    return Corpus()


@pytest.fixture
def reddit(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedditServer]:
    with RedditServer(corpus) as server:
        monkeypatch.setenv("REDDIT_URL", server.url)
        monkeypatch.setenv("REDDIT_CLIENT_ID", server.client_id)
        monkeypatch.setenv("REDDIT_CLIENT_SECRET", server.client_secret)
        monkeypatch.setenv("REDDIT_USER_AGENT", "linux:lead.assets.tests:v1 (by /u/nobody)")
        monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
        yield server
