"""Keywords: their grammar, and the matching of texts against them, the same for every source."""

from lead_assets.domain.keywords.grammar import Alternative, Keyword, KeywordRefusedError, Term, searches_of
from lead_assets.domain.keywords.inflection import DEFAULT_LANGUAGE, Inflection, languages
from lead_assets.domain.keywords.matching import REVISION, KeywordFinder, KeywordMatcher

__all__ = [
    "DEFAULT_LANGUAGE",
    "REVISION",
    "Alternative",
    "Inflection",
    "Keyword",
    "KeywordFinder",
    "KeywordMatcher",
    "KeywordRefusedError",
    "Term",
    "languages",
    "searches_of",
]
