"""Alerts: where they go, of which leads, and when. Moments are those of the campaign's own clock."""

import hashlib
import re
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

ENVIRONMENT = "env:"
_VARIABLE = re.compile(r"env:NOTIFY_[A-Z0-9_]{1,60}")
_WHEN = re.compile(r"instant|daily (?:[01][0-9]|2[0-3]):[0-5][0-9]")
_QUIET = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9]")
WEBHOOK_SECRET = "env:NOTIFY_WEBHOOK_SECRET"  # noqa: S105  the variable's name

GIVE_UP = timedelta(hours=40)
"""For how long a message is tried."""
DIGEST_ABOVE = 10
"""More leads than this at once become one message."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)


class Notify(BaseModel):
    """One receiver. ``to`` is an address, or names a variable of the environment that has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: Annotated[str, Field(min_length=3, max_length=2_000, repr=False)]
    min_probability: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    when: str = "instant"
    quiet: str | None = None
    failures: bool = False
    max_age: Annotated[int, Field(ge=1, le=365)] = 7
    secret: str = WEBHOOK_SECRET

    @field_validator("to")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value.startswith(ENVIRONMENT):
            if not _VARIABLE.fullmatch(value):
                raise ValueError("the name of a variable for alerts begins with NOTIFY_. Write env:NOTIFY_SLACK")
        elif "://" not in value:
            raise ValueError("an address has a scheme, such as slack:// or webhook+https://; or write env:NOTIFY_NAME")
        return value

    @field_validator("secret")
    @classmethod
    def _names_a_variable(cls, value: str) -> str:
        if not _VARIABLE.fullmatch(value):
            raise ValueError("the secret is a variable of the environment. Write env:NOTIFY_WEBHOOK_SECRET")
        return value

    @field_validator("when")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        if not _WHEN.fullmatch(value):
            raise ValueError(f"{value!r} is not a time for alerts. Write instant, or daily 08:00")
        return value

    @field_validator("quiet")
    @classmethod
    def _are_hours(cls, value: str | None) -> str | None:
        if value is not None and (not _QUIET.fullmatch(value) or value[:5] == value[6:]):
            raise ValueError(f"{value!r} are not quiet hours. Write 22:00-07:00")
        return value

    @field_serializer("to")
    def _without_secrets(self, _: str) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The receiver for people: without what may be secret in its address."""
        return self.to if self.to.startswith(ENVIRONMENT) else f"{urlsplit(self.to).scheme}://…"

    @cached_property
    def channel(self) -> str:
        """What the store knows the receiver by."""
        return hashlib.sha256(self.to.encode()).hexdigest()[:16]


def next_moment(notify: Notify, now: datetime, timezone: str) -> datetime:
    """When a message that is ready at ``now`` may be sent, in UTC: at the daily time, and not in quiet hours."""
    moment = now.astimezone(UTC)
    if notify.when != "instant":
        moment = _next_at(_time(notify.when[6:]), moment, timezone)
    return after_quiet(notify, moment, timezone)


def after_quiet(notify: Notify, moment: datetime, timezone: str) -> datetime:
    """``moment``, or the end of the quiet hours that it is in, in UTC.

    Reckoned on the clock on the wall: where it is turned on or back in that night, the hours end when it says so.
    """
    if notify.quiet is None:
        return moment.astimezone(UTC)
    begin, end = _time(notify.quiet[:5]), _time(notify.quiet[6:])
    there = moment.astimezone(ZoneInfo(timezone)).time().replace(tzinfo=None)
    is_quiet = begin <= there < end if begin < end else there >= begin or there < end
    return _next_at(end, moment, timezone) if is_quiet else moment.astimezone(UTC)


def _next_at(clock: time, moment: datetime, timezone: str) -> datetime:
    """The first moment from ``moment`` on at which the clock says ``clock``; in UTC.

    A time that is skipped in spring is reached when the clock has been turned on; one that comes twice counts once.
    """
    zone = ZoneInfo(timezone)
    day = moment.astimezone(zone).date()
    for days in range(3):
        found = datetime.combine(day + timedelta(days=days), clock, zone).astimezone(UTC)
        if found >= moment:
            return found
    raise AssertionError("a time comes every day")


def _time(text: str) -> time:
    return time.fromisoformat(text)


def next_attempt(attempts: int, now: datetime, wait: timedelta | None = None) -> datetime:
    """When to try again after ``attempts`` (at least one): twice as long each time, an hour at most.

    ``wait`` is what the receiver asks for; it counts where it is longer.
    """
    backoff = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(attempts - 1, 10))
    return now + max(backoff, min(wait or backoff, GIVE_UP))
