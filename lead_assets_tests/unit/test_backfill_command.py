"""`lead-assets backfill` as far as it needs no Dagster: what it refuses, how it watches, what it prints."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from lead_assets.cli import main
from lead_assets.cli.backfilling import Request, find_missing, left_alone, make_request, picture, watch
from lead_assets.dagster_client.backfills import Backfill, CampaignRun
from lead_assets.domain.backfill import REQUEST_TAG, Plan, content_digest
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.errors import DagsterUnavailable, InvalidInput
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
        (["crm", "--path", "dump.ndjson"], "Give --source archive with it"),
        (["crm", "--source", "archive", "--path", "gone.zst"], "There is no archive file at"),
        (["crm", "--source", "reddit"], "needs REDDIT_CLIENT_ID"),
        (["crm", "--as-of", "yesterday"], "'yesterday' is not a valid day"),
        (["crm", "--set", "MIN_KEYWORD_HIT=1"], "There is no setting MIN_KEYWORD_HIT"),
        (["crm", "--set", "REDDIT_MIN_UPVOTE_RATIO=7"], "REDDIT_MIN_UPVOTE_RATIO is 7"),
        (["--all", "--set", "REDDIT_MIN_UPVOTE_RATIO=7"], "REDDIT_MIN_UPVOTE_RATIO is 7"),
        (["crm", "--watch", "abc"], "Give --watch ID or --cancel ID alone"),
        (["--watch", "abc", "--cancel", "abc"], "Give --watch ID or --cancel ID alone"),
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


def test_a_plain_backfill_has_no_tags_and_a_dump_replaced_under_its_name_another_one(folder: Path) -> None:
    assert make_request(["crm"], False, {}).tags == {}
    config = {"source": "archive", "archive_path": str(folder / "dump.ndjson")}
    before = make_request(["crm"], False, config).tags
    assert make_request(["crm"], False, config).tags == before
    write_archive(folder / "dump.ndjson", ["{}", "{}"])
    assert make_request(["crm"], False, config).tags != before


def test_an_empty_folder_says_how_to_get_a_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path))
    with pytest.raises(InvalidInput, match="campaigns new"):
        make_request([], True, {})


def campaign(campaign_id: str) -> Campaign:
    return Campaign.model_validate({"id": campaign_id, "name": "CRM", "product": "A CRM.", "keywords": ["crm"]})


def request(*campaign_ids: str, digest: str | None = None) -> Request:
    return Request({one: campaign(one) for one in campaign_ids}, {}, {}, {REQUEST_TAG: digest} if digest else {})


def test_what_is_not_run_is_reported_with_its_reason() -> None:
    three = request("a", "b", "c")
    assert left_alone(Plan(["a", "b", "c"], [], []), three) == ""
    assert left_alone(Plan(["a"], ["b", "c"], []), three) == "2 of 3 done already; --again runs them too."
    assert left_alone(Plan([], ["b"], ["c"]), request("b", "c", digest="d1")) == (
        "1 of 2 done already with this request, 1 of 2 queued or running now; --again runs them too."
    )


def newest(**states: str | None) -> dict[str, Any]:
    """Dagster's answer about the newest run of each campaign."""
    runs = {one: [run(one, state)] if state else [] for one, state in states.items()}
    return {f"key{number}": {"__typename": "Runs", "results": found} for number, found in enumerate(runs.values())}


def materialized(*campaign_ids: str, failed: tuple[str, ...] = ()) -> dict[str, Any]:
    statuses = {"materializedPartitions": list(campaign_ids), "failedPartitions": list(failed)}
    return {"assetNodeOrError": {"__typename": "AssetNode", "assetPartitionStatuses": statuses}}


def unfinished(*ids: str) -> dict[str, Any]:
    found = {"__typename": "PartitionBackfills", "results": [{"id": one} for one in ids]}
    return {"partitionBackfillsOrError": found}


@pytest.mark.parametrize(
    ("last_run", "is_materialized", "is_failed", "where"),
    [
        (None, False, False, "missing"),
        (None, True, False, "done"),  # its run is gone from the list, or it was reported by hand
        ("SUCCESS", True, False, "done"),
        ("SUCCESS", False, False, "missing"),  # it was a run of some of the assets
        ("FAILURE", True, True, "missing"),
        ("FAILURE", True, False, "missing"),  # a check failed after the leads were stored
        ("CANCELED", True, False, "missing"),
        ("STARTED", True, False, "in_flight"),
        ("QUEUED", False, False, "in_flight"),
    ],
)
def test_a_campaign_is_done_if_its_newest_try_got_through(
    last_run: str | None, is_materialized: bool, is_failed: bool, where: str
) -> None:
    leads = materialized(*(["crm"] if is_materialized else []), failed=("crm",) if is_failed else ())
    service = Answering(newest(crm=last_run), leads, unfinished())
    assert getattr(find_missing(service, request("crm")), where) == ["crm"]


