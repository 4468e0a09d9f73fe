"""Rejections: what is stored of a document that a gate turned away."""

from collections.abc import Hashable, Mapping

import pandas as pd

from lead_assets.domain.gate_catalog import GATES
from lead_assets.domain.judging import GateOutcomes


def rejection_frame(frame: pd.DataFrame, outcomes: GateOutcomes) -> pd.DataFrame:
    """The rejected rows of ``frame`` as rows of the table ``rejections``, indexed as ``frame``.

    ``frame`` has the columns of documents, ``campaign_id`` and ``run_id``; it may be a part of what was outcomes.
    """
    rejected = frame[~outcomes.kept.loc[frame.index]]
    decisions = outcomes.decisions.loc[rejected.index]
    stages = {gate.name: gate.stage for gate in GATES}
    values = outcomes.values.loc[rejected.index]
    met = [_met_values(row, str(gate)) for row, gate in zip(values.to_dict("records"), decisions["gate"], strict=True)]
    return pd.DataFrame(
        {
            "campaign_id": rejected["campaign_id"],
            "reddit_id": rejected["reddit_id"],
            "stage": decisions["gate"].map(stages),
            "gate": decisions["gate"],
            "setting": decisions["setting"],
            "observed": decisions["observed"],
            "threshold": decisions["threshold"],
            "observed_values": pd.Series(met, index=rejected.index, dtype=object),
            "kind": rejected["kind"],
            "source": rejected["source"],
            "subreddit": rejected["subreddit"],
            "author": rejected["author"],
            # A comment's title is its post's, which may be deleted one day when nothing points there from here.
            "title": rejected["title"].where(rejected["kind"] != "comment", ""),
            "url": rejected["url"],
            "posted_at": rejected["created_at"],
            "run_id": rejected["run_id"],
        },
        index=rejected.index,
    )


def _met_values(values: Mapping[Hashable, float], deciding: str) -> dict[str, float | None]:
    """What the gates up to the deciding one observed; None where unknown."""
    order = [gate.name for gate in GATES]
    met = order[: order.index(deciding) + 1]
    return {name: None if pd.isna(value) else float(value) for name in met if (value := values.get(name)) is not None}
