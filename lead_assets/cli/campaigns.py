"""``campaigns list|new|set|validate|remove``: the campaign files."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
from rich.table import Table

from lead_assets.cli.change_options import change_options
from lead_assets.cli.state import (
    campaign_argument,
    cell,
    console,
    echo_json,
    errors,
    json_option,
    next_due_text,
    opened_database,
    opened_index,
)
from lead_assets.config.campaign_edits import edit_campaign
from lead_assets.config.campaign_files import CampaignFile, find_path, list_campaigns, read_campaign
from lead_assets.config.environment import Environment
from lead_assets.domain.campaign import CAMPAIGN_ID, SourceName
from lead_assets.domain.changes import Changes
from lead_assets.domain.errors import CampaignInvalid, CampaignUnknown, InvalidInput, LeadAssetsError
from lead_assets.files import PUBLIC, write_whole

ARCHIVE = """\
archive:
  # An .ndjson or .zst file of Reddit posts or comments; a relative path starts at this file.
  path: {path}
"""
TEMPLATE = """\
# A campaign of lead_assets. The file's name is its id. All keys: docs/campaigns.md
name: {name}
# What is sold, in a sentence or two: it guides ranking and extraction.
product: {product}
# A document must match at least one: every word of it, in any order; words in "quotes" adjacent and in order.
keywords:
{keywords}
# A document with one of these is left out.
negative_keywords: []
# Names without r/; an empty include means all.
subreddits: {{include: [{subreddits}], exclude: []}}
exclude_authors: [AutoModerator]
# reddit needs REDDIT_CLIENT_ID, _SECRET and _USER_AGENT; arctic_shift needs subreddits; archive needs a file.
source: {source}
{archive}# When to run by itself while `lead-assets dev` runs: a cron line on this clock; enabled: false pauses it.
{schedule}# Any setting of docs/settings.md, for this campaign only.
settings: {{}}
"""


UNSCHEDULED = """\
# schedule: "0 8 * * *"
# timezone: Europe/Berlin
"""
SCHEDULED = """\
schedule: {schedule}
timezone: {timezone}
"""


SOURCES: tuple[str, ...] = get_args(SourceName)


@click.group()
def campaigns() -> None:
    """List, create, change, validate and remove campaigns."""


@campaigns.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the campaign files, and what is wrong with broken ones."""
    files = list_campaigns(Environment.read().campaigns)
    if as_json:
        echo_json([_record(file) for file in files])
        return
    table = Table()
    for column in ("campaign", "source", "keywords", "next run", "state"):
        table.add_column(column)
    now = datetime.now(UTC)
    for file in files:
        campaign = file.campaign
        if campaign:
            keywords = cell(", ".join(campaign.keywords), 60)
            table.add_row(file.id, campaign.source, keywords, next_due_text(campaign, now) or "by hand", "ok")
        else:
            table.add_row(file.id, "", "", "", cell(file.error))
    console.print(table)


def _record(file: CampaignFile) -> dict[str, object]:
    campaign = file.campaign.model_dump() if file.campaign else None
    return asdict(file) | {"id": file.id, "campaign": campaign}


@campaigns.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@json_option
def validate(paths: tuple[Path, ...], as_json: bool) -> None:
    """Validate campaign files: the given ones, or all of the folder."""
    chosen = paths or tuple(file.path for file in list_campaigns(Environment.read().campaigns))
    wrong = {path: _what_is_wrong(path) for path in chosen}
    if as_json:
        echo_json([{"path": path, "error": error} for path, error in wrong.items()])
    else:
        for path, error in wrong.items():
            console.print(error or f"{path}: valid", style="red" if error else None, soft_wrap=True)
    if broken := sum(error is not None for error in wrong.values()):
        raise CampaignInvalid(f"{broken} of {len(chosen)} campaign files are broken. Fix the lines named above.")


def _what_is_wrong(path: Path) -> str | None:
    try:
        read_campaign(path)
    except LeadAssetsError as error:
        return str(error)
    return None


