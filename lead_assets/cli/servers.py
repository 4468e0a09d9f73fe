"""``up``, ``down``, ``dev``: the embedded servers, and the Dagster UI on top of them."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import click

from lead_assets import servers as embedded
from lead_assets.cli import dev_server
from lead_assets.cli.page_beside import start_page
from lead_assets.cli.ports import require_free_port
from lead_assets.cli.state import console, echo_json, errors, json_option, opened_index, set_variables
from lead_assets.config.campaign_files import list_campaigns
from lead_assets.config.environment import DAGSTER_URL, Environment
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import CampaignInvalid, InvalidInput
from lead_assets.pipeline.index import repair
from lead_assets.pipeline.run_context import resolve_run
from lead_assets.pipeline.stale_readings import stale_readings
from lead_assets.storage import migrate
from lead_assets.storage.database import Database
from lead_assets.storage.schema import REVISION
from lead_assets.storage.statistics import read_campaign_stats


@click.command()
@json_option
def up(as_json: bool) -> None:
    """Start the embedded servers, and bring schema and index to this version."""
    bring_up(_say_aside if as_json else _say)
    environment = Environment.read()
    if as_json:
        echo_json({"home": environment.home, "schema": REVISION})
        return
    console.print(f"Ready: PostgreSQL and Typesense are up, state is in {environment.home}.")


def _say(line: str) -> None:
    console.print(line, soft_wrap=True)


def _say_aside(line: str) -> None:
    errors.print(line, soft_wrap=True)


def bring_up(say: Callable[[str], None] = _say) -> None:
    """Start the servers that the user did not bring, migrate the schema, and move the index to this version's schema.

    ``say`` takes a line about each change.

    Raises:
        Unavailable: a server cannot be started or used.
    """
    environment = Environment.read()
    if not (environment.own_database and environment.own_typesense):
        embedded.up(
            environment.home,
            postgres=not environment.own_database,
            typesense=not environment.own_typesense,
            on_progress=say,
        )
    database = Database(environment.database_url)
    try:
        database.check_session()  # what is wrong is told in a sentence here, not by a migration's traceback
        before, after = migrate.upgrade(database.engine)
        if before != after:
            say(f"Schema of PostgreSQL: {before or 'none'} → {after}.")
        _migrate_index(database, say)
        _announce_stale_readings(database, environment, say)
    finally:
        database.close()


def _migrate_index(database: Database, say: Callable[[str], object]) -> None:
    """Create the index, or build the new schema's for all campaigns before the alias moves to it."""
    with opened_index() as index:
        if index.current_collection() == index.wanted_collection:
            return
        collection = index.create_collection()
        with database.connect() as connection, connection.begin():
            for campaign_id in read_campaign_stats(connection):
                repair(connection, index, collection, campaign_id, lambda _: None)
        index.point_alias(collection)
    say(f"Index of Typesense: {collection}.")


def _announce_stale_readings(database: Database, environment: Environment, say: Callable[[str], object]) -> None:
    """Say what will be paid for again, before somebody pays for it. Campaigns that cannot be run say so elsewhere."""
    for campaign in _valid_campaigns(environment):
        with contextlib.suppress(InvalidInput), database.connect() as connection:
            stale = stale_readings(connection, resolve_run(environment, campaign.id))
            if stale.count:
                say(
                    f"Campaign {campaign.id}: {stale.count} readings are stale, because the instructions, the model "
                    f"or the product changed. The next runs read them again, for {_money(stale.cost_usd)}."
                )


def _valid_campaigns(environment: Environment) -> list[Campaign]:
    try:
        files = list_campaigns(environment.campaigns)
    except CampaignInvalid:
        return []
    return [file.campaign for file in files if file.campaign is not None]


def _money(usd: float | None) -> str:
    if usd is None:
        return "an unknown cost"
    return f"about {usd:.2f} US dollars" if usd >= 0.01 else "less than 0.01 US dollars"


@click.command()
@json_option
def down(as_json: bool) -> None:
    """Stop the embedded servers; their data stays."""
    home = Environment.read().home
    dev_server.require_none(home)
    stopped = embedded.down(home)
    if as_json:
        echo_json({"home": home, "stopped": stopped})
        return
    console.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


@click.command()
@click.option("--port", type=int, help="Port of the web server (default: that of DAGSTER_URL, else 3000).")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; there is no login.")
@click.option("--page-port", default=8000, show_default=True, help="Port of the inbox page, on this machine only.")
def dev(port: int | None, host: str, page_port: int) -> None:
    """Serve the inbox page and the Dagster UI with its daemon, on the embedded servers or your own."""
    environment = Environment.read()
    port = port or urlsplit(environment.dagster_url).port or urlsplit(DAGSTER_URL).port or 0
    lock = dev_server.claim(environment.home)
    require_free_port(host, port)
    bring_up()
    set_variables(environment)
    console.print(f"Campaigns: {', '.join(valid_campaigns()) or 'none yet. Add one with `lead-assets campaigns new`'}.")
    os.chdir(environment.project)
    arguments = ["dev", "--workspace", "workspace.yaml", "--host", host, "--port", str(port)]
    # A shell that starts us in the background lets us ignore Ctrl-C, and Dagster would go on ignoring it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    url = f"http://{_reachable(host)}:{port}"
    page = start_page(page_port, url)
    console.print(f"Leads: {page or 'lead-assets api'}    Dagster: {url}", soft_wrap=True)
    dev_server.announce(lock, environment, url)
    # Replaced, not started: signals then reach Dagster itself. The arguments are ours, no shell is involved.
    os.execv(sys.executable, [sys.executable, "-m", "lead_assets.defs.guarded_dev", *arguments])  # noqa: S606


def _reachable(host: str) -> str:
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
    return anywhere.get(host, f"[{host}]" if ":" in host else host)


def valid_campaigns() -> list[str]:
    """The ids of the campaign files; broken ones are told. The sensor campaign_registry makes partitions of them."""
    ids: list[str] = []
    for file in list_campaigns(Environment.read().campaigns):
        if file.error:
            console.print(f"Left out: {file.error}", style="yellow", markup=False, soft_wrap=True)
        else:
            ids.append(file.id)
    return ids
