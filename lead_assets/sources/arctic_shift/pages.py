"""One query page by page, newest first, without losing or repeating items that share a second."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lead_assets.sources.arctic_shift.client import ArcticShiftClient, QueryTimedOut, Refused, Thing
from lead_assets.sources.arctic_shift.queries import Query

FIRST_SECOND = 1_119_484_800
"""Reddit's first day, 2005-06-23."""
END_OF_TIME = 4_102_444_800
"""The year 2100."""
DAY_SECONDS = 86_400
PAUSE_SECONDS = 5.0
"""Wait after a query that timed out: often that means that we were too fast."""


@dataclass(frozen=True)
class Span:
    """How much is asked for at once: so many items of so many seconds."""

    limit: int
    seconds: float


WIDE = Span(100, math.inf)
NARROW = Span(25, 30 * DAY_SECONDS)
"""For queries that time out when they are asked for more."""


@dataclass(frozen=True)
class Page:
    """New items, newest first, and the moment (epoch seconds) before which the next page begins; None at the end.

    ``crowded`` is a second of which not all items fitted into one page.
    """

    things: Sequence[Thing]
    cursor: int | None
    crowded: int | None = None


def created(thing: Thing) -> int | None:
    """When it was posted, in epoch seconds; None where that cannot be told."""
    value = thing.get("created_utc")
    try:
        second = int(float(value)) if isinstance(value, int | float | str) else 0
    except (ValueError, OverflowError):
        return None
    return second if FIRST_SECOND <= second < END_OF_TIME else None


def read_pages(client: ArcticShiftClient, query: Query, before: int | None, oldest: int) -> Iterator[Page]:
    """Pages of ``query`` from just before ``before`` (None: from now) down to ``oldest``, in epoch seconds.

    Whether ``before`` and ``after`` include the second they name is not documented: both are asked so that they do,
    and what comes twice is dropped.

    Raises:
        ArcticShiftError: a page could not be read, after one more try of a smaller one where the query timed out.
    """
    span, seen = WIDE, frozenset[object]()
    cursor = int(time.time()) + DAY_SECONDS if before is None else before
    while cursor > oldest:
        try:
            start, things = _ask(client, query, span, cursor, oldest)
        except QueryTimedOut:
            if span is NARROW:
                raise
            span = NARROW
            client.wait(PAUSE_SECONDS)
            start, things = _ask(client, query, span, cursor, oldest)
        new = [thing for thing in things if thing.get("id") not in seen]
        seen = frozenset(thing.get("id") for thing in things)
        page = _page(new, things, cursor, start, oldest, span)
        yield page
        if page.cursor is None:
            return
        cursor = page.cursor
    yield Page((), None)


def _ask(client: ArcticShiftClient, query: Query, span: Span, before: int, oldest: int) -> tuple[int, Sequence[Thing]]:
    """The first second that was asked for, and the items."""
    start = int(max(oldest, before - span.seconds))
    dates = {"after": str(start - 1), "before": str(before), "limit": str(span.limit)}
    return start, client.get(query.path, query.params | dates)


def _page(new: Sequence[Thing], things: Sequence[Thing], before: int, start: int, oldest: int, span: Span) -> Page:
    if len(things) < span.limit:
        return Page(new, start if start > oldest else None)
    seconds = [second for thing in things if (second := created(thing)) is not None]
    if not seconds or min(seconds) > before:
        raise Refused("its answer is not of the dates that were asked for")
    last = min(seconds)
    # The last second may go on on the next page. Where it fills a page alone, only the seconds before it are left.
    if last + 1 < before:
        return Page(new, last + 1)
    return Page(new, before - 1, crowded=before - 1)
