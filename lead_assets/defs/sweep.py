"""The weekly sweep as a Dagster op."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Optional

import dagster as dg
from pydantic import Field

from lead_assets.defs.partitioned_checks import as_dagster_failure
from lead_assets.pipeline.sweep import sweep
from lead_assets.pipeline.timing import Progress
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database


class SweepConfig(dg.Config):
    """Whom a sweep asks."""

    source: Optional[str] = Field(  # noqa: UP045  Dagster reads Optional
        default=None,
        description="reddit or arctic_shift; unset is Reddit where its credentials are set, else Arctic Shift.",
    )


@dg.op(
    description=(
        "Asks Reddit, or Arctic Shift where no credentials of Reddit are set, for all that is stored, and removes what "
        "is deleted or removed there from PostgreSQL, Typesense, the vectors and the CSV files. The ids stay on the "
        "list deleted_documents, so that no source brings them back."
    )
)
def sweep_deletions(
    context: dg.OpExecutionContext,
    config: SweepConfig,
    database: dg.ResourceParam[Database],
    search_index: dg.ResourceParam[SearchIndex],
    witness_opener: dg.ResourceParam[Any],
    rejection_logs: dg.ResourceParam[Path],
) -> dict[str, Any]:
    with as_dagster_failure(), closing(witness_opener(config.source, database, context.log.info)) as witness:
        swept = asdict(sweep(database, search_index, witness, rejection_logs, Progress(context.log.info).at))
    context.add_output_metadata(swept)
    return swept
