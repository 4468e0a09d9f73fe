"""When alerts are sent, on the campaign's own clock, and how often a failed one is tried."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from lead_assets.domain.notify import GIVE_UP, Notify, after_quiet, next_attempt, next_moment

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def slack(**keys: object) -> Notify:
    return Notify.model_validate({"to": "env:NOTIFY_SLACK"} | keys)


@pytest.mark.parametrize(
    ("now", "sent"),
    [
        ("2026-05-01T21:59+02:00", "2026-05-01T21:59+02:00"),
        ("2026-05-01T22:00+02:00", "2026-05-02T07:00+02:00"),
        ("2026-05-02T06:59+02:00", "2026-05-02T07:00+02:00"),
        ("2026-05-02T07:00+02:00", "2026-05-02T07:00+02:00"),
        # The nights on which the clocks are turned on (29 March) and back (25 October): the hours end by the wall's.
        ("2026-03-28T23:00+01:00", "2026-03-29T07:00+02:00"),
        ("2026-03-29T03:30+02:00", "2026-03-29T07:00+02:00"),
        ("2026-10-24T23:00+02:00", "2026-10-25T07:00+01:00"),
        ("2026-10-25T02:30+02:00", "2026-10-25T07:00+01:00"),
        ("2026-10-25T02:30+01:00", "2026-10-25T07:00+01:00"),
    ],
)
def test_quiet_hours_are_those_of_the_wall(now: str, sent: str) -> None:
    assert after_quiet(slack(quiet="22:00-07:00"), at(now), BERLIN) == at(sent)


def test_quiet_hours_that_end_in_the_hour_that_does_not_exist_end_after_it() -> None:
    night = slack(quiet="22:00-02:30")
    assert after_quiet(night, at("2026-03-29T01:00+01:00"), BERLIN) == at("2026-03-29T03:30+02:00")
    assert after_quiet(night, at("2026-10-25T01:00+02:00"), BERLIN) == at("2026-10-25T02:30+02:00")


def test_quiet_hours_within_a_day() -> None:
    noon = slack(quiet="12:00-13:00")
    assert after_quiet(noon, at("2026-05-01T12:30+02:00"), BERLIN) == at("2026-05-01T13:00+02:00")
    assert after_quiet(noon, at("2026-05-01T13:30+02:00"), BERLIN) == at("2026-05-01T13:30+02:00")


@pytest.mark.parametrize(
    ("now", "sent"),
    [
        ("2026-05-01T07:59+02:00", "2026-05-01T08:00+02:00"),
        ("2026-05-01T08:00+02:00", "2026-05-01T08:00+02:00"),
        ("2026-05-01T08:01+02:00", "2026-05-02T08:00+02:00"),
        ("2026-03-28T09:00+01:00", "2026-03-29T08:00+02:00"),
        ("2026-10-24T09:00+02:00", "2026-10-25T08:00+01:00"),
    ],
)
def test_daily_is_once_a_day_by_the_wall(now: str, sent: str) -> None:
    assert next_moment(slack(when="daily 08:00"), at(now), BERLIN) == at(sent)


def test_a_daily_time_in_quiet_hours_waits_for_their_end() -> None:
    both = slack(when="daily 06:00", quiet="22:00-07:00")
    assert next_moment(both, at("2026-05-01T12:00+02:00"), BERLIN) == at("2026-05-02T07:00+02:00")


def test_attempts_come_less_and_less_often_but_each_hour() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    waits = [next_attempt(attempts, now) - now for attempts in range(1, 60)]
    assert [wait.total_seconds() / 60 for wait in waits[:7]] == [1, 2, 4, 8, 16, 32, 60]
    assert set(waits[7:]) == {timedelta(hours=1)}
    assert next_attempt(1, now, timedelta(hours=3)) - now == timedelta(hours=3), "the receiver's own wish"
    assert next_attempt(9, now, timedelta(seconds=1)) - now == timedelta(hours=1)
    assert next_attempt(1, now, timedelta(days=900)) - now == GIVE_UP


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"to": "env:AWS_SECRET_ACCESS_KEY"}, "begins with NOTIFY_"),
        ({"to": "env:NOTIFY_"}, "begins with NOTIFY_"),
        ({"to": "somebody"}, "has a scheme"),
        ({"secret": "whsec_abc"}, "variable of the environment"),
        ({"when": "hourly"}, "daily 08:00"),
        ({"when": "daily 24:00"}, "daily 08:00"),
        ({"quiet": "22-7"}, "22:00-07:00"),
        ({"quiet": "22:00-22:00"}, "22:00-07:00"),
        ({"min_probability": 1.5}, "less than or equal to 1"),
        ({"minimum": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_receiver_is_refused(keys: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        slack(**keys)


def test_an_address_is_shown_nowhere() -> None:
    secret = slack(to="slack://T0KEN/abc/def")
    for shown in (repr(secret), str(secret.model_dump()), secret.model_dump_json(), secret.label, secret.channel):
        assert "T0KEN" not in shown
    assert secret.label == "slack://…"
    assert slack().label == "env:NOTIFY_SLACK"
