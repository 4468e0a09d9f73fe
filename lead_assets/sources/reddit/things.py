"""Reddit's answers: listings, comment trees and single things, each checked before it is believed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lead_assets.domain.automation import automation_of
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document, MalformedDocument, from_reddit
from lead_assets.domain.removal import is_gone
from lead_assets.sources.base import SourceCounts
from lead_assets.sources.reddit.client import RedditClient
from lead_assets.sources.reddit.failures import RedditUnavailable
from lead_assets.sources.witness import SUSPICIOUSLY_MANY

IDS_PER_REQUEST = 100

Thing = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """One page of a listing, and the cursor of the next; None where there is none."""

    things: Sequence[Thing]
    after: str | None


def read_page(answer: Any) -> Page:
    """The page in an answer.

    Raises:
        RedditUnavailable: the answer is no listing.
    """
    data = answer.get("data") if isinstance(answer, Mapping) else None
    children = data.get("children") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(children, list):
        raise RedditUnavailable("Reddit answered with something else than a listing. Run again later.")
    after = data.get("after")
    return Page([_data(child) for child in children], after if isinstance(after, str) and after else None)


def _data(child: Any) -> Thing:
    data = child.get("data") if isinstance(child, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def read_tree(answer: Any) -> tuple[Thing, list[Thing], list[str]]:
    """The post, the comments of its tree, and the ids of those that are not in the answer.

    Raises:
        RedditUnavailable: the answer is no comment tree.
    """
    if not isinstance(answer, list) or len(answer) != 2:
        raise RedditUnavailable("Reddit answered with something else than a comment tree. Run again later.")
    posts = read_page(answer[0]).things
    comments, missing = flatten(read_page(answer[1]).things)
    return posts[0] if posts else {}, comments, missing


def read_things(answer: Any) -> list[Thing]:
    """The things in an answer to a request for more comments.

    Raises:
        RedditUnavailable: the answer is something else.
    """
    for key in ("json", "data", "things"):
        answer = answer.get(key) if isinstance(answer, Mapping) else None
    if not isinstance(answer, list):
        raise RedditUnavailable("Reddit answered with something else than comments. Run again later.")
    return [_data(child) for child in answer]


def flatten(things: Sequence[Thing]) -> tuple[list[Thing], list[str]]:
    """All comments below ``things``, and the ids that ``more`` entries among them name."""
    comments: list[Thing] = []
    missing: list[str] = []
    waiting = list(reversed(things))
    while waiting:
        thing = waiting.pop()
        children = thing.get("children")
        if isinstance(children, list):
            missing += [child for child in children if isinstance(child, str)]
            continue
        comments.append(thing)
        waiting += reversed(_replies(thing))
    return comments, missing


def _replies(comment: Thing) -> Sequence[Thing]:
    """The comments below one; none where what stands there is no listing, which must not cost the rest of the tree."""
    try:
        return read_page(comment.get("replies")).things
    except RedditUnavailable:
        return []


def posted_at(thing: Thing) -> datetime | None:
    """When a thing was posted."""
    seconds = thing.get("created_utc")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 2**33:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def matching(things: Sequence[Thing], campaign: Campaign, counts: SourceCounts) -> Iterator[tuple[Thing, Document]]:
    """The things that the campaign wants and that match its keywords, as documents; the rest is counted."""
    for thing in things:
        counts.read += 1
        document = to_document(thing, counts)
        if document is None:
            continue
        keywords = campaign.keywords_in(document)
        if not keywords:
            counts.unmatched += 1
        elif not campaign.wants(document):
            counts.excluded += 1
        elif (automation := automation_of(thing)) is not None:
            counts.add_automation(automation)
        else:
            counts.given += 1
            yield thing, replace(document, matched_keywords=keywords)


def to_document(thing: Thing, counts: SourceCounts) -> Document | None:
    """The document in a thing; None for one that is gone or malformed, which is counted."""
    if is_gone(thing):
        counts.deleted += 1
        return None
    try:
        return replace(from_reddit(thing, "reddit"), state_at=datetime.now(UTC))
    except MalformedDocument as error:
        counts.add_malformed(f"record {counts.read}", str(error))
        return None


def fetch(client: RedditClient, reddit_ids: Sequence[str]) -> tuple[dict[str, Thing], list[str]]:
    """The things with ``reddit_ids`` (at most 100) by fullname, and those that are deleted or removed.

    Raises:
        RedditUnavailable: not one of many was answered, which is no deletion; and what ``RedditClient.get`` raises.
    """
    page = read_page(client.get("api/info", {"id": ",".join(reddit_ids)}))
    things = {str(thing.get("name")): thing for thing in page.things}
    found = {reddit_id: thing for reddit_id in reddit_ids if (thing := things.get(reddit_id)) is not None}
    if not found and len(reddit_ids) >= SUSPICIOUSLY_MANY:
        raise RedditUnavailable(
            f"Reddit knows none of {len(reddit_ids)} documents, which is not a deletion but a failure. Run again later."
        )
    gone = [reddit_id for reddit_id in reddit_ids if reddit_id not in found or is_gone(found[reddit_id])]
    return {reddit_id: thing for reddit_id, thing in found.items() if reddit_id not in gone}, gone
