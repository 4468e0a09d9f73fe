"""A post's comments as a tree, as far as one answer holds them; the rest hides behind ``more`` objects."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from lead_assets_tests.stand_ins.reddit_server.defaults import Thing
from lead_assets_tests.stand_ins.reddit_server.listings import listing, wrapped

DEEPEST = 10

_Key = Callable[[Mapping[str, Any]], float]
_ORDERS: dict[str, _Key] = {
    "new": lambda comment: -(comment.get("created_utc") or 0),
    "old": lambda comment: comment.get("created_utc") or 0,
}


def _by_score(comment: Mapping[str, Any]) -> float:
    return -(comment.get("score") or 0)


class Tree:
    """The comments of one post, each below its parent.

    Of the comments ``emptied`` only those stay on which replies hang. One whose parent is not there is not shown.
    """

    def __init__(self, comments: Iterable[Thing], sort: str, emptied: Collection[str] = ()) -> None:
        self._emptied = emptied
        self._by_name = {comment["name"]: comment for comment in comments}
        self._replies: dict[str, list[Thing]] = {}
        for comment in sorted(self._by_name.values(), key=_ORDERS.get(sort, _by_score)):
            self._replies.setdefault(comment["parent_id"], []).append(comment)

    def comment(self, comment_id: str) -> Thing | None:
        """A comment by its id."""
        return self._by_name.get(f"t1_{comment_id}")

    def replies(self, parent: str) -> list[Thing]:
        """The direct replies to a post or comment."""
        return [comment for comment in self._replies.get(parent, ()) if not self._is_empty(comment)]

    def _is_empty(self, comment: Thing) -> bool:
        return comment["name"] in self._emptied and not self.replies(comment["name"])

    def ancestor(self, comment: Thing, steps: int) -> Thing:
        """The comment so many steps above, or the topmost."""
        while steps > 0 and (parent := self._by_name.get(comment["parent_id"])) is not None:
            comment, steps = parent, steps - 1
        return comment

    def size(self, comments: Iterable[Thing]) -> int:
        """How many comments these are with all below them."""
        return sum(1 + self.size(self.replies(comment["name"])) for comment in comments)

    def depth(self, comment: Thing) -> int:
        """How many comments stand above it."""
        parent = self._by_name.get(comment["parent_id"])
        return 0 if parent is None else 1 + self.depth(parent)

    def chosen(self, roots: Sequence[Thing], limit: int, levels: int) -> set[str]:
        """The comments that an answer of so many holds: those higher up first."""
        queue = deque((root, 1) for root in roots)
        chosen: set[str] = set()
        while queue and len(chosen) < limit:
            comment, level = queue.popleft()
            chosen.add(comment["name"])
            if level < levels:
                queue.extend((reply, level + 1) for reply in self.replies(comment["name"]))
        return chosen

    def answer(self, roots: Sequence[Thing], parent: str, limit: int, levels: int | None) -> Thing:
        """A Listing of trees with ``more`` objects for what it leaves out."""
        chosen = self.chosen(roots, limit, min(levels or DEEPEST, DEEPEST))
        return self._level(roots, parent, chosen, 0, None if levels and levels < DEEPEST else DEEPEST)

    def _level(
        self, comments: Sequence[Thing], parent: str, chosen: set[str], depth: int, deepest: int | None
    ) -> Thing:
        if comments and depth == deepest:
            return listing([self.thread_goes_on(parent, depth)])
        children = []
        for comment in comments:
            if comment["name"] in chosen:
                replies = self.replies(comment["name"])
                below = self._level(replies, comment["name"], chosen, depth + 1, deepest) if replies else ""
                children.append(wrapped("t1", comment, depth=depth, replies=below))
        if hidden := [comment for comment in comments if comment["name"] not in chosen]:
            children.append(self.more(hidden, parent, depth))
        return listing(children)

    def more(self, hidden: Sequence[Thing], parent: str, depth: int) -> Thing:
        """The object that stands for replies left out."""
        first = hidden[0]["id"]
        ids = [comment["id"] for comment in hidden]
        count = self.size(hidden)
        return _more(count, first, parent, depth, ids)

    @staticmethod
    def thread_goes_on(parent: str, depth: int) -> Thing:
        """The object that stands for "continue this thread": ask for the parent's own tree."""
        return _more(0, "_", parent, depth, [])

    def more_children(self, ids: Sequence[str], limit: int) -> list[Thing]:
        """Comments asked for by id and what is below them, flat, parents first; what is too much is ``more`` again."""
        roots = [comment for comment_id in ids if (comment := self.comment(comment_id)) and not self._is_empty(comment)]
        chosen = self.chosen(roots, limit, DEEPEST)
        things: list[Thing] = []
        hidden: dict[str, list[Thing]] = {}
        queue = deque(roots)
        seen: set[str] = set()
        while queue:
            comment = queue.popleft()
            if comment["name"] in seen:
                continue
            seen.add(comment["name"])
            if comment["name"] in chosen:
                things.append(wrapped("t1", comment, depth=self.depth(comment)))
                queue.extend(self.replies(comment["name"]))
            else:
                hidden.setdefault(comment["parent_id"], []).append(comment)
        things.extend(self.more(left, parent, self.depth(left[0])) for parent, left in hidden.items())
        return things


def _more(count: int, thing_id: str, parent: str, depth: int, children: list[str]) -> Thing:
    data = {"count": count, "name": f"t1_{thing_id}", "id": thing_id, "parent_id": parent, "depth": depth}
    return {"kind": "more", "data": data | {"children": children}}
