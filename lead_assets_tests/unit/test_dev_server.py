"""The claim of a running ``lead-assets dev`` on its home."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from lead_assets.cli import dev_server, main


def test_servers_are_not_stopped_under_a_running_dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path))
    claimed = dev_server.claim(tmp_path)
    try:
        refused = CliRunner().invoke(main, ["down"])
    finally:
        os.close(claimed)
    assert refused.exit_code == 2
    assert refused.output == "Error: `lead-assets dev` uses these servers. Stop it first, with Ctrl-C.\n"
    assert CliRunner().invoke(main, ["down"]).output == "Nothing was running.\n"


def test_servers_are_not_stopped_under_a_running_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path))
    first, second = dev_server.use(tmp_path), dev_server.use(tmp_path)
    os.close(first)
    try:
        refused = CliRunner().invoke(main, ["down"])
    finally:
        os.close(second)
    assert refused.exit_code == 2
    assert refused.output == (
        "Error: A running `lead-assets api`, `mcp` or `worker` uses these servers. Stop it first, with Ctrl-C.\n"
    )
    assert CliRunner().invoke(main, ["down"]).output == "Nothing was running.\n"
