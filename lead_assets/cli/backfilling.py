"""``backfill``: many campaigns through Dagster's queue, one run each, and how far they are."""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.live import Live

from lead_assets.cli.backfill_display import STYLES, Display, Lines, LivePicture, counts, seconds_of
from lead_assets.cli.progress import STAGES
from lead_assets.cli.running import as_of_option, given_config, path_option, set_option, source_option, typed_config
from lead_assets.cli.state import cell, console, echo_json, errors, json_option, known_campaign
from lead_assets.config.campaign_files import list_campaigns
from lead_assets.config.environment import Environment
from lead_assets.defs.jobs import BACKFILL_JOB
from lead_assets.defs.partitions import PARTITION_TAG
from lead_assets.defs.partitions import campaigns as campaign_partitions
from lead_assets.domain.backfill import (
    CONTENT_TAG,
    IN_FLIGHT,
    REQUEST_TAG,
    Plan,
    State,
    content_digest,
    make_plan,
    request_digest,
)
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import CampaignInvalid, DagsterRefused, DagsterUnavailable, InvalidInput, LeadAssetsError
from lead_assets.pipeline.connect import require_source
from lead_assets.pipeline.run_context import resolve_run, run_options
from lead_assets.services.dagster_backfills import Backfill, DagsterBackfills
from lead_assets.services.dagster_service import DagsterService
from lead_assets.sources.archive import ArchiveSource

LAST_ASSET = STAGES[-1]
POLL_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""For how long a Dagster that does not answer is asked again: longer than it takes to start it anew."""
INTERRUPTED, FAILED = 130, 1


class CampaignsFailed(LeadAssetsError):
    """Campaigns of a backfill failed, or were cancelled; what they said has been printed."""


@dataclass(frozen=True)
class Request:
    """What a backfill is asked for: campaigns, files left out with the reason, and what all runs do otherwise."""

    campaigns: Mapping[str, Campaign]
    left_out: Mapping[str, str]
    config: Mapping[str, Any]
    digest: str | None
    """None where everything is as the campaigns' files say."""


@click.command()
@click.argument("campaign_ids", metavar="[CAMPAIGN]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All campaigns, also those that `enabled: false` pauses.")
@source_option
@path_option
@as_of_option
@set_option
@click.option("--again", is_flag=True, help="Run also what is done already.")
@click.option("--no-wait", is_flag=True, help="Start it, say how to watch it, and return.")
@click.option("--watch", "watched", metavar="ID", help="Watch a backfill that was started before, here or in the UI.")
@click.option("--cancel", "canceled", metavar="ID", help="End a backfill and its runs; what was committed stays.")
@json_option
def backfill(
    campaign_ids: tuple[str, ...],
    every: bool,
    source: str | None,
    path: Path | None,
    as_of: str | None,
    assignments: tuple[str, ...],
    again: bool,
    no_wait: bool,
    watched: str | None,
    canceled: str | None,
    as_json: bool,
) -> None:
    """Run campaigns through Dagster's queue, one run each: what is missing, or all with --again.

    Needs a running `lead-assets dev`, here or where DAGSTER_URL says. Ctrl-C ends the watching, not the backfill.
    """
    with DagsterService(Environment.read().dagster_url) as service:
        backfills = DagsterBackfills(service, partitions_name=_partitions_name())
        if watched or canceled:
            _refuse_both(campaign_ids, every, watched, canceled)
            if canceled:
                backfills.cancel(canceled)
            known = backfills.look(watched or canceled or "")
            _follow(backfills, known.id, as_json, {}, expected=("canceled",) if canceled else ())
            return
        request = make_request(campaign_ids, every, given_config(source, path, as_of, assignments))
        plan = find_missing(backfills, request, again)
        _tell_plan(request, plan, as_json)
        if not plan.missing:
            return
        backfill_id = _started(backfills, request, plan)
        extra = {"done_already": plan.done, "in_flight": plan.in_flight, "left_out": dict(request.left_out)}
        if no_wait:
            _tell_started(backfills, backfill_id, plan, extra, as_json)
            return
        errors.print(f"Backfill {backfill_id}: {backfills.link(backfill_id)}", soft_wrap=True)
        _follow(backfills, backfill_id, as_json, extra)


