"""Times as people say them."""

from datetime import UTC, datetime, timedelta

import pytest

from lead_assets.domain.ages import age, parse_since
from lead_assets.domain.errors import InvalidInput

NOW = datetime(2026, 3, 29, 10, 0, tzinfo=UTC)  # the day on which Berlin's clocks go forward


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("today", "UTC", "2026-03-29T00:00+00:00"),
        ("Today", "Europe/Berlin", "2026-03-28T23:00+00:00"),
        ("yesterday", "Europe/Berlin", "2026-03-27T23:00+00:00"),
        ("today", "Pacific/Auckland", "2026-03-28T11:00+00:00"),
        ("1d", "Europe/Berlin", "2026-03-28T10:00+00:00"),
        ("36h", "UTC", "2026-03-27T22:00+00:00"),
        ("2w", "UTC", "2026-03-15T10:00+00:00"),
        ("2026-01-31", "UTC", "2026-01-31T00:00+00:00"),
        ("2026-01-31", "America/New_York", "2026-01-31T05:00+00:00"),
        ("2026-01-31T12:00:00Z", "America/New_York", "2026-01-31T12:00+00:00"),
    ],
)
def test_a_time_is_that_of_the_campaigns_clock(text: str, zone: str, moment: str) -> None:
    assert parse_since(text, NOW, zone) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "soon", "0d", "7x", "-1d", "2026-13-01", "0001-01-01T00:00:00+23:59"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a time"):
        parse_since(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "now"),
        (59, "now"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (86_399, "23 h"),
        (86_400, "1 d"),
        (60 * 86_400, "60 d"),
        (61 * 86_400, "2 months"),
        (800 * 86_400, "2 years"),
    ],
)
def test_an_age_is_said_in_its_largest_unit(seconds: int, said: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == said
    assert age(None, NOW) == ""
