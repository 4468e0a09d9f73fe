"""Current is defined once: every reader agrees to the row, and a postponed reading takes no lead away."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from lead_assets.api.app import build_app
from lead_assets.cli import main
from lead_assets.config.environment import Environment
from lead_assets.models.openai.formats import KNOWN
from lead_assets.storage.statistics import read_campaign_stats, read_funnel
from lead_assets_tests.conftest import World, checks, metadata, post
from lead_assets_tests.stand_ins.openai_server import StandIn

LOCAL = {"EMBEDDER": "local"}


@pytest.fixture(autouse=True)
def llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    KNOWN.forget()
    with StandIn() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("EMBEDDER", "local")
        yield server


def asking(number: int, body: str = "We lose track of everybody.", **other: Any) -> dict[str, Any]:
    title = f"Can anyone recommend a CRM for shop {number}?"
    return post(title, body, author=f"shop_{number}", **other)


def told_everywhere(world: World, campaign_id: str = "crm") -> dict[str, set[str] | int]:
    """The leads by each reader: ids where it lists them, else their number."""
    url = world.database.engine.url.render_as_string(hide_password=False)
    variables = {"DATABASE_URL": url, "LEAD_ASSETS_CAMPAIGNS": str(world.folder / "campaigns")}
    with TestClient(build_app(Environment.read(variables)), base_url="http://127.0.0.1") as client:
        page = client.get(f"/campaigns/{campaign_id}/leads", params={"limit": 500}).json()
        stats = client.get(f"/campaigns/{campaign_id}/stats").json()
    said = CliRunner().invoke(main, ["leads", campaign_id, "--format", "jsonl"], env=variables)
    assert said.exit_code == 0, said.output
    with world.database.connect() as connection:
        return {
            "api": {lead["reddit_id"] for lead in page["leads"]},
            "command": {json.loads(line)["reddit_id"] for line in said.stdout.splitlines()},
            "view": {row["reddit_id"] for row in world.rows("SELECT reddit_id FROM lead_assets.qualified_leads")},
            "funnel": read_funnel(connection, campaign_id)["leads"],
            "funnel of the api": stats["funnel"]["leads"],
            "campaign_stats": read_campaign_stats(connection)[campaign_id]["leads_found"],
        }


def agreed(world: World) -> set[str]:
    """The leads that all readers agree on."""
    told = told_everywhere(world)
    listed = told["view"]
    assert isinstance(listed, set)
    assert told == {name: listed if isinstance(said, set) else len(listed) for name, said in told.items()}
    return listed


def test_a_changed_product_and_a_cap_take_no_lead_away(world: World) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(9)))
    world.run()
    before = agreed(world)
    assert len(before) == 9

    world.campaign(product="A CRM that small shops can afford.")
    capped = world.run(config={"LLM_MAX_CALLS_PER_RUN": 4})

    assert agreed(world) == before
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads WHERE stale") == 5
    read, leads = metadata(capped, "extracted_leads"), metadata(capped, "leads")
    assert (read["extracted"], read["postponed"], read["stale_total"], read["dagster/row_count"]) == (4, 5, 5, 9)
    assert leads["dagster/row_count"] == 9
    assert checks(capped)["leads_complete"].passed
    assert checks(capped)["extractions_grounded"].passed
    with world.database.connect() as connection:
        funnel = read_funnel(connection, "crm")
    assert (funnel["extracted"], funnel["stale"], funnel["leads"]) == (9, 5, 9)

    world.run()
    assert agreed(world) == before
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads WHERE stale") == 0


def test_keys_are_made_only_for_what_has_changed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from lead_assets.models.openai.prompt import RequestKeys

    made: list[str] = []
    original = RequestKeys.of
    monkeypatch.setattr(RequestKeys, "of", lambda self, request: made.append(request.title) or original(self, request))
    world.campaign()
    things = [asking(number) for number in range(3)]
    world.archive(*things)
    world.run()
    assert len(made) == 3
    made.clear()
    world.run()
    assert made == []
    world.archive(*things, asking(7))
    world.run()
    assert made == ["Can anyone recommend a CRM for shop 7?"]


def test_after_ten_edits_all_readers_agree_to_the_row(world: World) -> None:
    world.campaign()
    things = [asking(number) for number in range(14)]
    world.archive(*things)
    world.run()
    assert len(agreed(world)) == 14

    edited = [thing | {"selftext": "EDIT: still looking, our list is a mess."} for thing in things[:10]]
    world.archive(*edited, *things[10:])
    again = {"REDDIT_DEDUP_TTL_SECONDS": 0}
    world.run(only=("crawled_documents",), config=again)
    # What was read is about texts that are not there any more: nothing of it is shown, by any reader.
    assert agreed(world) == {thing["name"] for thing in things[10:]}

    result = world.run(config=again | {"LLM_MAX_CALLS_PER_RUN": 3})

    assert len(agreed(world)) == 4 + 3
    assert metadata(result, "leads")["dagster/row_count"] == 7
    assert metadata(result, "extracted_leads")["dagster/row_count"] == 7
    assert metadata(result, "ranked_candidates")["dagster/row_count"] == 14
    assert checks(result)["leads_complete"].passed
    world.run()
    assert len(agreed(world)) == 14


def test_a_reading_that_comes_out_otherwise_replaces_the_stale_one(world: World, llm: StandIn) -> None:
    world.campaign()
    world.archive(asking(1))
    world.run()
    assert len(agreed(world)) == 1
    world.campaign(product="Accounting for astronauts.")
    world.execute("UPDATE lead_assets.extractions SET extraction = jsonb_set(extraction, '{is_lead}', 'true')")
    world.run(only=("extracted_leads",))
    world.execute(
        "UPDATE lead_assets.extractions SET extraction = jsonb_set(extraction, '{is_lead}', 'false') "
        "WHERE request_key IN (SELECT request_key FROM lead_assets.candidates)"
    )
    # Read anew, but not persisted: the lead stays, as a stale one.
    assert world.rows("SELECT stale FROM lead_assets.qualified_leads") == [{"stale": True}]
    world.run(only=("leads",))
    assert agreed(world) == set()