def _partitions_name() -> str:
    assert campaign_partitions.name is not None
    return campaign_partitions.name


def _refuse_both(campaign_ids: Sequence[str], every: bool, watched: str | None, canceled: str | None) -> None:
    if campaign_ids or every or (watched and canceled):
        raise InvalidInput("--watch ID and --cancel ID stand alone: they are about a backfill that was started before.")


def make_request(campaign_ids: Sequence[str], every: bool, config: Mapping[str, Any]) -> Request:
    """What is asked for, checked as far as that can be done before any run.

    Campaigns that are named must be right; of all campaigns, those that are not are told and left out.

    Raises:
        InvalidInput: campaigns, options or settings are wrong; or there is nothing to run.
    """
    if every == bool(campaign_ids):
        raise InvalidInput("Name the campaigns to run, or give --all; one of the two.")
    checked = typed_config(config)
    _require_archive(checked)  # a run of another source would ignore it
    if every:
        chosen, left_out = _all_campaigns(checked)
    else:
        chosen, left_out = {one: _checked_campaign(one, checked) for one in dict.fromkeys(campaign_ids)}, {}
    return Request(chosen, left_out, checked, request_digest(checked, _archive_state(checked)) if checked else None)


def _require_archive(config: Mapping[str, Any]) -> None:
    if "archive_path" not in config:
        return
    if config.get("source") != "archive":
        raise InvalidInput("--path is the file of source archive; give --source archive with it.")
    ArchiveSource(Path(config["archive_path"]))


def _archive_state(config: Mapping[str, Any]) -> list[int]:
    if "archive_path" not in config:
        return []
    found = Path(config["archive_path"]).stat()
    return [found.st_size, found.st_mtime_ns]


def _all_campaigns(config: Mapping[str, Any]) -> tuple[dict[str, Campaign], dict[str, str]]:
    folder = Environment.read().campaigns
    chosen: dict[str, Campaign] = {}
    left_out: dict[str, str] = {}
    for file in list_campaigns(folder):
        try:
            chosen[file.id] = _checked_campaign(file.id, config)
        except InvalidInput as error:
            left_out[file.id] = str(error)
    if left_out and not chosen:
        raise InvalidInput(next(iter(left_out.values())))
    if not chosen:
        raise CampaignInvalid(f"There is no campaign in {folder}; add one with `lead-assets campaigns new`.")
    return chosen, left_out


def _checked_campaign(campaign_id: str, config: Mapping[str, Any]) -> Campaign:
    campaign = known_campaign(campaign_id)
    brief = resolve_run(
        Environment.read(), campaign_id, run_options(config)
    )  # tells settings that are wrong, alone or together
    if "source" in config:
        require_source(brief)
    return campaign  # what its own source lacks, its run says: the others go on


def find_missing(backfills: DagsterBackfills, request: Request, again: bool) -> Plan:
    """What of the request is to be run.

    Without options of its own, a campaign is done if Dagster shows its leads as materialized and its newest run did
    not fail; with some, if a run for the same request and the same content of the file has succeeded.

    Raises:
        DagsterUnavailable: it does not answer.
    """
    ids = list(request.campaigns)
    if again:
        return make_plan(ids, done=(), in_flight=(), again=True)
    done, in_flight = _done_so_far(backfills, request) if request.digest is None else _done_as_asked(backfills, request)
    # A backfill that has only just been asked for has no runs that could be seen.
    for other in backfills.unfinished():
        if request.digest is None or other.tags.get(REQUEST_TAG) == request.digest:
            in_flight |= set(other.of_state("waiting"))
    return make_plan(ids, done=done, in_flight=in_flight)


def _done_so_far(backfills: DagsterBackfills, request: Request) -> tuple[set[str], set[str]]:
    standings = backfills.standings(LAST_ASSET, list(request.campaigns))
    done = {one for one, standing in standings.items() if standing.complete}
    return done, {one for one, standing in standings.items() if standing.last_run in IN_FLIGHT}