def test_what_is_done_or_on_its_way_is_not_run() -> None:
    service = Answering(newest(d=None, a=None, b="STARTED", c=None), materialized("a", "b", "elsewhere"), unfinished())
    plan = find_missing(service, request("d", "a", "b", "c"))
    assert plan == Plan(missing=["d", "c"], done=["a"], in_flight=["b"])


def test_with_options_done_is_what_has_succeeded_for_the_same_request_and_the_same_file() -> None:
    same = {"lead_assets__content": content_digest(campaign("crm"))}
    for tags, state, where in (
        (same, "SUCCESS", "done"),
        (same, "STARTED", "in_flight"),
        (same, "FAILURE", "missing"),
        ({"lead_assets__content": "of another file"}, "SUCCESS", "missing"),
        ({}, "SUCCESS", "missing"),
    ):
        answer = {"key0": {"__typename": "Runs", "results": [run("crm", state, **tags)]}}
        plan = find_missing(Answering(answer, unfinished()), request("crm", digest="d1"))
        assert getattr(plan, where) == ["crm"], (tags, state)


def test_a_backfill_that_has_only_just_been_launched_is_on_its_way() -> None:
    other = backfill(names=["crm"])  # for the request d1
    for digest, where in ((None, "in_flight"), ("d1", "in_flight"), ("d2", "missing")):
        leads = [] if digest else [materialized()]
        plan = find_missing(
            Answering(newest(crm=None), *leads, unfinished("abc"), other), request("crm", digest=digest)
        )
        assert getattr(plan, where) == ["crm"], digest


class Restarting(Answering):
    """Runs one campaign, and does not answer where there is None instead of a state."""

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = super().ask(query, variables)
        if not answer:
            raise DagsterUnavailable("Dagster does not answer.")
        return answer


def restarting(*states: str | None) -> Restarting:
    return Restarting(*(backfill(run("crm", state), names=["crm"]) if state else {} for state in states))


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lead_assets.cli.backfilling.POLL_SECONDS", 0)


@pytest.mark.usefixtures("no_waiting")
def test_a_dagster_that_is_away_for_a_while_does_not_end_the_watching(capsys: pytest.CaptureFixture[str]) -> None:
    ended = watch(restarting(None, "QUEUED", None, None, "STARTED", "STARTED", "SUCCESS"), "abc")
    assert ended.over
    assert capsys.readouterr().err.splitlines() == [
        "Backfill abc: 1 queued",
        "Backfill abc: 1 running",
        "Backfill abc: 1 done",
    ]


@pytest.mark.usefixtures("no_waiting")
def test_a_dagster_that_stays_away_ends_the_watching_with_how_to_continue() -> None:
    service = restarting("QUEUED", *[None] * 1_000_000)
    with pytest.raises(DagsterUnavailable, match="lead-assets backfill --watch abc"):
        watch(service, "abc", patience_seconds=0.05)


@pytest.mark.usefixtures("no_waiting")
def test_campaigns_that_did_not_succeed_are_reported_and_exit_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = backfill(run("crm", "CANCELED"), names=["crm", "shop"], status="CANCELED")
    for arguments in ([], ["--json"]):
        monkeypatch.setattr("lead_assets.cli.backfilling.DagsterService", lambda _: Answering(ended, ended))
        result = CliRunner().invoke(main, ["backfill", "--watch", "abc", *arguments], catch_exceptions=False)
        assert result.exit_code == 1
        assert "Error: 2 of 2 campaigns did not succeed" in result.stderr
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


def test_ctrl_c_ends_the_watching_and_says_how_to_continue_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started = backfill(run("crm", "STARTED"), names=["crm"])
    service = Interrupted(started, started)
    monkeypatch.setattr("lead_assets.cli.backfilling.DagsterService", lambda _: service)
    result = CliRunner().invoke(main, ["backfill", "--watch", "abc"], catch_exceptions=False)
    assert result.exit_code == 130
    assert result.stderr == (
        "Backfill abc: 1 running\n"
        "A backfill that has started continues. Watch it with `lead-assets backfill --watch abc`, or at "
        "http://dagster.test:3000/runs/b/abc\n"
    )


def seen(**campaigns: CampaignRun) -> Backfill:
    return Backfill("abc", "REQUESTED", None, {}, campaigns)


def test_in_a_terminal_the_running_and_the_failed_are_shown_with_step_and_seconds() -> None:
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as captured:
        console.print(
            picture(
                seen(
                    crm=CampaignRun("running", "r", 5.0, step="ranked_candidates"),
                    shop=CampaignRun("failed", "r", 2.0),
                    other=CampaignRun("done", "r", 2.0),
                    **{f"more_{number}": CampaignRun("failed", "r", 2.0) for number in range(20)},
                )
            )
        )
    counts, crm, shop, *others = captured.get().splitlines()
    assert counts == "Backfill abc: 1 running, 1 done, 21 failed"
    assert crm.split() == ["running", "crm", "5", "s", "ranked_candidates"]
    assert shop.split() == ["failed", "shop", "2", "s"]
    assert "and 10 more" in others[-1]
    assert "other" not in captured.get()
