"""``run`` and ``demo``: a campaign's graph through Dagster, in this process, with a live display and the funnel."""

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import dagster as dg
import psycopg2
from dagster_postgres.utils import DagsterPostgresException
from rich.live import Live
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from lead_assets.cli.progress import STAGES, StageDisplay
from lead_assets.cli.reading import print_leads
from lead_assets.cli.servers import bring_up
from lead_assets.cli.state import (
    campaign_argument,
    console,
    echo_json,
    errors,
    json_option,
    known_campaign,
    opened_database,
    opened_index,
    set_variables,
)
from lead_assets.config.environment import Environment
from lead_assets.definitions import defs
from lead_assets.defs.jobs import JOB
from lead_assets.defs.partitions import campaigns
from lead_assets.defs.resources import RunSettings
from lead_assets.domain.errors import DatabaseUnavailable, InvalidInput, RunFailed, RunInterrupted
from lead_assets.domain.funnel import funnel_steps
from lead_assets.pipeline.connect import require_source
from lead_assets.pipeline.run_context import resolve_run, run_options
from lead_assets.storage.statistics import read_funnel

SAMPLE = Path(__file__).resolve().parent.parent / "sample"


source_option = click.option("--source", help="Where documents come from in this run: reddit, arctic_shift or archive.")
path_option = click.option("--path", type=click.Path(path_type=Path), help="The archive file (.ndjson or .zst).")
as_of_option = click.option("--as-of", help="Day as of which ages are judged, such as 2026-01-31.")
set_option = click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A setting for this run, repeatable."
)