def _done_as_asked(backfills: DagsterBackfills, request: Request) -> tuple[set[str], set[str]]:
    assert request.digest is not None
    wanted = {one: content_digest(campaign) for one, campaign in request.campaigns.items()}
    done: set[str] = set()
    in_flight: set[str] = set()
    for tags, state in backfills.runs_tagged({REQUEST_TAG: request.digest}):
        campaign_id = tags.get(PARTITION_TAG, "")
        if tags.get(CONTENT_TAG) == wanted.get(campaign_id, "–"):
            done |= {campaign_id} if state == "done" else set()
            in_flight |= {campaign_id} if state in IN_FLIGHT else set()
    return done, in_flight


def _tell_plan(request: Request, plan: Plan, as_json: bool) -> None:
    for sentence in request.left_out.values():
        errors.print(f"Left out: {sentence}", style="yellow", soft_wrap=True)
    if not plan.missing:
        if as_json:
            echo_json({"backfill": None, "done_already": plan.done, "in_flight": plan.in_flight,
                       "left_out": request.left_out, "campaigns": {}})  # fmt: skip
        else:
            console.print(nothing_missing(plan, request.digest is not None), soft_wrap=True)
    elif (sentence := skipped(plan, request.digest is not None)) is not None:
        errors.print(sentence, soft_wrap=True)


def skipped(plan: Plan, as_asked: bool) -> str | None:
    """What is not run, and why, in a sentence; None where everything is."""
    total = len(plan.missing) + len(plan.done) + len(plan.in_flight)
    how = " with this request" if as_asked else ""
    parts = [f"{len(plan.done)} of {total} done already{how}"] if plan.done else []
    parts += [f"{len(plan.in_flight)} of {total} queued or running now"] if plan.in_flight else []
    return f"{', '.join(parts)}; --again runs them too." if parts else None


def nothing_missing(plan: Plan, as_asked: bool) -> str:
    """Why nothing is run, in a sentence."""
    return f"Nothing is missing: {skipped(plan, as_asked)}"


def _started(backfills: DagsterBackfills, request: Request, plan: Plan) -> str:
    try:
        return start(backfills, request, plan)
    except KeyboardInterrupt:
        errors.print(
            f"Interrupted while Dagster was asked: it may have started the backfill; {backfills.list_link} shows it.",
            soft_wrap=True,
        )
        click.get_current_context().exit(INTERRUPTED)


def start(backfills: DagsterBackfills, request: Request, plan: Plan) -> str:
    """Launch the backfill of what is missing; returns its id.

    Raises:
        DagsterUnavailable, DagsterRefused: it was not launched.
    """
    if backfills.idle_daemons():
        errors.print(
            "Dagster's daemon does not run, or has only just started: the backfill waits for it.",
            style="yellow",
            soft_wrap=True,
        )
    backfills.add_partitions(LAST_ASSET, plan.missing)
    return backfills.launch(
        BACKFILL_JOB,
        plan.missing,
        config={"resources": {"run_settings": {"config": dict(request.config)}}} if request.config else {},
        tags={REQUEST_TAG: request.digest} if request.digest else {},
        title="lead-assets backfill",
    )


def _tell_started(
    backfills: DagsterBackfills, backfill_id: str, plan: Plan, extra: Mapping[str, Any], as_json: bool
) -> None:
    link = backfills.link(backfill_id)
    if as_json:
        states = {one: {"state": "waiting", "run_id": None, "seconds": None, "error": None} for one in plan.missing}
        echo_json({"backfill": backfill_id, "link": link, "status": "REQUESTED", **extra, "campaigns": states})
        return
    number = len(plan.missing)
    console.print(f"Started backfill {backfill_id} of {number} campaign{'s' if number > 1 else ''}.", soft_wrap=True)
    console.print(how_to_watch(backfills, backfill_id), soft_wrap=True)


def how_to_watch(backfills: DagsterBackfills, backfill_id: str) -> str:
    """The command and the page that show a backfill."""
    return (
        f"Watch it with `lead-assets backfill --watch {shlex.quote(backfill_id)}`, or at {backfills.link(backfill_id)}"
    )


