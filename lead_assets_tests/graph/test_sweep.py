"""What users delete on Reddit must go: from every table, Typesense, vectors and files, and never come back."""

import time
from contextlib import closing
from typing import Any

import dagster as dg
import pytest

from lead_assets.definitions import build_defs
from lead_assets.defs.jobs import weekly_deletion_sweep
from lead_assets.search.typesense import SearchIndex
from lead_assets.sources.arctic_shift.witness import open_witness
from lead_assets.sources.witness import Held
from lead_assets_tests.conftest import DAY, NOW, World, comment, failure, post
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.stand_ins.arctic_shift_server.server import Fault, subreddit
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer
from lead_assets_tests.stand_ins.reddit_server import Fault as RedditFault

OWNED = ("documents", "rejections", "sightings", "candidates", "extractions", "leads")


def sweep(world: World, *, ok: bool = True) -> dg.ExecuteInProcessResult:
    job = build_defs(world.resources()).resolve_job_def("deletion_sweep")
    result = job.execute_in_process(
        instance=world.instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    assert result.success is ok, "" if result.success else failure(result)
    return result


def crawled(world: World, corpus: Corpus, *things: dict[str, Any], campaigns: tuple[str, ...] = ("crm",)) -> None:
    """Run the whole graph on ``things``, which Reddit has too."""
    for thing in things:
        (corpus.add_post if thing["name"].startswith("t3_") else corpus.add_comment)(thing)
    world.archive(*things)
    for campaign_id in campaigns:
        world.campaign(campaign_id)
        world.run(campaign_id)


def holding(world: World, reddit_id: str) -> list[str]:
    """The tables with a row of ``reddit_id``."""
    return [
        table
        for table in OWNED
        if world.value(f"SELECT count(*) FROM lead_assets.{table} WHERE reddit_id = :id", id=reddit_id)
    ]


def csv_text(world: World) -> str:
    return "".join(path.read_text() for path in sorted((world.folder / "rejections").glob("*/*.csv")))


def test_a_deleted_lead_goes_from_every_store_of_every_campaign(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    lead = post(title="Can anyone recommend a simple CRM?", body="I need one for my small business.")
    other = post(title="Which CRM do you use?")
    crawled(world, corpus, lead, other, campaigns=("one", "two"))
    assert holding(world, lead["name"]) == ["documents", "sightings", "candidates", "extractions", "leads"]
    text_hash = world.rows("SELECT text_hash FROM lead_assets.documents WHERE reddit_id = :id", id=lead["name"])[0]
    corpus.delete(lead["name"])

    swept = sweep(world).output_for_node("sweep_deletions")

    assert (swept["checked"], swept["gone"]) == (2, 1)
    assert holding(world, lead["name"]) == []
    assert len(holding(world, other["name"])) == 5
    for campaign_id in ("one", "two"):
        assert set(world.search_index.held(campaign_id)) == {other["name"]}
        assert world.check("leads_complete", campaign_id).success
        assert world.check("index_matches_documents", campaign_id).success
    for table in ("vectors", "text_features"):
        assert world.rows(f"SELECT 1 FROM lead_assets.{table} WHERE text_hash = :text_hash", **text_hash) == []

    world.run("one")
    assert holding(world, lead["name"]) == []
    assert swept["requests"] == reddit.total


def test_a_vector_that_another_document_refers_to_stays(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    one, same = post(body="The very same text."), post(body="The very same text.")
    crawled(world, corpus, one, same)
    assert world.value("SELECT duplicate_of FROM lead_assets.candidates WHERE duplicate_of IS NOT NULL") == one["name"]
    corpus.remove(one["name"])

    sweep(world)

    (row,) = world.rows("SELECT text_hash FROM lead_assets.documents")
    for table in ("vectors", "text_features"):
        assert len(world.rows(f"SELECT 1 FROM lead_assets.{table} WHERE text_hash = :text_hash", **row)) == 1
    assert world.rows("SELECT 1 FROM lead_assets.candidates WHERE duplicate_of IS NOT NULL") == []


def test_a_rejected_document_goes_from_the_table_and_from_the_files(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    rejected = post(title="A CRM, and my secret", upvote_ratio=0.1)
    kept = post(title="Another CRM, not so secret", upvote_ratio=0.1)
    crawled(world, corpus, rejected, kept)
    assert "my secret" in csv_text(world)
    corpus.delete(rejected["name"])

    swept = sweep(world).output_for_node("sweep_deletions")

    assert swept["removed_csv_rows"] == 1
    assert "my secret" not in csv_text(world)
    assert "not so secret" in csv_text(world)
    assert holding(world, rejected["name"]) == []


def test_a_comment_loses_the_title_of_its_deleted_post_and_is_read_anew(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    parent = post(title="Our CRM is a secret mess, which one do you use?")
    answer = comment("Can anyone recommend a CRM? I need one too.", link_id=parent["name"], link_title=parent["title"])
    crawled(world, corpus, parent, answer)
    corpus.delete(parent["name"])

    sweep(world)

    for query in (
        "SELECT title AS text FROM lead_assets.documents",
        "SELECT title AS text FROM lead_assets.leads",
        "SELECT title AS text FROM lead_assets.rejections",
        "SELECT extraction::text AS text FROM lead_assets.extractions",
        "SELECT extracted_data::text AS text FROM lead_assets.leads",
    ):
        assert "secret" not in str(world.rows(query)), query
    assert world.check("index_matches_documents", "crm").success
    world.archive(parent, answer | {"edited": NOW + DAY})
    world.run()
    assert holding(world, answer["name"]) == ["documents", "sightings", "candidates", "extractions", "leads"]
    assert "secret" not in str(world.rows("SELECT title FROM lead_assets.documents")), "no crawl brings it back"


def test_an_author_who_has_left_takes_the_documents_along(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    left, anonymous = post(author="leaving"), post(author="[deleted]")
    crawled(world, corpus, left, anonymous)
    corpus.posts[left["name"]]["author"] = "[deleted]"

    sweep(world)

    assert holding(world, left["name"]) == []
    assert "documents" in holding(world, anonymous["name"]), "its author had left before it was crawled"


def test_a_reddit_that_knows_nothing_deletes_nothing(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    things = [post(title=f"Which CRM, take {number}?") for number in range(25)]
    crawled(world, corpus, *things)
    for thing in things:
        corpus.vanish(thing["name"])

    assert "which is not a deletion" in failure(sweep(world, ok=False))
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 25


def test_a_sweep_that_failed_on_the_way_is_finished_by_the_next(
    world: World, reddit: RedditServer, corpus: Corpus
) -> None:
    things = [post(title=f"Which CRM, take {number}?", author=f"a{number}") for number in range(150)]
    crawled(world, corpus, *things)
    gone = [min(thing["name"] for thing in things), max(thing["name"] for thing in things)]
    for name in gone:
        corpus.delete(name)
    reddit.fail(RedditFault.SERVER_ERROR, endpoint="info", after=1)

    assert "status 500" in failure(sweep(world, ok=False))
    assert world.value("SELECT count(*) FROM lead_assets.deleted_documents") == 1

    swept = sweep(world).output_for_node("sweep_deletions")
    assert swept["checked"] == 149
    assert [holding(world, name) for name in gone] == [[], []]


def test_typesense_down_during_a_sweep_loses_nothing(world: World, reddit: RedditServer, corpus: Corpus) -> None:
    lead = post()
    crawled(world, corpus, lead)
    corpus.delete(lead["name"])
    world.overrides["search_index"] = SearchIndex("http://127.0.0.1:9", "key", timeout_seconds=1)

    assert "Typesense" in failure(sweep(world, ok=False))
    assert holding(world, lead["name"]) != [], "it is still known what is to be removed"

    del world.overrides["search_index"]
    sweep(world)
    assert world.search_index.held("crm") == {}
    assert holding(world, lead["name"]) == []


def archived(world: World, arctic: ArcticShiftServer, *things: dict[str, Any]) -> None:
    """Run the whole graph on ``things``, which Arctic Shift has, and which came from it."""
    arctic.add(*things)
    arctic.subreddits.append(subreddit("smallbusiness"))
    world.campaign(source="arctic_shift", archive=None, subreddits={"include": ["smallbusiness"]})
    world.run()
    arctic.requests.clear()


def test_without_credentials_arctic_shift_is_asked(world: World, arctic: ArcticShiftServer) -> None:
    recent = int(time.time() - 60 * 3_600)
    there, removed, lost, left = (post(created_utc=recent, author=name) for name in ("ann", "bob", "cat", "dan"))
    answer = comment(created_utc=recent, link_id=there["name"])
    archived(world, arctic, there, removed, lost, left, answer)
    assert len(holding(world, removed["name"])) >= 3
    removed["_meta"] = {"was_deleted_later": True}
    arctic.posts.remove(lost)
    left["author"] = "[deleted]"

    swept = sweep(world).output_for_node("sweep_deletions")

    assert {name: swept[name] for name in ("witness", "checked", "gone", "unknown", "requests")} == {
        "witness": "arctic_shift",
        "checked": 5,
        "gone": 3,
        "unknown": 0,
        "requests": 2,
    }
    assert "Only Reddit itself knows" in swept["trust"]
    assert [holding(world, each["name"]) for each in (removed, lost, left)] == [[], [], []]
    assert set(world.search_index.held("crm")) == {there["name"], answer["name"]}


def test_what_the_archive_never_had_says_nothing(world: World, arctic: ArcticShiftServer) -> None:
    world.archive(*(post(title=f"Which CRM, take {number}?", author=f"a{number}") for number in range(25)))
    world.campaign()
    world.run()

    swept = sweep(world).output_for_node("sweep_deletions")

    assert (swept["checked"], swept["gone"], swept["unknown"]) == (25, 0, 25)
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 25


def test_an_archive_that_has_lost_most_deletes_nothing(world: World, arctic: ArcticShiftServer) -> None:
    recent = int(time.time() - 60 * 3_600)
    things = [post(title=f"CRM, take {number}?", author=f"a{number}", created_utc=recent) for number in range(25)]
    archived(world, arctic, *things)
    del arctic.posts[:13]

    assert "13 of 25 documents" in failure(sweep(world, ok=False))
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 25


def test_an_archive_that_has_lost_all_of_a_few_deletes_nothing(world: World, arctic: ArcticShiftServer) -> None:
    recent = int(time.time() - 60 * 3_600)
    archived(world, arctic, *(post(created_utc=recent, author=name) for name in ("ann", "bob")))
    arctic.posts.clear()

    swept = sweep(world).output_for_node("sweep_deletions")

    assert (swept["checked"], swept["gone"], swept["unknown"]) == (2, 0, 2)
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 2


def test_an_archive_that_fails_on_the_way_is_told_and_what_it_said_counts(
    world: World, arctic: ArcticShiftServer
) -> None:
    recent = int(time.time() - 60 * 3_600)
    removed = post(created_utc=recent, author="ann")
    archived(world, arctic, removed, comment(created_utc=recent, link_id=removed["name"], link_title="A CRM"))
    removed["removed_by_category"] = "moderator"
    arctic.fail(Fault.MAINTENANCE, endpoint="comments/ids")

    assert "Under maintenance" in failure(sweep(world, ok=False))
    assert world.value("SELECT reddit_id FROM lead_assets.deleted_documents") == removed["name"]

    assert sweep(world).output_for_node("sweep_deletions")["checked"] == 1
    assert holding(world, removed["name"]) == []


def test_an_archive_is_asked_for_five_hundred_at_once(arctic: ArcticShiftServer) -> None:
    held = [Held(f"t3_{number:04}", has_author=True) for number in range(501)]
    with closing(open_witness(arctic.url, 0, print)) as witness:
        answers = list(witness.ask([*held, Held("t1_1", has_author=False)]))

    assert [answer.asked for answer in answers] == [500, 1, 1]
    assert [answer.unknown for answer in answers] == [500, 1, 1]
    assert [len(asked["ids"].split(",")) for asked in arctic.asked("posts/ids")] == [500, 1]


@pytest.mark.parametrize(("source", "runs"), [("archive", 0), ("arctic_shift", 1)])
def test_the_weekly_sweep_asks_arctic_shift_only_where_a_campaign_reads_it(
    world: World, source: str, runs: int
) -> None:
    world.campaign(source=source, subreddits={"include": ["sales"]})
    with dg.build_schedule_context() as context:
        tick = weekly_deletion_sweep.evaluate_tick(context)

    assert len(tick.run_requests or []) == runs
    assert ("REDDIT_CLIENT_ID" in (tick.skip_message or "")) is (runs == 0)


def test_half_of_the_credentials_is_a_mistake_that_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDDIT_CLIENT_ID", "abc")
    world.campaign(source="arctic_shift", subreddits={"include": ["sales"]})
    with dg.build_schedule_context() as context:
        tick = weekly_deletion_sweep.evaluate_tick(context)

    assert "needs REDDIT_CLIENT_SECRET and REDDIT_USER_AGENT" in (tick.skip_message or "")


def test_the_weekly_sweep_runs_with_credentials(reddit: RedditServer) -> None:
    with dg.build_schedule_context() as context:
        assert len(weekly_deletion_sweep.evaluate_tick(context).run_requests or []) == 1
