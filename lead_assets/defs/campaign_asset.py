"""What all assets share: the group and stage tags, errors told in one sentence, and the report of a run."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg2
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from lead_assets.defs.partitions import campaigns
from lead_assets.domain.errors import LeadAssetsError
from lead_assets.pipeline.timing import Phases, Progress
from lead_assets.storage.statistics import write_stage_run

GROUP = "leads"
QUEUE_TAG = "dagster-celery/queue"


def stage(queue: str) -> dict[str, Any]:
    """Arguments of ``@asset`` for an asset of the graph: partitioning, group, and the stage as its queue."""
    return {"partitions_def": campaigns, "group_name": GROUP, "op_tags": {QUEUE_TAG: queue}}


def partitioned_spec(name: str, asset: str, description: str) -> dg.AssetCheckSpec:
    """A blocking check that an asset yields, whose evaluations carry the campaign."""
    with _preview():
        return dg.AssetCheckSpec(name, asset=asset, description=description, blocking=True, partitions_def=campaigns)


def partitioned_check(
    asset: Any, description: str
) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    """A standalone check of ``asset`` that re-reads the store; it runs alone from the UI, for each campaign."""

    def decorate(function: Callable[..., dg.AssetCheckResult]) -> dg.AssetChecksDefinition:
        with _preview():
            return dg.asset_check(asset=asset, description=description, partitions_def=campaigns)(function)

    return decorate


def checked_campaign(context: dg.AssetCheckExecutionContext) -> str:
    """The campaign that a standalone check is run for.

    The UI's "Execute all" gives none, and this version of Dagster fails whatever such a check then answers.
    """
    if context.has_partition_key:
        return context.partition_key
    raise dg.Failure(
        "This check looks at one campaign, and the run names none; launch it with the tag dagster/partition = "
        "CAMPAIGN, or materialize its asset for the campaign, which runs the check too.",
        allow_retries=False,
    )


@contextmanager
def _preview() -> Iterator[None]:
    """Partitioned checks are a preview of Dagster's: used in this module only, with the minor pinned and a test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield


@contextmanager
def told_in_one_sentence() -> Iterator[None]:
    """Turn an expected error into a failure that says what, where, and what to do; a second try would not help."""
    try:
        yield
    except LeadAssetsError as error:
        # Without its cause: the sentence is all there is to know, and a trace would bury it.
        raise dg.Failure(description=str(error), allow_retries=False) from None
    except (SQLAlchemyError, psycopg2.Error) as error:
        lines = str(getattr(error, "orig", error)).strip().splitlines()
        raise dg.Failure(
            f"PostgreSQL did not do its work ({lines[0] if lines else type(error).__name__}); "
            "what was committed before stays. Run again.",
        ) from error


def progress(context: dg.AssetExecutionContext) -> Progress:
    """Progress that goes to the run's log."""
    return Progress(context.log.info)


def report(
    connection: sa.Connection,
    context: dg.AssetExecutionContext,
    *,
    row_count: int,
    counts: Mapping[str, int],
    phases: Phases,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Remember what this run did, and give the materialization's metadata: totals, this run's counts, seconds."""
    asset = context.asset_key.to_user_string()
    write_stage_run(connection, context.partition_key, asset, context.run.run_id, counts)
    return {"dagster/row_count": row_count, **counts, **phases.metadata(), **(extra or {})}