def _follow(
    backfills: DagsterBackfills,
    backfill_id: str,
    as_json: bool,
    extra: Mapping[str, Any],
    expected: tuple[State, ...] = (),
) -> None:
    """Watch a backfill to its end and print how it ended; campaigns that end in an ``expected`` state are no failure.

    Raises:
        CampaignsFailed: not all of it succeeded.
    """
    try:
        with _display() as display:
            ended = watch(backfills, backfill_id, display)
        reasons = {one: _reason(backfills, ended, one) for one in ended.of_state("failed", "canceled")}
    except KeyboardInterrupt:
        errors.print(f"The backfill goes on. {how_to_watch(backfills, backfill_id)}", soft_wrap=True)
        click.get_current_context().exit(INTERRUPTED)
    if as_json:
        echo_json(_outcome(backfills, ended, reasons) | dict(extra))
    else:
        _print_outcome(ended, reasons)
    wrong = [one for one in reasons if ended.campaigns[one].state not in expected]
    if wrong:
        raise CampaignsFailed(
            f"{len(wrong)} of {len(ended.campaigns)} campaigns did not get through; the same command again runs only "
            f"what is missing. {backfills.link(backfill_id)}"
        )
    if ended.error:
        raise CampaignsFailed(f"Dagster ended the backfill: {ended.error}")


@contextmanager
def _display() -> Iterator[Display]:
    if not errors.is_terminal:
        yield Lines(errors)
        return
    with Live(console=errors, auto_refresh=True, refresh_per_second=4, transient=True) as live:
        yield LivePicture(live)


def watch(
    backfills: DagsterBackfills, backfill_id: str, display: Display, *, patience_seconds: float = PATIENCE_SECONDS
) -> Backfill:
    """Show a backfill until it is over. A Dagster that does not answer is asked again for a while.

    Raises:
        InvalidInput: there is no such backfill.
        DagsterUnavailable: it has not answered for too long.
    """
    lost_since: float | None = None
    while True:
        begun = time.monotonic()
        try:
            found = backfills.look(backfill_id)
            if found.over:
                display.show(found)
                return found
            display.show(backfills.with_steps(found))
            lost_since = None
        except (DagsterUnavailable, DagsterRefused) as error:  # it also refuses while its database is away
            lost_since = begun if lost_since is None else lost_since
            if time.monotonic() - lost_since > patience_seconds:
                raise DagsterUnavailable(
                    f"{error} The backfill goes on once it runs. {how_to_watch(backfills, backfill_id)}"
                ) from None
            display.lost(f"Asking again: {error}")
        # Asking for a thousand runs takes it a while: it has other things to do in between.
        time.sleep(max(POLL_SECONDS, 2 * (time.monotonic() - begun)))


def _reason(backfills: DagsterBackfills, ended: Backfill, campaign_id: str) -> str:
    run = ended.campaigns[campaign_id]
    if run.state == "canceled":
        return "Its run was ended." if run.run_id else f"Never started{f': {ended.error}' if ended.error else '.'}"
    assert run.run_id is not None
    try:
        return backfills.failure(run.run_id)
    except (DagsterUnavailable, DagsterRefused) as error:
        return f"Why is in its run, which cannot be asked now: {error}"


def _outcome(backfills: DagsterBackfills, ended: Backfill, reasons: Mapping[str, str]) -> dict[str, Any]:
    return {
        "backfill": ended.id,
        "link": backfills.link(ended.id),
        "status": ended.status,
        "campaigns": {
            one: {
                "state": run.state,
                "run_id": run.run_id,
                "seconds": round(seconds, 1) if (seconds := seconds_of(run, time.time())) is not None else None,
                "error": reasons.get(one),
            }
            for one, run in ended.campaigns.items()
        },
    }


def _print_outcome(ended: Backfill, reasons: Mapping[str, str]) -> None:
    console.print(f"Backfill {ended.id}: {counts(ended)} of {len(ended.campaigns)} campaigns.", soft_wrap=True)
    for campaign_id, reason in reasons.items():
        state = ended.campaigns[campaign_id].state
        console.print(cell(f"{campaign_id}: {state}. {reason}"), style=STYLES[state], soft_wrap=True)
