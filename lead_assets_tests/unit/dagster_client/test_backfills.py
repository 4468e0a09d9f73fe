"""Dagster's answers about backfills as our types. The questions are put to a real Dagster in the process tests."""

import time
from typing import Any

import pytest

from lead_assets.dagster_client.backfills import Backfill, cancel, launch, look, materialized, newest_runs
from lead_assets.domain.errors import DagsterRefused, InvalidInput
from lead_assets_tests.stand_ins.dagster_answers import Answering, backfill, run

ADDED = {"key0": {"__typename": "AddDynamicPartitionSuccess"}}


def seen(answer: dict[str, Any]) -> Backfill:
    return look(Answering(answer), "abc")


def test_each_campaign_is_where_its_newest_run_is() -> None:
    # Dagster gives newest runs first.
    newest_first = [run("crm", "STARTED", "second"), run("shop", "SUCCESS"), run("crm", "FAILURE", "first")]
    found = seen(backfill(*newest_first, names=["crm", "shop", "new"]))
    assert {one: (state.state, state.run_id) for one, state in found.campaigns.items()} == {
        "crm": ("running", "second"),
        "shop": ("done", "r"),
        "new": ("waiting", None),
    }
    assert not found.over
    assert found.tags == {"lead_assets/request": "d1"}


def test_a_running_campaign_has_its_step_and_the_seconds_so_far() -> None:
    answer = backfill(run("crm", "STARTED") | {"startTime": time.time() - 60, "endTime": None}, names=["crm"])
    steps = [{"stepKey": "crawled_documents", "status": "SUCCESS"}, {"stepKey": "leads", "status": "IN_PROGRESS"}]
    answer["started"] = {"results": [{"runId": "r", "stepStats": steps}]}
    running = seen(answer).campaigns["crm"]
    assert running.step == "leads"
    assert running.seconds == pytest.approx(60, abs=5)
    ended = seen(backfill(run("crm", "SUCCESS"), names=["crm"])).campaigns["crm"]
    assert (ended.step, ended.seconds) == (None, 7.5)


def test_a_run_whose_process_died_counts_as_queued_until_it_is_started_again() -> None:
    died = run("crm", "FAILURE", dagster__will_retry="true")
    assert seen(backfill(died, names=["crm"])).campaigns["crm"].state == "queued"
    started_again = run("crm", "FAILURE", dagster__will_retry="true", dagster__auto_retry_run_id="x")
    assert seen(backfill(started_again, names=["crm"])).campaigns["crm"].state == "failed"


def test_a_backfill_is_over_with_its_last_run_though_dagster_has_not_noticed() -> None:
    both = [run("crm", "SUCCESS"), run("shop", "FAILURE")]
    assert seen(backfill(*both, names=["crm", "shop"])).over
    assert not seen(backfill(*both, names=["crm", "shop", "new"])).over
    assert not seen(backfill(names=None)).over, "its campaigns are not known yet"


def test_a_campaign_that_never_ran_is_canceled_once_dagster_has_ended_the_backfill() -> None:
    found = seen(backfill(run("crm", "CANCELED"), names=["crm", "new"], status="CANCELED"))
    assert {one: state.state for one, state in found.campaigns.items()} == {"crm": "canceled", "new": "canceled"}
    assert found.over


def test_an_unknown_backfill_is_the_users_mistake() -> None:
    answer = {"partitionBackfillOrError": {"__typename": "BackfillNotFoundError", "message": "x"}}
    with pytest.raises(InvalidInput, match="has no backfill 'abc'"):
        seen(answer | {"started": {}})


def test_a_backfill_that_is_over_is_not_cancelled() -> None:
    service = Answering(backfill(run("crm", "SUCCESS"), names=["crm"]))
    cancel(service, "abc")
    assert len(service.asked) == 1, "Dagster would call it canceled from then on"


def test_a_refusal_has_dagsters_own_first_line() -> None:
    answer = {"launchPartitionBackfill": {"__typename": "PythonError", "message": "dagster.X: no such thing\n  at y"}}
    with pytest.raises(DagsterRefused, match=r"no such thing$"):
        launch(Answering(ADDED, answer), "job", ["crm"], {}, {})


def test_a_dagster_that_still_runs_the_version_before_is_to_be_restarted() -> None:
    answer = {"launchPartitionBackfill": {"__typename": "PartitionSetNotFoundError", "message": "x"}}
    with pytest.raises(DagsterRefused, match="Restart `lead-assets dev`"):
        launch(Answering(ADDED, answer), "job", ["crm"], {}, {})


def test_a_backfill_without_options_leaves_each_partitions_config_alone() -> None:
    started = {"launchPartitionBackfill": {"__typename": "LaunchBackfillSuccess", "backfillId": "abc"}}
    service = Answering(ADDED, started, ADDED, started)
    assert launch(service, "job", ["crm"], {}, {}) == "abc"
    launch(service, "job", ["crm"], {"source": "archive"}, {"lead_assets/request": "d1"})
    assert service.asked[1]["config"] == {}
    assert service.asked[3]["config"] == {"resources": {"run_settings": {"config": {"source": "archive"}}}}
    assert (service.asked[3]["set"], service.asked[3]["keys"]) == ("job_partition_set", ["crm"])
    assert service.asked[3]["tags"] == [{"key": "lead_assets/request", "value": "d1"}]


def test_the_newest_runs_of_many_campaigns_are_asked_for_in_portions() -> None:
    ids = [f"crm_{number}" for number in range(120)]
    portions = [
        {f"key{number}": {"__typename": "Runs", "results": [run(one, "FAILURE")] if one == "crm_3" else []}
         for number, one in enumerate(ids[start : start + 50])}
        for start in (0, 50, 100)
    ]  # fmt: skip
    service = Answering(*portions)
    found = newest_runs(service, ids, {"lead_assets/request": "d1"})
    assert {one: run.state for one, run in found.items()} == {"crm_3": "failed"}
    assert service.asked[1]["key0"] == "crm_50"
    assert '{key: "lead_assets/request", value: "d1"}' in service.asked[2]["query"]


def test_an_asset_whose_newest_try_failed_is_not_materialized() -> None:
    statuses = {"materializedPartitions": ["crm", "shop"], "failedPartitions": ["shop", "new"]}
    node = {"__typename": "AssetNode", "assetPartitionStatuses": statuses}
    assert materialized(Answering({"assetNodeOrError": node}), "leads") == {"crm"}


def test_a_dagster_that_has_not_loaded_the_project_is_reported_with_the_page_that_says_why() -> None:
    answer = {"assetNodeOrError": {"__typename": "AssetNotFoundError", "message": "x"}}
    with pytest.raises(DagsterRefused, match="locations says why"):
        materialized(Answering(answer), "leads")
