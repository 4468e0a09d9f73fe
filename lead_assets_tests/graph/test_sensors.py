"""Sensors through Dagster's own evaluation: what they ask for, what they leave alone, and what they say."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from lead_assets.definitions import build_defs
from lead_assets.defs import sensors
from lead_assets.defs.partitions import campaigns
from lead_assets.defs.sensors import (
    IN_FLIGHT,
    build_sensors,
    campaign_registry,
    tick_of_all,
    tick_of_one,
)

NOW = datetime(2026, 5, 1, 6, 0, 10, tzinfo=UTC)
BEFORE = datetime(2026, 5, 1, 0, 0, 5, tzinfo=UTC)
DUE = datetime(2026, 5, 1, 6, 0, tzinfo=UTC)


@dataclass
class Office:
    """A folder of campaign files and a Dagster instance."""

    folder: Path
    instance: dg.DagsterInstance

    def write(self, campaign_id: str = "crm", *, partition: bool = True, **keys: Any) -> Path:
        content = {"name": "CRM", "product": "A CRM.", "keywords": ["crm"], "schedule": "0 */6 * * *"} | keys
        path = self.folder / f"{campaign_id}.yaml"
        path.write_text(yaml.safe_dump(content))
        if partition:
            self.instance.add_dynamic_partitions("campaigns", [campaign_id])
        return path

    def context(self, cursor: str | None = None) -> dg.SensorEvaluationContext:
        return dg.build_sensor_context(
            self.instance, cursor=cursor, instance_ref=self.instance.get_ref(), definitions=build_defs()
        )

    def tick(self, campaign_id: str = "crm", now: datetime = NOW, cursor: datetime | None = BEFORE) -> Any:
        return tick_of_one(self.context(cursor.isoformat() if cursor else None), campaign_id, now)

    def registry(self, cursor: str | None = None) -> tuple[Any, str | None]:
        """One tick of the registry, its requests carried out; returns what it said and its new cursor."""
        data = campaign_registry.evaluate_tick(self.context(cursor))
        for request in data.dynamic_partitions_requests or []:
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions("campaigns", list(request.partition_keys))
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition("campaigns", key)
        return data, data.cursor

    @property
    def partitions(self) -> list[str]:
        return sorted(self.instance.get_dynamic_partitions("campaigns"))

    def add_run(self, status: dg.DagsterRunStatus, campaign_id: str = "crm") -> str:
        location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("lead_assets"), "__repository__")
        run = dg.DagsterRun(
            job_name="campaign_job",
            status=status,
            tags={"dagster/partition": campaign_id},
            remote_job_origin=location.get_job_origin("campaign_job"),  # a queued run must say where it is from
        )
        self.instance.add_run(run)
        return run.run_id


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path / "campaigns"))
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path / "home"))
    (tmp_path / "dagster").mkdir()
    (tmp_path / "campaigns").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield Office(tmp_path / "campaigns", instance)


def test_a_campaign_that_is_due_is_run_once_for_its_due_time(office: Office) -> None:
    office.write()

    result = office.tick()

    (request,) = result.run_requests
    assert (request.partition_key, request.run_key) == ("crm", "crm:2026-05-01T06:00:00+00:00")
    assert result.cursor == DUE.isoformat()
    later = office.tick(now=NOW + timedelta(seconds=30), cursor=DUE)
    assert later.skip_message == "Next due 2026-05-01T12:00:00+00:00."


def test_the_first_tick_runs_nothing_and_waits_from_now_on(office: Office) -> None:
    office.write()

    result = office.tick(cursor=None)

    assert not result.run_requests
    assert result.cursor == NOW.isoformat()


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_while_a_run_is_in_flight_it_waits_with_its_cursor_unmoved(office: Office, status: dg.DagsterRunStatus) -> None:
    office.write()
    office.write("other")
    run_id = office.add_run(status)

    waiting = office.tick()

    assert isinstance(waiting, dg.SkipReason)
    assert run_id in str(waiting.skip_message)
    assert office.tick("other").run_requests, "a run of another campaign is no reason to wait"


def test_a_run_that_has_ended_holds_nothing_up(office: Office) -> None:
    office.write()
    for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED):
        office.add_run(status)

    assert office.tick().run_requests


def test_after_a_week_of_downtime_there_is_one_run(office: Office) -> None:
    office.write()

    result = office.tick(now=NOW + timedelta(days=7))

    assert len(result.run_requests) == 1
    assert result.cursor == (DUE + timedelta(days=7)).isoformat()


def test_what_changes_in_the_file_counts_from_the_next_tick_on(office: Office) -> None:
    office.write(schedule="0 3 * * *")
    assert office.tick().run_requests[0].run_key == "crm:2026-05-01T03:00:00+00:00"
    office.write(enabled=False)
    assert "enabled: false" in str(office.tick().skip_message)
    office.write(schedule=None)
    assert "no schedule" in str(office.tick().skip_message)


def test_a_broken_or_removed_file_stops_its_own_sensor_only(office: Office) -> None:
    office.write("one").write_text("name: [")
    office.write("two").unlink()
    office.write("three")

    assert "one.yaml" in str(office.tick("one").skip_message)
    assert "There is no campaign 'two'" in str(office.tick("two").skip_message)
    assert office.tick("three").run_requests


def test_without_its_partition_it_waits_for_the_registry(office: Office) -> None:
    office.write(partition=False)

    assert "campaign_registry" in str(office.tick().skip_message)


def test_the_generated_sensor_goes_through_dagsters_own_evaluation(office: Office) -> None:
    office.write(schedule="* * * * *")
    sensor = build_defs().get_repository_def().get_sensor_def("campaign_crm")
    long_ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()

    data = sensor.evaluate_tick(office.context(long_ago))

    (request,) = data.run_requests or []
    assert request.partition_key == "crm"
    assert request.tags["dagster/partition"] == "crm"
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_the_registry_makes_a_partition_of_every_valid_file(office: Office) -> None:
    office.write("one", partition=False)
    office.write("two", partition=False, schedule=None)
    office.write("broken", partition=False).write_text("keywords: []")

    data, cursor = office.registry()

    assert office.partitions == ["one", "two"]
    assert "broken.yaml" in (data.skip_message or "")
    assert json.loads(cursor or "") == ["one", "two"]


def test_the_registry_removes_only_what_has_had_a_file(office: Office) -> None:
    office.instance.add_dynamic_partitions("campaigns", ["by_hand"])
    path = office.write("mine", partition=False)
    _, cursor = office.registry()
    path.unlink()

    office.registry(cursor)

    assert office.partitions == ["by_hand"]


def test_a_partition_with_a_run_in_flight_is_not_removed_before_it_has_ended(office: Office) -> None:
    path = office.write("mine", partition=False)
    _, cursor = office.registry()
    path.unlink()
    office.add_run(dg.DagsterRunStatus.STARTED, "mine")

    data, cursor = office.registry(cursor)
    assert office.partitions == ["mine"]
    assert "Still running" in (data.skip_message or "")

    for record in office.instance.get_run_records():
        office.instance.delete_run(record.dagster_run.run_id)
    office.registry(cursor)
    assert office.partitions == []


def test_a_file_that_is_broken_for_a_while_keeps_its_partition(office: Office) -> None:
    path = office.write("mine", partition=False)
    _, cursor = office.registry()
    path.write_text("name: [")

    _, cursor = office.registry(cursor)

    assert office.partitions == ["mine"]
    assert json.loads(cursor or "") == ["mine"]


def test_a_folder_that_cannot_be_read_is_no_empty_folder(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.write("mine", partition=False)
    _, cursor = office.registry()
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(office.folder / "unmounted"))

    data, _ = office.registry(cursor)

    assert "cannot be read" in (data.skip_message or "")
    assert office.partitions == ["mine"]


def test_a_campaign_taken_back_after_its_removal_is_added_again(office: Office) -> None:
    path = office.write("mine", partition=False)
    text = path.read_text()
    _, cursor = office.registry()
    path.unlink()
    _, cursor = office.registry(cursor)
    path.write_text(text)

    office.registry(cursor)

    assert office.partitions == ["mine"]


def test_many_campaigns_have_one_sensor_that_decides_as_their_own_would(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "MOST_SENSORS", 2)
    for campaign_id in ("one", "two", "three"):
        office.write(campaign_id)
    office.write("broken").write_text("name: [")
    office.write("paused", enabled=False)
    office.write("unscheduled", schedule=None)
    office.write("unregistered", partition=False)
    running = office.add_run(dg.DagsterRunStatus.STARTED, "two")
    cursor = json.dumps(dict.fromkeys(("one", "two", "paused", "broken", "unregistered"), BEFORE.isoformat()))

    result = tick_of_all(office.context(cursor), NOW)

    assert [sensor.name for sensor in build_sensors()] == ["campaign_registry", "scheduled_campaigns"]
    assert [request.partition_key for request in result.run_requests] == ["one"]
    moved = json.loads(result.cursor or "")
    assert moved["one"] == DUE.isoformat()
    assert moved["two"] == moved["broken"] == moved["unregistered"] == BEFORE.isoformat()
    assert moved["three"] == NOW.isoformat()
    assert "unscheduled" not in moved
    assert running


def test_each_scheduled_file_has_a_sensor(office: Office) -> None:
    office.write("one")
    office.write("two", schedule=None)
    office.write("broken").write_text("name: [")

    assert [sensor.name for sensor in build_sensors()] == ["campaign_registry", "campaign_one"]


def test_no_folder_is_no_reason_not_to_load(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(office.folder / "nothing"))

    assert [sensor.name for sensor in build_sensors()] == ["campaign_registry"]


@pytest.mark.parametrize("campaign_id", ["job", "registry", "schedules"])
def test_no_campaigns_name_breaks_the_definitions(office: Office, campaign_id: str) -> None:
    office.write(campaign_id)

    assert build_defs().get_repository_def() is not None
    assert campaigns.name == "campaigns"


def test_a_partition_that_a_run_made_first_goes_with_its_file(office: Office) -> None:
    office.instance.add_dynamic_partitions("campaigns", ["mine"])
    path = office.write("mine", partition=False)
    _, cursor = office.registry()
    path.unlink()
    office.registry(cursor)
    assert office.partitions == []
