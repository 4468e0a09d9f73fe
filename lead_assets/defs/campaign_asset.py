"""The one factory of the graph's assets: each runs a step of the pipeline for the campaign of its partition.

Lock, errors, timing, report, queue, pool, owners, code version, column schema and table name are the same for all.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from lead_assets.defs.celery import QUEUE_TAG
from lead_assets.defs.gate_checks import completeness_result, completeness_spec, gate_results, gate_specs
from lead_assets.defs.metadata.tables import as_metadata
from lead_assets.defs.partitioned_checks import as_dagster_failure
from lead_assets.defs.partitions import campaigns
from lead_assets.defs.resources import RunSettings
from lead_assets.domain.gates import Gate
from lead_assets.pipeline.step import Step, StepReport, Stores, run_step
from lead_assets.pipeline.timing import Phases
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database

GROUP = "leads"
OWNERS = ["team:lead_assets"]


def campaign_asset(
    step: Step,
    *,
    description: str,
    kinds: set[str],
    deps: Sequence[dg.AssetsDefinition] = (),
    table: sa.Table | None = None,
    pool: str | None = None,
    gates: Sequence[Gate] = (),
    completeness: str | None = None,
    pictures: Callable[[Any], dict[str, dg.MetadataValue]] | None = None,
) -> dg.AssetsDefinition:
    """The asset of ``step``, partitioned by campaign.

    ``table`` is where it writes, ``gates`` become checks of it, ``completeness`` describes the check of what its source
    could not give, and ``pictures`` draws what its report says has changed.
    """
    specs = gate_specs(step.name, gates)
    specs += [completeness_spec(step.name, completeness)] if completeness else []

    @dg.asset(
        name=step.name,
        description=description,
        partitions_def=campaigns,
        group_name=GROUP,
        owners=OWNERS,
        kinds=kinds,
        deps=list(deps),
        pool=pool,
        code_version=step.version,
        op_tags={QUEUE_TAG: step.stage},
        metadata=_table_metadata(table),
        check_specs=specs,
    )
    def asset(
        context: dg.AssetExecutionContext,
        run_settings: RunSettings,
        database: dg.ResourceParam[Database],
        search_index: dg.ResourceParam[SearchIndex],
        rejection_logs: dg.ResourceParam[Path],
        source_opener: dg.ResourceParam[Any],
        embedder_opener: dg.ResourceParam[Any],
        extractor_opener: dg.ResourceParam[Any],
    ) -> dg.MaterializeResult:
        stores = Stores(database, search_index, rejection_logs, source_opener, embedder_opener, extractor_opener)
        with as_dagster_failure():
            run = run_settings.resolve(context.partition_key)
            report, phases = run_step(step, run, stores, context.run.run_id, context.log.info)
        for warning in report.warnings:
            context.log.warning(warning)
        # Drawn when the campaign is free again.
        drawn = pictures(report.drawn) if pictures is not None and report.drawn is not None else {}
        checks = gate_results(step.name, report.gates, run) if report.gates is not None else []
        checks += [completeness_result(step.name, report.incomplete)] if report.incomplete is not None else []
        return dg.MaterializeResult(metadata=_metadata(report, phases, drawn), check_results=checks)

    return asset


def _metadata(report: StepReport, phases: Phases, drawn: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    """What matters first; counts of zero and empty tables are left out, and are in the table ``stage_runs``."""
    counts = {name: count for name, count in report.counts.items() if count}
    details = {name: as_metadata(value) for name, value in report.details.items() if value not in ({}, [])}
    return {**drawn, "dagster/row_count": report.row_count, **counts, **details, **phases.metadata()}


def _table_metadata(table: sa.Table | None) -> dict[str, Any]:
    if table is None:
        return {}
    columns = [
        dg.TableColumn(
            column.name,
            str(column.type.compile(dialect=postgresql.dialect())).lower(),
            constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
        )
        for column in table.columns
    ]
    return {"dagster/table_name": f"{table.schema}.{table.name}", "dagster/column_schema": dg.TableSchema(columns)}
