"""Searching the corpus: matching, time filters and orders."""

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lead_assets_tests.stand_ins.reddit_server import query
from lead_assets_tests.stand_ins.reddit_server.defaults import Thing

SECONDS = {"hour": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000, "year": 31_536_000}

_Text = tuple[str | None, ...]
_FIELDS = ("title", "selftext", "author", "subreddit", "link_flair_text", "url", "domain", "over_18", "is_self")


class Searcher:
    """Keeps each post's folded texts until the post changes. Safe between threads."""

    def __init__(self) -> None:
        self._documents: dict[str, tuple[_Text, query.Document]] = {}
        self._lock = threading.Lock()

    def search(self, posts: Iterable[Thing], text: str, sort: str) -> list[Thing]:
        """The posts (given newest first) that match, in the order asked for."""
        parsed = query.parse(text)
        with self._lock:
            found = [(post, document) for post in posts if parsed.matches(document := self._document(post))]
        if sort == "relevance":
            found.sort(key=lambda pair: parsed.score(pair[1]), reverse=True)
        posts_found = [post for post, _ in found]
        return sorted(posts_found, key=ORDERS[sort], reverse=True) if sort in ORDERS else posts_found

    def _document(self, post: Thing) -> query.Document:
        text = tuple(map(post.get, _FIELDS))
        known = self._documents.get(post["name"])
        if known is None or known[0] != text:
            *words, over_18, is_self = text
            flags = ("yes" if flag else "no" for flag in (over_18, is_self))
            known = (text, query.Document(*map(query.fold, (*words, *flags))))
            self._documents[post["name"]] = known
        return known[1]


def hotness(post: Mapping[str, Any]) -> float:
    """Reddit's published formula: ten times the score is worth twelve and a half hours."""
    score = post.get("score") or 0
    return math.copysign(math.log10(max(abs(score), 1)), score) + (post.get("created_utc") or 0) / 45_000


ORDERS: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "top": lambda post: post.get("score") or 0,
    "comments": lambda post: post.get("num_comments") or 0,
    "hot": hotness,
}
