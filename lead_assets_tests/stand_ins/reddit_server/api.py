"""The endpoints: each takes the path's parts and the parameters, and answers as Reddit does."""

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from lead_assets_tests.stand_ins.reddit_server import defaults, listings
from lead_assets_tests.stand_ins.reddit_server.answers import Answer, answer, redirect, refusal
from lead_assets_tests.stand_ins.reddit_server.corpus import Corpus
from lead_assets_tests.stand_ins.reddit_server.defaults import Thing
from lead_assets_tests.stand_ins.reddit_server.listings import listing, wrapped
from lead_assets_tests.stand_ins.reddit_server.search import SECONDS, Searcher, hotness
from lead_assets_tests.stand_ins.reddit_server.tree import Tree

LONGEST_QUERY = 512
MOST_IDS = 100

Params = Mapping[str, str]

_SUBREDDITS = r"/r/(?P<subreddits>[^/]+)"
_ROUTES = [
    (re.compile(f"{pattern}/?$"), endpoint)
    for pattern, endpoint in (
        (r"/api/v1/access_token", "token"),
        (rf"(?:{_SUBREDDITS})?/search(?:\.json)?", "search"),
        (r"/api/info(?:\.json)?", "info"),
        (r"/api/user_data_by_account_ids", "user_data"),
        (r"/api/morechildren", "morechildren"),
        (rf"(?:{_SUBREDDITS})?/comments/(?P<post>\w+)(?:/[^/]*(?:/(?P<comment>\w+))?)?", "comments"),
        (rf"{_SUBREDDITS}/comments", "subreddit_comments"),
        (rf"{_SUBREDDITS}/(?P<sort>hot|new)", "hot"),
        (rf"{_SUBREDDITS}/about", "about"),
        (r"/user/(?P<name>[^/]+)/about", "user_about"),
    )
]


def route(path: str, params: Params) -> tuple[str, dict[str, Any]]:
    """The endpoint's name and the parts of the path; ``other`` where there is none."""
    for pattern, endpoint in _ROUTES:
        if match := pattern.match(path):
            parts = {name: value for name, value in match.groupdict().items() if value}
            if endpoint == "info" and "sr_name" in params:
                return "info_subreddits", parts
            return parts.pop("sort", endpoint), parts
    return "other", {}


