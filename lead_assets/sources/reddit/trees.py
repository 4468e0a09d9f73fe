"""Comment trees of matched posts, where leads often are: the most commented first, within a budget of requests."""

from collections.abc import Iterator
from datetime import datetime

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document
from lead_assets.domain.errors import SourceFailed
from lead_assets.domain.progress import TreeProgress, UnreadTree
from lead_assets.domain.removal import is_gone
from lead_assets.sources.base import Batch, CrawlState
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.failures import NotReachable, QueryRejected, RedditUnavailable
from lead_assets.sources.reddit.listings import FAILURES_IN_A_ROW
from lead_assets.sources.reddit.pending import Pending
from lead_assets.sources.reddit.things import Thing, flatten, matching, read_things, read_tree

COMMENTS_PER_TREE = 500
"""Reddit gives at most so many comments with a post."""
COMMENTS_PER_REQUEST = 100
MORE_REQUESTS_PER_TREE = 3


class TreeReader:
    """Reads the trees of stored posts that have comments which were not read."""

    def __init__(self, client: RedditClient, memory: CrawlState, campaign: Campaign) -> None:
        """Read for ``campaign``."""
        self._client = client
        self._memory = memory
        self._campaign = campaign
        self.pending = Pending(client)
        self._failures_in_a_row = 0

    def read(self, since: datetime | None, max_requests: int) -> Iterator[Batch]:
        """Batches of matching comments of posts after ``since``; stops in time for what has gathered to be judged.

        The last of them is still ``pending``, also after an error.

        Raises:
            SourceFailed: Reddit refuses us.
        """
        left = max_requests
        for tree in self._memory.unread_trees(since, max_requests) if max_requests else ():
            expected = min(tree.num_comments, COMMENTS_PER_TREE)
            if left <= 0 or self._failures_in_a_row >= FAILURES_IN_A_ROW or not self.pending.has_room_for(expected):
                break
            before = self._client.counts.requests
            self._try(tree, min(left - 1, MORE_REQUESTS_PER_TREE))
            left -= self._client.counts.requests - before
            yield from self.pending.flush_if_full()

    def _try(self, tree: UnreadTree, more_requests: int) -> None:
        try:
            self._read_one(tree, more_requests)
        except NotReachable as error:
            self._warn(tree, error)
            # It stays away for the time being: trees that can be read must not wait behind it in every run.
            self.pending.add([], TreeProgress(tree.post_id, tree.num_comments))
        except (QueryRejected, RedditUnavailable) as error:
            self._warn(tree, error)
            self._failures_in_a_row += 1
        else:
            self._failures_in_a_row = 0

    def _warn(self, tree: UnreadTree, error: SourceFailed) -> None:
        self._client.counts.warnings.append(f"The comments of {tree.post_id} were not read. {error}")

    def _read_one(self, tree: UnreadTree, more_requests: int) -> None:
        answer = self._client.get(f"comments/{tree.post_id[3:]}", {"limit": str(COMMENTS_PER_TREE), "sort": "new"})
        post, comments, missing = read_tree(answer)
        for start in range(0, min(len(missing), more_requests * COMMENTS_PER_REQUEST), COMMENTS_PER_REQUEST):
            if not self.pending.has_room_for(len(comments) + COMMENTS_PER_REQUEST):
                break
            comments += self._read_more(tree, missing[start : start + COMMENTS_PER_REQUEST])
        gone = [tree.post_id] if is_gone(post) else []
        title = "" if gone else str(post.get("title") or tree.title)
        progress = TreeProgress(tree.post_id, max(tree.num_comments, _count(post)))
        self.pending.add(self._matching(comments, title, post.get("over_18")), progress, gone)

    def _read_more(self, tree: UnreadTree, ids: list[str]) -> list[Thing]:
        params = {"api_type": "json", "link_id": tree.post_id, "children": ",".join(ids)}
        answer = self._client.get("api/morechildren", params)
        return flatten(read_things(answer))[0]

    def _matching(self, comments: list[Thing], title: str, over_18: object) -> list[Document]:
        # In a tree only the post says these.
        titled = [{"over_18": over_18, **comment, "link_title": title} for comment in comments]
        return [document for _, document in matching(titled, self._campaign, self._client.counts)]


def _count(post: Thing) -> int:
    count = post.get("num_comments")
    return count if type(count) is int else 0
