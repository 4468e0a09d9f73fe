"""Gates as asset checks: the specs, and what a run's tallies say."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from lead_assets.defs.campaign_asset import partitioned_spec
from lead_assets.defs.metadata.tables import table
from lead_assets.defs.resources import Brief
from lead_assets.domain.gates import DEDUPLICATION, Gate, Tally, UnknownPolicy, judge
from lead_assets.domain.settings import Settings

MIN_ROWS_TO_WARN = 50
MAX_UNKNOWN_SHARE = 0.5


def gate_specs(asset: str, gates: Sequence[Gate]) -> list[dg.AssetCheckSpec]:
    """A blocking check for each gate, named after it."""
    return [
        partitioned_spec(
            gate.name,
            asset,
            f"Gate {number} of {len(gates)}: every kept document {gate.claim} ({gate.setting}). "
            "Rejecting is normal: the check fails only if a "
            "document that was kept is one that the gate rejects, and warns if the gate rejects or cannot judge "
            "nearly everything.",
        )
        for number, gate in enumerate(gates, start=1)
    ]


def offenders(
    gates: Sequence[Gate], stored: pd.DataFrame, settings: Settings, unknown_policy: UnknownPolicy
) -> dict[str, list[str]]:
    """For each gate the kept documents, as read back from the store, that it rejects by their stored values."""
    return {
        gate.name: stored.loc[~judge(gate, stored, settings, unknown_policy).kept, "reddit_id"].tolist()
        for gate in gates
    }


def gate_results(
    asset: str,
    gates: Sequence[Gate],
    tallies: Mapping[str, Tally],
    earlier: Mapping[str, Tally],
    offending: Mapping[str, list[str]],
    brief: Brief,
    settings: Settings,
) -> list[dg.AssetCheckResult]:
    """One result a gate. ``earlier`` has the last tallies that were not empty, for gates that met nothing now."""
    return [
        _result(asset, gate, tallies[gate.name], earlier.get(gate.name), offending[gate.name], brief, settings)
        for gate in gates
    ]


def _result(
    asset: str,
    gate: Gate,
    tally: Tally,
    earlier: Tally | None,
    offending: list[str],
    brief: Brief,
    settings: Settings,
) -> dg.AssetCheckResult:
    shown = earlier if not tally.evaluated and earlier else tally
    state = "off" if gate.off(settings) else "on"
    warning = None if gate is DEDUPLICATION or state == "off" else _warning(tally, settings)
    metadata: dict[str, Any] = {
        "evaluated": shown.evaluated,
        "kept": shown.kept,
        "rejected": shown.rejected,
        "unknown": shown.unknown,
        "rejection_rate": round(shown.rejection_rate, 4),
        "threshold": gate.threshold(settings),
        "setting": gate.setting,
        "set_by": brief.set_by(gate.setting),
        "state": state,
        "rejected_examples": table(shown.examples),
    }
    if shown is not tally:
        metadata["counts_are_of"] = "an earlier run"
        metadata["rejected_examples"] = "of an earlier run: see the table rejections"
    if offending:
        metadata["kept_but_rejected"] = table([{"reddit_id": reddit_id} for reddit_id in offending])
    return dg.AssetCheckResult(
        passed=not offending and warning is None,
        severity=dg.AssetCheckSeverity.ERROR if offending else dg.AssetCheckSeverity.WARN,
        check_name=gate.name,
        asset_key=asset,
        description=_description(gate, tally, shown, state, warning, offending),
        metadata=metadata,
    )


def _warning(tally: Tally, settings: Settings) -> str | None:
    if tally.evaluated >= MIN_ROWS_TO_WARN and tally.rejection_rate > settings.gate_warn_rejection_rate:
        return f"Rejected {tally.rejected} of {tally.evaluated} documents: is the limit right?"
    if tally.carriers and tally.carriers_unknown / tally.carriers > MAX_UNKNOWN_SHARE:
        return f"Unknown for {tally.carriers_unknown} of the {tally.carriers} documents that can have the value."
    return None


def _description(gate: Gate, tally: Tally, shown: Tally, state: str, warning: str | None, offending: list[str]) -> str:
    if offending:
        return f"{len(offending)} documents were kept that this gate rejects."
    if state == "off":
        return f"The gate is off ({gate.setting})."
    if warning:
        return warning
    if not tally.evaluated:
        return "Nothing new met this gate." + (" The counts are of an earlier run." if shown is not tally else "")
    return f"Kept {tally.kept} of {tally.evaluated}; rejected {tally.rejected}, unknown {tally.unknown}."
