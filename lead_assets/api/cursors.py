"""Cursors of pages of leads: the score and the id of the last one, opaque to whoever sends it back."""

import base64
import binascii
import re

from lead_assets.domain.errors import InvalidInput

_CONTENT = re.compile(r"([0-9][0-9.e-]{0,30}) (t[13]_[0-9a-z]{1,16})")
MAX_CHARACTERS = 80


def cursor_after(score: float, reddit_id: str) -> str:
    """The cursor of what comes after a lead. Python writes a float so that it is read back as the same."""
    return base64.urlsafe_b64encode(f"{score!r} {reddit_id}".encode()).decode()


def read_cursor(cursor: str) -> tuple[float, str]:
    """Score and id that ``cursor`` was made of.

    Raises:
        InvalidInput: it is not one of our cursors.
    """
    try:
        content = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
        found = _CONTENT.fullmatch(content)
        if found is not None and 0 <= (score := float(found[1])) <= 1:
            return score, found[2]
    except (ValueError, binascii.Error):
        pass
    raise InvalidInput("cursor: this is not a valid cursor. Use next_cursor of the page before, unchanged.")
