"""The ranking is as good as it was: ``lead-assets evaluate`` on labelled documents that ship with the tests.

The documents in ``lead_assets_tests/golden`` are made up. Labels: 2 the author looks for what is sold, 1 a related
need, 0 neither; among the 0 are sellers, guides, job adverts, and other meanings of the keywords. Real labelled posts,
where they are there, are in ``test_golden.py``.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets.domain.evaluation import LEAD, Golden
from lead_assets_tests.conftest import PROJECT

FILES = sorted((Path(__file__).parent.parent / "golden").glob("*.json"))
FLOORS = {"ndcg@10": 0.68, "average_precision": 0.72, "lead_recall": 0.93}
"""Of the mean over the campaigns. On 25 November 2026 it was 0.74, 0.78 and 0.97."""
FLOORS_OF_ONE = {"ndcg@10": 0.58, "average_precision": 0.62, "lead_recall": 0.90}
"""Of each campaign. With the lead model the lowest average precision was 0.65 (translation)."""
LIST_FLOORS = {"recall": 0.58, "precision": 0.75}
"""Of the list of leads at the default threshold, the mean over the campaigns, none of which the model was trained
on. On 25 November 2026 it was 0.63 and 0.83: a third of these documents are comments, and the model has learned from
posts."""
AHEAD = 0.15
"""How far the ranking is ahead of plain cosine and of text match, which were behind by 0.25 and more."""


def documents(golden_file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in golden_file.with_suffix(".ndjson").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def evaluation(
    tmp_path_factory: pytest.TempPathFactory, servers: embedded.Servers, new_database_url: Callable[[], str]
) -> dict[str, Any]:
    """What the command prints for all golden files."""
    environment = {
        "DATABASE_URL": new_database_url(),
        "TYPESENSE_URL": servers.typesense_url,
        "TYPESENSE_API_KEY": servers.typesense_api_key,
        "LEAD_ASSETS_HOME": str(tmp_path_factory.mktemp("home")),
        "DAGSTER_HOME": str(PROJECT),
    }
    for command in (["up"], ["evaluate", *map(str, FILES), "--as-of", "2026-06-30", "--json"]):
        result = CliRunner().invoke(main, command, env=environment)
        assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_ranking_of_labelled_documents_is_not_worse_than_it_was(evaluation: dict[str, Any]) -> None:
    mean = evaluation["mean"]["lead_assets"]
    assert {metric: mean[metric] for metric, floor in FLOORS.items() if mean[metric] < floor} == {}
    for campaign in evaluation["campaigns"]:
        found = campaign["rankings"]["lead_assets"]
        too_low = {metric: found[metric] for metric, floor in FLOORS_OF_ONE.items() if found[metric] < floor}
        assert too_low == {}, campaign["campaign"]


@pytest.mark.parametrize("reference", ["cosine", "text match"])
@pytest.mark.parametrize("metric", ["ndcg@10", "average_precision"])
def test_the_ranking_beats_what_it_is_made_of(evaluation: dict[str, Any], reference: str, metric: str) -> None:
    mean = evaluation["mean"]
    assert mean["lead_assets"][metric] >= mean[reference][metric] + AHEAD


def test_the_list_shows_most_leads_and_little_else(evaluation: dict[str, Any]) -> None:
    shown = [campaign["list"] for campaign in evaluation["campaigns"]]
    mean = {name: sum(each[name] for each in shown) / len(shown) for name in LIST_FLOORS}
    assert {name: value for name, value in mean.items() if value < LIST_FLOORS[name]} == {}, mean


def test_no_labelled_lead_is_missed_by_the_keywords(evaluation: dict[str, Any]) -> None:
    first_steps = {campaign["campaign"]: campaign["steps"][0] for campaign in evaluation["campaigns"]}
    assert {step["name"] for step in first_steps.values()} == {"crawled"}
    assert {name: step["lost"] for name, step in first_steps.items() if step["lost"]} == {}


@pytest.mark.parametrize("golden_file", FILES, ids=lambda path: path.stem)
def test_the_labelled_documents_are_posts_and_comments_with_each_label(golden_file: Path) -> None:
    golden = Golden.model_validate_json(golden_file.read_text(encoding="utf-8"))
    names = [document["name"] for document in documents(golden_file)]
    assert sorted(golden.labels) == sorted(names)
    for kind in ("t1_", "t3_"):
        of_kind = [label for name, label in golden.labels.items() if name.startswith(kind)]
        assert set(of_kind) == {0, 1, LEAD}
    assert len(golden.leads) >= 10
