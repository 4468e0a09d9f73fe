"""How documents meet gates: one judgement a row, the first gate that rejects decides."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lead_assets.domain.document import short_url
from lead_assets.domain.gates import MAX_EXAMPLES, Gate, GateStats, UnknownPolicy
from lead_assets.domain.settings import Settings


@dataclass(frozen=True)
class GateResult:
    """One gate's judgement of a frame, row by row: the observed value, whether it is unknown, whether the row stays."""

    observed: "pd.Series[float]"
    unknown: "pd.Series[bool]"
    kept: "pd.Series[bool]"


@dataclass(frozen=True)
class GateOutcomes:
    """A frame after some gates.

    ``decisions`` has a row per input row: ``gate`` (None where kept), ``observed``, ``threshold``, ``setting`` of the
    deciding gate. ``values`` has a column per gate: what it observed in the rows that reached it, NaN elsewhere.
    """

    decisions: pd.DataFrame
    values: pd.DataFrame
    stats: Mapping[str, GateStats]

    @property
    def kept(self) -> "pd.Series[bool]":
        """Whether each row passed all gates."""
        return self.decisions["gate"].isna()


def judge(gate: Gate, frame: pd.DataFrame, settings: Settings, unknown_policy: UnknownPolicy) -> GateResult:
    """What ``gate`` says of every row of ``frame``."""
    observed = gate.observe(frame).astype("float64")
    unknown = observed.isna() if gate.can_be_unknown else pd.Series(False, index=frame.index)
    if gate.off(settings):
        return GateResult(observed, unknown, pd.Series(True, index=frame.index))
    kept = gate.keep(observed, frame, settings).astype(bool)
    return GateResult(observed, unknown, kept.where(~unknown, unknown_policy.get(gate.name) != "reject"))


def apply_gates(
    frame: pd.DataFrame, gates: Sequence[Gate], settings: Settings, unknown_policy: UnknownPolicy
) -> GateOutcomes:
    """Let ``frame``'s rows meet ``gates`` in order; the first that rejects a row decides, later ones do not see it."""
    size = len(frame)
    decisions: dict[str, NDArray[Any]] = {
        "gate": np.full(size, None, dtype=object),
        "observed": np.full(size, np.nan),
        "threshold": np.full(size, np.nan),
        "setting": np.full(size, None, dtype=object),
    }
    values: dict[str, NDArray[np.float64]] = {}
    stats: dict[str, GateStats] = {}
    reaching, places = frame, np.arange(size)
    for gate in gates:
        verdict = judge(gate, reaching, settings, unknown_policy)
        observed, kept = verdict.observed.to_numpy(), verdict.kept.to_numpy()
        values[gate.name] = np.full(size, np.nan)
        values[gate.name][places] = observed
        stats[gate.name] = _stats(gate, reaching, verdict)
        if kept.all():
            continue
        decided = places[~kept]
        decisions["gate"][decided] = gate.name
        decisions["observed"][decided] = observed[~kept]
        decisions["threshold"][decided] = float(gate.threshold(settings))
        decisions["setting"][decided] = gate.setting
        reaching, places = reaching[kept], places[kept]
    columns = {name: pd.Series(column, frame.index, dtype=column.dtype) for name, column in decisions.items()}
    return GateOutcomes(pd.DataFrame(columns), pd.DataFrame(values, frame.index), stats)


def join_outcomes(first: GateOutcomes, second: GateOutcomes) -> GateOutcomes:
    """The outcome of ``first`` and then, for the rows that it kept, of ``second``; their gates are different ones."""
    decisions = first.decisions.copy()
    decisions.loc[second.decisions.index] = second.decisions
    values = first.values.join(second.values)
    return GateOutcomes(decisions, values, {**first.stats, **second.stats})


def _stats(gate: Gate, frame: pd.DataFrame, verdict: GateResult) -> GateStats:
    carriers = gate.carries(frame).to_numpy(dtype=bool)
    unknown, rejected = verdict.unknown.to_numpy(), ~verdict.kept.to_numpy()
    return GateStats(
        evaluated=len(frame),
        kept=int((~rejected).sum()),
        rejected=int(rejected.sum()),
        unknown=int(unknown.sum()),
        carriers=int(carriers.sum()),
        carriers_unknown=int((carriers & unknown).sum()),
        examples=_examples(frame, verdict) if rejected.any() else [],
    )


def _examples(frame: pd.DataFrame, verdict: GateResult) -> list[dict[str, object]]:
    shown = np.flatnonzero(~verdict.kept.to_numpy())[:MAX_EXAMPLES]
    columns = (frame["reddit_id"], frame["url"], verdict.observed)
    return [
        {
            "observed": None if math.isnan(observed) else observed,
            "reddit_id": reddit_id,
            "link": short_url(reddit_id, url),
        }
        for reddit_id, url, observed in zip(*(column.iloc[shown].tolist() for column in columns), strict=True)
    ]


def offenders(
    gates: Sequence[Gate], stored: pd.DataFrame, settings: Settings, unknown_policy: UnknownPolicy
) -> dict[str, list[str]]:
    """For each gate the kept documents, as read back from the store, that it rejects by their stored values."""
    return {
        gate.name: stored.loc[~judge(gate, stored, settings, unknown_policy).kept, "reddit_id"].tolist()
        for gate in gates
    }
