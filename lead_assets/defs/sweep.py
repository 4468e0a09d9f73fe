"""The weekly sweep as a Dagster op."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from lead_assets.defs.partitioned_checks import as_dagster_failure
from lead_assets.pipeline.sweep import sweep
from lead_assets.pipeline.timing import Progress
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database


@dg.op(
    description=(
        "Asks Reddit, a hundred documents a request, for all that is stored, and removes what is deleted or removed "
        "there from PostgreSQL, Typesense, the vectors and the CSV files. The ids stay on the list deleted_documents, "
        "so that no source brings them back."
    )
)
def sweep_deletions(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    search_index: dg.ResourceParam[SearchIndex],
    reddit_opener: dg.ResourceParam[Any],
    rejection_logs: dg.ResourceParam[Path],
) -> dict[str, Any]:
    with as_dagster_failure(), closing(reddit_opener(database, context.log.info)) as client:
        swept = asdict(sweep(database, search_index, client, rejection_logs, Progress(context.log.info).at))
    context.add_output_metadata(swept)
    return swept
