"""How far a live source has read: remembered with each batch, so that the next run continues from there."""

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class QueryProgress:
    """How far one query of a campaign was read, newest first.

    ``query`` is a hash of all that decides what the query finds and how it is judged, ``label`` the query for people.
    ``after`` is the cursor at which an interrupted reading goes on. ``newest_at`` is when the newest item of the last
    finished reading was posted, ``reading_newest_at`` that of the reading under way. ``read_to_end`` says that the
    query was read to its end once: only then do familiar documents mean that what follows is known too.
    """

    query: str
    label: str
    after: str | None = None
    newest_at: datetime | None = None
    reading_newest_at: datetime | None = None
    read_to_end: bool = False

    @property
    def key(self) -> str:
        """What tells it from the progress of others."""
        return self.query

    def began(self, newest_at: datetime | None) -> "QueryProgress":
        """A reading from the top, whose first item was posted at ``newest_at``."""
        return replace(self, reading_newest_at=newest_at or self.newest_at)

    def reached(self, after: str | None) -> "QueryProgress":
        """The reading came to the cursor ``after``."""
        return replace(self, after=after)

    def finished(self) -> "QueryProgress":
        """The reading came to its end."""
        newest_at = self.reading_newest_at or self.newest_at
        return replace(self, after=None, newest_at=newest_at, reading_newest_at=None, read_to_end=True)


@dataclass(frozen=True)
class TreeProgress:
    """The comments of a post were read when it had ``num_comments`` of them."""

    post_id: str
    num_comments: int

    @property
    def key(self) -> str:
        """What tells it from the progress of others."""
        return self.post_id


Progress = QueryProgress | TreeProgress


@dataclass(frozen=True)
class SubredditFacts:
    """What is known of a subreddit; ``name`` is case-folded, ``None`` is unknown.

    ``reachable`` is false where it does not exist, is banned, or is private.
    """

    name: str
    reachable: bool = True
    subscribers: int | None = None
    over_18: bool | None = None


@dataclass(frozen=True)
class StoredDocument:
    """A stored document that is to be fetched again; ``title`` is its post's where it is a comment."""

    reddit_id: str
    title: str


@dataclass(frozen=True)
class UnreadTree:
    """A stored post with comments that have not been read."""

    post_id: str
    title: str
    num_comments: int
