"""Objects from Arctic Shift as documents: matched by our own keyword rule, without what was taken down."""

from collections.abc import Iterable
from dataclasses import replace

from lead_assets.domain.automation import automation_of
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.document import Document, MalformedDocument, from_reddit
from lead_assets.domain.removal import is_gone
from lead_assets.sources.arctic_shift.client import Thing
from lead_assets.sources.base import SourceCounts

SOURCE = "arctic_shift"


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
        keywords = self._campaign.keywords_in(document)
        if not keywords:
            self._counts.unmatched += 1
        elif not self._campaign.wants(document):
            self._counts.excluded += 1
        elif (automation := automation_of(thing)) is not None:
            self._counts.add_automation(automation)
        else:
            self._counts.given += 1
            return replace(document, matched_keywords=keywords)
        return None
