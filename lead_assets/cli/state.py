"""What commands share: the state that the environment names, and how things are printed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from lead_assets.cli.completion import campaign_ids
from lead_assets.config.campaign_files import find_campaign
from lead_assets.config.environment import Environment
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.plain_text import printable
from lead_assets.domain.schedule import next_due
from lead_assets.export import escaped, json_value
from lead_assets.storage.database import Database

if TYPE_CHECKING:
    from lead_assets.search.typesense import SearchIndex

CAMPAIGNS_VARIABLE = "LEAD_ASSETS_CAMPAIGNS"


class PlainConsole(Console):
    """A console for paths and texts that others wrote: without markup, and without what a terminal would obey."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; texts lose characters that are not to be seen."""
        super().print(*(printable(each) if isinstance(each, str) else each for each in objects), **options)


console = PlainConsole(highlight=False, markup=False)
errors = PlainConsole(highlight=False, markup=False, stderr=True)
"""For progress and warnings: standard output is the answer's."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
campaign_argument = click.argument("campaign_id", metavar="CAMPAIGN", shell_complete=campaign_ids)


def set_variable(name: str, value: str) -> None:
    """Set an environment variable for this process and the ones it starts."""
    os.environ[name] = value


def set_variables(environment: Environment) -> None:
    """Let Dagster, which reads the environment too, work on the same state."""
    os.environ.update(environment.exports())


@contextmanager
def opened_database() -> Iterator[Database]:
    """The database, checked.

    Raises:
        DatabaseUnavailable, SchemaOutOfDate: it cannot be used.
    """
    database = Database(Environment.read().database_url)
    try:
        database.check()
        yield database
    finally:
        database.close()


def known_campaign(campaign_id: str) -> Campaign:
    """The campaign of the folder with this id.

    Raises:
        CampaignInvalid: there is none, or its file is broken.
    """
    return find_campaign(Environment.read().campaigns, campaign_id)


@contextmanager
def opened_index() -> "Iterator[SearchIndex]":
    """The search index, checked.

    Raises:
        SearchUnavailable: it cannot be used.
    """
    from lead_assets.search.typesense import SearchIndex  # a second of imports that most commands do without

    index = SearchIndex(*Environment.read().typesense)
    try:
        index.check()
        yield index
    finally:
        index.close()


def next_due_text(campaign: Campaign, now: datetime) -> str:
    """When the campaign runs by itself next, on its own clock; empty where it never does."""
    if campaign.schedule is None:
        return ""
    moment = next_due(campaign, now)
    return f"{moment:%a %Y-%m-%d %H:%M} {campaign.timezone}" if moment else "paused"


def echo_json(value: Any) -> None:
    """Print ``value`` as one JSON document."""
    click.echo(escaped(json.dumps(value, indent=2, ensure_ascii=False, default=json_value)))


def cell(text: object, width: int | None = None) -> Text:
    """Untrusted text for a terminal table: one line, no markup, no control or direction-changing characters."""
    plain = "".join(character if character.isprintable() else " " for character in str(text or ""))
    line = " ".join(plain.split())
    return Text(line if width is None or len(line) <= width else line[: width - 1] + "…")
