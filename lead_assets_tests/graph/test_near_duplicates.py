"""The same need posted in several places is one lead, which names the other places."""

import csv
import io
import json
from typing import Any

import pytest
from click.testing import CliRunner

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets.storage.leads import read_other_places, read_qualified
from lead_assets_tests.conftest import NOW, World, post

TITLE = "Can anyone recommend a good CRM for my small business?"
BODY = (
    "We are three people with about two hundred customers, and a spreadsheet does not do any more. It should remind us "
    "of whom to call and cost less than $50 a month."
)


def thing(number: int, title: str = TITLE, body: str = BODY, **other: Any) -> dict[str, Any]:
    name = f"1dup{number}"
    return post(title, body, id=name, name=f"t3_{name}", created_utc=NOW + number, **other)


def leads(world: World) -> dict[str, list[str]]:
    """Each lead with the fullnames of its other places."""
    with world.database.connect() as connection:
        rows = read_qualified(connection, "crm")
    return {str(row["reddit_id"]): [place["reddit_id"] for place in row["other_places"]] for row in rows}


def test_cross_posts_and_repeats_of_one_author_are_one_lead_with_its_places(world: World) -> None:
    world.archive(
        thing(4, f"{TITLE} (x-post from /r/smallbusiness)", subreddit="sales"),
        thing(3, TITLE.upper(), f"{BODY}\n\n", subreddit="Entrepreneur"),
        thing(2, "Help me choose a CRM", subreddit="startups"),  # another title over the same long body
        thing(1, subreddit="freelance", author="helpful_friend"),  # another author's cross-post of a long text
        thing(0, subreddit="smallbusiness"),
    )
    world.run(world.campaign())

    assert leads(world) == {"t3_1dup0": ["t3_1dup1", "t3_1dup2", "t3_1dup3", "t3_1dup4"]}
    with world.database.connect() as connection:
        places = read_other_places(connection, "crm", "t3_1dup0")
    assert [place["subreddit"] for place in places] == ["freelance", "startups", "Entrepreneur", "sales"]
    assert places[0]["author"] == "helpful_friend"
    assert world.value("SELECT count(*) FROM lead_assets.extractions") == 1


def test_two_people_with_the_same_short_question_are_two_leads(world: World) -> None:
    world.archive(
        thing(0, "Can anyone recommend a good CRM?", "", author="ann"),
        thing(1, "Can anyone recommend a good CRM?", "", author="bob"),
    )
    world.run(world.campaign())
    assert leads(world) == {"t3_1dup0": [], "t3_1dup1": []}


def test_a_repeat_that_a_gate_rejects_is_no_place(world: World) -> None:
    world.archive(thing(0), thing(1, subreddit="adult_shops", over_18=True))
    world.run(world.campaign())
    assert leads(world) == {"t3_1dup0": []}


def test_where_the_first_one_goes_the_next_stands_for_the_others(world: World) -> None:
    world.archive(*(thing(number, subreddit=f"place_{number}") for number in range(3)))
    world.run(world.campaign())
    world.campaign(subreddits={"exclude": ["place_0"]})

    world.run()

    assert leads(world) == {"t3_1dup1": ["t3_1dup2"]}


def test_the_places_are_shown_wherever_leads_are(
    world: World, database_url: str, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.archive(thing(0), thing(1, subreddit="sales"), thing(2, subreddit="startups"))
    world.run(world.campaign())
    for name, value in {
        "DATABASE_URL": database_url,
        "TYPESENSE_URL": servers.typesense_url,
        "TYPESENSE_API_KEY": servers.typesense_api_key,
        "COLUMNS": "160",
    }.items():
        monkeypatch.setenv(name, value)

    def shown(*arguments: str) -> str:
        result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "also r/sales https://redd.it/1dup1; r/startups https://redd.it/1dup2" in shown("leads", "crm")
    (row,) = csv.DictReader(io.StringIO(shown("leads", "crm", "--format", "csv")))
    assert row["other_places"] == "r/sales https://redd.it/1dup1; r/startups https://redd.it/1dup2"
    (lead,) = map(json.loads, shown("leads", "crm", "--format", "jsonl").splitlines())
    assert [place["subreddit"] for place in lead["other_places"]] == ["sales", "startups"]
    assert "also in r/startups by somebody: https://redd.it/1dup2" in shown("explain", "crm", "t3_1dup0")
    assert "repeats t3_1dup0" in shown("explain", "crm", "t3_1dup2")
    folder = world.folder / "exported"
    shown("export", "crm", "--to", str(folder))
    (exported,) = csv.DictReader(io.StringIO((folder / "leads.csv").read_text(encoding="utf-8")))
    assert exported["other_places"] == row["other_places"]
