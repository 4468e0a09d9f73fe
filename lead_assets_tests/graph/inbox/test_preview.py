"""A preview says what a run would do, and changes nothing."""

from typing import Any

import pytest

from lead_assets.cli.running import SAMPLE
from lead_assets.config.environment import Environment
from lead_assets.defs.partitions import campaigns
from lead_assets.domain.changes import Changes
from lead_assets.domain.errors import InvalidInput
from lead_assets.pipeline.preview import preview
from lead_assets.pipeline.run_context import resolve_run
from lead_assets_tests.conftest import World

CAMPAIGN = "sample_crm"
TABLES = ("candidates", "rejections", "leads", "extractions", "lead_events", "stage_runs", "gate_tallies")


def write_sample(world: World, added: str = "") -> None:
    text = (SAMPLE / "campaigns" / f"{CAMPAIGN}.yaml").read_text(encoding="utf-8")
    text = text.replace("../documents.ndjson", str(SAMPLE / "documents.ndjson")) + added
    (world.folder / "campaigns" / f"{CAMPAIGN}.yaml").write_text(text, encoding="utf-8")


def leads(world: World) -> set[str]:
    return {row["reddit_id"] for row in world.rows("SELECT reddit_id FROM lead_assets.qualified_leads")}


def state(world: World) -> dict[str, Any]:
    rows = {table: world.rows(f"SELECT * FROM lead_assets.{table}") for table in TABLES}
    return {table: sorted(map(str, found)) for table, found in rows.items()}


def asked(world: World, changes: Changes) -> tuple[set[str], set[str], int]:
    with world.database.connect() as connection:
        found = preview(connection, resolve_run(Environment.read(), CAMPAIGN), changes)
    assert found.leads_then == found.leads_now - len(found.gone) + len(found.come)
    return {row["reddit_id"] for row in found.gone}, {row["reddit_id"] for row in found.come}, found.unread


def test_a_preview_says_what_a_run_then_does(world: World) -> None:
    write_sample(world)
    world.instance.add_dynamic_partitions(campaigns.name, [CAMPAIGN])
    world.run(CAMPAIGN)
    first, before = leads(world), state(world)
    assert asked(world, Changes()) == (set(), set(), 0)

    stricter = {"COSINE_THRESHOLD": 0.5, "MIN_ENGAGEMENT_SCORE": 4}
    gone, come, unread = asked(world, Changes(stricter))
    assert gone
    assert (come, unread) == (set(), 0)
    looser = Changes({"COSINE_THRESHOLD": 0.05, "MIN_FUSED_SCORE_THRESHOLD": 0.0})
    assert asked(world, looser)[0] == set()
    assert asked(world, looser)[2] > 0, "some documents would have to be read"
    subreddit = world.value("SELECT subreddit FROM lead_assets.qualified_leads ORDER BY relevance_score DESC LIMIT 1")
    excluded = asked(world, Changes(exclude_subreddits=[subreddit]))[0]
    negative = asked(world, Changes(negative_keywords=["spreadsheet"]))[0]
    assert state(world) == before, "nothing is stored"

    world.run(CAMPAIGN, config=stricter)
    assert first - leads(world) == gone
    assert asked(world, Changes())[1] == gone, "what is left of an experiment is seen, and would come back"
    write_sample(world, "\n  # a rule\n")
    text = (world.folder / "campaigns" / f"{CAMPAIGN}.yaml").read_text(encoding="utf-8")
    text = text.replace("exclude: [forhire]", f"exclude: [forhire, {subreddit}]")
    text = text.replace("  - giveaway", "  - giveaway\n  - spreadsheet")
    (world.folder / "campaigns" / f"{CAMPAIGN}.yaml").write_text(text, encoding="utf-8")
    world.run(CAMPAIGN)
    assert first - leads(world) == excluded | negative
    assert excluded
    assert negative


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (Changes({"COSINE_TRESHOLD": 0.4}), "did you mean COSINE_THRESHOLD"),
        (Changes({"COSINE_THRESHOLD": 4}), "COSINE_THRESHOLD is 4"),
        (Changes({"LLM_MODEL": "x"}), "cannot be told from the store"),
        (Changes(exclude_subreddits=["no name"]), "match pattern"),
        (Changes(negative_keywords=['"open']), "quote"),
    ],
)
def test_what_cannot_be_previewed_is_told(world: World, changes: Changes, said: str) -> None:
    write_sample(world)
    with pytest.raises(InvalidInput, match=said):
        asked(world, changes)
