"""Where a campaign's keywords stand in a text: plain words, looked for without word endings or operators.

The lead model reads this beside ``keyword_hits``, which follows the grammar of keywords.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lead_assets.domain.keywords import searches_of
from lead_assets.domain.plain_text import words

FAR_CHARACTERS = 2_000


class KeywordPlaces(NamedTuple):
    """``keyword_words``: keywords whose words all occur somewhere; ``keyword_in_title``: 1 where those of one occur in
    the title, else 0; ``keyword_place``: how far from the beginning the first keyword stands, 1 being 2,000 characters
    or nowhere."""

    keyword_words: float
    keyword_in_title: float
    keyword_place: float


class PlaceFinder:
    """Finds where the keywords of one campaign stand in texts."""

    def __init__(self, keywords: Sequence[str]) -> None:
        """Take the keywords as the campaign has them."""
        self._searches = [search.lower() for search in searches_of(keywords)]
        self._parts = [search.split() for search in self._searches]

    def find(self, title: str, own: str) -> KeywordPlaces:
        """The places in ``own``, what an author wrote, of which ``title`` is a part ("" for a comment)."""
        text = own.lower()
        # Most keywords are ruled out before the text is parted into words.
        possible = [parts for parts in self._parts if all(part in text for part in parts)]
        of_text, of_title = (set(words(part if possible else "")) for part in (text, title.lower()))
        places = [place for search in self._searches if (place := text.find(search)) >= 0]
        return KeywordPlaces(
            float(sum(map(of_text.issuperset, possible))),
            float(any(map(of_title.issuperset, possible))),
            min([*places, FAR_CHARACTERS]) / FAR_CHARACTERS,
        )