class Api:
    """Answers from a corpus. Requests may come from several threads."""

    def __init__(self, corpus: Corpus, now: Callable[[], float] = time.time) -> None:
        self.corpus = corpus
        self.now = now
        self.tree_limit = 500
        self.more_limit = 100
        self._searcher = Searcher()
        self._handlers: dict[str, Callable[..., Answer | Any]] = {
            "search": self._search,
            "info": self._info,
            "info_subreddits": self._info_subreddits,
            "user_data": self._user_data,
            "morechildren": self._more_children,
            "comments": self._comments,
            "subreddit_comments": self._subreddit_comments,
            "hot": partial(self._posts, hot=True),
            "new": self._posts,
            "about": self._about,
            "user_about": self._user_about,
        }

    def answer(self, endpoint: str, parts: Mapping[str, str], params: Params) -> Answer:
        """The answer to a request that may pass."""
        handler = self._handlers.get(endpoint)
        if handler is None:
            return refusal(404)
        with self.corpus.lock:
            refused = self._refused(parts.get("subreddits", ""))
            content = refused or handler(params, **parts)
            return content if isinstance(content, Answer) else answer(content, escape=params.get("raw_json") != "1")

    def _refused(self, subreddits: str) -> Answer | None:
        """The refusal of a whole request, joint or not, because of what one of its subreddits is."""
        names = _split(subreddits, "+")
        states = {self.corpus.closed(name) for name in names}
        if "private" in states:
            return refusal(403, reason="private")
        if "banned" in states:
            return refusal(404, reason="banned")
        if names and not any(map(self.corpus.exists, names)):
            return redirect(f"/subreddits/search?q={quote(subreddits)}")
        return None

    def _search(self, params: Params, subreddits: str = "all") -> Any:
        text = params.get("q", "")
        if len(text) > LONGEST_QUERY:
            return refusal(400)
        restricted = params.get("restrict_sr", "false").lower() in ("true", "on", "1")
        posts = self.corpus.of_subreddits(self.corpus.posts, _split(subreddits, "+") if restricted else ["all"])
        period = SECONDS.get(params.get("t") or params.get("time_filter") or "all")
        since = self.now() - period if period else float("-inf")
        recent = [post for post in posts if (post.get("created_utc") or 0) >= since]
        found = self._searcher.search(recent, text, params.get("sort") or "relevance")
        return listings.page(found, partial(wrapped, "t3"), self.corpus.listed, params, facets={})

    def _posts(self, params: Params, subreddits: str, *, hot: bool = False) -> Thing:
        posts = self.corpus.of_subreddits(self.corpus.posts, _split(subreddits, "+"))
        if hot:
            posts.sort(key=lambda post: (bool(post.get("stickied")), hotness(post)), reverse=True)
        return listings.page(posts, partial(wrapped, "t3"), self.corpus.listed, params)

    def _subreddit_comments(self, params: Params, subreddits: str) -> Thing:
        comments = self.corpus.of_subreddits(self.corpus.comments, _split(subreddits, "+"))
        return listings.page(comments, self._with_link, self.corpus.listed, params)

    def _with_link(self, comment: Thing) -> Thing:
        post = self.corpus.posts.get(comment["link_id"], {})
        link = {
            "link_title": post.get("title", ""),
            "link_author": post.get("author", "[deleted]"),
            "link_permalink": f"https://www.reddit.com{post.get('permalink', '')}",
            "link_url": post.get("url", ""),
            "num_comments": post.get("num_comments", 0),
            "over_18": post.get("over_18", False),
            "quarantine": post.get("quarantine", False),
        }
        return wrapped("t1", link | comment)

    def _info(self, params: Params) -> Any:
        names = _split(params.get("id", ""))
        if len(names) > MOST_IDS:
            return refusal(400)
        found = [thing for name in dict.fromkeys(names) if (thing := self._thing(name)) is not None]
        return listing(found, dist=len(found))

    def _thing(self, name: str) -> Thing | None:
        kind = name.partition("_")[0]
        if kind in ("t1", "t3"):
            things = self.corpus.posts if kind == "t3" else self.corpus.comments
            thing = things.get(name)
            return wrapped(kind, thing) if thing is not None and self.corpus.answers(thing) else None
        if kind == "t5":
            return self._open_subreddit(self.corpus.subreddits.get(name))
        redditor = self.corpus.redditor(name) if kind == "t2" else None
        return wrapped(kind, redditor) if redditor is not None else None

    def _open_subreddit(self, subreddit: Thing | None) -> Thing | None:
        """A subreddit; a private one tells its name and little more, a banned one nothing."""
        state = self.corpus.closed(subreddit["display_name"]) if subreddit else None
        if subreddit is None or state == "banned":
            return None
        hidden = {"subreddit_type": "private", "subscribers": None} if state == "private" else {}
        return wrapped("t5", subreddit, **hidden)

    def _info_subreddits(self, params: Params) -> Any:
        names = dict.fromkeys(name.lower() for name in _split(params["sr_name"]))
        if len(names) > MOST_IDS:
            return refusal(400)
        found = [self._open_subreddit(self.corpus.subreddit(name)) for name in names]
        known = [thing for thing in found if thing is not None]
        return listing(known, dist=len(known))

    def _user_data(self, params: Params) -> Any:
        names = _split(params.get("ids", ""))
        if len(names) > MOST_IDS:
            return refusal(400)
        found = {name: self.corpus.redditor(name) for name in names if name.startswith("t2_")}
        known = {name: defaults.user_data(thing) for name, thing in found.items() if thing is not None}
        return known or refusal(404)

    def _user_about(self, params: Params, name: str) -> Any:
        redditor = self.corpus.redditor(name)
        return refusal(404) if redditor is None else wrapped("t2", redditor)

    def _about(self, params: Params, subreddits: str) -> Any:
        return self._open_subreddit(self.corpus.subreddit(subreddits)) or refusal(404)

    def _comments(self, params: Params, post: str, comment: str | None = None, subreddits: str = "") -> Any:
        name = f"t3_{post}"
        thing = self.corpus.posts.get(name)
        refused = self._refused(thing["subreddit"]) if thing else None
        if refused is not None or thing is None or not self.corpus.answers(thing):
            return refused or refusal(404)
        tree = self._tree(name, params)
        roots, parent = tree.replies(name), name
        if comment:
            found = tree.comment(comment)
            top = tree.ancestor(found, _number(params, "context", 0)) if found else None
            roots, parent = ([top], top["parent_id"]) if top else ([], name)
        limit = min(_number(params, "limit", 200), self.tree_limit)
        comments = tree.answer(roots, parent, limit, _number(params, "depth", 0) or None)
        return [listing([wrapped("t3", {"num_duplicates": 0} | thing)], dist=1), comments]

    def _tree(self, post: str, params: Params) -> Tree:
        return Tree(self.corpus.comments_of(post), params.get("sort", "confidence"), self.corpus.emptied)

    def _more_children(self, params: Params) -> Any:
        ids = _split(params.get("children", ""))
        post = params.get("link_id", "")
        if not ids or post not in self.corpus.posts:
            return refusal(400)
        tree = self._tree(post, params)
        return {"json": {"errors": [], "data": {"things": tree.more_children(ids, self.more_limit)}}}


def _split(text: str, separator: str = ",") -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def _number(params: Params, name: str, default: int) -> int:
    value = params.get(name, "")
    return int(value) if value.isdigit() else default
