"""`lead-assets backfill` as far as it needs no Dagster: what it refuses, how it watches, what it prints."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console
from rich.live import Live

from lead_assets.cli import main
from lead_assets.cli.backfill_display import Lines, LivePicture
from lead_assets.cli.backfilling import make_request, nothing_missing, skipped, watch
from lead_assets.domain.backfill import Plan
from lead_assets.domain.errors import DagsterUnavailable, InvalidInput
from lead_assets.services.dagster_backfills import Backfill, CampaignRun, DagsterBackfills
from lead_assets.services.dagster_service import DagsterService
from lead_assets_tests.conftest import write_archive
from lead_assets_tests.stand_ins.dagster_answers import Answering, backfill, run

FREE_OF_SERVERS = "http://127.0.0.1:9"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path))
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_URL", FREE_OF_SERVERS)
    monkeypatch.chdir(tmp_path)
    write_archive(tmp_path / "dump.ndjson", [])
    for campaign_id, other in {"crm": {}, "paused": {"enabled": False, "schedule": "0 * * * *"}}.items():
        content = {"name": "CRM", "product": "A CRM.", "keywords": ["crm"], "source": "archive"}
        (tmp_path / f"{campaign_id}.yaml").write_text(yaml.safe_dump(content | other))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Name the campaigns to run, or give --all"),
        (["crm", "--all"], "Name the campaigns to run, or give --all"),
        (["crn"], "There is no campaign 'crn'"),
        (["crm", "--source", "usenet"], "There is no source 'usenet'"),
        (["crm", "--source", "archive"], "has no archive. Give --path FILE"),
        (["crm", "--path", "dump.ndjson"], "give --source archive with it"),
        (["crm", "--source", "archive", "--path", "gone.zst"], "There is no archive file at"),
        (["crm", "--source", "reddit"], "needs REDDIT_CLIENT_ID"),
        (["crm", "--as-of", "yesterday"], "'yesterday' is not a valid day"),
        (["crm", "--set", "MIN_KEYWORD_HIT=1"], "There is no setting MIN_KEYWORD_HIT"),
        (["crm", "--set", "REDDIT_MIN_UPVOTE_RATIO=7"], "REDDIT_MIN_UPVOTE_RATIO is 7"),
        (["--all", "--set", "REDDIT_MIN_UPVOTE_RATIO=7"], "REDDIT_MIN_UPVOTE_RATIO is 7"),
        (["crm", "--watch", "abc"], "--watch ID and --cancel ID stand alone"),
        (["--watch", "abc", "--cancel", "abc"], "--watch ID and --cancel ID stand alone"),
        (["crm"], f"Dagster does not answer at {FREE_OF_SERVERS}"),
        (["--watch", "abc"], f"Dagster does not answer at {FREE_OF_SERVERS}"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_code_2(folder: Path, arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(main, ["backfill", *arguments], catch_exceptions=False)
    assert result.exit_code == 2, result.output
    assert sentence in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_all_leaves_broken_files_out_with_their_reason_and_takes_paused_campaigns_in(folder: Path) -> None:
    (folder / "broken.yaml").write_text("name: x\n")
    request = make_request([], True, {})
    assert list(request.campaigns) == ["crm", "paused"]
    assert list(request.left_out) == ["broken"]
    assert "broken.yaml" in request.left_out["broken"]
    with pytest.raises(InvalidInput, match=r"broken\.yaml"):
        make_request(["crm", "broken"], False, {})


def test_a_campaign_named_twice_is_run_once(folder: Path) -> None:
    assert list(make_request(["paused", "crm", "paused"], False, {}).campaigns) == ["paused", "crm"]


def test_a_plain_backfill_has_no_digest_and_a_dump_replaced_under_its_name_another_one(folder: Path) -> None:
    assert make_request(["crm"], False, {}).digest is None
    config = {"source": "archive", "archive_path": str(folder / "dump.ndjson")}
    before = make_request(["crm"], False, config).digest
    assert make_request(["crm"], False, config).digest == before
    write_archive(folder / "dump.ndjson", ["{}", "{}"])
    assert make_request(["crm"], False, config).digest != before


def test_an_empty_folder_says_how_to_get_a_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path))
    with pytest.raises(InvalidInput, match="campaigns new"):
        make_request([], True, {})


def test_what_is_skipped_is_told_with_its_reason() -> None:
    assert skipped(Plan(["a"], [], []), False) is None
    assert skipped(Plan(["a"], ["b", "c"], []), False) == "2 of 3 done already; --again runs them too."
    told = skipped(Plan([], ["b"], ["c"]), True)
    assert told == "1 of 2 done already with this request, 1 of 2 queued or running now; --again runs them too."
    assert nothing_missing(Plan([], ["b"], []), False) == (
        "Nothing is missing: 1 of 1 done already; --again runs them too."
    )


class Shown:
    """A display that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def show(self, backfill: Backfill) -> None:
        self.told.append(backfill.campaigns["crm"].state)

    def lost(self, sentence: str) -> None:
        self.told.append("lost")


class Restarting(DagsterBackfills):
    """Runs one campaign, and does not answer for some of the questions."""

    def __init__(self, service: DagsterService, answers: list[str]) -> None:
        super().__init__(service, partitions_name="campaigns")
        self.answers: Iterator[str] = iter(answers)

    def look(self, backfill_id: str) -> Backfill:
        if (state := next(self.answers)) == "lost":
            raise DagsterUnavailable("Dagster does not answer.")
        return seen(crm=CampaignRun(state))  # pyright: ignore[reportArgumentType]


