"""``status`` and ``env``: what is there, and where."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from lead_assets import servers as embedded
from lead_assets.cli.state import console, echo_json, json_option, opened_database, opened_index
from lead_assets.config.environment import Environment
from lead_assets.dagster_client.run_tables import read_newest_runs
from lead_assets.domain.errors import LeadAssetsError
from lead_assets.storage.schema import REVISION
from lead_assets.storage.statistics import read_campaign_stats


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show the servers, the schema, and for each campaign what is stored and how its last run ended."""
    environment = Environment.read()
    servers = embedded.status(environment.home)
    checks: dict[str, Any] = {}
    try:
        with opened_database() as database, database.connect() as connection:
            checks["postgresql"] = f"{database.address}, schema {REVISION}"
            checks["campaigns"] = read_campaign_stats(connection)
            checks["runs"] = {one: asdict(run) for one, run in read_newest_runs(connection).items()}
    except LeadAssetsError as error:
        checks["postgresql"] = str(error)
    try:
        with opened_index() as index:
            collection = index.current_collection() or "none"
            checks["typesense"] = f"{index.url}, version {index.check()}, collection {collection}"
    except LeadAssetsError as error:
        checks["typesense"] = str(error)
    if as_json:
        echo_json({"home": environment.home, "servers": [asdict(server) for server in servers], **checks})
        return
    table = Table(title=f"State in {environment.home}", title_justify="left")
    for column in ("embedded server", "state", "address", "version", "process", "data"):
        table.add_column(column)
    for server in servers:
        size = f"{server.data_bytes / 2**20:.0f} MB"
        process = str(server.pid) if server.pid else "–"
        table.add_row(server.name, server.state, server.address or "–", server.version or "–", process, size)
    console.print(table)
    console.print(f"PostgreSQL: {checks['postgresql']}", soft_wrap=True, markup=False)
    console.print(f"Typesense: {checks['typesense']}", soft_wrap=True, markup=False)
    stored, runs = checks.get("campaigns", {}), checks.get("runs", {})
    for campaign_id in sorted({*stored, *runs}):
        stats = stored.get(campaign_id, {"documents": 0, "leads_found": 0})
        line = f"Campaign {campaign_id}: {stats['documents']} documents, {stats['leads_found']} leads."
        console.print(line + _newest_run(runs.get(campaign_id)), soft_wrap=True)


def _newest_run(run: Mapping[str, Any] | None) -> str:
    if run is None:
        return ""
    failed = f" at {run['failed_step']}" if run["failed_step"] else ""
    when = f", {moment:%Y-%m-%d %H:%M} UTC" if (moment := run["ended"] or run["started"]) else ""
    return f" Last run: {run['status'].lower()}{failed}{when} ({run['run_id']})."


@click.command()
@json_option
def env(as_json: bool) -> None:
    """Print the environment for other programs, as shell exports. It holds secrets."""
    if as_json:
        echo_json(Environment.read().exports())
        return
    for name, value in Environment.read().exports().items():
        click.echo(f"export {name}={shlex.quote(value)}")