@campaigns.command()
@click.argument("campaign_id", metavar="ID", required=False)
@click.option("--product", help="What is sold, in a sentence.")
@click.option("--keyword", "keywords", multiple=True, help="A keyword, repeatable.")
@click.option("--subreddit", "subreddits", multiple=True, help="A subreddit to look at, repeatable; none means all.")
@click.option("--source", type=click.Choice(SOURCES), help="Where documents come from; archive where a file is given.")
@click.option("--archive", help="An archive file to search (.ndjson or .zst).")
@click.option("--schedule", help="When to run by itself: a cron line such as '0 8 * * *'.")
@click.option("--timezone", default="UTC", show_default=True, help="The clock of --schedule, such as Europe/Berlin.")
@json_option
def new(
    campaign_id: str | None,
    product: str | None,
    keywords: tuple[str, ...],
    subreddits: tuple[str, ...],
    source: str | None,
    archive: str | None,
    schedule: str | None,
    timezone: str,
    as_json: bool,
) -> None:
    """Write a new campaign file; asks for what is not given."""
    folder = Environment.read().campaigns
    chosen = campaign_id or click.prompt("Id (lower-case letters, digits, underscores)")
    path = folder / f"{chosen}.yaml"
    if not CAMPAIGN_ID.fullmatch(chosen):
        raise InvalidInput(
            f"{chosen!r} is not a valid campaign id. Use lower-case letters, digits and underscores, letter first."
        )
    for there in (path, path.with_suffix(".yml")):
        if there.exists():
            raise InvalidInput(f"{there} exists already. Choose another id, or edit it.")
    if archive and source not in (None, "archive"):
        raise InvalidInput(f"--archive is the file of source archive, not of {source}. Leave one of the two out.")
    what = product or click.prompt("What do you sell, in a sentence")
    words = list(keywords) or _asked_list("Keywords, separated by commas")
    origin = source or ("archive" if archive else _asked_source())
    places = list(subreddits)
    if origin == "arctic_shift" and not places:
        places = _asked_list("Subreddits, separated by commas")
    text = TEMPLATE.format(
        name=_scalar(chosen.replace("_", " ").title()),
        product=_scalar(what),
        keywords="\n".join(f"  - {_scalar(word)}" for word in words),
        subreddits=", ".join(map(_scalar, places)),
        source=origin,
        archive=_archive_part(archive) if origin == "archive" else "",
        schedule=_schedule_part(schedule, timezone),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, text, mode=PUBLIC)
    try:
        read_campaign(path)
    except LeadAssetsError:
        path.unlink()
        raise
    if as_json:
        echo_json({"id": chosen, "path": path})
        return
    console.print(f"Wrote {path}. Find leads: lead-assets run {chosen}", soft_wrap=True, markup=False)
    if schedule:
        console.print("It runs by itself under `lead-assets dev`; where that runs already: lead-assets reload")


@campaigns.command("set")
@campaign_argument
@change_options
@json_option
def set_(campaign_id: str, changes: Changes, as_json: bool) -> None:
    """Write settings into the file of CAMPAIGN, and add to its lists. Comments and order stay."""
    campaign = edit_campaign(
        Environment.read().campaigns,
        campaign_id,
        settings=changes.settings,
        negative_keywords=changes.negative_keywords,
        exclude_subreddits=changes.exclude_subreddits,
        exclude_authors=changes.exclude_authors,
    )
    if as_json:
        echo_json(campaign.model_dump())
        return
    console.print(f"Written. It counts from the next run on: lead-assets run {campaign_id}", soft_wrap=True)


@campaigns.command()
@campaign_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(campaign_id: str, yes: bool, as_json: bool) -> None:
    """Delete CAMPAIGN: its file and all that is stored of it, statuses and marks too. `export` saves it first."""
    from lead_assets.pipeline.removal import remove_campaign  # a second of imports that the other commands do without
    from lead_assets.storage.statistics import read_campaign_stats

    environment = Environment.read()
    try:
        path = find_path(environment.campaigns, campaign_id)
    except CampaignUnknown:
        path = None
    with opened_database() as database, opened_index() as index:
        with database.connect() as connection:
            stored = read_campaign_stats(connection).get(campaign_id)
        if path is None and stored is None:
            raise InvalidInput(f"Neither a file nor anything stored of a campaign {campaign_id!r} was found.")
        counts = f"{stored['documents']} documents and {stored['leads_found']} leads" if stored else "nothing stored"
        if not yes and not click.confirm(f"Delete {path or campaign_id} and {counts} for ever?", err=True):
            console.print("Nothing was removed.")
            return
        # The file first: while it is there, a schedule may start another run.
        if path is not None:
            path.unlink()
        removed = remove_campaign(database, index, environment.rejection_logs, campaign_id, errors.print)
    if as_json:
        echo_json({"campaign": campaign_id, "file": path, "removed_rows": removed})
        return
    console.print(f"Removed {campaign_id}: {counts}. Under `lead-assets dev` its partition goes too.", soft_wrap=True)


def _schedule_part(schedule: str | None, timezone: str) -> str:
    if schedule is None:
        return UNSCHEDULED
    return SCHEDULED.format(schedule=_scalar(schedule), timezone=_scalar(timezone))


def _asked_list(question: str) -> list[str]:
    return [word.strip() for word in click.prompt(question).split(",") if word.strip()]


def _asked_source() -> str:
    return click.prompt(
        "Crawl what: arctic_shift (no account, named subreddits), reddit (your app's credentials), archive (a file)",
        type=click.Choice(SOURCES),
        default="arctic_shift",
        show_choices=False,
    )


def _archive_part(given: str | None) -> str:
    file = str(Path(given).absolute()) if given else click.prompt("Archive file to search", default="dumps/posts.zst")
    return ARCHIVE.format(path=_scalar(file))


def _scalar(text: str) -> str:
    """``text`` as a YAML scalar on one line."""
    return json.dumps(text, ensure_ascii=not text.isprintable())
