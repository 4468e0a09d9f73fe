"""The shared cases through the whole graph: what is stored, what is a lead, what is told. None of them is copied."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from lead_assets.config.environment import Environment
from lead_assets.models.openai.embedding_limits import KNOWN_LIMITS
from lead_assets.models.openai.formats import KNOWN
from lead_assets.pipeline.explain import explain_document
from lead_assets.pipeline.run_context import resolve_run
from lead_assets.storage.candidates import read_candidates
from lead_assets.storage.leads import read_qualified
from lead_assets_tests.conftest import SHARED, World, failure, metadata
from lead_assets_tests.conftest import post as archived_post
from lead_assets_tests.stand_ins.clients.openai.test_odd_answers import CASES as MODEL_CASES
from lead_assets_tests.stand_ins.clients.openai.test_odd_answers import GOOD, in_parts
from lead_assets_tests.stand_ins.openai_server import CHAT, StandIn
from lead_assets_tests.stand_ins.openai_server.answers import shown_document
from lead_assets_tests.stand_ins.openai_server.faults import Fault
from lead_assets_tests.unit.sources.test_keyword_cases import EXPECTED as KEYWORD_CASES

CASES = SHARED / "cases"
OPEN = {"COSINE_THRESHOLD": -1, "MIN_FUSED_SCORE_THRESHOLD": 0}
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="the cases are neither in $LEAD_ASSETS_SHARED nor beside the project"
)
FOLDERS = sorted(path.name for path in CASES.iterdir() if path.is_dir()) if CASES.is_dir() else ["none"]


@dataclass(frozen=True)
class Right:
    """What is right of a case, by ids without their prefix.

    ``found_by_words`` are matched by Typesense too. ``keywords`` says by which keywords each document matches, and
    ``changed`` what is other than in the case's campaign. ``says`` makes of the usual answer what the model says.
    """

    stored: set[str]
    no_leads: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    found_by_words: set[str] = field(default_factory=set)
    keywords: dict[str, set[str]] | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    says: Callable[[str], str] | None = None


def by_keywords(case: str) -> Right:
    changed, matched = KEYWORD_CASES[case]
    return Right(set(matched), keywords=matched, changed=changed)


def by_model(case: str) -> Right:
    """Every post of the case is stored, and read with one request."""
    posts = (CASES / case / "input.ndjson").read_text(encoding="utf-8").splitlines() if CASES.is_dir() else []
    return Right({json.loads(line)["id"] for line in posts}, says=MODEL_CASES[case])


RIGHT: dict[str, Right] = {
    **{case: by_keywords(case) for case in KEYWORD_CASES},
    **{case: by_model(case) for case in MODEL_CASES},
    "22-later-dump-removed": Right({"lr22c"}),
    "04-removed": Right({"r04e"}, counts={"records_deleted": 4}),
    "05-post-kinds": Right(
        {"p05e", "p05g", "p05h"}, {"p05a", "p05f"}, {"records_advertisements": 1, "records_automoderator": 1}
    ),
    "06-authors-subs": Right(
        {"u06c", "u06d", "u06e", "u06f", "u06i", "u06j", "u06k"},
        rejected={"u06a": "subreddit_subscribers", "u06b": "subreddit_subscribers", "u06g": "upvote_ratio"},
    ),
    "07-created": Right(
        {"t07a", "t07b", "t07e", "t07f"}, rejected={"t07c": "post_age", "t07d": "post_age", "t07g": "post_age"}
    ),
    "08-bom-crlf": Right({"f08a", "f08b"}),
    "08b-utf16": Right({"f08a", "f08b"}),
    "09-json-array": Right({"j09a", "j09b", "j09c"}, counts={"records_read": 3}),
    "09b-json-array-oneline": Right({"j09a", "j09b", "j09c"}, counts={"records_read": 3}),
    "09c-listing": Right({"j09a", "j09b", "j09c"}, counts={"records_read": 3}),
    "09f-html-or-csv": Right(set(), refused="is a Reddit object"),
    "10-zst-frames": Right({"j09a", "j09b", "j09c"}),
    "10b-zst-truncated": Right(set(), refused="ends in the middle"),
    "10c-empty": Right(set(), refused="is empty"),
    "11-comments": Right({"cm11a", "cm11c", "cm11e", "cm11f"}, {"cm11d", "cm11e"}),
    "24-odd-lines": Right({"ol2", "ol3", "ol4", "ol5", "ol11"}, counts={"records_malformed": 5}),
    "25-quoted-parent": Right(
        {"qp1", "qp2", "qp4", "qp5", "qp6", "qp7"}, {"qp1", "qp2", "qp4", "qp5"}, found_by_words={"qp6"}
    ),
}


def take(world: World, case: str, **changed: Any) -> str:
    """Make the case's campaign one of ``world``; the input stays where it is."""
    (source,) = (CASES / case).glob("input.*")
    content = yaml.safe_load((CASES / case / "campaign.yaml").read_text(encoding="utf-8")) | changed
    content["archive"]["path"] = str(source)
    return world.campaign("case", **content)


def plain(reddit_id: str) -> str:
    return reddit_id.partition("_")[2]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], StandIn]]:
    """Starts a model that answers as a case says."""
    with ExitStack() as stack:

        def start(case: str) -> StandIn:
            KNOWN.forget()
            KNOWN_LIMITS.forget()
            says = RIGHT[case].says
            assert says is not None

            def answer(messages: list[dict[str, Any]]) -> str:
                return says(json.dumps(GOOD | {"evidence": [shown_document(messages).splitlines()[0]]}))

            server = stack.enter_context(StandIn(answer=answer))
            if case.endswith("parts"):
                server.fail(CHAT, Fault(change=in_parts, times=None))
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            return server

        yield start


