"""What a text says by itself, whichever campaign looks at it: cues, and what it is the same as another by.

It costs a fraction of a millisecond a text and is kept by ``VERSION``, text hash and kind of document, so that it is
found out once. A comment's text hash covers its post's title, which is not the comment's own: hence the kind.
"""

import hashlib
import re
import unicodedata
from typing import NamedTuple

from lead_assets.domain import cues
from lead_assets.domain.cues import ASKING, SELLING, Cue, combined, folded_parts
from lead_assets.domain.plain_text import words
from lead_assets.domain.wording import WORDING, is_foreign, wording_of

REVISION = 2
"""To be raised when a function changes what it finds; a change of the cue tables makes a new version by itself."""
_KEY_DIGITS = 32

_CROSS_POST = re.compile(r"[\[(]?\b(?:x|cross)[- ]?post(?:ed)?\b[^\])\n]{0,60}[\])]?")


class TextFeatures(NamedTuple):
    """What one text says: cues (0..1); hashes of the folded title and body; characters of both together and of the
    body, folded; ``WORDING`` (0..1 each); whether it is in another language than English."""

    asking_cue: float
    selling_cue: float
    title_key: str
    body_key: str
    characters: int
    body_characters: int
    wording: list[float]
    is_foreign: bool


FEATURES: tuple[str, ...] = TextFeatures._fields


def text_features(title: str, body: str) -> TextFeatures:
    """The features of what an author wrote; ``title`` is empty for a comment."""
    parts = folded_parts(title, body)
    own_title, own_body = folded(title), folded(body)
    return TextFeatures(
        combined(ASKING, *parts),
        combined(SELLING, *parts),
        _key(own_title),
        _key(own_body),
        len(own_title) + len(own_body),
        len(own_body),
        wording_of(title, body),
        is_foreign(title, body),
    )


def folded(text: str) -> str:
    """``text`` without case, punctuation, cross-post notes and surplus white space, in compatible characters."""
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(words(_CROSS_POST.sub(" ", plain) if "post" in plain else plain))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_KEY_DIGITS]


def _version() -> str:
    def written(cue: Cue) -> tuple[object, ...]:
        return cue.weight, cue.hints, cue.expression, int(re.UNICODE)

    limits = (cues.HEAD_CHARACTERS, cues.TAIL_CHARACTERS, cues.TITLE_CHARACTERS, cues.BODY_SHARE, REVISION)
    tables = [[written(cue) for cue in table] for table in (ASKING, SELLING)]
    return hashlib.sha256(repr((limits, tables, WORDING, _CROSS_POST.pattern)).encode()).hexdigest()[:16]


VERSION = _version()
"""Changes whenever the same text would have other features."""
