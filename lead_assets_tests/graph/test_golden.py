"""Real posts: a whole archive and a labelled campaign, through the whole graph, when the shared data is there."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lead_assets.storage.candidates import read_candidates
from lead_assets.storage.leads import read_qualified
from lead_assets_tests.conftest import SHARED, World, checks, metadata

GOLDEN = SHARED / "golden"
ARCHIVE = SHARED / "data" / "reddit" / "submissions_2013.ndjson.zst"
DEVTOOLS = SHARED / "data" / "reddit" / "submissions_2020_devtools.ndjson.zst"

pytestmark = pytest.mark.skipif(not ARCHIVE.is_file(), reason="the shared Reddit data is not beside the project")


def _golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def _score(labels: dict[str, int], ranking: list[str]) -> dict[str, float]:
    spec = importlib.util.spec_from_file_location("golden_score", GOLDEN / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.score(labels, ranking)


def _named_in_links_alone(archive: Path, keywords: list[str], ids: list[str]) -> set[str]:
    """Those of ``ids`` in which a keyword's words, or forms of them, stand together in addresses of links only."""
    patterns = [
        [re.compile(rf"\b{re.escape(word)}(?:s|es|ing|ed)?\b", re.I) for word in one.split()] for one in keywords
    ]
    named = set(ids)
    with zstandard.open(archive, "rt", encoding="utf-8") as lines:
        for post in map(json.loads, lines):
            text = re.sub(r"\]\([^)]*\)|https?://\S+", " ", f"{post['title']} {post['selftext']}")
            if any(all(word.search(text) for word in words) for words in patterns):
                named.discard(f"t3_{post['id']}")
    return named


def test_a_whole_archive_of_real_posts_gives_leads_that_a_salesperson_would_want(world: World) -> None:
    golden = _golden("crm")
    world.campaign("crm", product=golden["product"], keywords=golden["keywords"], archive=None)

    config = {"source": "archive", "archive_path": str(ARCHIVE), "as_of": "2013-08-20"}
    result = world.run("crm", config=config)

    crawled = metadata(result, "crawled_documents")
    assert (crawled["records_read"], crawled["records_malformed"]) == (71_189, 0)
    assert checks(result)["index_matches_documents"].passed
    assert checks(result)["embeddings_complete"].passed
    assert checks(result)["extractions_grounded"].passed
    assert checks(result)["leads_complete"].passed
    with world.database.connect() as connection:
        leads = [lead["reddit_id"] for lead in read_qualified(connection, "crm")]
    labelled = [golden["labels"][reddit_id] for reddit_id in leads if reddit_id in golden["labels"]]
    assert sum(label == 2 for label in labelled[:10]) >= 7


@pytest.mark.parametrize("name", ["invoicing"])
def test_labelled_leads_come_first_and_no_gate_loses_them(world: World, name: str) -> None:
    golden = _golden(name)
    world.campaign(
        name,
        product=golden["product"],
        keywords=golden["keywords"],
        archive={"path": str(GOLDEN / f"{name}.ndjson.zst"), "as_of": "2020-11-30"},
        settings={"REDDIT_MAX_POST_AGE_MONTHS": 1200},
    )

    result = world.run(name)

    # The file's crawl has a few in which a keyword stands only in the address of a link, which does not count.
    archive = GOLDEN / f"{name}.ndjson.zst"
    by_links_alone = _named_in_links_alone(archive, golden["keywords"], golden["crawl"])
    assert metadata(result, "crawled_documents")["given"] == len(golden["crawl"]) - len(by_links_alone)
    with world.database.connect() as connection:
        ranking = read_candidates(connection, name)["reddit_id"].tolist()
    found = _score(golden["labels"], ranking)
    assert found["lead_recall"] >= 0.95
    assert found["ndcg@10"] >= 0.80
    assert found["average_precision"] >= 0.65


def test_an_archive_with_facts_meets_the_gates_that_need_them(world: World) -> None:
    """Posts of 2020: upvote ratio and NSFW reject, subscribers are known, karma is unknown throughout."""
    world.campaign(
        "monetisation",
        product="An ad network and in-app purchase toolkit that lets Android developers earn money with their apps.",
        keywords=["ad network", "admob", "monetize app", "monetization", "monetisation", "in-app purchase"],
        archive={"path": str(DEVTOOLS), "as_of": "2020-11-30"},
    )

    result = world.run("monetisation", only=("crawled_documents",))

    found = {name: check.metadata for name, check in checks(result).items()}
    assert found["upvote_ratio"]["rejected"].value > 0
    assert found["nsfw"]["rejected"].value > 0
    assert found["subreddit_subscribers"]["unknown"].value == 0
    assert found["author_karma"]["unknown"].value == found["author_karma"]["evaluated"].value > 100
    assert checks(result)["author_karma"].passed


def test_nothing_of_the_shared_data_is_in_the_project() -> None:
    project = Path(__file__).resolve().parents[2]
    sample = (project / "lead_assets" / "sample" / "documents.ndjson").read_text(encoding="utf-8")
    for name in ("crm", "invoicing", "website"):
        assert not [reddit_id for reddit_id in _golden(name)["crawl"] if f'"{reddit_id}"' in sample]