@pytest.mark.parametrize("case", FOLDERS)
def test_a_case_comes_out_right(case: str, world: World, model: Callable[[str], StandIn]) -> None:
    assert case in RIGHT, f"nothing says what is right of {case}"
    right = RIGHT[case]
    server = model(case) if right.says else None
    take(world, case, **right.changed, **({"settings": OPEN} if right.says else {}))

    if right.refused:
        told = failure(world.run("case", ok=False))
        assert right.refused in told
        assert len(told) < 500
        return
    result = world.run("case")

    rejected = world.rows("SELECT reddit_id, gate FROM lead_assets.rejections WHERE stage = 'crawl'")
    assert {
        plain(row["reddit_id"]) for row in world.rows("SELECT reddit_id FROM lead_assets.documents")
    } == right.stored
    assert {plain(row["reddit_id"]): row["gate"] for row in rejected} == right.rejected
    leads = world.rows("SELECT reddit_id, extracted_data::text AS said FROM lead_assets.qualified_leads")
    assert not {plain(row["reddit_id"]) for row in leads} & right.no_leads
    assert "&#" not in (said := "".join(row["said"] for row in leads))
    assert "&amp;" not in said
    shown = metadata(result, "crawled_documents")
    assert {name: shown[name] for name in right.counts} == right.counts
    words = world.rows("SELECT reddit_id FROM lead_assets.candidates WHERE lexical > 0")
    assert {plain(row["reddit_id"]) for row in words} >= right.found_by_words
    if right.keywords is not None:
        assert {name: set(found) for name, found in keywords_of(world).items()} == right.keywords
    if server is not None:
        read = world.rows("SELECT reddit_id, status, extractor, extraction FROM lead_assets.extractions")
        assert {(row["status"], row["extractor"]) for row in read} == {("ok", "openai")}
        assert {plain(row["reddit_id"]) for row in read} == right.stored
        assert all(row["extraction"]["evidence"] for row in read)
        assert server.requests[CHAT] == len(right.stored), "one paid request for each"


def test_every_case_that_is_known_is_there() -> None:
    assert set(RIGHT) == set(FOLDERS)


ALIVE = {"selftext": "Which CRM do you recommend?", "author": "somebody", "created_utc": 1_780_000_000}


def test_a_later_dump_takes_away_what_is_gone_and_changes_what_was_edited(world: World) -> None:
    names = ("lr22a", "lr22b", "lr22c")
    world.archive(*(archived_post("Need a CRM", id=name, name=f"t3_{name}", **ALIVE) for name in names))
    world.campaign("case")
    world.run("case")
    assert len(world.search_index.held("case")) == 3
    take(world, "22-later-dump-removed")

    result = world.run("case")

    for table in ("documents", "sightings", "candidates", "extractions", "leads"):
        ids = {row["reddit_id"] for row in world.rows(f"SELECT reddit_id FROM lead_assets.{table}")}
        assert ids == {"t3_lr22c"}, table
    assert set(world.search_index.held("case")) == {"t3_lr22c"}
    assert "EDIT: found one" in world.value("SELECT body FROM lead_assets.documents")
    assert metadata(result, "crawled_documents")["purged"] == 2


def test_an_older_dump_changes_nothing(world: World) -> None:
    new = archived_post("Need a CRM", "Which CRM? New words.", retrieved_on=1_780_000_999)
    world.archive(new)
    world.campaign()
    world.run()
    world.archive(new | {"selftext": "Which CRM? Old words.", "retrieved_on": 1_780_000_111})

    result = world.run()

    assert "New words" in world.value("SELECT body FROM lead_assets.documents")
    assert metadata(result, "crawled_documents")["outdated"] == 1


def test_an_edit_that_matches_no_more_is_stored_and_no_lead(world: World) -> None:
    asking = archived_post("Which CRM do you recommend?", "I need a CRM for my shop.")
    world.archive(asking)
    world.campaign()
    world.run()
    world.archive(asking | {"title": "Solved", "selftext": "Thank you all.", "edited": 1_780_000_500})

    world.run()

    assert world.value("SELECT body FROM lead_assets.documents") == "Thank you all."
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 0


def test_after_the_keywords_have_changed_nothing_shows_the_old_ones(world: World) -> None:
    """Case 16: what is stored, lists and explains shows today's keywords."""
    take(world, "16-change-keywords", keywords=["crm"])
    world.run("case")
    assert keywords_of(world) == {"ch1": ["crm"], "ch3": ["crm"]}
    take(world, "16-change-keywords")
    with_both = resolve_run(Environment.read(), "case")

    before = explain_document(world.database, with_both, "t3_ch1")["crawl"]["matched_keywords"]
    world.run("case")

    assert before == [], "explain knows them at once"
    assert keywords_of(world) == {"ch1": [], "ch2": ["invoicing"], "ch3": ["invoicing"]}
    with world.database.connect() as connection:
        assert "crm" not in str(read_candidates(connection, "case")["matched_keywords"].tolist())
        assert "crm" not in str([lead["matched_keywords"] for lead in read_qualified(connection, "case")])


def keywords_of(world: World) -> dict[str, list[str]]:
    rows = world.rows("SELECT reddit_id, matched_keywords FROM lead_assets.documents")
    return {plain(row["reddit_id"]): row["matched_keywords"] for row in rows}
