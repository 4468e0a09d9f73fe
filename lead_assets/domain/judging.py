"""How documents meet gates: one judgement a row, the first gate that rejects decides."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

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
    decisions = pd.DataFrame(
        {"gate": None, "observed": float("nan"), "threshold": float("nan"), "setting": None}, index=frame.index
    ).astype({"gate": object, "setting": object})
    values = pd.DataFrame(index=frame.index)
    stats: dict[str, GateStats] = {}
    reaching = frame
    for gate in gates:
        verdict = judge(gate, reaching, settings, unknown_policy)
        rejected = reaching.index[~verdict.kept]
        values[gate.name] = verdict.observed.reindex(frame.index)
        decisions.loc[rejected, "gate"] = gate.name
        decisions.loc[rejected, "setting"] = gate.setting
        decisions.loc[rejected, "observed"] = verdict.observed.loc[rejected]
        decisions.loc[rejected, "threshold"] = float(gate.threshold(settings))
        stats[gate.name] = _stats(gate, reaching, verdict)
        reaching = reaching.drop(index=rejected)
    return GateOutcomes(decisions, values, stats)


def join_outcomes(first: GateOutcomes, second: GateOutcomes) -> GateOutcomes:
    """The outcome of ``first`` and then, for the rows that it kept, of ``second``; their gates are different ones."""
    decisions = first.decisions.copy()
    decisions.loc[second.decisions.index] = second.decisions
    values = first.values.join(second.values)
    return GateOutcomes(decisions, values, {**first.stats, **second.stats})


def _stats(gate: Gate, frame: pd.DataFrame, verdict: GateResult) -> GateStats:
    carriers = gate.carries(frame).astype(bool)
    shown = frame.assign(observed=verdict.observed)[~verdict.kept].head(MAX_EXAMPLES)
    return GateStats(
        evaluated=len(frame),
        kept=int(verdict.kept.sum()),
        rejected=int((~verdict.kept).sum()),
        unknown=int(verdict.unknown.sum()),
        carriers=int(carriers.sum()),
        carriers_unknown=int((carriers & verdict.unknown).sum()),
        examples=[
            {
                "observed": None if math.isnan(observed) else observed,
                "reddit_id": reddit_id,
                "link": short_url(reddit_id, url),
            }
            for reddit_id, url, observed in zip(
                shown["reddit_id"].tolist(), shown["url"].tolist(), shown["observed"].tolist(), strict=True
            )
        ],
    )


def offenders(
    gates: Sequence[Gate], stored: pd.DataFrame, settings: Settings, unknown_policy: UnknownPolicy
) -> dict[str, list[str]]:
    """For each gate the kept documents, as read back from the store, that it rejects by their stored values."""
    return {
        gate.name: stored.loc[~judge(gate, stored, settings, unknown_policy).kept, "reddit_id"].tolist()
        for gate in gates
    }
