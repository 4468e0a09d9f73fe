"""The whole graph on real servers: what each asset writes, reports and checks, and what a second run does."""

import base64
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence

import dagster as dg
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lead_assets.defs.metadata.charts import MAX_PICTURE_BYTES
from lead_assets.domain.errors import ExtractionFailed
from lead_assets.domain.extraction import Extraction, ExtractionRequest
from lead_assets.domain.gate_catalog import METADATA_GATES, RANK_GATES
from lead_assets.models.local_embedder import LocalEmbedder
from lead_assets.models.protocols import Outcome
from lead_assets.models.rules_extractor import RulesExtractor
from lead_assets.storage.statistics import read_campaign_stats, read_funnel
from lead_assets_tests.conftest import World, checks, failure, metadata, post
from lead_assets_tests.faults import fault

ASSETS = (
    "crawled_documents",
    "typesense_index",
    "document_embeddings",
    "lead_stubs",
    "ranked_candidates",
    "extracted_leads",
    "leads",
)
ASK = "Can anyone recommend a good CRM for my small business?"
BODY = (
    "We have three people and I keep forgetting to call customers back. Budget is $40 a month. Mail me at a@b.example."
)


def asking(number: int = 0, **other: object) -> dict[str, object]:
    return post(f"{ASK} We are shop number {number}.", BODY, **other)


