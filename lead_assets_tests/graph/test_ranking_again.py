"""Ranking again: what came to the same is not written, and what did not, is."""

from typing import Any

import pytest

from lead_assets.pipeline import ranking
from lead_assets_tests.conftest import World, checks, metadata, post

RANK = ("ranked_candidates",)
ASK = "Can anyone recommend a good CRM for my small business?"
WRITTEN = "SELECT reddit_id, run_id, ranked_at, xmin::text AS written_by FROM lead_assets.candidates ORDER BY 1"
REJECTED = "SELECT reddit_id, gate, threshold, rejected_at, xmin::text AS written_by FROM lead_assets.rejections"


@pytest.fixture
def ranked(world: World) -> World:
    """A campaign with a kept document and one that the cosine gate rejects."""
    world.archive(post(ASK), post("My crm of a cat sleeps all day", "Cats are lovely."))
    world.run(world.campaign(settings={"COSINE_THRESHOLD": 0.45}))
    assert [row["gate"] for row in world.rows(REJECTED)] == ["cosine_similarity"]
    return world


def again(world: World, **config: Any) -> dict[str, Any]:
    """The metadata of a ranking whose checks hold."""
    result = world.run(only=RANK, config=config)
    assert all(check.passed for check in checks(result).values())
    return metadata(result, "ranked_candidates")


def test_a_ranking_that_comes_to_the_same_writes_nothing(ranked: World) -> None:
    before = (ranked.rows(WRITTEN), ranked.rows(REJECTED))
    told = again(ranked)
    assert (told["ranked"], told["changed"], told["rejected_cosine_similarity"]) == (2, 0, 1)
    assert (ranked.rows(WRITTEN), ranked.rows(REJECTED)) == before


def test_what_is_written_in_parts_is_what_is_written_at_once(ranked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ranked.archive(*[post(f"Which CRM is good for {name}?") for name in ("a plumber", "my choir", "us two")])
    ranked.run()
    stored = "SELECT reddit_id, outcome, kept, lead_probability, lead_parts FROM lead_assets.candidates ORDER BY 1"
    rejected = "SELECT reddit_id, gate, observed, threshold FROM lead_assets.rejections"
    at_once = (ranked.rows(stored), ranked.rows(rejected))
    ranked.execute("DELETE FROM lead_assets.candidates")
    ranked.execute("DELETE FROM lead_assets.rejections")

    monkeypatch.setattr(ranking, "WRITTEN_AT_ONCE", 2)

    assert again(ranked)["changed"] == 5
    assert (ranked.rows(stored), ranked.rows(rejected)) == at_once


def test_a_new_document_is_written_alone(ranked: World) -> None:
    before = ranked.rows(WRITTEN)
    ranked.archive(post("Which CRM is good for a plumber?"))
    told = metadata(ranked.run(), "ranked_candidates")
    assert (told["ranked"], told["changed"]) == (3, 1)
    assert [row for row in ranked.rows(WRITTEN) if row in before] == before


def test_another_threshold_is_written_into_the_rejection_that_it_does_not_undo(ranked: World) -> None:
    kept = ranked.rows(
        f"SELECT * FROM ({WRITTEN}) w WHERE reddit_id NOT IN (SELECT reddit_id FROM lead_assets.rejections)"
    )
    assert again(ranked, COSINE_THRESHOLD=0.46)["changed"] == 1
    assert [row["threshold"] for row in ranked.rows(REJECTED)] == [0.46]
    assert [row for row in ranked.rows(WRITTEN) if row in kept] == kept


def test_a_threshold_that_lets_a_document_pass_takes_its_rejection_away(ranked: World) -> None:
    assert again(ranked, COSINE_THRESHOLD=-1.0)["changed"] == 1
    assert ranked.rows(REJECTED) == []


def test_a_threshold_that_a_crawl_has_written_otherwise_is_mended(ranked: World) -> None:
    ranked.execute("UPDATE lead_assets.rejections SET threshold = 0.9")
    assert again(ranked)["changed"] == 1
    assert [row["threshold"] for row in ranked.rows(REJECTED)] == [0.45]


def test_a_rejection_that_was_lost_is_written_again(ranked: World) -> None:
    ranked.execute("DELETE FROM lead_assets.rejections")
    assert again(ranked)["changed"] == 1
    assert [row["gate"] for row in ranked.rows(REJECTED)] == ["cosine_similarity"]


def test_a_rejection_that_should_not_be_there_goes(ranked: World) -> None:
    ranked.execute(
        "UPDATE lead_assets.rejections SET reddit_id = "
        "(SELECT reddit_id FROM lead_assets.candidates WHERE kept) WHERE gate = 'cosine_similarity'"
    )
    assert again(ranked)["changed"] == 2
    ((rejected, gate),) = [(row["reddit_id"], row["gate"]) for row in ranked.rows(REJECTED)]
    assert gate == "cosine_similarity"
    assert ranked.value(f"SELECT kept FROM lead_assets.candidates WHERE reddit_id = '{rejected}'") is False


def test_other_weights_write_all(ranked: World) -> None:
    assert again(ranked, WEIGHT_COSINE=0.6, WEIGHT_LEXICAL=0.2, WEIGHT_INTENT=0.1, WEIGHT_PRODUCT=0.1)["changed"] == 2
