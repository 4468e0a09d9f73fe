"""Checks whose evaluations carry the campaign, and errors as Dagster shows them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from lead_assets.defs.celery import QUEUE_TAG
from lead_assets.defs.partitions import campaigns
from lead_assets.domain.errors import LeadAssetsError


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
            checking = dg.asset_check(
                asset=asset,
                description=description,
                partitions_def=campaigns,
                op_tags={QUEUE_TAG: asset.op.tags[QUEUE_TAG]},
            )
            return checking(function)

    return decorate


def checked_campaign(context: dg.AssetCheckExecutionContext) -> str:
    """The campaign that a standalone check is run for.

    The UI's "Execute all" gives none, and this version of Dagster fails whatever such a check then answers.
    """
    if context.has_partition_key:
        return context.partition_key
    raise dg.Failure(
        "This check looks at one campaign, and the run names none. Launch it with the tag dagster/partition = "
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
def as_dagster_failure() -> Iterator[None]:
    """Turn an expected error into a failure that says what, where, and what to do. Dagster does not retry it."""
    try:
        yield
    except LeadAssetsError as error:
        # Without its cause: the sentence is all there is to know, and a trace would bury it.
        raise dg.Failure(description=str(error), allow_retries=False) from None
    except (SQLAlchemyError, psycopg2.Error) as error:
        lines = str(getattr(error, "orig", error)).strip().splitlines()
        raise dg.Failure(
            f"PostgreSQL failed ({lines[0] if lines else type(error).__name__}). What was committed before stays. "
            "Run again.",
        ) from None  # the error itself names rows, and Dagster keeps what it is given
