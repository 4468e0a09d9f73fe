"""When a campaign is due: by its own clock, once for each moment, once for all that was missed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.schedule import due, next_due

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def campaign(schedule: str | None = "0 */6 * * *", **keys: Any) -> Campaign:
    given = {"id": "crm", "name": "CRM", "product": "A CRM.", "keywords": ["crm"], "schedule": schedule}
    return Campaign.model_validate(given | keys)


def at(text: str, zone: ZoneInfo | Any = UTC) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def fired(scheduled: Campaign, start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """The moments for which ticks every ``step`` ask for a run."""
    cursor, moments, now = start, [], start
    while (now := now + step) <= end:
        if (moment := due(scheduled, now, cursor)) is not None:
            moments.append(moment)
            cursor = moment
    return moments


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-05-01T05:59:59", None),
        ("2026-05-01T06:00:00", "2026-05-01T06:00:00"),
        ("2026-05-01T06:00:00.999", "2026-05-01T06:00:00"),
        ("2026-05-01T11:59:59", "2026-05-01T06:00:00"),
    ],
)
def test_it_is_due_from_the_second_on(now: str, expected: str | None) -> None:
    found = due(campaign(), at(now), cursor=at("2026-05-01T00:00:00"))

    assert found == (at(expected) if expected else None)


def test_a_moment_that_was_met_is_not_due_again() -> None:
    moment = due(campaign(), at("2026-05-01T06:10:00"), cursor=at("2026-05-01T00:00:00"))
    assert moment is not None

    assert due(campaign(), at("2026-05-01T06:10:30"), cursor=moment) is None


def test_many_missed_moments_are_caught_up_on_once() -> None:
    scheduled, after_a_week = campaign(), at("2026-05-08T07:00:00")

    moment = due(scheduled, after_a_week, cursor=at("2026-05-01T00:00:00"))

    assert moment == at("2026-05-08T06:00:00")
    assert due(scheduled, after_a_week, cursor=moment) is None


@pytest.mark.parametrize("keys", [{"schedule": None}, {"enabled": False}])
def test_without_a_schedule_or_paused_it_is_never_due(keys: dict[str, Any]) -> None:
    assert due(campaign(**keys), at("2026-05-01T06:00:00"), cursor=at("2020-01-01T00:00:00")) is None
    assert next_due(campaign(**keys), at("2026-05-01T06:00:00")) is None


def test_it_runs_by_its_own_clock() -> None:
    scheduled = campaign("0 9 * * *", timezone="America/New_York")

    moment = due(scheduled, at("2026-07-01T13:00:00"), cursor=at("2026-07-01T12:00:00"))

    assert moment == at("2026-07-01T09:00:00", NEW_YORK) == at("2026-07-01T13:00:00")
    assert due(scheduled, at("2026-07-01T12:59:59"), cursor=at("2026-07-01T12:00:00")) is None


def test_an_hour_that_summer_time_skips_is_due_when_the_clock_has_gone_on() -> None:
    moments = fired(
        campaign("30 2 * * *", timezone="Europe/Berlin"),
        at("2026-03-28T12:00:00"),
        at("2026-03-31T12:00:00"),
        timedelta(seconds=30),
    )

    assert [moment.astimezone(BERLIN).isoformat() for moment in moments] == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
        "2026-03-31T02:30:00+02:00",
    ]


def test_an_hour_that_comes_twice_is_due_once() -> None:
    moments = fired(
        campaign("30 2 * * *", timezone="Europe/Berlin"),
        at("2026-10-24T12:00:00"),
        at("2026-10-26T12:00:00"),
        timedelta(seconds=30),
    )

    assert len(moments) == 2


def test_every_half_hour_is_due_in_both_of_two_same_hours() -> None:
    moments = fired(
        campaign("*/30 * * * *", timezone="Europe/Berlin"),
        at("2026-10-25T00:00:00"),
        at("2026-10-25T02:00:00"),
        timedelta(seconds=30),
    )

    assert moments == [at("2026-10-25T00:30:00") + timedelta(minutes=30 * number) for number in range(4)]


@given(
    line=st.sampled_from(["*/7 * * * *", "0 */6 * * *", "30 2 * * *", "15 3 * * MON", "59 23 * * *"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),
    steps=st.lists(st.integers(1, 2 * 86_400), min_size=1, max_size=40),
)
def test_whatever_the_ticks_no_moment_comes_twice_or_early(
    line: str, zone: str, start: datetime, steps: list[int]
) -> None:
    scheduled = campaign(line, timezone=zone)
    now = cursor = start.replace(tzinfo=UTC, microsecond=0)
    for seconds in steps:
        now += timedelta(seconds=seconds)
        coming = next_due(scheduled, cursor)
        moment = due(scheduled, now, cursor)
        assert (moment is not None) == (coming is not None and coming <= now)
        if moment is not None:
            assert cursor < moment <= now
            cursor = moment
