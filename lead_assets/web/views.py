"""What the address of the inbox says: the tab, the filters, and where the page begins. It can be shared as it is."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Query

from lead_assets.domain.ages import parse_since
from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.inbox import STATUSES, Status
from lead_assets.storage.inbox_leads import InboxFilters, Position

PAGE = 25
AGES: Mapping[str, str] = {"": "any age", "1d": "a day", "3d": "3 days", "7d": "a week", "30d": "30 days"}
_STATUS_NAMES: Mapping[str, Status] = {status: status for status in STATUSES}
_Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class View:
    """A view of the inbox, as the address has it."""

    tab: Status = "new"
    p: str = ""
    age: str = ""
    found: str = ""
    subreddit: str = ""
    intent: str = ""
    budget: Literal["", "1"] = ""
    kind: Literal["", "post", "comment"] = ""
    q: str = ""

    def filters(self, timezone: str, now: datetime) -> InboxFilters:
        """What the view is narrowed to.

        Raises:
            InvalidInput: an age is not one.
        """
        try:
            probability = min(1.0, max(0.0, float(self.p or 0) / 100))
        except ValueError:
            raise InvalidInput(f"{self.p[:20]!r} is not a probability. Write a percentage such as 60.") from None
        return InboxFilters(
            min_probability=probability,
            posted_since=parse_since(self.age, now, timezone) if self.age else None,
            found_since=parse_since(self.found, now, timezone) if self.found else None,
            subreddit=self.subreddit,
            intent=self.intent,
            with_budget=bool(self.budget),
            kind=self.kind,
            text=self.q,
        )

    def address(self, campaign_id: str, **other: str) -> str:
        """The address of this view, with some of it changed."""
        given = {name: str(value) for name, value in vars(self).items()} | other
        query = {name: value for name, value in given.items() if value and not (name == "tab" and value == "new")}
        return f"/c/{campaign_id}?{urlencode(query)}" if query else f"/c/{campaign_id}"

    @property
    def is_narrowed(self) -> bool:
        """Whether any filter is set."""
        return any(value for name, value in vars(self).items() if name != "tab")


def view_in_address(
    tab: _Text = "new",
    p: _Text = "",
    age: _Text = "",
    found: _Text = "",
    subreddit: _Text = "",
    intent: _Text = "",
    budget: _Text = "",
    kind: _Text = "",
    q: _Text = "",
) -> View:
    """The view that an address names; what no view has is left out, so that an old address still leads somewhere."""
    return View(
        tab=_STATUS_NAMES.get(tab, "new"),
        p=p,
        age=age,
        found=found,
        subreddit=subreddit,
        intent=intent,
        budget="1" if budget else "",
        kind="post" if kind == "post" else "comment" if kind == "comment" else "",
        q=q,
    )


def position_after(moment: datetime, reddit_id: str) -> str:
    """Where the next page begins, for an address."""
    return base64.urlsafe_b64encode(f"{moment.astimezone(UTC).isoformat()} {reddit_id}".encode()).decode()


def read_position(text: str) -> Position | None:
    """What ``position_after`` made; None where it is nothing of ours: then the first page is shown."""
    try:
        moment, _, reddit_id = base64.b64decode(text.encode("ascii"), b"-_", validate=True).decode().partition(" ")
        found = datetime.fromisoformat(moment)
    except (ValueError, binascii.Error):
        return None
    return (found, reddit_id) if found.tzinfo and reddit_id and "\0" not in reddit_id else None
