"""Facts about subreddits and authors: from the cache shared by all campaigns, else 100 of them with one request."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

import pandas as pd

from lead_assets.domain.errors import LookUpFailed, SourceFailed
from lead_assets.domain.progress import SubredditFacts
from lead_assets.sources.base import CrawlState
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.failures import NotReachable
from lead_assets.sources.reddit.things import read_page

_LARGEST = 2**53


class Facts:
    """Looks facts up for the gates."""

    def __init__(self, client: RedditClient, memory: CrawlState, *, wants_hot_posts: bool) -> None:
        """``wants_hot_posts`` costs a request for each subreddit."""
        self._client = client
        self._memory = memory
        self._wants_hot_posts = wants_hot_posts

    def of_subreddits(self, names: Iterable[str]) -> dict[str, SubredditFacts]:
        """Facts by case-folded name; Reddit is asked for those that are not known from today.

        Raises:
            SourceFailed: Reddit could not be asked.
        """
        folded = sorted({name.casefold() for name in names if name})
        known = dict(self._memory.subreddits(folded))
        unknown = [name for name in folded if name not in known]
        if unknown:
            answered = {facts.name: facts for facts in map(_subreddit_facts, self._client.subreddits(unknown))}
            new = [answered.get(name, SubredditFacts(name, reachable=False)) for name in unknown]
            self._memory.remember_subreddits(new)
            known.update({facts.name: facts for facts in new})
        return known

    def look_up_subreddits(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with subscribers, and whether a subreddit is for adults, where unknown; hot posts where wanted.

        Raises:
            LookUpFailed: Reddit could not be asked.
        """
        names = frame["subreddit"].str.casefold()
        self._learn_from_posts(frame, names)
        lacking = frame["subreddit_subscribers"].isna()
        try:
            facts = self.of_subreddits(names[lacking])
            frame = frame.assign(
                subreddit_subscribers=frame["subreddit_subscribers"].fillna(
                    _numbers(names, {name: fact.subscribers for name, fact in facts.items()})
                ),
                over_18=frame["over_18"].fillna(
                    names.map({name: fact.over_18 for name, fact in facts.items()}).astype("boolean")
                ),
            )
            if self._wants_hot_posts:
                counts = self._hot_posts(sorted(set(names) - {""}))
                frame = frame.assign(subreddit_hot_posts=_numbers(names, counts))
        except SourceFailed as error:
            raise LookUpFailed(str(error)) from error
        return frame

    def look_up_authors(self, frame: pd.DataFrame) -> pd.DataFrame:
        """``frame`` with the karma of its authors where unknown and Reddit tells it.

        Raises:
            LookUpFailed: Reddit could not be asked.
        """
        lacking = frame["author_karma"].isna() & frame["author"].notna() & frame["author_id"].notna()
        wanted = sorted(set(frame.loc[lacking, "author_id"]))
        karma = dict(self._memory.authors(wanted))
        unknown = [author_id for author_id in wanted if author_id not in karma]
        if unknown:
            try:
                answered = {str(data.get("fullname")): _karma(data) for data in self._client.redditors(unknown)}
            except SourceFailed as error:
                raise LookUpFailed(str(error)) from error
            new = {author_id: answered.get(author_id) for author_id in unknown}
            self._memory.remember_authors(new)
            karma.update(new)
        return frame.assign(author_karma=frame["author_karma"].fillna(_numbers(frame["author_id"], karma)))

    def _learn_from_posts(self, frame: pd.DataFrame, names: "pd.Series[str]") -> None:
        """Posts carry their subreddit's subscribers: what they say need not be asked for their comments."""
        told = dict(zip(names, frame["subreddit_subscribers"], strict=True))
        told = {name: count for name, count in told.items() if name and not pd.isna(count)}
        known = self._memory.subreddits(sorted(told))
        self._memory.remember_subreddits(
            [SubredditFacts(name, subscribers=int(count)) for name, count in told.items() if name not in known]
        )

    def _hot_posts(self, names: Sequence[str]) -> dict[str, int]:
        counts = dict(self._memory.hot_posts(names))
        for name in names:
            if name in counts:
                continue
            try:
                page = read_page(self._client.get(f"r/{name}/hot", {"limit": 100}))
            except NotReachable:
                continue
            counts[name] = len(page.things)
            self._memory.remember_hot_posts({name: counts[name]})
        return counts


def _numbers(keys: "pd.Series[str]", values: dict[str, Any]) -> "pd.Series[float]":
    return pd.to_numeric(keys.map(values), errors="coerce").astype("float64")


def _subreddit_facts(data: dict[str, Any]) -> SubredditFacts:
    subscribers, over_18 = data.get("subscribers"), data.get("over18")
    return SubredditFacts(
        name=str(data.get("display_name", "")).casefold(),
        reachable=data.get("subreddit_type") != "private",
        subscribers=subscribers if _is_count(subscribers) else None,
        over_18=over_18 if isinstance(over_18, bool) else None,
    )


def _karma(data: dict[str, Any]) -> int | None:
    """Link plus comment karma."""
    link, comment = data.get("link_karma"), data.get("comment_karma")
    return link + comment if _is_count(link) and _is_count(comment) else None


def _is_count(value: object) -> TypeGuard[int]:
    """Whether it is a whole number that a column holds."""
    return type(value) is int and abs(value) < _LARGEST
