"""Backfills for real: campaigns through daemon, queue and web server, from the command line."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets.cli.progress import STAGES
from lead_assets.dagster_client.service import DagsterService
from lead_assets_tests.conftest import AS_OF, post, write_archive
from lead_assets_tests.process.dagster_dev import (
    COMMAND,
    dagster_dev,
    eventually,
    installation,
    write_campaign,
)

CAMPAIGNS = [f"crm_{number}" for number in range(6)]  # more than run at a time
BROKEN = CAMPAIGNS[5]
LONGEST_SECONDS = 900
ASK = "Can anyone recommend a good CRM for my small business?"
CHECKS = """
query($asset: AssetKeyInput!, $check: String!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode {
      assetCheckOrError(checkName: $check) {
        ... on AssetCheck {
          partitionStatuses {
            ... on AssetCheckDefaultPartitionStatuses { succeededPartitions failedPartitions executionFailedPartitions }
          }
        }
      }
    }
  }
}"""
LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { ... on LaunchBackfillSuccess { backfillId } }
}"""


@dataclass
class Installation:
    """A running `lead-assets dev` with campaigns, each with an archive of its own."""

    folder: Path
    dagster: DagsterService
    instance: dg.DagsterInstance

    def campaign(self, campaign_id: str) -> None:
        write_campaign(self.folder, campaign_id)

    def archive(self, name: str) -> Path:
        return write_archive(self.folder / f"{name}.ndjson", [post(ASK, f"For {name}.")])

    def backfill(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["backfill", *arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    def as_json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        return json.loads(self.backfill(*arguments, "--json", code=code).stdout)

    def watched(self, backfill_id: str, code: int = 0) -> dict[str, Any]:
        """How a backfill ended; a process of its own, so that one that never ends fails the test."""
        command = [str(COMMAND), "backfill", "--watch", backfill_id, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def runs(self, backfill_id: str) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill_id})))

    def statuses(self, backfill_id: str) -> Counter[str]:
        return Counter(run.status.value for run in self.runs(backfill_id))

    def check_status(self, asset: str, check: str) -> Mapping[str, Sequence[str]]:
        """Of a check, as its Partitions tab has it."""
        answer = self.dagster.ask(CHECKS, {"asset": {"path": [asset]}, "check": check})
        return answer["assetNodeOrError"]["assetCheckOrError"]["partitionStatuses"]


@pytest.fixture
def there(
    tmp_path: Path, database_url: str, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    for name, value in installation(tmp_path, database_url, servers).items():
        monkeypatch.setenv(name, value)
    with dagster_dev(tmp_path) as port:
        url = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("DAGSTER_URL", url)
        with DagsterService(url) as dagster, dg.DagsterInstance.get() as instance:
            yield Installation(tmp_path, dagster, instance)


def test_many_campaigns_one_of_them_broken_and_then_only_what_is_missing(there: Installation) -> None:
    for campaign_id in CAMPAIGNS:
        there.campaign(campaign_id)  # no sensor may have made its partition yet
        if campaign_id != BROKEN:
            there.archive(campaign_id)

    first = interrupted_in_the_middle(there)

    outcome = there.watched(first, code=1)
    assert {one: state["state"] for one, state in outcome["campaigns"].items()} == {
        campaign_id: "failed" if campaign_id == BROKEN else "done" for campaign_id in CAMPAIGNS
    }
    assert "There is no archive file at" in outcome["campaigns"][BROKEN]["error"]
    assert sorted(run.tags["dagster/partition"] for run in there.runs(first)) == CAMPAIGNS
    for asset, check in (("crawled_documents", "post_age"), ("leads", "leads_complete")):
        status = there.check_status(asset, check)
        assert sorted(status["succeededPartitions"]) == sorted({*CAMPAIGNS} - {BROKEN}), check
        assert not status["failedPartitions"]

    there.archive(BROKEN)
    second = there.as_json("--all", "--no-wait")
    assert list(second["campaigns"]) == [BROKEN]
    assert second["done_already"] == [one for one in CAMPAIGNS if one != BROKEN]
    at_once = there.backfill(BROKEN).stdout
    assert at_once == "Nothing is missing: 1 of 1 queued or running now; --again runs them too.\n"

    of_assets = launched_over_assets(there, CAMPAIGNS[:1])
    asked = ["--source", "archive", "--path", str(there.archive("other")), "--as-of", AS_OF]
    with_request = there.as_json(*CAMPAIGNS[2:4], *asked, "--no-wait")
    assert list(with_request["campaigns"]) == CAMPAIGNS[2:4], "it was done, but not with this request"

    for backfill_id, ids in (
        (second["backfill"], [BROKEN]),
        (of_assets, CAMPAIGNS[:1]),
        (with_request["backfill"], CAMPAIGNS[2:4]),
    ):
        ended = there.watched(backfill_id)
        assert {one: state["state"] for one, state in ended["campaigns"].items()} == dict.fromkeys(ids, "done")
        assert sorted(run.tags["dagster/partition"] for run in there.runs(backfill_id)) == ids, "one run per campaign"
    for name in STAGES:
        assert there.instance.get_materialized_partitions(dg.AssetKey(name)) == {*CAMPAIGNS}
    assert set(there.check_status("leads", "leads_complete")["succeededPartitions"]) == {*CAMPAIGNS}
    assert read_from(there, with_request["backfill"]) == {str(there.folder / "other.ndjson")}

    assert (
        there.backfill("--all").stdout
        == f"Nothing is missing: {len(CAMPAIGNS)} of {len(CAMPAIGNS)} done already; --again runs them too.\n"
    )
    told = there.backfill(*CAMPAIGNS[2:4], *asked).stdout
    assert told == "Nothing is missing: 2 of 2 done already with this request; --again runs them too.\n"
    assert there.as_json(*CAMPAIGNS[2:5], *asked, "--no-wait")["done_already"] == CAMPAIGNS[2:4]


def interrupted_in_the_middle(there: Installation) -> str:
    """Start the backfill of all campaigns and press Ctrl-C while it runs; returns its id."""
    command = subprocess.Popen([str(COMMAND), "backfill", "--all"], stderr=subprocess.PIPE, text=True)
    try:
        (backfill,) = eventually(there.instance.get_backfills, "the launch of the backfill")
        eventually(lambda: there.statuses(backfill.backfill_id)["SUCCESS"] > 0, "the first campaign's end")
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 130, said
    assert (
        f"A backfill that has started continues. Watch it with `lead-assets backfill --watch {backfill.backfill_id}`"
        in said
    )
    assert f"{there.dagster.url}/runs/b/{backfill.backfill_id}" in said
    assert "Traceback" not in said
    assert there.statuses(backfill.backfill_id)["SUCCESS"] < len(CAMPAIGNS) - 1, "it was interrupted in the middle"
    return backfill.backfill_id


def launched_over_assets(there: Installation, campaign_ids: Sequence[str]) -> str:
    """Start a backfill as the UI does for assets that somebody has chosen in the graph."""
    params = {"assetSelection": [{"path": [name]} for name in STAGES], "partitionNames": list(campaign_ids)}
    return there.dagster.ask(LAUNCH, {"params": params})["launchPartitionBackfill"]["backfillId"]


def read_from(there: Installation, backfill_id: str) -> set[str]:
    """The archives that the runs of a backfill were told to read."""
    configs = [run.run_config["resources"]["run_settings"]["config"] for run in there.runs(backfill_id)]
    return {config["archive_path"] for config in configs}
