"""The words of the inbox: statuses, reasons of a dismissal, marks, and what a status says of the text itself."""

from collections.abc import Mapping
from typing import Literal, get_args

Status = Literal["new", "open", "contacted", "won", "dismissed", "snoozed"]
Mark = Literal["lead", "no lead", "none"]
Reason = Literal["not buying", "wrong product", "seller or spam", "too old", "competitor", "duplicate"]

STATUSES: tuple[Status, ...] = get_args(Status)
MARKS: tuple[Mark, ...] = get_args(Mark)
REASONS: tuple[Reason, ...] = get_args(Reason)
"""In the order of the page's keys 1 to 6."""

MARK_OF_REASON: Mapping[Reason, Mark] = {
    "not buying": "no lead",
    "wrong product": "no lead",
    "seller or spam": "no lead",
    "too old": "none",
    "competitor": "none",
    "duplicate": "none",
}
"""What a dismissal says of the text. The view ``lead_marks`` has the same rule; a test compares the two."""

MAX_NOTE_CHARACTERS = 2_000


def mark_of_status(status: Status, reason: Reason | None = None) -> Mark:
    """The mark that a status implies; ``none`` where it says nothing of the text."""
    if status in ("contacted", "won"):
        return "lead"
    return MARK_OF_REASON[reason] if status == "dismissed" and reason is not None else "none"