@click.command()
@campaign_argument
@source_option
@path_option
@as_of_option
@set_option
@json_option
def run(
    campaign_id: str,
    source: str | None,
    path: Path | None,
    as_of: str | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find leads for CAMPAIGN: materialize the whole graph, and print the funnel."""
    config = given_config(source, path, as_of, assignments)
    require_servers()
    outcome = run_campaign(campaign_id, config)
    if as_json:
        echo_json(outcome)
        return
    print_funnel(outcome)
    console.print(f"Leads: lead-assets leads {campaign_id}    One document: lead-assets explain {campaign_id} ID")


def given_config(
    source: str | None, path: Path | None, as_of: str | None, assignments: tuple[str, ...]
) -> dict[str, Any]:
    """The config of ``run_settings`` that the options give; only what was given is in it.

    Raises:
        InvalidInput: an option has no value.
    """
    config: dict[str, Any] = {
        "source": source,
        "archive_path": str(path.absolute()) if path else None,
        "as_of": as_of,
        **assigned(assignments),
    }
    return {name: value for name, value in config.items() if value is not None}


def assigned(assignments: tuple[str, ...]) -> dict[str, Any]:
    """The settings of ``--set NAME=VALUE`` options, as text.

    Raises:
        InvalidInput: an option has no value.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise InvalidInput(f"--set {assignment!r} has no value; write --set NAME=VALUE.")
        values[name.strip()] = value.strip()
    return values


def require_servers() -> None:
    """A server that is not there is the user's to start: told before a run begins, not by a failed one."""
    with opened_database(), opened_index():
        pass


def run_campaign(campaign_id: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Run the graph for one campaign; returns run id, this run's counts by asset, and the funnel.

    Raises:
        InvalidInput: campaign, settings or source are wrong; nothing was run.
        RunFailed: an asset failed.
    """
    known_campaign(campaign_id)
    checked = typed_config(config)
    require_source(resolve_run(Environment.read(), campaign_id, run_options(checked)))
    set_variables(Environment.read())
    run_id = str(uuid.uuid4())
    with told_if_the_database_is_lost():
        with dg.DagsterInstance.get() as instance:
            assert campaigns.name is not None
            instance.add_dynamic_partitions(campaigns.name, [campaign_id])
            this_run, warnings = _execute(instance, campaign_id, run_id, checked)
        with opened_database() as database, database.connect() as connection:
            return {
                "campaign": campaign_id,
                "run_id": run_id,
                "this_run": this_run,
                "warnings": warnings,
                "funnel": read_funnel(connection, campaign_id),
            }


@contextmanager
def told_if_the_database_is_lost() -> Iterator[None]:
    """Dagster keeps its record of a run in the same server: when that dies, it cannot say so itself."""
    try:
        yield
    except (DagsterPostgresException, SQLAlchemyError, psycopg2.Error):
        raise DatabaseUnavailable(
            "PostgreSQL stopped answering during the run; what was committed stays. Run `lead-assets up`, then the "
            "campaign again."
        ) from None


def typed_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Text from the command line as what Dagster's config wants; wrong values are told by the settings themselves."""
    typed: dict[str, Any] = {}
    for name, value in config.items():
        field = RunSettings.model_fields.get(name)
        if field is None:
            raise InvalidInput(f"There is no setting {name}; the names are in lead_assets/domain/settings.py.")
        typed[name] = _converted(name, value, str(field.annotation))
    return typed


def _converted(name: str, value: Any, annotation: str) -> Any:
    try:
        if "bool" in annotation:
            return {"true": True, "false": False}[str(value).lower()]
        if "int" in annotation:
            return int(value)
        return float(value) if "float" in annotation else value
    except (KeyError, ValueError):
        raise InvalidInput(f"{name}={value} is not a value of this setting.") from None


def _execute(
    instance: dg.DagsterInstance, campaign_id: str, run_id: str, config: Mapping[str, Any]
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Run the job with a live display; returns this run's counts by asset, and its warnings."""
    display = StageDisplay(campaign_id)
    result = execute_shown(defs.resolve_job_def(JOB), instance, campaign_id, config, display, run_id)
    if display.interrupted:
        raise RunInterrupted("Interrupted; what was committed stays. Run again to go on.")
    if not result.success:
        raise RunFailed(f"{display.failure or 'The run failed.'} (run {run_id}; details: lead-assets dev)")
    return {name: _counts(result, name) for name in STAGES}, display.warnings


def execute_shown(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    campaign_id: str,
    config: Mapping[str, Any],
    display: StageDisplay,
    run_id: str,
) -> dg.ExecuteInProcessResult:
    """Run ``job`` for a campaign while ``display`` says how far it is; then its warnings are printed.

    ``config`` is that of ``run_settings``. A run that fails is returned like one that does not.
    """
    instance.add_event_listener(run_id, display.take)
    with Live(display, console=errors, refresh_per_second=4, transient=not errors.is_terminal) as live:
        result = job.execute_in_process(
            instance=instance,
            partition_key=campaign_id,
            run_id=run_id,
            run_config={
                "resources": {"run_settings": {"config": dict(config)}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},  # the display says it better
            },
            raise_on_error=False,
        )
        live.refresh()
    for warning in display.warnings:
        errors.print(f"Warning: {warning}", style="yellow", soft_wrap=True)
    return result


def _counts(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, int]:
    """The whole numbers of an asset's materialization: what this run did."""
    (event,) = result.asset_materializations_for_node(asset)
    values = {name: value.value for name, value in event.metadata.items()}
    return {name: value for name, value in values.items() if type(value) is int and name != "dagster/row_count"}


def idleness(this_run: Mapping[str, Mapping[str, int]]) -> str | None:
    """Why a run found nothing to do, in a sentence; None where it did something."""
    work = {
        "crawled_documents": ("judged", "postponed"),
        "typesense_index": ("indexed", "reindexed", "removed"),
        "document_embeddings": ("embedded",),
        "lead_stubs": ("written",),
        "extracted_leads": ("extracted", "failed"),
        "leads": ("leads_new", "leads_gone"),
    }
    if any(this_run[asset].get(name) for asset, names in work.items() for name in names):
        return None
    if not this_run["crawled_documents"].get("records_read"):
        return "The source is empty: there was nothing to crawl."
    if not this_run["crawled_documents"].get("matched"):
        return "No record of the source matches the campaign's keywords: nothing was crawled."
    return "Nothing new to do: everything was crawled, read and stored before."


def print_funnel(outcome: Mapping[str, Any]) -> None:
    """The funnel from what is stored, with this run's counts beside it."""
    funnel, this_run = outcome["funnel"], outcome["this_run"]
    table = Table(title=f"Funnel of {outcome['campaign']}", title_justify="left")
    table.add_column("step")
    table.add_column("stored", justify="right")
    table.add_column("this run", justify="right")
    for step in funnel_steps(funnel, this_run):
        table.add_row(step["step"], str(step["stored"]), step["this_run"])
    console.print(table)
    if (reason := idleness(this_run)) is not None:
        console.print(f"{outcome['campaign']}: {reason}", soft_wrap=True)


@click.command()
def demo() -> None:
    """Run the sample campaigns on the sample corpus, from nothing to leads."""
    bring_up()
    ids = copy_sample_campaigns(Environment.read().campaigns)
    for campaign_id in ids:
        print_funnel(run_campaign(campaign_id, {}))
        print_leads(campaign_id, limit=10)
    console.print("\nThe UI: .venv/bin/lead-assets dev, then http://127.0.0.1:3000")
    console.print("Your own campaign: .venv/bin/lead-assets campaigns new")


def copy_sample_campaigns(folder: Path) -> list[str]:
    """Copy the sample campaigns into ``folder`` unless they are there; their archive stays in the package."""
    folder.mkdir(parents=True, exist_ok=True)
    ids: list[str] = []
    for path in sorted((SAMPLE / "campaigns").glob("*.yaml")):
        ids.append(path.stem)
        target = folder / path.name
        if not target.exists():
            text = path.read_text(encoding="utf-8")
            unfinished = target.with_suffix(".unfinished")
            unfinished.write_text(
                text.replace("../documents.ndjson", json.dumps(str(SAMPLE / "documents.ndjson"))), encoding="utf-8"
            )
            shutil.move(unfinished, target)
    return ids
