"""De-duplication by ledger, and what stays true through a second crawl."""

from collections.abc import Callable

import dagster as dg
import pandas as pd

from lead_assets.domain.errors import LookUpFailed
from lead_assets.pipeline.connect import open_source
from lead_assets.pipeline.run_context import RunContext
from lead_assets.sources.archive import ArchiveSource
from lead_assets.storage.database import Database
from lead_assets_tests.conftest import World, checks, comment, failure, metadata, post

CRAWL = ("crawled_documents",)


class LiveSource(ArchiveSource):
    """An archive whose facts are looked up, as a live source's are; a batch is one document."""

    name = "reddit"

    def __init__(self, archive: ArchiveSource, failing: set[str]) -> None:
        super().__init__(archive.path, batch_documents=1)
        self.looked_up: list[str] = []
        self._failing = failing

    def look_up_subreddits(self, frame: pd.DataFrame) -> pd.DataFrame:
        ids = frame["reddit_id"].tolist()
        if self._failing & set(ids):
            raise LookUpFailed("Reddit answered 503 for the authors. The next crawl asks again.")
        self.looked_up += ids
        return frame.assign(subreddit_subscribers=5_000.0)


def live(world: World, failing: set[str] | None = None) -> list[LiveSource]:
    """Let the world crawl a live source; returns the sources that it opens."""
    opened: list[LiveSource] = []

    def open_live(brief: RunContext, database: Database, say: Callable[[str], object]) -> LiveSource:
        source = open_source(brief, database, say)
        assert isinstance(source, ArchiveSource)
        opened.append(LiveSource(source, failing or set()))
        return opened[-1]

    world.overrides["source_opener"] = dg.ResourceDefinition.hardcoded_resource(open_live)
    return opened


def test_a_young_sighting_is_rejected_without_any_look_up(world: World) -> None:
    world.campaign()
    world.archive(good := post(), bad := post(upvote_ratio=0.1))
    opened = live(world)
    world.run(only=CRAWL)
    before = world.rows("SELECT * FROM lead_assets.sightings ORDER BY reddit_id")

    second = world.run(only=CRAWL)

    assert opened[0].looked_up == [good["name"]]
    assert opened[1].looked_up == []
    found = metadata(second, "crawled_documents")
    assert (found["met"], found["duplicates"], found["judged"]) == (2, 2, 0)
    assert checks(second)["deduplication"].passed
    assert world.rows("SELECT * FROM lead_assets.sightings ORDER BY reddit_id") == before
    rejected = world.rows("SELECT reddit_id, gate FROM lead_assets.rejections")
    assert rejected == [{"reddit_id": bad["name"], "gate": "upvote_ratio"}]


def test_after_the_ttl_a_document_is_judged_again_and_updated(world: World) -> None:
    world.campaign()
    document = post(score=1)
    world.archive(document)
    world.run(only=CRAWL)
    world.execute("UPDATE lead_assets.sightings SET seen_at = now() - interval '8 days'")

    world.archive(document | {"score": 77, "selftext": "Edited: we have 3 people."})
    again = world.run(only=CRAWL)

    assert metadata(again, "crawled_documents")["judged"] == 1
    (stored,) = world.rows("SELECT score, body FROM lead_assets.documents")
    assert stored == {"score": 77, "body": "Edited: we have 3 people."}
    assert world.value("SELECT now() - seen_at < interval '1 hour' FROM lead_assets.sightings")
    assert checks(again)["deduplication"].passed


def test_other_gate_settings_judge_at_once(world: World) -> None:
    world.campaign()
    world.archive(post(upvote_ratio=0.3))
    world.run(only=CRAWL)
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 0

    loosened = world.run(only=CRAWL, config={"REDDIT_MIN_UPVOTE_RATIO": 0.2})

    assert metadata(loosened, "crawled_documents")["judged"] == 1
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 1
    assert world.value("SELECT count(*) FROM lead_assets.rejections") == 0


def test_a_stored_document_that_is_rejected_later_is_not_ranked_and_its_rejection_is_current(world: World) -> None:
    world.campaign()
    document = post()
    world.archive(document)
    world.run()
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 1
    world.execute("UPDATE lead_assets.sightings SET seen_at = now() - interval '8 days'")

    world.archive(document | {"upvote_ratio": 0.1})
    world.run()

    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 0
    assert world.rows("SELECT gate, observed FROM lead_assets.rejections") == [
        {"gate": "upvote_ratio", "observed": 0.1}
    ]


def test_a_failed_look_up_leaves_no_sighting_and_the_next_crawl_judges_the_document(world: World) -> None:
    world.campaign()
    lucky, unlucky = post(), post()
    world.archive(lucky, unlucky)
    failing = {unlucky["name"]}
    live(world, failing)

    first = world.run(only=CRAWL)
    assert metadata(first, "crawled_documents")["postponed"] == 1
    assert "left for the next crawl" in str(metadata(first, "crawled_documents")["warnings"])
    assert world.rows("SELECT reddit_id FROM lead_assets.sightings") == [{"reddit_id": lucky["name"]}]
    assert world.rows("SELECT reddit_id FROM lead_assets.documents") == [{"reddit_id": lucky["name"]}]

    failing.clear()
    second = world.run(only=CRAWL)
    assert metadata(second, "crawled_documents")["judged"] == 1
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 2


def test_a_crawl_of_which_nothing_could_be_judged_is_a_failed_run(world: World) -> None:
    world.campaign()
    document = post()
    world.archive(document)
    live(world, {document["name"]})

    result = world.run(only=CRAWL, ok=False)

    assert "Reddit answered 503" in failure(result)
    assert world.value("SELECT count(*) FROM lead_assets.sightings") == 0


