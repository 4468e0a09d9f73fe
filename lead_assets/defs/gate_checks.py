"""Gates as asset checks: the specs, and what a run's stats say."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from lead_assets.defs.metadata.tables import table
from lead_assets.defs.partitioned_checks import partitioned_spec
from lead_assets.domain.audit import Audit
from lead_assets.domain.gate_catalog import DEDUPLICATION
from lead_assets.domain.gates import Gate, GateStats
from lead_assets.domain.settings import Settings
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.step import GateReport

COMPLETE = "source_complete"
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


def gate_results(asset: str, report: GateReport, run: RunContext) -> list[dg.AssetCheckResult]:
    """One result a gate."""
    return [
        _result(
            asset,
            gate,
            report.stats[gate.name],
            report.earlier.get(gate.name),
            report.offending[gate.name],
            report.audits.get(gate.name),
            run,
            report.settings,
        )
        for gate in report.gates
    ]


def completeness_spec(asset: str, description: str) -> dg.AssetCheckSpec:
    """The check of what the source could not give."""
    return partitioned_spec(COMPLETE, asset, description)


def completeness_result(asset: str, incomplete: Sequence[str]) -> dg.AssetCheckResult:
    """Warns of what the source could not give."""
    return dg.AssetCheckResult(
        check_name=COMPLETE,
        asset_key=asset,
        passed=not incomplete,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(incomplete) or "All that the source has for the campaign was read.",
        metadata={"warnings": table([{"warning": warning} for warning in incomplete])},
    )


def _result(
    asset: str,
    gate: Gate,
    stats: GateStats,
    earlier: GateStats | None,
    offending: list[str],
    audit: Audit | None,
    run: RunContext,
    settings: Settings,
) -> dg.AssetCheckResult:
    shown = earlier if not stats.evaluated and earlier else stats
    state = "off" if gate.off(settings) else "on"
    warning = None if gate is DEDUPLICATION or state == "off" else _warning(stats, settings)
    metadata: dict[str, Any] = {
        "evaluated": shown.evaluated,
        "kept": shown.kept,
        "rejected": shown.rejected,
        "unknown": shown.unknown,
        "rejection_rate": round(shown.rejection_rate, 4),
        "threshold": gate.threshold(settings),
        "setting": gate.setting,
        "set_by": run.set_by(gate.setting),
        "state": state,
        "rejected_examples": table(shown.examples),
    }
    if shown is not stats:
        metadata["counts_are_of"] = "an earlier run"
        metadata["rejected_examples"] = "of an earlier run: see the table rejections"
    if audit:
        metadata["audit"] = audit.told()
        metadata["share_of_leads_among_rejects"] = round(audit.share, 4)
    if offending:
        metadata["kept_but_rejected"] = table([{"reddit_id": reddit_id} for reddit_id in offending])
    return dg.AssetCheckResult(
        passed=not offending and warning is None,
        severity=dg.AssetCheckSeverity.ERROR if offending else dg.AssetCheckSeverity.WARN,
        check_name=gate.name,
        asset_key=asset,
        description=_description(gate, stats, shown, state, warning, offending),
        metadata=metadata,
    )


def _warning(stats: GateStats, settings: Settings) -> str | None:
    if stats.evaluated >= MIN_ROWS_TO_WARN and stats.rejection_rate > settings.gate_warn_rejection_rate:
        return f"Rejected {stats.rejected} of {stats.evaluated} documents: is the limit right?"
    if stats.carriers and stats.carriers_unknown / stats.carriers > MAX_UNKNOWN_SHARE:
        return f"Unknown for {stats.carriers_unknown} of the {stats.carriers} documents that can have the value."
    return None


def _description(
    gate: Gate, stats: GateStats, shown: GateStats, state: str, warning: str | None, offending: list[str]
) -> str:
    if offending:
        return f"{len(offending)} documents were kept that this gate rejects."
    if state == "off":
        return f"The gate is off ({gate.setting})."
    if warning:
        return warning
    if not stats.evaluated:
        return "Nothing new met this gate." + (" The counts are of an earlier run." if shown is not stats else "")
    return f"Kept {stats.kept} of {stats.evaluated}; rejected {stats.rejected}, unknown {stats.unknown}."
