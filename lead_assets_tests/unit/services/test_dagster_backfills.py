"""Dagster's answers about backfills as our types. The questions are put to a real Dagster in the integration tests."""

from typing import Any

import pytest

from lead_assets.domain.errors import DagsterRefused, InvalidInput
from lead_assets.services.dagster_backfills import DagsterBackfills
from lead_assets_tests.stand_ins.dagster_answers import Answering, backfill, run


def backfills(*answers: dict[str, Any]) -> DagsterBackfills:
    return DagsterBackfills(Answering(*answers), partitions_name="campaigns")


def test_each_campaign_is_where_its_newest_run_is() -> None:
    # Dagster gives newest runs first.
    seen = backfills(
        backfill(
            run("crm", "STARTED", "second"),
            run("shop", "SUCCESS"),
            run("crm", "FAILURE", "first"),
            names=["crm", "shop", "new"],
        )
    ).look("abc")
    assert {one: (state.state, state.run_id) for one, state in seen.campaigns.items()} == {
        "crm": ("running", "second"),
        "shop": ("done", "r"),
        "new": ("waiting", None),
    }
    assert not seen.over
    assert seen.tags == {"lead_assets/request": "d1"}


def test_a_run_whose_process_died_counts_as_queued_until_it_is_started_again() -> None:
    died = run("crm", "FAILURE", dagster__will_retry="true")
    assert backfills(backfill(died, names=["crm"])).look("abc").campaigns["crm"].state == "queued"
    started_again = run("crm", "FAILURE", dagster__will_retry="true", dagster__auto_retry_run_id="x")
    assert backfills(backfill(started_again, names=["crm"])).look("abc").campaigns["crm"].state == "failed"


def test_a_backfill_is_over_with_its_last_run_though_dagster_has_not_noticed() -> None:
    both = [run("crm", "SUCCESS"), run("shop", "FAILURE")]
    assert backfills(backfill(*both, names=["crm", "shop"])).look("abc").over
    assert not backfills(backfill(*both, names=["crm", "shop", "new"])).look("abc").over
    assert not backfills(backfill(names=None)).look("abc").over, "its campaigns are not known yet"


def test_a_campaign_that_never_ran_is_canceled_once_dagster_has_ended_the_backfill() -> None:
    seen = backfills(backfill(run("crm", "CANCELED"), names=["crm", "new"], status="CANCELED")).look("abc")
    assert {one: state.state for one, state in seen.campaigns.items()} == {"crm": "canceled", "new": "canceled"}
    assert seen.over


def test_an_unknown_backfill_is_the_users_mistake() -> None:
    answer = {"partitionBackfillOrError": {"__typename": "BackfillNotFoundError", "message": "x"}}
    with pytest.raises(InvalidInput, match="has no backfill 'abc'"):
        backfills(answer).look("abc")


def test_a_backfill_that_is_over_is_not_cancelled() -> None:
    service = Answering(backfill(run("crm", "SUCCESS"), names=["crm"]))
    DagsterBackfills(service, partitions_name="campaigns").cancel("abc")
    assert len(service.asked) == 1, "Dagster would call it canceled from then on"


def test_a_refusal_is_told_in_dagsters_own_first_line() -> None:
    answer = {"launchPartitionBackfill": {"__typename": "PythonError", "message": "dagster.X: no such thing\n  at y"}}
    with pytest.raises(DagsterRefused, match=r"no such thing$"):
        backfills(answer).launch("job", ["crm"], config={}, tags={}, title="x")


def test_a_dagster_that_still_runs_the_version_before_is_to_be_started_anew() -> None:
    answer = {"launchPartitionBackfill": {"__typename": "PartitionSetNotFoundError", "message": "x"}}
    with pytest.raises(DagsterRefused, match="start `lead-assets dev` anew"):
        backfills(answer).launch("job", ["crm"], config={}, tags={}, title="x")


def test_the_last_runs_of_many_campaigns_are_asked_for_in_portions() -> None:
    ids = [f"crm_{number}" for number in range(120)]
    node = {
        "__typename": "AssetNode",
        "partitionKeys": ids,
        "assetPartitionStatuses": {"materializedPartitions": ids[:60], "failedPartitions": ids[50:55]},
    }
    portions = [
        {f"r{number}": {"__typename": "Runs", "results": [run(one, "FAILURE")] if one == "crm_3" else []}
         for number, one in enumerate(ids[start : start + 50])}
        for start in (0, 50, 100)
    ]  # fmt: skip
    service = Answering({"assetNodeOrError": node}, *portions)
    found = DagsterBackfills(service, partitions_name="campaigns").standings("leads", ids)
    assert [one for one in ids if found[one].complete] == [*ids[:3], *ids[4:50], *ids[55:60]]
    assert service.asked[2]["p0"] == "crm_50"


def test_a_failed_run_says_why_in_its_assets_words_else_in_dagsters() -> None:
    def events(*found: dict[str, Any], more: bool = False) -> dict[str, Any]:
        return {"logsForRun": {"__typename": "EventConnection", "cursor": "c", "hasMore": more, "events": list(found)}}

    other = {"__typename": "LogMessageEvent"}
    ended = {"__typename": "RunFailureEvent", "message": "Steps failed: ['leads']."}
    step = {"__typename": "ExecutionStepFailureEvent", "stepKey": "leads", "failureMetadata": None, "error": None}
    said = step | {"failureMetadata": {"description": "There is no archive."}}
    caused = step | {
        "error": {"message": "DagsterExecutionStepExecutionError: x", "cause": {"message": "KeyError: 'a'\n"}}
    }

    assert backfills(events(other, more=True), events(said, ended)).failure("r") == "There is no archive."
    assert backfills(events(caused, ended)).failure("r") == "KeyError: 'a'"
    assert backfills(events(other, ended)).failure("r") == "Steps failed: ['leads']."
    assert backfills(events(other)).failure("r") == "The run ended without saying why."


def test_only_partitions_that_are_not_there_are_added_and_the_sensor_may_be_quicker() -> None:
    node = {"__typename": "AssetNode", "partitionKeys": ["crm"], "assetPartitionStatuses": None}
    added = {"a0": {"__typename": "AddDynamicPartitionSuccess"}, "a1": {"__typename": "DuplicateDynamicPartitionError"}}
    service = Answering({"assetNodeOrError": node}, added)
    assert DagsterBackfills(service, partitions_name="campaigns").add_partitions("leads", ["crm", "b", "c"]) == [
        "b",
        "c",
    ]
    assert (service.asked[1]["p0"], service.asked[1]["p1"], service.asked[1]["name"]) == ("b", "c", "campaigns")
