"""``reload``: new scheduled campaigns get their sensors in a Dagster that runs."""

from datetime import UTC, datetime

import click
from rich.table import Table

from lead_assets.cli.state import cell, console, echo_json, json_option, next_due_text
from lead_assets.config.campaign_files import CampaignFile, list_campaigns
from lead_assets.config.environment import Environment
from lead_assets.services.dagster_definitions import reload_definitions, sensor_states
from lead_assets.services.dagster_service import DagsterService

RELOAD_SECONDS = 120.0
"""Importing the definitions takes seconds, on a busy machine many."""


@click.command()
@json_option
def reload(as_json: bool) -> None:
    """Let the running Dagster read the definitions anew: each new scheduled campaign gets its sensor."""
    environment = Environment.read()
    with DagsterService(environment.dagster_url, timeout_seconds=RELOAD_SECONDS) as service:
        reload_definitions(service)
        states = sensor_states(service)
        if as_json:
            echo_json({"dagster": service.url, "sensors": states})
            return
        files = list_campaigns(environment.campaigns)
        console.print(f"Dagster at {service.url} has read the definitions anew.", soft_wrap=True)
        console.print(_table(states, files, datetime.now(UTC)))


def _table(states: dict[str, bool], files: list[CampaignFile], now: datetime) -> Table:
    due = {f"campaign_{file.id}": next_due_text(file.campaign, now) for file in files if file.campaign}
    table = Table("sensor", "state", "next run")
    for name, is_on in sorted(states.items()):
        table.add_row(cell(name), "on" if is_on else "off", due.get(name, ""))
    return table
