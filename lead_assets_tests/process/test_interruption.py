"""Ctrl-C at any moment is one sentence, or an end in order, and never a traceback."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets.defs.instance import ComputeLogs
from lead_assets_tests.conftest import PROJECT
from lead_assets_tests.process.dagster_dev import COMMAND, answers, eventually, free_port, installation

INTERRUPTED_AT = """
import os, runpy, signal, sys
when, module = sys.argv[1:3]
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == when:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[:] = sys.argv[2:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def interrupted_at(imported: str, *command: str) -> subprocess.CompletedProcess[str]:
    """A command that is sent Ctrl-C's signal at the moment when it imports something."""
    arguments = [sys.executable, "-c", INTERRUPTED_AT, imported, *command]
    return subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.parametrize(
    "imported", ["click", "lead_assets.cli", "lead_assets.cli.running", "pandas", "numpy", "dagster", "psycopg2"]
)
def test_ctrl_c_while_a_command_is_imported_is_one_sentence(imported: str) -> None:
    done = interrupted_at(imported, "lead_assets.program", "run", "no_such_campaign")

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Error: Interrupted.\n")


@pytest.mark.parametrize("imported", ["dagster", "dagster._cli", "pydantic"])
def test_ctrl_c_while_dev_becomes_dagster_is_one_sentence(imported: str) -> None:
    done = interrupted_at(imported, "lead_assets.defs.guarded_dev", "dev", "--empty-workspace")

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Error: Interrupted.\n")


def test_what_follows_a_steps_output_is_not_told_of_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path))

    with ComputeLogs.from_config_value(None, {}).capture_logs(["run", "compute_logs", "step"]):
        children = psutil.Process().children()
        followers = [child for child in children if child.name() == "tail" or "watch_orphans" in str(child.cmdline())]
        deaf = [_blocks(child.pid, signal.SIGINT) for child in followers]
        myself = _blocks(os.getpid(), signal.SIGINT)

    assert deaf == [True] * 4, "of standard output and of standard error: tail, and what watches it"
    assert not myself


def _blocks(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")]
    return bool(int(mask, 16) & 1 << (number - 1))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP])
def test_a_terminal_s_ctrl_c_or_end_ends_a_running_dev_and_all_that_it_started(
    sent: signal.Signals,
    tmp_path: Path,
    database_url: str,
    servers: embedded.Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in installation(tmp_path, database_url, servers).items():
        monkeypatch.setenv(name, value)
    assert CliRunner().invoke(main, ["up"]).exit_code == 0
    port, page, log = free_port(), free_port(), tmp_path / "log"
    with log.open("wb") as file:
        dev = subprocess.Popen(
            [str(COMMAND), "dev", "--port", str(port), "--page-port", str(page)],
            stdout=file, stderr=file, cwd=tmp_path, start_new_session=True,
        )  # fmt: skip
    family: list[psutil.Process] = []
    try:
        eventually(lambda: answers(port) and answers(page), "the start of both servers")
        family = psutil.Process(dev.pid).children(recursive=True)
        os.killpg(dev.pid, sent)  # what a terminal does
        dev.wait(timeout=60)
        eventually(lambda: not psutil.wait_procs(family, timeout=0.1)[1], "the end of all that it started")
    finally:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        dev.kill()
        dev.wait()
    said = log.read_text(encoding="utf-8", errors="replace")
    assert len(family) > 3
    assert "Traceback" not in said
    assert "Dagster services shut down" in said