class CountingEmbedder(LocalEmbedder):
    """The local model, which remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        return super().embed(texts)


@pytest.fixture(scope="module")
def loaded() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def counting(world: World, loaded: CountingEmbedder) -> CountingEmbedder:
    loaded.texts.clear()
    world.overrides["embedder_opener"] = dg.ResourceDefinition.hardcoded_resource(lambda _: loaded)
    return loaded


def test_a_lead_goes_all_the_way(world: World) -> None:
    world.campaign()
    world.archive(thing := asking())

    result = world.run()

    assert all(check.passed for check in checks(result).values())
    (lead,) = world.rows("SELECT * FROM lead_assets.qualified_leads")
    assert lead["reddit_id"] == thing["name"]
    assert lead["reddit_url"] == f"https://www.reddit.com{thing['permalink']}"
    assert (lead["author"], lead["subreddit"]) == ("somebody", "smallbusiness")
    assert 0 < lead["relevance_score"] <= 1
    data = lead["extracted_data"]
    assert data["extractor"] == "rules"
    assert data["is_lead"]
    assert all(quote in f"{thing['title']}\n\n{BODY}" for quote in data["evidence"])
    assert (data["budget"], data["contact"]) == ("$40 a month", ["a@b.example"])


def test_every_gate_is_a_partitioned_check_with_its_counts(world: World) -> None:
    world.campaign()
    world.archive(asking(1), asking(2, over_18=True), asking(3, upvote_ratio=...), asking(4, score=-3))

    result = world.run()

    evaluations = checks(result)
    for gate in (*METADATA_GATES, *RANK_GATES):
        evaluation = evaluations[gate.name]
        found = evaluation.metadata
        assert evaluation.partition == "crm"
        assert evaluation.blocking
        assert found["setting"].value == gate.setting
        assert found["evaluated"].value == found["kept"].value + found["rejected"].value
        assert {"unknown", "rejection_rate", "threshold", "rejected_examples", "set_by"} <= set(found)
    assert evaluations["nsfw"].metadata["rejected"].value == 1
    assert evaluations["upvote_ratio"].metadata["unknown"].value == 1
    assert evaluations["engagement"].metadata["rejected"].value == 1
    assert evaluations["engagement"].metadata["rejected_examples"].value.records[0].data["observed"] == -3.0
    assert evaluations["subreddit_activity"].metadata["state"].value == "off"


def test_rejections_are_in_the_table_the_csv_file_and_the_metadata(world: World) -> None:
    world.campaign()
    world.archive(
        asking(1), over := asking(2, over_18=True), low := asking(3, score=0), title := asking(5, over_18=True)
    )
    title["title"] = "=HYPERLINK(1) which CRM?"
    world.archive(asking(1), over, low, title)

    result = world.run()

    rejected = {row["reddit_id"]: row for row in world.rows("SELECT * FROM lead_assets.rejections")}
    assert {name: row["gate"] for name, row in rejected.items()} == {
        over["name"]: "nsfw",
        title["name"]: "nsfw",
        low["name"]: "engagement",
    }
    assert rejected[over["name"]]["observed_values"] == {
        "deduplication": None,
        "post_age": pytest.approx(1.07, abs=0.1),
        "upvote_ratio": 0.9,
        "nsfw": 1.0,
    }
    (path,) = (world.folder / "rejections" / "crm").iterdir()
    assert path.stem == result.run_id
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["reddit_id"], row["gate"]) for row in rows} == {(name, row["gate"]) for name, row in rejected.items()}
    assert "'=HYPERLINK(1) which CRM?" in [row["title"] for row in rows]
    found = metadata(result, "crawled_documents")
    assert found["rejected_nsfw"] == 2
    examples = [record.data for record in found["rejected_examples"].records]
    assert {example["reddit_id"] for example in examples} == {over["name"], title["name"]}
    assert "HYPERLINK" not in json.dumps(examples)


@pytest.mark.usefixtures("pictures")
def test_a_ranking_shows_its_funnel_and_its_scores_as_pictures(world: World) -> None:
    world.campaign()
    world.archive(asking(1), asking(2), asking(3, score=-3), asking(4, over_18=True))

    result = world.run()

    for asset, names in (
        ("ranked_candidates", ("funnel_picture", "score_distributions")),
        ("leads", ("funnel_picture",)),
    ):
        found = metadata(result, asset)
        assert tuple(found)[: len(names)] == names
        for name in names:
            assert len(found[name]) < MAX_PICTURE_BYTES
            assert "shop number" not in found[name]
            alternative, content = re.fullmatch(r"!\[(.+)\]\(data:image/png;base64,(.+)\)", found[name]).groups()  # type: ignore[union-attr]
            with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as image:
                assert image.size[0] == 900
                image.load()
            if name == "funnel_picture":
                steps = {row.data["step"]: row.data["stored"] for row in found["funnel"].records}
                main = {step: stored for step, stored in steps.items() if not step.startswith(" ")}
                assert alternative == "Funnel: " + ", ".join(f"{step} {stored}" for step, stored in main.items())
    ranking = metadata(result, "ranked_candidates")
    assert "Scores of 3 ranked documents, 2 of them kept" in ranking["score_distributions"]
    assert "COSINE_THRESHOLD = 0.12;" in ranking["score_distributions"]


def test_a_second_run_does_nothing_and_pays_for_nothing(world: World, counting: CountingEmbedder) -> None:
    world.campaign()
    world.archive(asking(1), asking(2), asking(3, over_18=True))
    world.run()
    before = world.rows("SELECT * FROM lead_assets.leads ORDER BY reddit_id")
    counting.texts.clear()

    second = world.run()

    assert counting.texts == []
    work = {
        "crawled_documents": ["judged", "kept"],
        "typesense_index": ["indexed", "reindexed", "removed"],
        "document_embeddings": ["embedded"],
        "lead_stubs": ["written"],
        "extracted_leads": ["extracted", "failed"],
        "leads": ["written", "cleared"],
    }
    for asset, names in work.items():
        assert {name: metadata(second, asset)[name] for name in names} == dict.fromkeys(names, 0)
    assert world.rows("SELECT * FROM lead_assets.leads ORDER BY reddit_id") == before


def test_each_asset_can_be_materialized_alone_at_any_time(world: World) -> None:
    world.campaign()
    for asset in ASSETS[1:]:
        world.run(only=(asset,))
    world.archive(asking())
    for asset in ASSETS:
        world.run(only=(asset,))
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 1


def test_a_text_is_embedded_once_whatever_number_of_campaigns_hold_it(world: World, counting: CountingEmbedder) -> None:
    world.archive(asking(1), asking(2))
    world.campaign("one")
    world.campaign("two", product="Something else.")
    world.run("one")
    counting.texts.clear()

    world.run("two")

    assert not [text for text in counting.texts if ASK in text]
    assert world.value("SELECT count(*) FROM lead_assets.leads WHERE campaign_id = 'two'") == 2


class Killed(BaseException):
    """Ends the run where it is: no handler of ours catches it."""


def test_a_run_that_ends_while_embedding_costs_at_most_a_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(6)))
    monkeypatch.setattr("lead_assets.pipeline.embed.BATCH", 2)

    class Dying(CountingEmbedder):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if len(self.texts) >= 4:
                raise Killed
            return super().embed(texts)

    dying = Dying()
    world.overrides["embedder_opener"] = dg.ResourceDefinition.hardcoded_resource(lambda _: dying)
    world.run(only=("crawled_documents", "document_embeddings"), ok=False)
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 6
    assert world.value("SELECT count(*) FROM lead_assets.vectors") == 4

    survivor = CountingEmbedder()
    world.overrides["embedder_opener"] = dg.ResourceDefinition.hardcoded_resource(lambda _: survivor)
    world.run()

    assert len([text for text in survivor.texts if ASK in text]) == 2
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 6


def test_the_funnel_counts_each_document_once_where_it_is_now(world: World) -> None:
    world.campaign()
    document = asking(1)
    world.archive(document, asking(2, over_18=True), asking(3, score=0), post("My CRM poem about the blue sea", "Oh."))
    world.run()
    world.execute("UPDATE lead_assets.sightings SET seen_at = now() - interval '8 days'")
    world.archive(document, asking(2, over_18=True), asking(4))
    world.run()

    with world.database.connect() as connection:
        funnel = read_funnel(connection, "crm")
        stats = read_campaign_stats(connection)["crm"]
    judged = world.value(
        "SELECT count(*) FROM (SELECT reddit_id FROM lead_assets.documents "
        "UNION SELECT reddit_id FROM lead_assets.rejections) x"
    )
    assert funnel["crawled"] == judged == 6
    assert funnel["crawled"] == sum(funnel["rejected"].values()) + funnel["kept"]
    assert funnel["leads"] == stats["leads_found"] == 2
    assert stats["rejected_by_gate"] == funnel["rejected"]
    assert stats["documents"] == funnel["stored"]


def test_a_lead_stops_being_qualified_when_its_candidate_is_no_longer_kept(world: World) -> None:
    world.campaign()
    world.archive(asking(score=5))
    world.run()

    world.run(only=("ranked_candidates",), config={"MIN_ENGAGEMENT_SCORE": 10})
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 0
    assert world.value("SELECT extracted_data IS NOT NULL FROM lead_assets.leads")

    result = world.run(only=("leads",))
    assert metadata(result, "leads")["leads_gone"] == 1
    assert world.rows("SELECT extracted_data, relevance_score FROM lead_assets.leads") == [
        {"extracted_data": None, "relevance_score": None}
    ]


def test_a_lead_read_for_another_product_stays_until_it_is_read_again(world: World) -> None:
    world.campaign()
    world.archive(asking())
    world.run()

    world.campaign(product="Payroll for astronauts.")
    result = world.run(only=("leads",))

    assert (metadata(result, "leads")["leads_stored"], metadata(result, "leads")["leads_gone"]) == (1, 0)
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 1
    assert metadata(world.run(), "extracted_leads")["extracted"] == 1
    assert world.value("SELECT count(*) FROM lead_assets.extractions") == 2  # never overwritten
    assert world.rows("SELECT stale FROM lead_assets.qualified_leads WHERE stale") == []


def test_leads_that_a_ranking_takes_away_are_counted_in_the_same_run(world: World) -> None:
    world.campaign()
    world.archive(asking(1, score=5), asking(2, score=50))
    first = metadata(world.run(), "leads")
    assert (first["leads_stored"], first["leads_new"], first["leads_gone"]) == (2, 2, 0)

    second = metadata(world.run(config={"MIN_ENGAGEMENT_SCORE": 10}), "leads")
    assert (second["leads_stored"], second["leads_new"], second["leads_gone"]) == (1, 0, 1)

    third = metadata(world.run(), "leads")
    assert (third["leads_stored"], third["leads_new"], third["leads_gone"]) == (2, 1, 0)


def test_adding_a_keyword_reads_nothing_again(world: World) -> None:
    world.campaign()
    world.archive(asking())
    world.run()
    world.campaign(keywords=["crm", "track clients", "small business"])
    assert metadata(world.run(), "extracted_leads")["extracted"] == 0


def test_a_near_duplicate_is_one_lead(world: World) -> None:
    world.campaign()
    first = asking(1, created_utc=1_779_000_000)
    again = asking(1, subreddit="sales", author="somebody")
    world.archive(again, first)

    world.run()

    assert world.rows("SELECT reddit_id FROM lead_assets.qualified_leads") == [{"reddit_id": first["name"]}]
    assert world.rows("SELECT duplicate_of FROM lead_assets.candidates ORDER BY duplicate_of NULLS FIRST") == [
        {"duplicate_of": None},
        {"duplicate_of": first["name"]},
    ]


class Inventing(RulesExtractor):
    """A model that makes things up."""

    name = "openai"

    def extract(self, request: ExtractionRequest) -> Extraction:
        invented = {"evidence": ["I will pay a million"], "contact": ["boss@evil.example"], "is_lead": True}
        return super().extract(request).model_copy(update=invented)


def test_what_a_document_does_not_say_never_becomes_a_lead(world: World) -> None:
    world.campaign()
    world.archive(asking())
    world.overrides["extractor_opener"] = dg.ResourceDefinition.hardcoded_resource(lambda _: Inventing())

    result = world.run()

    assert metadata(result, "extracted_leads")["removed_quotes"] == 1
    assert metadata(result, "extracted_leads")["removed_contacts"] == 1
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 0


def test_an_ungrounded_extraction_in_the_store_fails_its_check(world: World) -> None:
    world.campaign()
    world.archive(asking())
    world.run()
    world.execute(
        "UPDATE lead_assets.extractions SET extraction = "
        "jsonb_set(extraction, '{evidence}', '[\"never written here\"]')"
    )
    check = checks(world.run(only=("extracted_leads",)))["extractions_grounded"]
    assert not check.passed
    assert check.description is not None
    assert check.description.startswith("1 extractions say what their document does not")


class Stumbling(RulesExtractor):
    """A reader that cannot read one of the documents."""

    def extract_all(self, requests: Sequence[ExtractionRequest]) -> Iterator[list[tuple[int, Outcome]]]:
        failed = Outcome(ExtractionFailed("The answer was no JSON."))
        for ready in super().extract_all(requests):
            yield [(at, failed if "number 1." in requests[at].title else outcome) for at, outcome in ready]


def test_one_failed_extraction_does_not_block_the_others_and_is_tried_again_up_to_a_limit(world: World) -> None:
    world.campaign()
    world.archive(asking(1), asking(2))
    world.overrides["extractor_opener"] = dg.ResourceDefinition.hardcoded_resource(lambda _: Stumbling())

    counts = [metadata(world.run(), "extracted_leads") for _ in range(4)]

    assert [(found["extracted"], found["failed"], found["given_up"]) for found in counts] == [
        (1, 1, 0),
        (0, 1, 0),
        (0, 1, 0),
        (0, 0, 1),
    ]
    assert world.value("SELECT error FROM lead_assets.extractions WHERE status = 'failed'") == "The answer was no JSON."
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 1


def test_a_missing_lead_row_fails_its_check(world: World) -> None:
    world.campaign()
    world.archive(asking())
    world.run()
    world.execute("DELETE FROM lead_assets.leads")
    assert not checks(world.run(only=("leads",)))["leads_complete"].passed
    assert checks(world.run())["leads_complete"].passed


def test_a_missing_vector_fails_its_check_and_is_made_again(world: World) -> None:
    world.campaign()
    world.archive(asking())
    world.run()
    world.execute("DELETE FROM lead_assets.vectors")
    ranked = world.run(only=("ranked_candidates",))
    assert metadata(ranked, "ranked_candidates")["not_embedded"] == 1
    result = world.run()
    assert checks(result)["embeddings_complete"].passed
    assert metadata(result, "document_embeddings")["embedded"] == 1


def test_gates_warn_when_they_reject_or_cannot_judge_nearly_everything(world: World) -> None:
    world.campaign()
    world.archive(*(post(over_18=True, upvote_ratio=...) for _ in range(60)))

    found = checks(world.run(only=("crawled_documents",)))

    assert (found["nsfw"].passed, found["nsfw"].severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found["nsfw"].description == "Rejected 60 of 60 documents: is the limit right?"
    assert (found["upvote_ratio"].passed, found["upvote_ratio"].severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found["deduplication"].passed
    assert found["author_karma"].passed


@pytest.mark.parametrize(
    ("thing", "stored"),
    [
        ({"title": "CRM \x00 with NUL? Which?"}, 1),
        ({"title": "CRM \ud83d lone surrogate, which?"}, 1),
        ({"selftext": "which crm? " + "x" * 1_000_000}, 1),
        (
            {
                "author": None,
                "score": None,
                "created_utc": None,
                "over_18": None,
                "upvote_ratio": None,
                "subreddit": None,
            },
            1,
        ),
        ({"score": 10**400, "created_utc": -5, "upvote_ratio": "NaN"}, 1),
        ({"name": None, "id": None}, 0),
        ({"title": None, "selftext": None}, 0),
        ({"name": "t3_x'); DROP TABLE documents;--", "id": ""}, 0),
    ],
)
def test_a_hostile_or_malformed_post_neither_stops_the_run_nor_breaks_the_store(
    world: World, thing: dict[str, object], stored: int
) -> None:
    world.campaign()
    world.archive(asking(1), post("Which CRM?") | thing)

    result = world.run()

    assert world.value("SELECT count(*) FROM lead_assets.documents") == 1 + stored
    assert world.value("SELECT max(length(body)) <= 40000 FROM lead_assets.documents")
    assert checks(result)["index_matches_documents"].passed


def test_bad_lines_are_counted_and_reported(world: World) -> None:
    world.campaign()
    world.archive(asking(1), '{"name": "t3_cut", "title": "CR', "not json", "[1]", asking(2))

    found = metadata(world.run(only=("crawled_documents",)), "crawled_documents")

    assert (found["records_read"], found["records_malformed"], found["kept"]) == (5, 3, 2)
    assert "line 2" in found["malformed_examples"].records[0].data["record"]


def test_an_unknown_campaign_a_missing_archive_and_a_bad_setting_are_one_sentence(world: World) -> None:
    world.campaign()
    said = failure(world.run(only=("crawled_documents",), ok=False))
    assert said.startswith("There is no archive file at")
    said = failure(world.run(only=("crawled_documents",), config={"REDDIT_MIN_UPVOTE_RATIO": 7}, ok=False))
    assert said.startswith("run config: REDDIT_MIN_UPVOTE_RATIO is 7.0")
    (world.folder / "campaigns" / "crm.yaml").unlink()
    said = failure(world.run(only=("crawled_documents",), ok=False))
    assert said.startswith("There is no campaign 'crm'")
    assert world.value("SELECT count(*) FROM lead_assets.documents") == 0


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ("reddit", "Source reddit needs REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET and REDDIT_USER_AGENT"),
        ("arctic_shift", "subreddits"),
    ],
)
def test_what_a_source_lacks_is_told_in_one_sentence(source: str, lacks: str, world: World) -> None:
    world.campaign(source=source)
    said = failure(world.run(only=("crawled_documents",), ok=False))
    assert lacks in said
    assert "\n" not in said


@fault(
    "the folder of CSV files cannot be written",
    service="the disk",
    seen="the run succeeds and warns",
    again="the next run writes its own file",
    lost="that CSV file; its rows are in the table `rejections`",
)
def test_a_rejection_folder_that_cannot_be_written_does_not_stop_the_crawl(world: World) -> None:
    world.campaign()
    world.archive(asking(1), asking(2, over_18=True))
    (world.folder / "rejections").write_text("a file is in the way")

    found = metadata(world.run(only=("crawled_documents",)), "crawled_documents")

    assert found["rejection_log"].startswith("not written:")
    assert "set REJECTION_LOG_DIR" in str(found["warnings"])
    assert world.value("SELECT count(*) FROM lead_assets.rejections") == 1


@pytest.mark.parametrize(
    "name", ["index_matches_documents", "embeddings_complete", "extractions_grounded", "leads_complete"]
)
def test_a_standalone_check_runs_alone_for_one_campaign(world: World, name: str) -> None:
    world.archive(asking(1))
    world.campaign()
    world.run()

    found = checks(world.check(name, "crm"))

    assert set(found) == {name}
    assert found[name].passed
    assert found[name].partition == "crm"


def test_a_standalone_check_without_a_campaign_says_how_to_name_one(world: World) -> None:
    assert "tag dagster/partition = CAMPAIGN" in failure(world.check("leads_complete", None, ok=False))


def test_the_launchpad_is_filled_with_the_campaigns_settings_and_only_changes_are_the_runs_own(world: World) -> None:
    from lead_assets.defs.jobs import launchpad_config
    from lead_assets.defs.resources import RunSettings

    world.campaign(settings={"MIN_KEYWORD_HITS": 2})
    filled = launchpad_config("crm")["resources"]["run_settings"]["config"]
    assert (filled["MIN_KEYWORD_HITS"], filled["REDDIT_MIN_UPVOTE_RATIO"]) == (2, 0.4)

    brief = RunSettings(**(filled | {"MIN_ENGAGEMENT_SCORE": 7})).resolve("crm")

    assert brief.settings.min_engagement_score == 7
    origins = {name: origin for name, origin in brief.resolved.origins.items() if origin != "default"}
    assert origins == {"MIN_KEYWORD_HITS": "campaign crm", "MIN_ENGAGEMENT_SCORE": "run config"}
    assert launchpad_config("nobody")["resources"]["run_settings"]["config"] == {}


def test_the_launchpad_shows_what_is_in_force_where_a_setting_is_not_set(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lead_assets.defs.jobs import launchpad_config
    from lead_assets.defs.resources import RunSettings

    world.campaign()
    filled = launchpad_config("crm")["resources"]["run_settings"]["config"]
    assert (filled["COSINE_THRESHOLD"], filled["STORE_CONTACTS"]) == (0.12, True)
    assert [name for name, value in filled.items() if value is None] == []

    untouched = RunSettings(**filled).resolve("crm")
    assert (untouched.settings.cosine_threshold, untouched.settings.store_contacts) == (None, None)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert launchpad_config("crm")["resources"]["run_settings"]["config"]["COSINE_THRESHOLD"] == 0.3
    given = RunSettings(COSINE_THRESHOLD=0.15, EMBEDDER="openai").resolve("crm")
    assert given.settings.cosine_threshold == 0.15, "it is not that model's own"
    world.campaign(source="arctic_shift", archive=None, subreddits={"include": ["sales"]})
    assert launchpad_config("crm")["resources"]["run_settings"]["config"]["STORE_CONTACTS"] is False
