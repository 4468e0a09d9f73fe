"""What is known of a text is found out once, for all campaigns, and goes when nobody has the text any more."""

import pytest

from lead_assets.domain import candidate
from lead_assets.domain.text_features import VERSION
from lead_assets_tests.conftest import World, metadata, post

ASK = "Can anyone recommend a good CRM for my small business?"
COMPONENTS = "SELECT reddit_id, asking_cue, selling_cue, keyword_hits, fused_score, gate FROM lead_assets.candidates"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of which the features were found out."""
    titles: list[str] = []
    real = candidate.text_features

    def counting(title: str, body: str) -> object:
        titles.append(title)
        return real(title, body)

    monkeypatch.setattr(candidate, "text_features", counting)
    return titles


def test_a_text_is_read_once_whatever_is_run_again(world: World, read: list[str]) -> None:
    world.archive(post(ASK), post("I built a CRM, check it out"))
    world.run(world.campaign())
    first = world.rows(f"{COMPONENTS} ORDER BY 1")
    assert len(read) == 2

    world.run(only=("ranked_candidates",))

    assert len(read) == 2
    assert world.rows(f"{COMPONENTS} ORDER BY 1") == first


def test_another_version_of_the_cues_reads_texts_again(world: World, read: list[str]) -> None:
    world.archive(post(ASK))
    world.run(world.campaign())
    world.execute("UPDATE lead_assets.text_features SET version = 'older', asking_cue = 0")

    world.run(only=("ranked_candidates",))

    assert len(read) == 2
    assert world.value("SELECT asking_cue FROM lead_assets.candidates") > 0
    assert {row["version"] for row in world.rows("SELECT version FROM lead_assets.text_features")} == {"older", VERSION}


def test_other_keywords_are_looked_for_in_the_same_texts(world: World) -> None:
    world.archive(post(ASK), post("A CRM is not for me", "I am hiring people instead."))
    world.run(world.campaign())
    world.campaign(keywords=["crm", "small business"], negative_keywords=["hiring"])

    world.run(only=("ranked_candidates",))

    found = {row["gate"]: row["keyword_hits"] for row in world.rows(COMPONENTS)}
    assert found[None] == 2
    assert found["excluded"] == 0  # what is ruled out matches nothing


def test_an_edited_text_is_read_again(world: World) -> None:
    thing = post("My CRM crashed")
    world.archive(thing)
    world.run(world.campaign(settings={"REDDIT_DEDUP_TTL_SECONDS": 0}))
    before = world.value("SELECT asking_cue FROM lead_assets.candidates")
    world.archive(thing | {"selftext": "Can anyone recommend another CRM?"})

    world.run()

    assert world.value("SELECT asking_cue FROM lead_assets.candidates") > before


def test_campaigns_share_what_is_known_of_a_text(world: World, read: list[str]) -> None:
    world.archive(post(ASK))
    for name in ("crm", "other"):
        world.run(world.campaign(name))
    assert world.value("SELECT count(*) FROM lead_assets.text_features") == 1
    assert [
        metadata(world.run(name, only=("ranked_candidates",)), "ranked_candidates")["ranked"]
        for name in ("crm", "other")
    ] == [1, 1]


def test_ranking_stays_the_same_when_texts_are_read_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.archive(*(post(f"{ASK} {number}", "I built one. " * (number % 3)) for number in range(7)))
    world.run(world.campaign())
    whole = world.rows(f"{COMPONENTS} ORDER BY 1")
    world.execute("DELETE FROM lead_assets.text_features WHERE asking_cue > 0.9")
    world.execute("UPDATE lead_assets.candidates SET keywords_digest = NULL WHERE reddit_id < 't3_1abc03'")
    monkeypatch.setattr("lead_assets.pipeline.ranking.TEXTS_AT_ONCE", 2)

    world.run(only=("ranked_candidates",))

    assert world.rows(f"{COMPONENTS} ORDER BY 1") == whole
