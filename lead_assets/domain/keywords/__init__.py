"""Keywords: their grammar, and the matching of texts against them, the same for every source."""

from lead_assets.domain.keywords.grammar import Alternative, Keyword, KeywordRefusedError, Term, searches_of
from lead_assets.domain.keywords.inflection import DEFAULT_LANGUAGE, LANGUAGES, Inflection
from lead_assets.domain.keywords.matching import REVISION, KeywordMatcher

__all__ = [
    "DEFAULT_LANGUAGE",
    "LANGUAGES",
    "REVISION",
    "Alternative",
    "Inflection",
    "Keyword",
    "KeywordMatcher",
    "KeywordRefusedError",
    "Term",
    "searches_of",
]
