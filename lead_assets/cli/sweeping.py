"""``sweep``: what was deleted on Reddit goes from every store, through the job that also runs weekly."""

import uuid

import click
import dagster as dg
from rich.live import Live
from rich.text import Text

from lead_assets.cli.executing import QUIET
from lead_assets.cli.progress import failure_sentence
from lead_assets.cli.running import require_servers, told_if_the_database_is_lost
from lead_assets.cli.state import console, echo_json, errors, json_option, set_variables
from lead_assets.config.environment import Environment
from lead_assets.definitions import defs
from lead_assets.defs.abandoned_runs import process_tag
from lead_assets.defs.dagster_private import execute_as_location
from lead_assets.defs.jobs import SWEEP_JOB
from lead_assets.domain.errors import RunFailed
from lead_assets.pipeline.connect import WITNESSES, witness_for


@click.command()
@click.option(
    "--source",
    type=click.Choice(WITNESSES),
    help="Whom to ask; default reddit where its credentials are set, else arctic_shift, an archive.",
)
@json_option
def sweep(source: str | None, as_json: bool) -> None:
    """Remove from every store what was deleted or removed on Reddit."""
    environment = Environment.read()
    source = witness_for(environment, source)  # what it lacks is told before a run begins
    require_servers()
    set_variables(environment)
    run_id = str(uuid.uuid4())
    with told_if_the_database_is_lost(), dg.DagsterInstance.get() as instance, Live(console=errors) as live:

        def show(event: dg.EventLogEntry) -> None:
            if event.dagster_event is None:
                live.update(Text(event.user_message))

        instance.add_event_listener(run_id, show)
        job = defs.resolve_job_def(SWEEP_JOB)
        config = QUIET | {"ops": {"sweep_deletions": {"config": {"source": source}}}}
        result = execute_as_location(job, instance, run_id, config=config, tags=process_tag())
        live.update(Text())
        if not result.success:
            failed = [event for event in result.all_events if event.is_step_failure]
            sentence = failure_sentence(failed[0].step_failure_data) if failed else None
            raise RunFailed(f"{sentence or 'The sweep failed.'} (run {run_id}; details: lead-assets dev)")
        with result:
            swept = result.output_for_node("sweep_deletions")
    if as_json:
        echo_json(swept | {"run_id": run_id})
        return
    told = f"{swept['checked']} documents checked with {swept['requests']} requests to {swept['witness']}; "
    unknown = f" Of {swept['unknown']} it knows nothing." if swept["unknown"] else ""
    console.print(f"{told}{swept['gone']} are gone.{unknown}")
    console.print(swept["trust"])
    removed = {table: count for table, count in swept["removed_rows"].items() if count}
    removed |= {"rows of CSV files": swept["removed_csv_rows"]} if swept["removed_csv_rows"] else {}
    for table, count in removed.items():
        console.print(f"  {count} removed from {table}" if "untitled" not in table else f"  {count} {table}")
