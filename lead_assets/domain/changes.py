"""What somebody would change of a campaign: settings, and its lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import InvalidInput


@dataclass(frozen=True)
class Changes:
    """What would be otherwise: settings by name, and what is added to the campaign's lists."""

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    negative_keywords: Sequence[str] = ()
    exclude_subreddits: Sequence[str] = ()
    exclude_authors: Sequence[str] = ()

    def applied_to(self, campaign: Campaign) -> Campaign:
        """The campaign with these changes, validated.

        Raises:
            InvalidInput: it would not be a valid campaign.
        """
        lists = campaign.subreddits
        try:
            return Campaign.model_validate(
                campaign.model_dump(exclude={"notify"})
                | {
                    "negative_keywords": [*campaign.negative_keywords, *self.negative_keywords],
                    "exclude_authors": [*campaign.exclude_authors, *self.exclude_authors],
                    "subreddits": {
                        "include": lists.include,
                        "exclude": [*lists.exclude, *self.exclude_subreddits],
                    },
                }
            )
        except ValidationError as error:
            first = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InvalidInput(f"{first}.") from None
