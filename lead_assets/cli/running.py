"""``run`` and ``demo``: a campaign's graph through Dagster, with a live display and the funnel."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import dagster as dg
import psycopg2
from dagster_postgres.utils import DagsterPostgresException
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from lead_assets.cli import dev_server
from lead_assets.cli.executing import execute_shown
from lead_assets.cli.leads import print_leads
from lead_assets.cli.marking import print_next
from lead_assets.cli.progress import STAGES, StageDisplay
from lead_assets.cli.run_options import run_options
from lead_assets.cli.servers import bring_up
from lead_assets.cli.state import (
    campaign_argument,
    console,
    echo_json,
    json_option,
    known_campaign,
    opened_database,
    opened_index,
    set_variables,
)
from lead_assets.config.environment import Environment
from lead_assets.definitions import defs
from lead_assets.defs.abandoned_runs import end_abandoned_runs
from lead_assets.defs.jobs import JOB
from lead_assets.defs.partitions import campaigns
from lead_assets.defs.resources import RunSettings
from lead_assets.domain.errors import DatabaseUnavailable, RunFailed, RunInterrupted
from lead_assets.domain.funnel import funnel_steps
from lead_assets.files import PUBLIC, write_whole
from lead_assets.pipeline.connect import require_source
from lead_assets.storage.statistics import read_funnel, read_stage_runs

SAMPLE = Path(__file__).resolve().parent.parent / "sample"


@click.command()
@campaign_argument
@run_options
@json_option
def run(campaign_id: str, config: dict[str, Any], as_json: bool) -> None:
    """Find leads for CAMPAIGN: materialize the whole graph, and print the funnel.

    Where `lead-assets dev` runs, Dagster runs it, first in its queue; Ctrl-C ends it in any case.
    """
    require_servers()
    outcome = run_campaign(campaign_id, config)
    if as_json:
        echo_json(outcome)
        return
    print_funnel(outcome)
    console.print(f"Leads: lead-assets leads {campaign_id}    One document: lead-assets explain {campaign_id} ID")


def require_servers() -> None:
    """A server that is not there is the user's to start: told before a run begins, not by a failed one."""
    with opened_database(), opened_index():
        pass


def run_campaign(campaign_id: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Run the graph for one campaign; returns run id, this run's counts by asset, and the funnel.

    Raises:
        InvalidInput: campaign, settings or source are wrong; nothing was run.
        RunFailed: an asset failed. RunInterrupted: the user ended it.
    """
    known_campaign(campaign_id)
    require_source(RunSettings(**config).resolve(campaign_id))
    environment = Environment.read()
    set_variables(environment)
    display = StageDisplay(campaign_id)
    with told_if_the_database_is_lost():
        with dg.DagsterInstance.get() as instance:
            assert campaigns.name is not None
            instance.add_dynamic_partitions(campaigns.name, [campaign_id])
            end_abandoned_runs(instance)
            run_id = _execute(environment, instance, campaign_id, config, display)
        with opened_database() as database, database.connect() as connection:
            counts = read_stage_runs(connection, campaign_id, run_id)
            return {
                "campaign": campaign_id,
                "run_id": run_id,
                "this_run": {name: display.counts[name] | counts[name] for name in STAGES},
                "warnings": display.warnings,
                "funnel": read_funnel(connection, campaign_id),
            }


def _execute(
    environment: Environment,
    instance: dg.DagsterInstance,
    campaign_id: str,
    config: Mapping[str, Any],
    display: StageDisplay,
) -> str:
    """Run the job, in Dagster where it runs and else in this process; returns the run's id."""
    handed = None
    if server := dev_server.find(environment.home):
        from lead_assets.cli.handing_over import hand_over  # and Dagster's client, which a run here does without

        handed = hand_over(server, environment, instance, campaign_id, config, display)
    if handed is not None:
        run_id, succeeded = handed.run_id, handed.is_success
        if handed.status is dg.DagsterRunStatus.CANCELED:
            raise RunFailed(f"The run was ended in Dagster. What was committed stays. (run {run_id})")
    else:
        run_id = str(uuid.uuid4())
        succeeded = execute_shown(defs.resolve_job_def(JOB), instance, campaign_id, config, display, run_id)
        if display.interrupted:
            raise RunInterrupted("Interrupted. What was committed stays. Run again to continue.")
    if not succeeded:
        raise RunFailed(f"{display.failure or 'The run failed.'} (run {run_id}; details: lead-assets dev)")
    return run_id


@contextmanager
def told_if_the_database_is_lost() -> Iterator[None]:
    """Dagster keeps its record of a run in the same server: when that dies, it cannot say so itself."""
    try:
        yield
    except (DagsterPostgresException, SQLAlchemyError, psycopg2.Error):
        raise DatabaseUnavailable(
            "PostgreSQL stopped answering during the run. What was committed stays. Run `lead-assets up`, then the "
            "campaign again."
        ) from None


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
    if any(this_run[asset][name] for asset, names in work.items() for name in names):
        return None
    if not this_run["crawled_documents"]["records_read"]:
        return "The source is empty: there was nothing to crawl."
    if not any(this_run["crawled_documents"][name] for name in ("given", "outdated")):
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
        print_next(campaign_id, limit=3)
    console.print("\nYour own campaign: .venv/bin/lead-assets campaigns new")
    console.print(
        f"\nThe leads as a page: .venv/bin/lead-assets dev, then {Environment.read().page_url}", soft_wrap=True
    )
    console.print(
        "Read the first with j, open it on Reddit with o, mark it as contacted with c or dismiss it with x. "
        "The key ? shows all others.",
        soft_wrap=True,
    )


def copy_sample_campaigns(folder: Path) -> list[str]:
    """Copy the sample campaigns into ``folder`` unless they are there; their archive stays in the package."""
    folder.mkdir(parents=True, exist_ok=True)
    ids: list[str] = []
    for path in sorted((SAMPLE / "campaigns").glob("*.yaml")):
        ids.append(path.stem)
        target = folder / path.name
        if not target.exists():
            text = path.read_text(encoding="utf-8")
            archive = json.dumps(str(SAMPLE / "documents.ndjson"))
            write_whole(target, text.replace("../documents.ndjson", archive), mode=PUBLIC)
    return ids
