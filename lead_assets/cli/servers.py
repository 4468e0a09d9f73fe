"""``up``, ``down``, ``status``, ``env``, ``dev``: the embedded servers, and the Dagster UI on top of them."""

import os
import shlex
import signal
import socket
import sys
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import click
from rich.table import Table

from lead_assets import servers as embedded
from lead_assets.cli.state import console, echo_json, json_option, opened_database, opened_index, set_variables
from lead_assets.config.campaign_files import list_campaigns
from lead_assets.config.environment import DAGSTER_URL, Environment
from lead_assets.domain.errors import InvalidInput, LeadAssetsError
from lead_assets.pipeline.index import repair
from lead_assets.storage import migrate
from lead_assets.storage.database import Database
from lead_assets.storage.statistics import read_campaign_stats


@click.command()
def up() -> None:
    """Start the embedded servers, and bring schema and index to this version."""
    bring_up()
    environment = Environment.read()
    console.print(f"Ready: PostgreSQL and Typesense are up, state is in {environment.home}.")


def bring_up() -> None:
    """Start the servers that the user did not bring, migrate the schema, and move the index to this version's schema.

    Raises:
        Unavailable: a server cannot be started or used.
    """
    environment = Environment.read()
    if not (environment.own_database and environment.own_typesense):
        embedded.up(
            environment.home,
            postgres=not environment.own_database,
            typesense=not environment.own_typesense,
            on_progress=console.print,
        )
    database = Database(environment.database_url)
    try:
        with database.connect():
            pass  # a server that does not answer is told in a sentence here, not by a migration's traceback
        before, after = migrate.upgrade(database.engine)
        if before != after:
            console.print(f"Schema of PostgreSQL: {before or 'none'} → {after}.")
        _migrate_index(database)
    finally:
        database.close()


def _migrate_index(database: Database) -> None:
    """Create the index, or build the new schema's for all campaigns before the alias moves to it."""
    with opened_index() as index:
        if index.current_collection() == index.wanted_collection:
            return
        collection = index.create_collection()
        with database.connect() as connection, connection.begin():
            for campaign_id in read_campaign_stats(connection):
                repair(connection, index, collection, campaign_id, lambda _: None)
        index.point_alias(collection)
    console.print(f"Index of Typesense: {collection}.")


@click.command()
def down() -> None:
    """Stop the embedded servers; their data stays."""
    stopped = embedded.down(Environment.read().home)
    console.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show the servers, the schema, and what is stored for each campaign."""
    environment = Environment.read()
    servers = embedded.status(environment.home)
    checks: dict[str, Any] = {}
    try:
        with opened_database() as database, database.connect() as connection:
            checks["postgresql"] = f"{database.address}, schema {migrate.wanted_revision()}"
            checks["campaigns"] = read_campaign_stats(connection)
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
    for campaign_id, stats in checks.get("campaigns", {}).items():
        console.print(f"Campaign {campaign_id}: {stats['documents']} documents, {stats['leads_found']} leads.")


@click.command()
def env() -> None:
    """Print the environment for other programs, as shell exports. It holds secrets."""
    for name, value in Environment.read().exports().items():
        click.echo(f"export {name}={shlex.quote(value)}")


@click.command()
@click.option("--port", type=int, help="Port of the web server (default: that of DAGSTER_URL, else 3000).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; there is no login.")
def dev(port: int | None, host: str) -> None:
    """Serve the Dagster UI with its daemon, on the embedded servers or your own."""
    environment = Environment.read()
    port = port or urlsplit(environment.dagster_url).port or urlsplit(DAGSTER_URL).port or 0
    require_free_port(host, port)
    bring_up()
    set_variables(environment)
    console.print(f"Campaigns: {', '.join(valid_campaigns()) or 'none yet; add one with `lead-assets campaigns new`'}.")
    os.chdir(environment.project)
    arguments = ["dev", "--workspace", "workspace.yaml", "--host", host, "--port", str(port)]
    # A shell that starts us in the background lets us ignore Ctrl-C, and Dagster would go on ignoring it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Replaced, not started: signals then reach Dagster itself. The arguments are ours, no shell is involved.
    os.execv(sys.executable, [sys.executable, "-m", "dagster", *arguments])  # noqa: S606


def require_free_port(host: str, port: int) -> None:
    """Told before anything starts: Dagster would stay without a web server, and its daemon would fight the other's.

    Raises:
        InvalidInput: somebody listens there already, or nobody may.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise InvalidInput(f"Port {port} of {host} cannot be had ({error}); choose another with --port.") from None


def valid_campaigns() -> list[str]:
    """The ids of the campaign files; broken ones are told. The sensor campaign_registry makes partitions of them."""
    ids: list[str] = []
    for file in list_campaigns(Environment.read().campaigns):
        if file.error:
            console.print(f"Left out: {file.error}", style="yellow", markup=False, soft_wrap=True)
        else:
            ids.append(file.id)
    return ids
