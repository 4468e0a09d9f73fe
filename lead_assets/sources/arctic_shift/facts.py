"""Facts about subreddits from Arctic Shift's list of them, which it says is updated infrequently."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from lead_assets.domain.errors import LookUpFailed
from lead_assets.domain.progress import SubredditFacts
from lead_assets.sources.arctic_shift.client import ArcticShiftClient, ArcticShiftError, Thing
from lead_assets.sources.base import CrawlState

MAX_IDS = 500
"""Documented for all ``/api/*/ids``."""


class SubredditBook:
    """Looks subreddits up and remembers them for a day."""

    def __init__(self, client: ArcticShiftClient, memory: CrawlState) -> None:
        self._client = client
        self._memory = memory
        self._unheard_of: set[str] = set()

    def fill(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with subscribers and over_18 where they were unknown and could be had.

        Raises:
            LookUpFailed: the server did not answer.
        """
        lacking = frame["subreddit_subscribers"].isna() & (frame["subreddit"] != "")
        if not lacking.any():
            return frame
        folded = frame["subreddit"].str.casefold()
        pairs = zip(folded[lacking], frame.loc[lacking, "subreddit_id"], strict=True)
        facts = self.facts({name: number if isinstance(number, str) else None for name, number in pairs})
        subscribers = folded.map({name: fact.subscribers for name, fact in facts.items()}).astype("float64")
        over_18 = folded.map({name: fact.over_18 for name, fact in facts.items()}).astype("boolean")
        return frame.assign(
            subreddit_subscribers=frame["subreddit_subscribers"].fillna(subscribers),
            over_18=frame["over_18"].astype("boolean").fillna(over_18),
        )

    def facts(self, ids: Mapping[str, str | None]) -> dict[str, SubredditFacts]:
        """Facts by case-folded name, for ``ids`` by such names (``t5_…``, None where unknown).

        Names that Arctic Shift does not know are left out; that does not mean that Reddit does not.

        Raises:
            LookUpFailed: the server did not answer.
        """
        known = dict(self._memory.subreddits(list(ids)))
        missing = {name: number for name, number in ids.items() if name not in known and name not in self._unheard_of}
        try:
            found = self._look_up(missing)
        except ArcticShiftError as error:
            raise LookUpFailed(
                f"The facts about {len(missing)} subreddits could not be read from {self._client.url} ({error}). "
                "Run the campaign again later."
            ) from error
        self._unheard_of |= missing.keys() - found.keys()
        if found:
            self._memory.remember_subreddits(list(found.values()))
        return known | found

    def _look_up(self, missing: Mapping[str, str | None]) -> dict[str, SubredditFacts]:
        numbers = [number.removeprefix("t5_") for number in missing.values() if number]
        found = dict(_facts(self._by_id(numbers)))
        for name in missing:
            if name not in found:
                found |= _facts(self._get("/api/subreddits/search", {"subreddit": name, "limit": "1"}))
        return {name: fact for name, fact in found.items() if name in missing}

    def _by_id(self, numbers: Sequence[str]) -> Iterator[Thing]:
        for start in range(0, len(numbers), MAX_IDS):
            yield from self._get("/api/subreddits/ids", {"ids": ",".join(numbers[start : start + MAX_IDS])})

    def _get(self, path: str, params: Mapping[str, str]) -> list[Thing]:
        # Few, and a batch without its facts would be left unjudged: sent even when the run's budget is spent.
        return self._client.get(path, params, budgeted=False)


def _facts(things: Iterable[Thing]) -> Iterator[tuple[str, SubredditFacts]]:
    for thing in things:
        name, subscribers, over_18 = thing.get("display_name"), thing.get("subscribers"), thing.get("over18")
        if isinstance(name, str):
            yield (
                name.casefold(),
                SubredditFacts(
                    name.casefold(),
                    subscribers=subscribers if isinstance(subscribers, int) else None,
                    over_18=over_18 if isinstance(over_18, bool) else None,
                ),
            )
