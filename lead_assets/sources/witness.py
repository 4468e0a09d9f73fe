"""A witness: who is asked which stored documents are gone. Reddit itself is one, an archive of Reddit another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lead_assets.sources.base import SourceCounts

SUSPICIOUSLY_MANY = 20
"""Of so many documents that should be known, and are not, a witness has a bad day: nothing was deleted."""


@dataclass(frozen=True)
class Held:
    """A stored document: its fullname, whether its author is known, and the names of the sources it came from."""

    reddit_id: str
    has_author: bool
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answer:
    """What one request told: how many documents were asked for, which are gone, and of how many nothing is known."""

    asked: int
    gone: Sequence[str]
    unknown: int = 0


class Witness(Protocol):
    """Tells which documents are gone. ``trust`` says in a sentence or two how far its word can be trusted."""

    name: str
    trust: str
    counts: SourceCounts

    def ask(self, held: Sequence[Held]) -> Iterator[Answer]:
        """Answers about all of ``held``, one for each request; those already given stay true where a later one fails.

        Raises:
            SourceFailed: the witness could not be asked, or knows so little that nothing follows from it.
        """
        ...

    def close(self) -> None:
        """Close connections; the witness is not asked any more."""
        ...
