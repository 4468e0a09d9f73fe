"""What a backfill has to do: which campaigns are missing, and when two backfills ask for the same."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lead_assets.domain.campaign import Campaign

REQUEST_TAG = "lead_assets/request"
"""The tag of runs that do otherwise than the campaign's file says: the digest of what was asked for."""
CONTENT_TAG = "lead_assets/content"
"""The tag of a backfill's runs with the digest of the campaign's file."""

State = Literal["waiting", "queued", "running", "done", "failed", "canceled"]
"""Of a campaign in a backfill. Waiting has no run yet."""
IN_FLIGHT: tuple[State, ...] = ("waiting", "queued", "running")
ENDED: tuple[State, ...] = ("done", "failed", "canceled")


@dataclass(frozen=True)
class Standing:
    """Where a campaign stands: its leads, and how its newest run ended, or that it has not."""

    materialized: bool = False
    failed: bool = False
    last_run: State | None = None

    @property
    def complete(self) -> bool:
        """Whether the newest try got through the whole graph.

        A run can fail after it has stored its leads, at a check of them; the asset alone would not show it.
        """
        return self.materialized and not self.failed and self.last_run not in ("failed", "canceled")


@dataclass(frozen=True)
class Plan:
    """The campaigns of a backfill, each in one of the lists, in the order in which they were asked for."""

    missing: list[str]
    done: list[str]
    in_flight: list[str]


def make_plan(
    campaign_ids: Sequence[str], *, done: Collection[str], in_flight: Collection[str], again: bool = False
) -> Plan:
    """What to run. ``again`` runs what is done too, also where a run is in flight: it takes its turn."""
    if again:
        return Plan(list(campaign_ids), [], [])
    return Plan(
        missing=[one for one in campaign_ids if one not in done and one not in in_flight],
        done=[one for one in campaign_ids if one in done and one not in in_flight],
        in_flight=[one for one in campaign_ids if one in in_flight],
    )


def request_digest(config: Mapping[str, Any], archive_state: Sequence[int] = ()) -> str:
    """The digest of what a backfill does otherwise than the files say.

    ``archive_state`` is size and time of change of the archive it names: another file under the same name is another
    request. Settings of the environment are not in it: that of the runs is Dagster's, not the asking one's.
    """
    return _digest({"config": dict(config), "archive": list(archive_state)})


def content_digest(campaign: Campaign) -> str:
    """The digest of what a campaign's file says about what to find; when it runs by itself makes no difference."""
    return _digest(campaign.model_dump(mode="json", exclude={"schedule", "timezone", "enabled"}))


def _digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
