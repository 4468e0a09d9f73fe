"""Objects from Arctic Shift as documents: matched by our own keyword rule, without what was taken down."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document, MalformedDocument, from_reddit
from lead_assets.sources.arctic_shift.client import Thing
from lead_assets.sources.source import SourceCounts

SOURCE = "arctic_shift"
_TAKEN_DOWN = frozenset({"[deleted]", "[removed]", "[deleted by user]", "[ removed by reddit ]"})


class Matcher:
    """Makes documents of objects for one campaign, and counts what it leaves out."""

    def __init__(self, campaign: Campaign, counts: SourceCounts) -> None:
        self._campaign = campaign
        self._counts = counts

    def documents(self, things: Iterable[Thing], where: str) -> list[Document]:
        """The documents among ``things`` that the campaign wants; ``where`` they come from, for what is malformed."""
        return [document for thing in things if (document := self.document(thing, where)) is not None]

    def document(self, thing: Thing, where: str) -> Document | None:
        """The document in ``thing`` if the campaign wants it."""
        self._counts.read += 1
        if is_gone(thing):
            self._counts.deleted += 1
            return None
        try:
            document = from_reddit(thing, SOURCE)
        except MalformedDocument as error:
            self._counts.add_malformed(where, str(error))
            return None
        wanted = self._campaign.wants(document)
        keywords = self._campaign.matched_keywords(document.own_text) if wanted else []
        if not keywords:
            return None
        self._counts.matched += 1
        return replace(document, matched_keywords=tuple(keywords))


def is_gone(thing: Thing) -> bool:
    """Whether its author or a moderator has taken it down, as far as the archive knows."""
    meta = thing.get("_meta")
    told = isinstance(meta, Mapping) and (meta.get("was_deleted_later") or meta.get("removal_type"))
    text = thing.get("body") if "body" in thing else thing.get("selftext")
    emptied = isinstance(text, str) and text.strip().casefold() in _TAKEN_DOWN
    return bool(told or thing.get("removed_by_category") or emptied)
