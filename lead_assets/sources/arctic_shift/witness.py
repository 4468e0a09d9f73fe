"""Arctic Shift as a witness of what is gone, for those who may not ask Reddit itself."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence

from lead_assets.domain.errors import SourceFailed
from lead_assets.domain.removal import author_left, is_gone
from lead_assets.sources.arctic_shift.client import ArcticShiftClient, ArcticShiftError
from lead_assets.sources.arctic_shift.fetching import MAX_IDS, PATHS, fetch
from lead_assets.sources.arctic_shift.matching import SOURCE
from lead_assets.sources.base import SourceCounts
from lead_assets.sources.witness import SUSPICIOUSLY_MANY, Answer, Held

TIMEOUT_SECONDS = 60.0


class ArcticShiftWitness:
    """Asks the archive, five hundred posts or comments a request."""

    name = SOURCE
    trust = (
        "Arctic Shift is an archive that seldom looks at a document again. What was deleted late may still be there. "
        "Only Reddit itself knows: set REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET and REDDIT_USER_AGENT to ask it."
    )

    def __init__(self, client: ArcticShiftClient, counts: SourceCounts) -> None:
        """Take the client and what it counts in; the client is closed with the witness."""
        self.counts = counts
        self._client = client

    def ask(self, held: Sequence[Held]) -> Iterator[Answer]:
        """What the archive marks as taken down is gone, and what it gave once and does not give any more.

        Of what came from elsewhere and is not in the archive, nothing is known.

        Raises:
            SourceFailed: the archive could not be asked, or has lost more than half of what came from it.
        """
        for prefix in PATHS:
            of_kind = [each for each in held if each.reddit_id.startswith(prefix)]
            for start in range(0, len(of_kind), MAX_IDS):
                yield self._answer({each.reddit_id: each for each in of_kind[start : start + MAX_IDS]})

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _answer(self, held: dict[str, Held]) -> Answer:
        try:
            things = fetch(self._client, list(held))
        except ArcticShiftError as error:
            raise SourceFailed(
                f"{self._client.url} could not be asked what is gone ({error}). Sweep again later. What was found gone "
                "so far goes then."
            ) from error
        own = [name for name, each in held.items() if SOURCE in each.sources]
        lost = [name for name in own if name not in things]
        if len(own) >= SUSPICIOUSLY_MANY and 2 * len(lost) > len(own):
            raise SourceFailed(
                f"{self._client.url} does not have {len(lost)} of {len(own)} documents that came from it, which is not "
                "a deletion but a failure. Sweep again later."
            )
        if not things:
            lost = []  # an answer without a single document may be a failure too
        known = {name: thing for name, thing in things.items() if name in held}
        gone = [n for n, thing in known.items() if is_gone(thing) or (held[n].has_author and author_left(thing))]
        return Answer(len(held), [*lost, *gone], unknown=len(held) - len(known) - len(lost))


def open_witness(url: str, retry_seconds: float, say: Callable[[str], object]) -> ArcticShiftWitness:
    """The witness at ``url``. A request that fails is repeated for ``retry_seconds``; ``say`` is told of waits."""
    counts = SourceCounts()
    client = ArcticShiftClient(
        url,
        counts,
        max_requests=sys.maxsize,
        retry_seconds=retry_seconds,
        timeout_seconds=TIMEOUT_SECONDS,
        sleep=time.sleep,
        say=say,
    )
    return ArcticShiftWitness(client, counts)
