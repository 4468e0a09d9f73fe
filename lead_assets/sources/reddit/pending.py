"""Documents on their way to be judged: gathered over pages and queries, so that look-ups go out in full hundreds."""

from collections.abc import Iterator, Sequence

from lead_assets.domain.document import Document
from lead_assets.domain.progress import Progress
from lead_assets.sources.base import Batch
from lead_assets.sources.reddit.client import RedditClient

BATCH_DOCUMENTS = 500
"""A run that dies loses what it gathered: at most so many documents, about five requests."""
BATCH_PAGES = 10
"""Pages on which nothing matches are progress too."""
FACTS_PER_REQUEST = 100


class Pending:
    """What was read and not yet handed on, with the progress that goes with it."""

    def __init__(self, client: RedditClient) -> None:
        """Nothing yet."""
        self._client = client
        self._documents: list[Document] = []
        self._progress: list[Progress] = []
        self._gone: list[str] = []

    def add(self, documents: Sequence[Document], progress: Progress, gone: Sequence[str] = ()) -> None:
        """Take what one request brought, and how far the reading has come with it."""
        self._documents += documents
        self._progress.append(progress)
        self._gone += gone

    def flush_if_full(self) -> Iterator[Batch]:
        """A batch where enough has gathered."""
        if len(self._documents) >= BATCH_DOCUMENTS or len(self._progress) >= BATCH_PAGES:
            yield from self.flush()

    def flush(self) -> Iterator[Batch]:
        """All that has gathered, as a batch; nothing where there is nothing."""
        batch = Batch(self._documents, self._progress, self._gone)
        self._documents, self._progress, self._gone = [], [], []
        if batch.documents or batch.progress or batch.gone:
            yield batch

    def has_room_for(self, documents: int) -> bool:
        """Whether a request that may bring so many can be made, and facts about all gathered be looked up after it."""
        authors = -(-(len(self._documents) + documents) // FACTS_PER_REQUEST)
        return self._client.requests_left > authors + 1
