"""Reddit itself as a witness of what was deleted or removed there."""

from collections.abc import Iterator, Sequence

from lead_assets.domain.removal import author_left
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.things import IDS_PER_REQUEST, fetch
from lead_assets.sources.witness import Answer, Held


class RedditWitness:
    """Asks Reddit's API, a hundred documents a request."""

    name = "reddit"
    trust = "Reddit itself says what is deleted or removed now."

    def __init__(self, client: RedditClient) -> None:
        """Take the client; it is closed with the witness."""
        self.counts = client.counts
        self._client = client

    def ask(self, held: Sequence[Held]) -> Iterator[Answer]:
        """What Reddit does not know or shows as taken down is gone, and what has lost its author's name.

        Raises:
            SourceFailed: Reddit could not be asked, or knows not one of many.
        """
        for start in range(0, len(held), IDS_PER_REQUEST):
            named = {each.reddit_id: each.has_author for each in held[start : start + IDS_PER_REQUEST]}
            things, gone = fetch(self._client, list(named))
            left = [reddit_id for reddit_id, thing in things.items() if named[reddit_id] and author_left(thing)]
            yield Answer(len(named), [*gone, *left])

    def close(self) -> None:
        """Close the client."""
        self._client.close()
