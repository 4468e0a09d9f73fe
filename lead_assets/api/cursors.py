"""Cursors of pages of leads: where the last one stood and its id, opaque to whoever sends it back."""

import base64
import binascii
import re
from datetime import UTC, datetime

from lead_assets.domain.errors import InvalidInput

_CONTENT = re.compile(r"([0-9][0-9.e-]{0,30}) (t[13]_[0-9a-z]{1,16})")
_FOUND = re.compile(r"found ([0-9T:.+-]{20,40}) (t[13]_[0-9a-z]{1,16})")
MAX_CHARACTERS = 120


def cursor_after(score: float, reddit_id: str) -> str:
    """The cursor of what comes after a lead. Python writes a float so that it is read back as the same."""
    return base64.urlsafe_b64encode(f"{score!r} {reddit_id}".encode()).decode()


def read_cursor(cursor: str) -> tuple[float, str]:
    """Score and id that ``cursor`` was made of.

    Raises:
        InvalidInput: it is not one of our cursors.
    """
    try:
        found = _CONTENT.fullmatch(_content(cursor))
        if found is not None and 0 <= (score := float(found[1])) <= 1:
            return score, found[2]
    except (ValueError, binascii.Error):
        pass
    raise InvalidInput(_NONE)


def found_cursor_after(found_at: datetime, reddit_id: str) -> str:
    """The cursor of what was found before a lead."""
    return base64.urlsafe_b64encode(f"found {found_at.astimezone(UTC).isoformat()} {reddit_id}".encode()).decode()


def read_found_cursor(cursor: str) -> tuple[datetime, str]:
    """When the lead was found that ``cursor`` was made of, and its id.

    Raises:
        InvalidInput: it is no cursor of leads in the order in which they were found.
    """
    try:
        found = _FOUND.fullmatch(_content(cursor))
        if found is not None and (moment := datetime.fromisoformat(found[1])).tzinfo is not None:
            return moment.astimezone(UTC), found[2]
    except (ValueError, OverflowError, binascii.Error):
        pass
    raise InvalidInput(_NONE)


_NONE = "cursor: this is not a valid cursor. Use next_cursor of the page before, unchanged and with the same order."


def _content(cursor: str) -> str:
    return base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
