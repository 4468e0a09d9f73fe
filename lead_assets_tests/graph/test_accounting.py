"""What a crawl met and what became of it add up to the document: over every source, with odd records among them."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from lead_assets.domain.accounting import ENDS, accounts, told
from lead_assets.pipeline import connect
from lead_assets.sources.base import Batch
from lead_assets_tests.conftest import NOW, World, checks, comment, metadata, post
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer

CRAWL = ("crawled_documents",)
CHECK = "every_match_accounted_for"
DAY = 86_400
Crawl = Callable[[], dict[str, int]]
Thing = dict[str, Any]


def odd_things(created_utc: int) -> list[Thing]:
    """One or more of everything that can become of a record, comments among them."""
    common = {"created_utc": created_utc}
    kept = [post(f"Which CRM for shop {number}?", **common) for number in range(4)]
    return [
        *kept,
        comment("A CRM is what I need.", link_id=kept[0]["name"], **common),
        post("Which CRM?", over_18=True, **common),
        post("Which CRM?", subreddit_subscribers=3, subreddit="tinysub", **common),
        post("Weather today", **common),
        post("Which CRM?", "[removed]", **common),
        post("Which CRM?", promoted=True, **common),
        post("Which CRM?", author="AutoModerator", **common),
        post("Which CRM?", "I am a bot, and this action was performed automatically.", **common),
        post("Which CRM?", author="spammer", **common),
    ]


@pytest.fixture(params=["archive", "reddit", "arctic_shift"])
def crawl(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crawl]:
    """Crawls the odd things and a few that only this source can give; returns the crawl's metadata."""
    monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
    things = odd_things(int(time.time()) - 3 * DAY)
    corpus = Corpus()
    with RedditServer(corpus) as reddit, ArcticShiftServer() as arctic:
        for name, value in {
            **reddit.variables,
            "ARCTIC_SHIFT_URL": arctic.url,
        }.items():
            monkeypatch.setenv(name, value)
        keys: dict[str, Any] = {"source": request.param, "archive": None}
        if request.param == "archive":
            world.archive(*things, things[0], things[0] | {"retrieved_on": 1}, "{broken", {"title": "no id, a CRM"})
            keys = {}
        elif request.param == "reddit":
            # Its search does not find what was removed, its lists of comments do.
            for thing in [
                *things,
                comment("[removed]", link_id=things[0]["name"], created_utc=things[0]["created_utc"]),
            ]:
                (corpus.add_comment if thing["name"].startswith("t1_") else corpus.add_post)(thing)
        else:
            arctic.add(*things, {**things[1], "id": "no id!", "name": "no name", "title": "A broken CRM"})
        world.campaign(subreddits={"include": ["smallbusiness", "tinysub"]}, exclude_authors=["spammer"], **keys)

        yield lambda: metadata(world.run(only=CRAWL), "crawled_documents")


def test_whatever_a_source_gives_is_counted_once_by_what_became_of_it(
    crawl: Crawl, world: World, request: pytest.FixtureRequest
) -> None:
    first = crawl()

    counts = _counts(world)
    found = accounts(counts)
    assert found.missing == 0
    assert first["accounted"] == told(counts)
    stored = world.value("SELECT count(*) FROM lead_assets.documents")
    rejected = world.value("SELECT count(*) FROM lead_assets.rejections")
    assert (found.ends["stored"], found.ends["rejected"]) == (stored, rejected) == (5, 2)
    seen = {end for end, count in found.ends.items() if count}
    everywhere = {"stored", "rejected", "deleted", "advertisements", "automoderator", "bots", "excluded"}
    assert seen - everywhere <= {"repeats", "malformed", "duplicates"}
    assert seen >= everywhere
    source = request.node.callspec.params["crawl"]
    assert ("malformed" in seen) is (source != "reddit")
    assert "repeats" in seen or source == "arctic_shift"

    again = crawl()

    found = accounts(_counts(world))
    assert found.missing == 0
    assert found.ends["duplicates"] + found.ends["repeats"] > 0 or not again["records_read"]
    assert found.ends["stored"] == 0


def _counts(world: World, campaign_id: str = "crm") -> dict[str, int]:
    query = "SELECT counts FROM lead_assets.stage_runs WHERE asset = 'crawled_documents' AND campaign_id = :id"
    return world.value(query, id=campaign_id)


@pytest.mark.parametrize("seed", range(3))
def test_it_holds_for_any_mixture_and_across_crawls(world: World, seed: int) -> None:
    """Edited, deleted, repeated, older and broken records in any order, in batches of any size."""
    chance = random.Random(seed)
    world.campaign()
    ids = [f"9{number:03d}" for number in range(40)]
    for _ in range(3):
        world.archive(*(_any_record(chance, ids) for _ in range(150)))
        size = chance.choice([3, 20, 1_000])
        world.overrides["source_opener"] = _opener(lambda source, size=size: setattr(source, "_batch_documents", size))
        result = world.run(only=CRAWL)
        assert checks(result)[CHECK].passed, checks(result)[CHECK].description
        ended = accounts(_counts(world)).ends
    assert all(ended[end] for end in ("repeats", "deleted", "malformed"))


def _any_record(chance: random.Random, ids: Sequence[str]) -> Thing | str:
    name = chance.choice(ids)
    thing = post(f"Which CRM? {chance.random()}", id=name, name=f"t3_{name}", created_utc=NOW + chance.randrange(99))
    changed: Thing | str = chance.choice(
        [
            {},
            {"title": "Which CRM?"},
            {"title": "Something else"},
            {"selftext": "[deleted]"},
            {"over_18": True},
            {"edited": NOW + chance.randrange(10_000)},
            {"promoted": True},
            {"id": 7, "name": None},
            '{"id": "1',
            "[]",
        ]
    )
    return changed if isinstance(changed, str) else thing | changed


def _opener(change: Callable[[Any], object]) -> dg.ResourceDefinition:
    """Opens the run's source, changed."""

    def opened(*given: Any) -> Any:
        source = connect.open_source(*given)
        change(source)
        return source

    return dg.ResourceDefinition.hardcoded_resource(opened)


def test_a_document_that_is_lost_on_the_way_is_noticed(world: World) -> None:
    def lose_one(source: Any) -> None:
        search = source.search

        def losing(*given: Any) -> Iterator[Batch]:
            for batch in search(*given):
                yield replace(batch, documents=batch.documents[1:])

        source.search = losing

    world.campaign()
    world.archive(*odd_things(NOW))
    world.overrides["source_opener"] = _opener(lose_one)

    check = checks(world.run(only=CRAWL))[CHECK]

    assert not check.passed
    assert check.metadata["missing"].value == 1
    assert "1 records were lost" in str(check.description)


def test_a_count_that_is_wrong_is_noticed_for_its_campaign_alone(world: World) -> None:
    world.archive(*odd_things(NOW))
    for campaign_id in ("crm", "other"):
        world.campaign(campaign_id)
        world.run(campaign_id, only=CRAWL)
    for names in ENDS.values():
        for name in names:
            counts = _counts(world)
            changed = {**counts, name: counts[name] + 1}
            assert accounts(changed).missing == -1, name
    world.execute("UPDATE lead_assets.stage_runs SET counts = counts || '{\"stored\": 99}' WHERE campaign_id = 'crm'")
    assert not checks(world.check(CHECK, "crm"))[CHECK].passed
    assert checks(world.check(CHECK, "other"))[CHECK].passed


def test_a_campaign_that_was_never_crawled_has_nothing_to_account_for(world: World) -> None:
    world.campaign()
    assert checks(world.check(CHECK, "crm"))[CHECK].passed