def seen(**campaigns: CampaignRun) -> Backfill:
    return Backfill("abc", "REQUESTED", None, {}, campaigns)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lead_assets.cli.backfilling.POLL_SECONDS", 0)


@pytest.mark.usefixtures("no_waiting")
def test_a_dagster_that_is_away_for_a_while_does_not_end_the_watching() -> None:
    shown = Shown()
    with DagsterService(FREE_OF_SERVERS) as service:
        ended = watch(Restarting(service, ["lost", "queued", "lost", "lost", "queued", "done"]), "abc", shown)
    assert ended.over
    assert shown.told == ["lost", "queued", "lost", "lost", "queued", "done"]


@pytest.mark.usefixtures("no_waiting")
def test_a_dagster_that_stays_away_ends_the_watching_with_how_to_go_on() -> None:
    with (
        DagsterService(FREE_OF_SERVERS) as service,
        pytest.raises(DagsterUnavailable, match="lead-assets backfill --watch abc"),
    ):
        watch(Restarting(service, ["queued", *["lost"] * 1_000_000]), "abc", Shown(), patience_seconds=0.05)


@pytest.mark.usefixtures("no_waiting")
def test_campaigns_that_did_not_get_through_are_told_and_exit_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = backfill(run("crm", "CANCELED"), names=["crm", "shop"], status="CANCELED")
    for arguments in ([], ["--json"]):
        monkeypatch.setattr("lead_assets.cli.backfilling.DagsterService", lambda _: Answering(ended, ended))
        result = CliRunner().invoke(main, ["backfill", "--watch", "abc", *arguments], catch_exceptions=False)
        assert result.exit_code == 1
        assert "Error: 2 of 2 campaigns did not get through" in result.stderr
        if arguments:
            states = {one: state["state"] for one, state in json.loads(result.stdout)["campaigns"].items()}
            assert states == {"crm": "canceled", "shop": "canceled"}
        else:
            assert "crm: canceled. Its run was ended." in result.stdout
            assert "shop: canceled. Never started." in result.stdout


@pytest.mark.usefixtures("no_waiting")
def test_a_backfill_that_was_cancelled_by_this_command_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    running = backfill(run("crm", "STARTED"), names=["crm"])
    ended = backfill(run("crm", "CANCELED"), names=["crm"], status="CANCELED")
    service = Answering(running, {"cancelPartitionBackfill": {"__typename": "CancelBackfillSuccess"}}, running, ended)
    monkeypatch.setattr("lead_assets.cli.backfilling.DagsterService", lambda _: service)
    result = CliRunner().invoke(main, ["backfill", "--cancel", "abc"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Backfill abc: 1 canceled of 1 campaigns." in result.stdout


class Interrupted(Answering):
    """A service whose user presses Ctrl-C while it is asked."""

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if not self.answers:
            raise KeyboardInterrupt
        return super().ask(query, variables)


def test_ctrl_c_ends_the_watching_and_says_how_to_go_on_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Interrupted(backfill(run("crm", "STARTED"), names=["crm"]))
    monkeypatch.setattr("lead_assets.cli.backfilling.DagsterService", lambda _: service)
    result = CliRunner().invoke(main, ["backfill", "--watch", "abc"], catch_exceptions=False)
    assert result.exit_code == 130
    assert result.stderr == (
        "The backfill goes on. Watch it with `lead-assets backfill --watch abc`, or at "
        "http://dagster.test:3000/runs/b/abc\n"
    )


def test_without_a_terminal_each_change_is_a_line() -> None:
    text = io.StringIO()
    lines = Lines(Console(file=text, width=200))
    lines.show(seen(crm=CampaignRun("waiting"), shop=CampaignRun("running", "r", 1.0)))
    lines.show(seen(crm=CampaignRun("waiting"), shop=CampaignRun("running", "r", 1.0)))
    lines.lost("Asking again: it is away.")
    lines.lost("Asking again: it is away.")
    lines.show(seen(crm=CampaignRun("queued", "r"), shop=CampaignRun("done", "r", 1.0, 8.2)))
    assert text.getvalue().splitlines() == [
        "shop: running (1 waiting, 1 running)",
        "Asking again: it is away.",
        "Dagster answers again.",
        "shop: done after 7 s (1 queued, 1 done)",
    ]


def test_in_a_terminal_the_running_and_the_failed_are_shown_with_step_and_seconds() -> None:
    text = io.StringIO()
    console = Console(file=text, width=100, force_terminal=True)
    with Live(console=console, auto_refresh=False) as live:
        picture = LivePicture(live)
        picture.show(
            seen(
                crm=CampaignRun("running", "r", 1.0, 6.0, step="ranked_candidates"),
                shop=CampaignRun("failed", "r", 1.0, 3.0),
                other=CampaignRun("done", "r", 1.0, 3.0),
                **{f"more_{number}": CampaignRun("failed", "r", 1.0, 3.0) for number in range(20)},
            )
        )
        picture.lost("Asking again: it is away.")
    plain: Any = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.getvalue())
    last = plain[plain.rindex("Backfill abc") :]
    assert "Backfill abc: 1 running, 1 done, 21 failed" in last
    assert re.search(r"^.  crm +5 s +ranked_candidates", last, re.MULTILINE)
    assert re.search(r"✗ +shop +2 s", last)
    assert "and 10 more" in last
    assert "other" not in last
    assert "Asking again: it is away." in last
