"""What a backfill has to do: which campaigns are missing, and when two backfills request the same."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lead_assets.domain.campaign import Campaign

REQUEST_TAG = "lead_assets/request"
"""The tag of runs that do otherwise than the campaign's file says: the digest of what was requested."""
CONTENT_TAG = "lead_assets/content"
"""The tag of a backfill's runs with the digest of the campaign's file."""

State = Literal["waiting", "queued", "running", "done", "failed", "canceled"]
"""Of a campaign in a backfill. Waiting has no run yet."""
IN_FLIGHT: tuple[State, ...] = ("waiting", "queued", "running")


@dataclass(frozen=True)
class Plan:
    """The campaigns of a backfill, each in one of the lists, in the order in which they were named."""

    missing: list[str]
    done: list[str]
    in_flight: list[str]


def content_digest(campaign: Campaign) -> str:
    """The digest of what a campaign's file says about what to find; when it runs by itself makes no difference."""
    return digest(campaign.model_dump(mode="json", exclude={"schedule", "timezone", "enabled"}))


def digest(value: Mapping[str, Any]) -> str:
    """The same short text for equal values, in whatever order they were written."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]
