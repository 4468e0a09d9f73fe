import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from lead_assets.domain.evaluation import METRICS, Golden, Step, mean, measure, recall_by_step
from lead_assets_tests.conftest import SHARED

GOLDEN = SHARED / "golden"


def test_the_metrics_of_a_small_ranking_worked_out_by_hand() -> None:
    labels = {"t3_a": 2, "t3_b": 0, "t3_c": 1, "t3_d": 2}
    found = measure(labels, ["t3_b", "t3_a", "t3_x", "t3_c"])
    # gains 0, 3, 1 at discounts 1, log2 3, 2; at best 3, 3, 1, 0
    assert found["ndcg@10"] == pytest.approx((3 / 1.5850 + 1 / 2) / (3 + 3 / 1.5850 + 1 / 2), abs=1e-4)
    assert found["precision@10"] == 0.1
    assert found["precision@20"] == 0.05
    assert found["average_precision"] == 0.25  # one of two leads, at the second place
    assert found["lead_recall"] == 0.5


def test_a_perfect_ranking_and_an_empty_one() -> None:
    labels = {"t3_a": 2, "t3_b": 1, "t3_c": 0}
    assert measure(labels, ["t3_a", "t3_b", "t3_c"]) | {"precision@10": 1.0, "precision@20": 1.0} == dict.fromkeys(
        METRICS, 1.0
    )
    assert measure(labels, []) == dict.fromkeys(METRICS, 0.0)


def test_repeats_count_once_at_their_first_place() -> None:
    labels = {"t3_a": 2, "t3_b": 0, "t3_c": 2}
    assert measure(labels, ["t3_a", "t3_a", "t3_a", "t3_c"]) == measure(labels, ["t3_a", "t3_c"])


@pytest.mark.skipif(not (GOLDEN / "score.py").is_file(), reason="the shared golden files are not beside the project")
@pytest.mark.parametrize("name", ["crm", "invoicing", "website"])
@pytest.mark.parametrize("kept", [1.0, 0.5, 0.02])
def test_the_metrics_are_those_of_the_shared_script(tmp_path: Path, name: str, kept: float) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    chance = random.Random(name)
    ranking = [reddit_id for reddit_id in golden["crawl"] if chance.random() < kept]
    ranking = sorted(ranking, key=lambda reddit_id: chance.random() - 0.3 * golden["labels"].get(reddit_id, 0))
    path = tmp_path / "ranking"
    path.write_text("\n".join([*ranking, *ranking[:5]]), encoding="utf-8")

    command = [sys.executable, str(GOLDEN / "score.py"), str(GOLDEN / f"{name}.json"), str(path)]
    theirs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert measure(golden["labels"], ranking) == {metric: theirs[metric] for metric in METRICS}


def test_a_mean_is_that_of_each_metric() -> None:
    assert mean([{"ndcg@10": 1.0, "lead_recall": 0.5}, {"ndcg@10": 0.5, "lead_recall": 0.5}]) == {
        "ndcg@10": 0.75,
        "lead_recall": 0.5,
    }


def test_recall_falls_step_by_step_and_each_step_names_what_it_lost() -> None:
    steps = recall_by_step(["t3_a", "t3_b", "t3_c", "t3_d"], ["crawl", "nsfw", "cosine"], {"t3_b": "nsfw"})
    assert steps == [Step("crawl", 1.0, ()), Step("nsfw", 0.75, ("t3_b",)), Step("cosine", 0.75, ())]


GOOD = {"campaign": "crm", "product": "A CRM.", "keywords": ["crm"], "labels": {"t3_a": 2}}


def test_a_golden_campaign_may_have_more_keys_than_are_read() -> None:
    assert Golden.model_validate({**GOOD, "random_sample": ["t3_a"]}).leads == ["t3_a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": {}}, "no labels"),
        ({"labels": {"t3_a": 1}}, "no document is labelled 2"),
        ({"labels": {"t3_a": 3}}, "0, 1 or 2"),
        ({"labels": {"a b": 2}}, "pattern"),
        ({"keywords": []}, "at least 1"),
        ({"crawl": ["/etc/passwd"]}, "pattern"),
    ],
)
def test_what_is_no_golden_campaign_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Golden.model_validate(GOOD | change)
