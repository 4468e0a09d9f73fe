"""``backfill``: many campaigns through Dagster's queue, one run each, and how far they are."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
from rich.live import Live
from rich.text import Text

from lead_assets.cli.completion import campaign_ids
from lead_assets.cli.progress import STAGES
from lead_assets.cli.run_options import run_options
from lead_assets.cli.state import cell, console, echo_json, errors, json_option
from lead_assets.config.campaign_files import list_campaigns
from lead_assets.config.environment import Environment
from lead_assets.dagster_client import backfills
from lead_assets.dagster_client.backfills import Backfill
from lead_assets.dagster_client.operations import daemons_healthy, failure_of
from lead_assets.dagster_client.service import DagsterService
from lead_assets.defs.jobs import BACKFILL_JOB
from lead_assets.defs.resources import RunSettings
from lead_assets.domain.backfill import CONTENT_TAG, IN_FLIGHT, REQUEST_TAG, Plan, State, content_digest, digest
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import CampaignInvalid, DagsterRefused, DagsterUnavailable, InvalidInput, RunFailed
from lead_assets.interruption import INTERRUPTED
from lead_assets.pipeline.connect import require_source
from lead_assets.sources.archive import ArchiveSource

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""For how long a Dagster that does not answer is asked again: longer than a restart takes."""
MOST_LINES = 12


@dataclass(frozen=True)
class Request:
    """Campaigns, files left out with the reason, and what all runs do otherwise; without that there are no ``tags``."""

    campaigns: Mapping[str, Campaign]
    left_out: Mapping[str, str]
    config: Mapping[str, Any]
    tags: Mapping[str, str]


@click.command()
@click.argument("campaign_ids", metavar="[CAMPAIGN]...", nargs=-1, shell_complete=campaign_ids)
@click.option("--all", "every", is_flag=True, help="All campaigns, also those that `enabled: false` pauses.")
@run_options
@click.option("--again", is_flag=True, help="Run also what is done already.")
@click.option("--no-wait", is_flag=True, help="Start it, say how to watch it, and return.")
@click.option("--watch", "watched", metavar="ID", help="Watch a backfill that was started before, here or in the UI.")
@click.option("--cancel", "canceled", metavar="ID", help="End a backfill and its runs. What was committed stays.")
@json_option
def backfill(
    campaign_ids: tuple[str, ...],
    every: bool,
    config: dict[str, Any],
    again: bool,
    no_wait: bool,
    watched: str | None,
    canceled: str | None,
    as_json: bool,
) -> None:
    """Run campaigns through Dagster's queue, one run each: what is missing, or all with --again.

    Needs a running `lead-assets dev`, here or where DAGSTER_URL says. Ctrl-C ends the watching, not the backfill.
    """
    backfill_id, extra = watched or canceled, {}
    if backfill_id and (campaign_ids or every or (watched and canceled)):
        raise InvalidInput("Give --watch ID or --cancel ID alone: they concern a backfill that was started before.")
    with DagsterService(Environment.read().dagster_url) as service:
        try:
            if canceled:
                backfills.cancel(service, canceled)
            elif watched:
                backfills.look(service, watched)  # one that cannot be found or asked for is reported at once
            if backfill_id is None:
                request = make_request(campaign_ids, every, config)
                plan = Plan([*request.campaigns], [], []) if again else find_missing(service, request)
                extra = {"done_already": plan.done, "in_flight": plan.in_flight, "left_out": request.left_out}
                left = left_alone(plan, request)
                if not plan.missing:
                    _answer(as_json, {"backfill": None, "campaigns": {}, **extra}, f"Nothing is missing: {left}")
                    return
                if left:
                    errors.print(left, soft_wrap=True)
                backfill_id = _launch(service, request, plan.missing)
            found = backfills.look(service, backfill_id) if no_wait else watch(service, backfill_id)
            reasons = {one: _reason(service, found, one) for one in found.of_state("failed", "canceled")}
        except KeyboardInterrupt:
            where = how_to_watch(service, backfill_id) if backfill_id else f"See {service.url}/runs?view=backfills"
            errors.print(f"A backfill that has started continues. {where}", soft_wrap=True)
            click.get_current_context().exit(INTERRUPTED)
        _answer(as_json, _outcome(service, found, reasons) | extra, _sentences(service, found, reasons))
        wrong = [one for one in reasons if not canceled or found.campaigns[one].state != "canceled"]
        if wrong:
            raise RunFailed(
                f"{len(wrong)} of {len(found.campaigns)} campaigns did not succeed. The same command again runs only "
                f"what is missing. {service.backfill_link(found.id)}"
            )
        if found.error:
            raise RunFailed(f"Dagster ended the backfill: {found.error}")


