"""The tour of docs/tour.md, typed command by command as a newcomer does: what it shows is what is printed."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lead_assets_tests.conftest import PROJECT
from lead_assets_tests.process.dagster_dev import COMMAND, answers, eventually, free_port, stop
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.stand_ins.arctic_shift_server.server import subreddit
from lead_assets_tests.tour import Step, difference, steps

SAMPLE = PROJECT / "lead_assets" / "sample" / "documents.ndjson"
A_DAY = 86_400
A_MINUTE = 60


@dataclass
class Newcomer:
    """A user at a shell in the project's folder, with a second terminal."""

    port: int
    folder: Path
    environment: dict[str, str]
    terminals: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def follow(self, step: Step) -> None:
        """Do a step and compare what it prints."""
        if step.in_another_terminal:
            self.start(step.command)
            return
        printed = self.type(step.command)
        if step.command.startswith(". "):
            # Each command has a shell of its own; what this one leaves behind is a path.
            self.environment["PATH"] = self.type(f"{step.command} && echo $PATH").strip()
        missing = difference(step, printed.replace(f":{self.port}", ":3000").replace(str(self.folder), str(PROJECT)))
        assert missing is None, f"$ {step.command}\nprinted\n{printed}\nand not\n{missing}"

    def type(self, command: str) -> str:
        """What a command prints. It must succeed."""
        done = subprocess.run(
            ["bash", "-c", command], env=self.environment, cwd=PROJECT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, command: str) -> None:
        """Start a command that keeps running, and wait until the web server answers."""
        with (self.folder / "log").open("wb") as log:
            self.terminals.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {command}"],
                    **{"env": self.environment, "cwd": PROJECT, "stdout": log, "stderr": log},
                    start_new_session=True,
                )
            )
        eventually(lambda: answers(self.port) or self.terminals[-1].poll() is not None, "the web server's start")
        assert self.terminals[-1].poll() is None, (self.folder / "log").read_text()


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Newcomer]:
    """With only the project and its virtual environment. A stand-in for Arctic Shift publishes the sample."""
    port = free_port()
    with ArcticShiftServer() as arctic:
        publish_sample(arctic)
        monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path / ".lead_assets"))
        monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path / "campaigns"))
        monkeypatch.setenv("ARCTIC_SHIFT_URL", arctic.url)
        monkeypatch.setenv("DAGSTER_URL", f"http://127.0.0.1:{port}")
        here = [part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != COMMAND.parent]
        monkeypatch.setenv("PATH", os.pathsep.join(here))
        monkeypatch.setenv("COLUMNS", "100")
        newcomer = Newcomer(port, tmp_path, dict(os.environ))
        try:
            yield newcomer
        finally:
            for terminal in newcomer.terminals:
                stop(terminal)
            subprocess.run([str(COMMAND), "down"], env=newcomer.environment, check=False, capture_output=True)


def publish_sample(arctic: ArcticShiftServer) -> None:
    """Publish the sample's documents as if they had been written in the last few days, oldest first."""
    things: list[dict[str, Any]] = []
    for line in SAMPLE.read_bytes().splitlines():
        try:
            things.append(json.loads(line))
        except ValueError:
            continue  # the sample has broken lines too
    whole = [thing for thing in things if isinstance(thing.get("created_utc"), int | float) and thing.get("name")]
    whole.sort(key=lambda thing: thing["created_utc"])
    for number, thing in enumerate(whole):
        thing["created_utc"] = int(time.time()) - 3 * A_DAY - 1_800 * (len(whole) - number)
    arctic.add(*whole)
    for name in {thing["subreddit"] for thing in whole}:
        arctic.subreddits.append(subreddit(name, subscribers=100_000))


def test_the_tour_prints_what_it_shows_and_ends_in_a_campaign_that_runs_by_itself(
    newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in steps(PROJECT / "docs" / "tour.md", "Steps"):
        newcomer.follow(step)

    newcomer.type(
        "lead-assets campaigns new tea --product Tea. --keyword 'green tea' --subreddit tea --source arctic_shift"
    )
    added = time.monotonic()
    path = newcomer.folder / "campaigns" / "my_crm.yaml"
    path.write_text(path.read_text().replace('schedule: "0 8 * * 1-5"', 'schedule: "* * * * *"'))
    monkeypatch.setenv("DAGSTER_HOME", str(PROJECT))
    with dg.DagsterInstance.get() as instance:
        eventually(lambda: "tea" in instance.get_dynamic_partitions("campaigns"), "the partition of the new campaign")
        assert time.monotonic() - added < A_MINUTE

        def run_by_itself() -> bool:
            of_sensor = dg.RunsFilter(tags={"dagster/sensor_name": "campaign_my_crm"})
            return any(run.status is dg.DagsterRunStatus.SUCCESS for run in instance.get_runs(of_sensor))

        eventually(run_by_itself, "a run of the campaign by its own sensor")
