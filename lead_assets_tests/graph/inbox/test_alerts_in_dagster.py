"""Dagster's side of alerts: the asset queues in the run that finds, a sensor delivers, others queue what failed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lead_assets.config.environment import Environment
from lead_assets.defs.alerts import alert_of_failed_runs, alert_of_failing_checks, deliver_alerts, deliver_all
from lead_assets_tests.conftest import World, checks, metadata, post
from lead_assets_tests.stand_ins.receiver import Receiver, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ASK = "Can anyone recommend a good CRM for my small business?"


@pytest.fixture
def receiver(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as opened:
        monkeypatch.setenv("DATABASE_URL", world.database.engine.url.render_as_string(hide_password=False))
        monkeypatch.setenv("NOTIFY_HOOK", f"webhook+{opened.url}")
        monkeypatch.setenv("NOTIFY_WEBHOOK_SECRET", SECRET)
        yield opened


def fresh(title: str = ASK, **other: object) -> dict[str, object]:
    moment = datetime.now(UTC) - timedelta(days=1)
    return post(title, "We lose track of everybody.", created_utc=moment.timestamp(), **other)


def test_a_run_queues_what_it_finds_and_a_tick_sends_it(world: World, receiver: Receiver) -> None:
    archive = {"path": "../archive.ndjson", "as_of": f"{datetime.now(UTC):%Y-%m-%d}"}
    world.campaign(notify=[{"to": "env:NOTIFY_HOOK", "failures": True}], archive=archive)
    world.archive(fresh(), fresh(author="another", title="Which CRM should I use for my shop? Budget $50 a month"))
    first = world.run()
    found = world.value("SELECT count(*) FROM lead_assets.qualified_leads")
    assert found >= 1
    assert metadata(first, "announced_leads")["announced"] == found
    assert metadata(first, "announced_leads")["waiting"] == found
    assert checks(first)["leads_complete"].passed
    world.check("every_lead_announced_once", "crm")

    (sent,) = [deliver_all(Environment.read(), datetime.now(UTC))]
    assert sent.startswith(f"{found} sent, 0 failed")
    assert len(receiver.received) == found
    again = world.run()
    assert metadata(again, "announced_leads")["announced"] == 0
    with dg.build_sensor_context(world.instance) as context:
        skipped = deliver_alerts(context)
    assert isinstance(skipped, dg.SkipReason)
    assert (skipped.skip_message or "").startswith("0 sent")
    assert len(receiver.received) == found

    world.execute("DELETE FROM lead_assets.outbox WHERE subject = (SELECT min(subject) FROM lead_assets.outbox)")
    world.check("every_lead_announced_once", "crm", ok=True)
    evaluation = world.check("every_lead_announced_once", "crm").get_asset_check_evaluations()[0]
    assert not evaluation.passed


def test_nothing_happens_where_nobody_is_to_be_told(world: World) -> None:
    world.campaign()
    world.archive(fresh())
    result = world.run()
    assert metadata(result, "announced_leads")["announced"] == 0
    assert world.value("SELECT count(*) FROM lead_assets.outbox") == 0
    assert deliver_all(Environment.read(), datetime.now(UTC)) == "No campaign file has notify."


def test_a_failed_run_and_a_failing_check_are_told_once(world: World, receiver: Receiver) -> None:
    world.campaign(notify=[{"to": "env:NOTIFY_HOOK", "failures": True}, {"to": "json://127.0.0.1:1"}])
    failed = world.run(ok=False)  # there is no archive
    event = failed.all_events[-1]
    run = world.instance.get_run_by_id(failed.run_id)
    assert run is not None
    for _ in range(2):
        context = dg.build_run_status_sensor_context("alerts", event, world.instance, run)
        alert_of_failed_runs(context.for_run_failure())
    rows = world.rows("SELECT subject, kind FROM lead_assets.outbox")
    assert rows == [{"subject": f"run:{failed.run_id}", "kind": "failure"}], "only for who wants failures"
    assert deliver_all(Environment.read(), datetime.now(UTC)).startswith("1 sent")

    world.archive(fresh())
    done = world.run()
    stored = world.instance.get_run_by_id(done.run_id)
    assert stored is not None
    alert_of_failing_checks(dg.build_run_status_sensor_context("alerts", done.all_events[-1], world.instance, stored))
    assert world.value("SELECT count(*) FROM lead_assets.outbox WHERE kind = 'check'") == 0