def make_request(campaign_ids: Sequence[str], every: bool, config: Mapping[str, Any]) -> Request:
    """What is to be done, checked as far as possible before any run; of all campaigns, wrong ones are left out.

    Raises:
        InvalidInput: campaigns, options or settings are wrong; or there is nothing to run.
    """
    if every == bool(campaign_ids):
        raise InvalidInput("Name the campaigns to run, or give --all; one of the two.")
    archive: list[int] = []  # another file under the same name is another request
    if path := config.get("archive_path"):
        if config.get("source") != "archive":  # a run of another source would ignore it
            raise InvalidInput("--path is the file of source archive. Give --source archive with it.")
        ArchiveSource(Path(path))
        archive = [(found := Path(path).stat()).st_size, found.st_mtime_ns]
    folder = Environment.read().campaigns
    chosen: dict[str, Campaign] = {}
    left_out: dict[str, str] = {}
    for campaign_id in [file.id for file in list_campaigns(folder)] if every else campaign_ids:
        try:
            context = RunSettings(**config).resolve(campaign_id)  # raises where settings are wrong, alone or together
            if "source" in config:  # what a campaign's own source lacks, its run reports: the others continue
                require_source(context)
            chosen[campaign_id] = context.campaign
        except InvalidInput as error:
            if not every:
                raise
            left_out[campaign_id] = str(error)
    if not chosen:
        nothing = f"There is no campaign in {folder}. Add one with `lead-assets campaigns new`."
        raise CampaignInvalid(next(iter(left_out.values()), nothing))
    for sentence in left_out.values():
        errors.print(f"Left out: {sentence}", style="yellow", soft_wrap=True)
    tags = {REQUEST_TAG: digest({"config": config, "archive": archive})} if config else {}
    return Request(chosen, left_out, config, tags)


def find_missing(service: DagsterService, request: Request) -> Plan:
    """What of the request is to be run.

    Without options of its own, a campaign is done if Dagster shows its leads as materialized and its newest run did
    not fail (a run can fail after that, at a check); with some, if its newest run for the same request and the same
    content of the file has succeeded.
    """
    ids = [*request.campaigns]
    newest = backfills.newest_runs(service, ids, request.tags)
    if request.tags:
        content = {one: content_digest(campaign) for one, campaign in request.campaigns.items()}
        newest = {one: run for one, run in newest.items() if run.tags.get(CONTENT_TAG) == content[one]}
        done = {one for one, run in newest.items() if run.state == "done"}
    else:
        failed = {one for one, run in newest.items() if run.state in ("failed", "canceled")}
        done = backfills.materialized(service, STAGES[-1]) - failed
    in_flight = {one for one, run in newest.items() if run.state in IN_FLIGHT}
    for other in backfills.unfinished(service):  # one that has only just been launched has no runs yet
        if request.tags.items() <= other.tags.items():
            in_flight |= {*other.of_state("waiting")}
    missing = [one for one in ids if one not in done | in_flight]
    return Plan(missing, [one for one in ids if one in done - in_flight], [one for one in ids if one in in_flight])


def left_alone(plan: Plan, request: Request) -> str:
    """What is not run, and why; empty where everything is run."""
    total, how = len(request.campaigns), " with this request" if request.tags else ""
    parts = [f"{len(plan.done)} of {total} done already{how}"] if plan.done else []
    parts += [f"{len(plan.in_flight)} of {total} queued or running now"] if plan.in_flight else []
    return f"{', '.join(parts)}; --again runs them too." if parts else ""


