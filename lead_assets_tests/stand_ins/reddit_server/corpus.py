"""All that the server knows: posts, comments, subreddits and redditors, to be changed while it serves."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lead_assets_tests.stand_ins.reddit_server import defaults
from lead_assets_tests.stand_ins.reddit_server.defaults import Thing
from lead_assets_tests.stand_ins.reddit_server.subreddit_defaults import subreddit as full_subreddit
from lead_assets_tests.stand_ins.reddit_server.subreddit_defaults import subreddit_fullname

_GONE = ("[deleted]", "[removed]")
_EVERYTHING = ("all", "popular")


class Corpus:
    """Reddit's things by fullname, as raw "data" dicts whose missing fields are filled with plausible defaults.

    A field given stays as it is, even None. ``posts``, ``comments``, ``subreddits`` and ``redditors`` may be read and
    their things changed at any time; add things with the ``add_`` methods. A subreddit exists once anything was posted
    in it. Where no ``redditors`` are given, every author is one with some karma; where they are given (even an empty
    list), the others are unknown.
    """

    def __init__(
        self,
        posts: Iterable[Mapping[str, Any]] = (),
        comments: Iterable[Mapping[str, Any]] = (),
        subreddits: Iterable[Mapping[str, Any]] = (),
        redditors: Iterable[Mapping[str, Any]] | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.posts: dict[str, Thing] = {}
        self.comments: dict[str, Thing] = {}
        self.subreddits: dict[str, Thing] = {}
        self.redditors: dict[str, Thing] = {}
        self._invent_redditors = redditors is None
        self._subreddit_names: dict[str, str] = {}
        self._redditor_names: dict[str, str] = {}
        self._comments_of: dict[str, list[str]] = {}
        self._counted: set[str] = set()
        self.emptied: set[str] = set()
        self._vanished: set[str] = set()
        self._closed: dict[str, str] = {}
        for given, add in (
            (subreddits, self.add_subreddit),
            (redditors or (), self.add_redditor),
            (posts, self.add_post),
            (comments, self.add_comment),
        ):
            for thing in given:
                add(thing)

    @classmethod
    def from_shared(cls, folder: Path | str) -> "Corpus":
        """The posts, comments, subreddits and redditors seen in recorded API traffic; ``folder`` is shared/data."""
        from lead_assets_tests.stand_ins.reddit_server.shared import read

        return read(cls, Path(folder))

    def add_subreddit(self, given: Mapping[str, Any]) -> Thing:
        """Add a subreddit (or replace the one of its name) and answer it with all of its fields."""
        with self.lock:
            name = str(given.get("display_name") or "test").lower()
            known = self._subreddit_names.get(name)
            thing = full_subreddit(given if known is None else {"name": known} | dict(given))
            if known is not None and known != thing["name"]:
                del self.subreddits[known]
            self._subreddit_names[name] = thing["name"]
            self.subreddits[thing["name"]] = thing
            return thing

    def add_redditor(self, given: Mapping[str, Any]) -> Thing:
        """Add a redditor; one with ``is_suspended`` is known to nobody."""
        with self.lock:
            thing = defaults.redditor(given)
            name = f"t2_{thing['id']}"
            self._redditor_names[str(thing["name"]).lower()] = name
            self.redditors[name] = thing
            return thing

    def add_post(self, given: Mapping[str, Any]) -> Thing:
        """Add a post (or replace the one of its fullname); it is in the listings from now on."""
        with self.lock:
            thing = defaults.post(given, self._subreddit_of(given), self._author_of(given))
            self.posts[thing["name"]] = thing
            self._vanished.discard(thing["name"])
            self.emptied.discard(thing["name"])
            if "num_comments" not in given:
                self._counted.add(thing["name"])
                thing["num_comments"] = len(self._comments_of.get(thing["name"], ()))
            return thing

    def add_comment(self, given: Mapping[str, Any]) -> Thing:
        """Add a comment below ``parent_id``, else below the post ``link_id``."""
        with self.lock:
            link_id = given.get("link_id") or "t3_unknown"
            parent = self.posts.get(link_id) or {"name": link_id}
            placed = {"subreddit": parent.get("subreddit") or "test"} | dict(given)
            thing = defaults.comment(placed, parent, self._subreddit_of(placed), self._author_of(given))
            if thing["name"] not in self.comments:
                self._comments_of.setdefault(link_id, []).append(thing["name"])
                if link_id in self._counted and link_id in self.posts:
                    self.posts[link_id]["num_comments"] += 1
            self.comments[thing["name"]] = thing
            self._vanished.discard(thing["name"])
            self.emptied.discard(thing["name"])
            return thing

    def _subreddit_of(self, given: Mapping[str, Any]) -> str:
        display_name = given.get("subreddit") or "test"
        if display_name.lower() not in self._subreddit_names:
            made: Thing = {"name": given.get("subreddit_id") or subreddit_fullname(display_name)}
            if given.get("subreddit_subscribers") is not None:
                made["subscribers"] = given["subreddit_subscribers"]
            self.add_subreddit({"display_name": display_name} | made)
        return self._subreddit_names[display_name.lower()]

    def _author_of(self, given: Mapping[str, Any]) -> str:
        author = given.get("author", "somebody")
        if author is None or author in _GONE:
            return ""
        known = self._redditor_names.get(author.lower())
        name = given.get("author_fullname") or known or defaults.fullname("t2", author)
        if known is None and self._invent_redditors:
            self.add_redditor({"name": author, "id": name[3:]})
        return name

    def delete(self, name: str) -> None:
        """As when its author deletes a post or comment: only an empty shell is left."""
        self._empty(name, "[deleted]", {"removed_by_category": "deleted"})

    def remove(self, name: str) -> None:
        """As when a moderator removes a post or comment."""
        self._empty(name, "[removed]", {"removed_by_category": "moderator"})

    def _empty(self, name: str, text: str, marks: Thing) -> None:
        with self.lock:
            self.emptied.add(name)
            post = self.posts.get(name)
            thing = self.comments[name] if post is None else post
            thing.update({"body": text} if post is None else {"selftext": text, "is_robot_indexable": False, **marks})
            thing.pop("body_html" if post is None else "selftext_html", None)
            # A post that a moderator removed still shows its author; a removed comment does not.
            if post is None or text == "[deleted]":
                thing["author"] = "[deleted]"
                for field in ("author_fullname", *defaults.AUTHOR_FIELDS):
                    thing.pop(field, None)

    def vanish(self, name: str) -> None:
        """No answer holds the thing from now on. It stays in ``posts`` or ``comments``: pages keep their place."""
        with self.lock:
            self._vanished.add(name)

    def suspend(self, redditor: str) -> None:
        """As when a redditor (by name or fullname) is suspended or deletes the account: karma is no longer answered."""
        with self.lock:
            name = self._redditor_names.get(redditor.lower(), redditor)
            self.redditors[name]["is_suspended"] = True

    def make_private(self, subreddit: str) -> None:
        """Answer 403 for a subreddit, and for any joint request it is part of."""
        self._closed[subreddit.lower()] = "private"

    def ban(self, subreddit: str) -> None:
        """Answer 404 for a subreddit, and for any joint request it is part of."""
        self._closed[subreddit.lower()] = "banned"

    def reopen(self, subreddit: str) -> None:
        """Undo ``make_private`` and ``ban``."""
        self._closed.pop(subreddit.lower(), None)

    def closed(self, subreddit: str | None) -> str | None:
        """``private``, ``banned`` or None."""
        return self._closed.get((subreddit or "").lower())

    def exists(self, subreddit: str) -> bool:
        """Whether Reddit has the subreddit, open or not."""
        name = subreddit.lower()
        return name in _EVERYTHING or name in self._subreddit_names or name in self._closed

    def subreddit(self, display_name: str) -> Thing | None:
        """A subreddit by its name."""
        return self.subreddits.get(self._subreddit_names.get(display_name.lower(), ""))

    def redditor(self, name: str) -> Thing | None:
        """A redditor by fullname or name, unless suspended."""
        thing = self.redditors.get(name) or self.redditors.get(self._redditor_names.get(name.lower(), ""))
        return None if thing is None or thing.get("is_suspended") else thing

    def comments_of(self, post: str) -> list[Thing]:
        """A post's comments in the order in which they were added, as far as they have not vanished."""
        names = self._comments_of.get(post, ())
        return [self.comments[name] for name in names if name in self.comments and name not in self._vanished]

    def answers(self, thing: Mapping[str, Any]) -> bool:
        """Whether a post or comment can still be asked for by its fullname."""
        return thing["name"] not in self._vanished and self.closed(thing.get("subreddit")) is None

    def listed(self, thing: Mapping[str, Any]) -> bool:
        """Whether listings and searches show a post or comment."""
        text = thing.get("selftext", thing.get("body"))
        return self.answers(thing) and not thing.get("removed_by_category") and text not in _GONE

    def of_subreddits(self, things: Mapping[str, Thing], subreddits: Iterable[str]) -> list[Thing]:
        """The things of these subreddits, newest first."""
        wanted = {name.lower() for name in subreddits}
        every = not wanted.isdisjoint(_EVERYTHING)
        chosen = [thing for thing in things.values() if every or str(thing.get("subreddit")).lower() in wanted]
        return sorted(chosen, key=_newest_first, reverse=True)


def _newest_first(thing: Mapping[str, Any]) -> tuple[float, int, str]:
    return thing.get("created_utc") or 0, len(thing["id"]), thing["id"]
