"""Ages and times as people say them: ``today``, ``7d``, "3 h ago"."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lead_assets.domain.errors import InvalidInput

_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_MONTH, _YEAR = 30.4375 * _DAY, 365.25 * _DAY


def parse_since(text: str, now: datetime, timezone: str = "UTC") -> datetime:
    """The moment, in UTC, that ``text`` names: ``today`` and ``yesterday`` begin at midnight of ``timezone``; ``24h``,
    ``7d`` and ``2w`` are so long before ``now``; a day of ISO 8601 begins at its midnight in ``timezone``, a moment
    without an offset is of that zone too.

    Raises:
        InvalidInput: it is none of these.
    """
    said, zone = text.strip(), ZoneInfo(timezone)
    if said.casefold() in ("today", "yesterday"):
        day = now.astimezone(zone).date() - timedelta(days=int(said.casefold() == "yesterday"))
        return datetime.combine(day, time(), zone).astimezone(UTC)
    try:
        if match := _SPAN.fullmatch(said):
            return now.astimezone(UTC) - int(match[1]) * _UNITS[match[2]]
        moment = datetime.fromisoformat(said)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{text[:40]!r} is not a time. Write today, yesterday, 24h, 7d, or a day such as 2026-01-31."
        ) from None


def ago(moment: datetime, now: datetime) -> str:
    """``3 h ago``, or ``just now``."""
    said = age(moment, now)
    return "just now" if said == "now" else f"{said} ago"


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago ``moment`` was, such as ``3 h``; empty where it is unknown."""
    if moment is None:
        return ""
    seconds = max(0.0, (now - moment).total_seconds())
    for length, unit in ((_YEAR, "years"), (_MONTH, "months"), (_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * length or (seconds >= length and unit in ("d", "h", "min")):
            return f"{int(seconds // length)} {unit}"
    return "now"
