"""Fetching by id: titles of the posts that comments belong to, and stored documents once more."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lead_assets.domain.document import Document, MalformedDocument, from_reddit
from lead_assets.domain.progress import StoredDocument
from lead_assets.domain.removal import is_gone
from lead_assets.sources.arctic_shift.client import ArcticShiftClient, ArcticShiftError, BudgetSpent, Thing
from lead_assets.sources.arctic_shift.matching import SOURCE, Matcher
from lead_assets.sources.base import Batch, SourceCounts

MAX_IDS = 500
"""Documented for all ``/api/*/ids``."""
PATHS = {"t3_": "/api/posts/ids", "t1_": "/api/comments/ids"}


def fetch(client: ArcticShiftClient, fullnames: Sequence[str], *, budgeted: bool = True) -> dict[str, Thing]:
    """Objects by fullname of at most ``MAX_IDS`` documents of one kind; unknown ones are left out.

    Raises:
        ArcticShiftError: they could not be read.
    """
    prefix = fullnames[0][:3]
    numbers = ",".join(name.removeprefix(prefix) for name in fullnames)
    things = client.get(PATHS[prefix], {"ids": numbers}, budgeted=budgeted)
    return {f"{prefix}{thing.get('id')}": thing for thing in things}


class Titles:
    """Titles of posts, each fetched once."""

    def __init__(self, client: ArcticShiftClient, counts: SourceCounts) -> None:
        self._client = client
        self._counts = counts
        self._known: dict[str, str] = {}

    def add_to(self, documents: Sequence[Document]) -> list[Document]:
        """``documents``, comments among them with the title of their post, which Arctic Shift leaves out."""
        lacking = [d.post_id for d in documents if d.kind == "comment" and not d.title and d.post_id]
        missing = [name for name in dict.fromkeys(lacking) if name not in self._known]
        for start in range(0, len(missing), MAX_IDS):
            self._fetch(missing[start : start + MAX_IDS])
        return [
            replace(document, title=self._known.get(document.post_id or "", ""))
            if document.kind == "comment" and not document.title
            else document
            for document in documents
        ]

    def _fetch(self, fullnames: Sequence[str]) -> None:
        try:
            # A batch costs one such request at most: sent even when the run's budget is spent.
            things = fetch(self._client, fullnames, budgeted=False)
        except ArcticShiftError as error:
            self._counts.warnings.append(
                f"The titles of {len(fullnames)} posts could not be read from {self._client.url} ({error}); their "
                "comments are judged without them."
            )
            return
        self._known |= {name: _title(thing) for name, thing in things.items() if not is_gone(thing)}


def _title(post: Thing) -> str:
    try:
        return from_reddit(post, SOURCE).title
    except MalformedDocument:
        return ""


def refresh(
    client: ArcticShiftClient, matcher: Matcher, counts: SourceCounts, stored: Sequence[StoredDocument]
) -> Iterator[Batch]:
    """``stored`` documents as they are now, and the ids of those that were taken down.

    What Arctic Shift does not answer is left as it is, and so is what does not match the campaign any more.
    """
    left = len(stored)
    for prefix in PATHS:
        titles = {document.reddit_id: document.title for document in stored if document.reddit_id.startswith(prefix)}
        names = list(titles)
        for start in range(0, len(names), MAX_IDS):
            chunk = names[start : start + MAX_IDS]
            try:
                things = fetch(client, chunk)
            except ArcticShiftError as error:
                _warn(client, counts, left, error)
                if isinstance(error, BudgetSpent) or client.gave_up:
                    return
                continue
            left -= len(chunk)
            batch = _batch(matcher, {name: things[name] for name in chunk if name in things}, titles)
            if batch.documents or batch.gone:
                yield batch


def _batch(matcher: Matcher, things: dict[str, Thing], titles: dict[str, str]) -> Batch:
    gone = [name for name, thing in things.items() if is_gone(thing)]
    titled = ({"link_title": titles[name]} | _without_nothing(thing) for name, thing in things.items())
    return Batch(matcher.documents(titled, "a refreshed document"), gone=gone, refreshed=True)


def _without_nothing(thing: Thing) -> Thing:
    """``thing`` without an empty title of its post, so that the stored one is kept."""
    return thing if thing.get("link_title") else {key: thing[key] for key in thing if key != "link_title"}


def _warn(client: ArcticShiftClient, counts: SourceCounts, left: int, error: ArcticShiftError) -> None:
    counts.warnings.append(
        f"{left} stored documents could not be refreshed from {client.url} ({error}). The next run tries again."
    )
