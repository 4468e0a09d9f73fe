"""Where a campaign's keywords stand in a text: plain words, looked for without word endings or operators.

The lead model reads this beside ``keyword_hits``, which follows the grammar of keywords.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lead_assets.domain.keywords import searches_of

FAR_CHARACTERS = 2_000
_WORD = re.compile(r"\w+")


class KeywordPlaces(NamedTuple):
    """``keyword_words``: keywords whose words all occur somewhere; ``keyword_in_title``: 1 where those of one occur in
    the title, else 0; ``keyword_place``: how far from the beginning the first keyword stands, 1 being 2,000 characters
    or nowhere."""

    keyword_words: float
    keyword_in_title: float
    keyword_place: float


def keyword_places(keywords: Sequence[str], title: str, own: str) -> KeywordPlaces:
    """The places of ``keywords`` in ``own``, what an author wrote, of which ``title`` is a part ("" for a comment)."""
    text = own.lower()
    words, title_words = set(_WORD.findall(text)), set(_WORD.findall(title.lower()))
    searches = [search.lower() for search in searches_of(keywords)]
    parts = [search.split() for search in searches]
    places = [place for search in searches if (place := text.find(search)) >= 0]
    return KeywordPlaces(
        float(sum(words.issuperset(part) for part in parts)),
        float(any(title_words.issuperset(part) for part in parts)),
        min([*places, FAR_CHARACTERS]) / FAR_CHARACTERS,
    )