def test_looked_up_facts_reach_the_gates_and_the_store(world: World) -> None:
    world.campaign()
    world.archive(post(subreddit_subscribers=...))
    live(world)

    world.run(only=CRAWL)

    assert world.value("SELECT subreddit_subscribers FROM lead_assets.documents") == 5_000


def test_cheaper_gates_spare_the_look_up(world: World) -> None:
    world.campaign()
    world.archive(post(over_18=True), kept := post())
    opened = live(world)

    world.run(only=CRAWL)

    assert opened[0].looked_up == [kept["name"]]


def test_repeats_within_a_run_are_one_document_in_its_newest_state(world: World) -> None:
    world.campaign()
    document = post(title="Which CRM?")
    world.archive(document, document, document | {"title": "How do you track clients?"})
    live(world)  # batches of one: each repeat comes in a later batch

    result = world.run(only=CRAWL)

    assert metadata(result, "crawled_documents")["repeated"] == 1
    assert metadata(result, "crawled_documents")["duplicates"] == 0
    (stored,) = world.rows("SELECT title, matched_keywords FROM lead_assets.documents")
    assert stored == {"title": "How do you track clients?", "matched_keywords": ["track clients"]}


def test_a_document_seen_by_two_campaigns_belongs_to_both(world: World) -> None:
    world.campaign("crm")
    world.campaign("other", keywords=["recommend"])
    world.archive(post("Which CRM do you recommend?"))

    world.run("crm", only=CRAWL)
    world.run("other", only=CRAWL)

    owners = world.rows("SELECT campaign_id, matched_keywords FROM lead_assets.documents ORDER BY 1")
    assert owners == [
        {"campaign_id": "crm", "matched_keywords": ["crm"]},
        {"campaign_id": "other", "matched_keywords": ["recommend"]},
    ]


def test_comments_are_documents_too(world: World) -> None:
    world.campaign()
    world.archive(said := comment("Does anyone know a good CRM for a plumber?"))

    world.run()

    (lead,) = world.rows("SELECT reddit_id FROM lead_assets.qualified_leads")
    assert lead["reddit_id"] == said["name"]


def test_the_check_of_deduplication_fails_if_a_young_document_was_judged_all_the_same(world: World) -> None:
    world.campaign()
    world.archive(post())
    world.run(only=CRAWL)
    # The next run judges it, as the ledger says that it is old; then the ledger's memory says that it was young.
    world.execute("UPDATE lead_assets.sightings SET seen_at = now() - interval '8 days'")
    world.execute(
        "CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.previous_seen_at := now() - interval '1 day'; RETURN NEW; END $$"
    )
    world.execute("CREATE TRIGGER forge BEFORE UPDATE ON lead_assets.sightings FOR EACH ROW EXECUTE FUNCTION forge()")

    result = world.run(only=CRAWL, ok=False)

    check = checks(result)["deduplication"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR


def test_a_blocking_check_fails_and_stops_the_run_if_a_kept_document_is_one_the_gate_rejects(world: World) -> None:
    world.campaign()
    world.archive(post())
    world.execute(
        "CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.upvote_ratio := 0.01; RETURN NEW; END $$"
    )
    world.execute("CREATE TRIGGER forge BEFORE INSERT ON lead_assets.documents FOR EACH ROW EXECUTE FUNCTION forge()")

    result = world.run(ok=False)

    check = checks(result)["upvote_ratio"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert not result.asset_materializations_for_node("typesense_index")


def test_a_document_keeps_the_day_it_was_judged_as_of(world: World) -> None:
    """Time passing never un-leads a document: only post_age looks at ages, and it looks at the crawl's day."""
    world.campaign(archive={"path": "../archive.ndjson", "as_of": "2010-01-01"})
    world.archive(post(created_utc=1_250_000_000))  # 2009
    world.run()
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 1

    world.run(only=("ranked_candidates", "extracted_leads", "leads"))

    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 1


def test_tightening_a_setting_takes_effect_without_a_crawl(world: World) -> None:
    world.campaign()
    world.archive(post(upvote_ratio=0.5))
    world.run()

    ranked = world.run(only=("ranked_candidates",), config={"REDDIT_MIN_UPVOTE_RATIO": 0.6})

    assert metadata(ranked, "ranked_candidates")["rejudged"]["upvote_ratio"] == 1
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 0
    assert world.value("SELECT gate FROM lead_assets.rejections") == "upvote_ratio"

    world.run(only=("ranked_candidates",))
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 1
    assert world.value("SELECT count(*) FROM lead_assets.rejections") == 0


def test_a_crawl_that_meets_nothing_new_passes_and_repeats_the_last_counts(world: World) -> None:
    world.campaign()
    world.archive(post(), post(over_18=True))
    world.run(only=CRAWL)

    check = checks(world.run(only=CRAWL))["nsfw"]

    assert check.passed
    assert check.description is not None
    assert "Nothing new" in check.description
    assert (check.metadata["evaluated"].value, check.metadata["rejected"].value) == (2, 1)
    assert check.metadata["counts_are_of"].value == "an earlier run"


def test_a_brief_can_be_replaced_for_one_run_by_the_run_config(world: World) -> None:
    """Default < environment < campaign < run config, through Dagster's own config."""
    world.campaign(settings={"MIN_ENGAGEMENT_SCORE": 10})
    world.archive(post(score=5))
    assert metadata(world.run(), "ranked_candidates")["rejected_engagement"] == 1
    assert metadata(world.run(config={"MIN_ENGAGEMENT_SCORE": 5}), "ranked_candidates")["rejected_engagement"] == 0
