"""Bulk writes: whatever a text holds arrives as it was, and a repeated write changes nothing."""

import threading

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lead_assets.domain.errors import EmbeddingFailed
from lead_assets.storage import vectors
from lead_assets.storage.bulk import update_existing, upsert
from lead_assets.storage.database import Database
from lead_assets.storage.schema import extractions, rejections, stage_runs

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


def rejection(reddit_id: str = "t3_a", **other: object) -> dict[str, object]:
    row = {
        "campaign_id": "crm",
        "reddit_id": reddit_id,
        "stage": "crawl",
        "gate": "nsfw",
        "setting": "REDDIT_SKIP_NSFW",
        "observed": 1.0,
        "threshold": 1.0,
        "observed_values": {},
        "kind": "post",
        "source": "archive",
        "subreddit": "x",
        "author": None,
        "title": "",
        "url": "",
        "posted_at": None,
        "run_id": "r",
    }
    return row | other


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=text, author=st.none() | text, values=st.dictionaries(text, st.none() | st.integers(-9, 9), max_size=3))
def test_any_text_comes_back_as_it_went(
    database: Database, title: str, author: str | None, values: dict[str, int | None]
) -> None:
    with database.connect() as connection, connection.begin() as transaction:
        upsert(connection, rejections, [rejection(title=title, author=author, observed_values=values)])
        row = connection.execute(sa.select(rejections)).one()
        assert (row.title, row.author, row.observed_values) == (title, author, values)
        transaction.rollback()


@pytest.mark.parametrize("title", [r"\N", "\\", "a\tb", "a\nb\r\n", r"\.", '"', "{}", "'; DROP TABLE x; --"])
def test_text_that_looks_like_the_protocol_is_text(database: Database, title: str) -> None:
    with database.connect() as connection, connection.begin():
        upsert(connection, rejections, [rejection(title=title)])
        assert connection.scalar(sa.select(rejections.c.title)) == title


def test_a_second_write_updates_only_what_it_names(database: Database) -> None:
    with database.connect() as connection, connection.begin():
        upsert(connection, rejections, [rejection(title="first", gate="nsfw")])
        upsert(connection, rejections, [rejection(title="second", gate="post_age")], update=["title"])
        assert connection.execute(sa.select(rejections.c.title, rejections.c.gate)).one() == ("second", "nsfw")
        upsert(connection, rejections, [rejection(title="third")], update=())
        assert connection.scalar(sa.select(rejections.c.title)) == "second"


def test_updating_passes_over_what_is_not_there(database: Database) -> None:
    with database.connect() as connection, connection.begin():
        upsert(connection, stage_runs, [{"campaign_id": "a", "asset": "x", "run_id": "1", "counts": {}}])
        rows = [{"campaign_id": name, "asset": "x", "run_id": "2", "counts": {}} for name in ("a", "b")]
        assert update_existing(connection, stage_runs, rows) == 1
        assert connection.execute(sa.select(stage_runs.c.campaign_id, stage_runs.c.run_id)).all() == [("a", "2")]


def test_nothing_is_written_when_one_row_is_refused(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.connect() as connection, connection.begin():
        upsert(connection, rejections, [rejection("t3_a"), rejection("t3_b", gate=None)])
    with database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(rejections)) == 0


def test_vectors_come_back_as_they_went(database: Database) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(50, 384)).astype(np.float32)
    hashes = [f"h{number}" for number in range(50)]
    with database.connect() as connection, connection.begin():
        vectors.write_vectors(connection, "model", hashes, matrix, 384)
        found = vectors.read_vectors(connection, "model", [*hashes, "unknown"])
    assert set(found) == set(hashes)
    assert np.array_equal(np.stack([found[name] for name in hashes]), matrix)


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.zeros((2, 3)), "shape"),
        (np.full((1, 3), np.nan), "not numbers"),
        (np.full((1, 3), np.inf), "not numbers"),
    ],
)
def test_wrong_vectors_are_refused(database: Database, matrix: np.ndarray, sentence: str) -> None:
    with database.connect() as connection, connection.begin(), pytest.raises(EmbeddingFailed, match=sentence):
        vectors.write_vectors(connection, "model", ["a"], matrix.astype(np.float32), 3)


def test_a_model_keeps_its_dimension(database: Database) -> None:
    with database.connect() as connection, connection.begin():
        vectors.write_vectors(connection, "model", ["a"], np.ones((1, 3), np.float32), 3)
        vectors.write_vectors(connection, "other", ["a"], np.ones((1, 4), np.float32), 4)
        with pytest.raises(EmbeddingFailed, match="stored vectors have 3"):
            vectors.write_vectors(connection, "model", ["b"], np.ones((1, 4), np.float32), 4)


def test_extractions_are_keyed_by_their_request() -> None:
    assert [column.name for column in extractions.primary_key] == ["campaign_id", "reddit_id", "request_key"]


def test_campaigns_that_store_the_same_vectors_at_once_do_not_deadlock(database: Database) -> None:
    hashes = [f"h{number:03}" for number in range(200)]
    matrix = np.ones((200, 3), np.float32)
    failures: list[Exception] = []

    def write(order: list[str]) -> None:
        try:
            for round_ in range(10):
                with database.connect() as connection, connection.begin():
                    vectors.write_vectors(connection, f"model{round_}", order, matrix, 3)
        except sa.exc.DBAPIError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(order,)) for order in (hashes, hashes[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