def _launch(service: DagsterService, request: Request, missing: Sequence[str]) -> str:
    if not daemons_healthy(service, "BACKFILL", "QUEUED_RUN_COORDINATOR"):
        waits = "Dagster's daemon is not running, or has only just started: the backfill waits for it."
        errors.print(waits, style="yellow", soft_wrap=True)
    backfill_id = backfills.launch(service, BACKFILL_JOB, missing, request.config, request.tags)
    errors.print(f"Backfill {backfill_id}: {service.backfill_link(backfill_id)}", soft_wrap=True)
    return backfill_id


def how_to_watch(service: DagsterService, backfill_id: str) -> str:
    """The command and the page that show a backfill."""
    return f"Watch it with `lead-assets backfill --watch {backfill_id}`, or at {service.backfill_link(backfill_id)}"


def watch(service: DagsterService, backfill_id: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Backfill:
    """Show a backfill until it is over. While Dagster does not answer, for example in a restart, it is asked again."""
    answered, shown = time.monotonic(), ""
    with Live(console=errors, refresh_per_second=4, transient=True) as live:
        while True:
            begun = time.monotonic()
            try:
                found = backfills.look(service, backfill_id)
            except (DagsterUnavailable, DagsterRefused) as error:  # it also refuses while its database is away
                if time.monotonic() - answered > patience_seconds:
                    how = how_to_watch(service, backfill_id)
                    raise DagsterUnavailable(f"{error} The backfill continues once it runs. {how}") from None
            else:
                live.update(picture(found))
                if not errors.is_terminal and counts(found) != shown:  # a log gets a line for each change
                    errors.print(counts(found), soft_wrap=True)
                answered, shown = time.monotonic(), counts(found)
                if found.over:
                    return found
            # Asking for a thousand runs takes it a while: it has other things to do in between.
            time.sleep(max(POLL_SECONDS, 2 * (time.monotonic() - begun)))


def counts(backfill: Backfill) -> str:
    """How many campaigns are in which state, such as ``Backfill abc: 3 queued, 4 running, 13 done``."""
    found = Counter(run.state for run in backfill.campaigns.values())
    states = ", ".join(f"{found[state]} {state}" for state in get_args(State) if found[state])
    return f"Backfill {backfill.id}: {states or 'no campaigns yet'}"


def picture(backfill: Backfill) -> Text:
    """The counts, and a line for each running and failed campaign, as many as fit a terminal."""
    shown = backfill.of_state("running") + backfill.of_state("failed")
    runs = {one: backfill.campaigns[one] for one in shown[:MOST_LINES]}
    lines = [f"{run.state:<7}  {one}  {run.seconds or 0:.0f} s  {run.step or ''}" for one, run in runs.items()]
    lines += [f"and {len(shown) - MOST_LINES} more"] if len(shown) > MOST_LINES else []
    return Text("\n".join([counts(backfill), *lines]))


def _reason(service: DagsterService, ended: Backfill, campaign_id: str) -> str:
    run = ended.campaigns[campaign_id]
    if run.run_id is None:
        return f"Never started: {ended.error}" if ended.error else "Never started."
    return "Its run was ended." if run.state == "canceled" else failure_of(service, run.run_id)


def _outcome(service: DagsterService, found: Backfill, reasons: Mapping[str, str]) -> dict[str, Any]:
    campaigns = {
        one: {"state": run.state, "run_id": run.run_id, "seconds": run.seconds, "error": reasons.get(one)}
        for one, run in found.campaigns.items()
    }
    link = service.backfill_link(found.id)
    return {"backfill": found.id, "link": link, "status": found.status, "campaigns": campaigns}


def _sentences(service: DagsterService, found: Backfill, reasons: Mapping[str, str]) -> str:
    lines = [f"{counts(found)} of {len(found.campaigns)} campaigns."]
    lines += [] if found.over else [how_to_watch(service, found.id)]
    lines += [cell(f"{one}: {found.campaigns[one].state}. {why}").plain for one, why in reasons.items()]
    return "\n".join(lines)


def _answer(as_json: bool, value: Mapping[str, Any], sentences: str) -> None:
    if as_json:
        echo_json(value)
    else:
        console.print(sentences, soft_wrap=True)
