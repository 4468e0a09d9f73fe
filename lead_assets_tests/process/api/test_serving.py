"""`lead-assets api` and `lead-assets tokens`, as a user meets them."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from lead_assets.cli import main
from lead_assets_tests.process.api.conftest import Installation, free_port
from lead_assets_tests.process.dagster_dev import eventually


def lead_assets(installed: Installation, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(arguments), env=installed.variables, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_a_token_is_printed_once_and_listed_without_it(installed: Installation) -> None:
    token = lead_assets(installed, "tokens", "new", "reports").stdout.strip()
    assert re.fullmatch(r"lead_assets_[\w-]{43}", token)
    assert token not in lead_assets(installed, "tokens", "list").output
    (listed,) = json.loads(lead_assets(installed, "tokens", "list", "--json").stdout)
    assert (listed["name"], listed["revoked_at"]) == ("reports", None)
    again = lead_assets(installed, "tokens", "new", "reports", code=2)
    assert "There is or was a token reports. Choose another name." in again.output
    assert "not a valid name for a token" in lead_assets(installed, "tokens", "new", "a b", code=2).output


def test_revoking_says_when_none_is_left(installed: Installation) -> None:
    for name in ("one", "two"):
        lead_assets(installed, "tokens", "new", name)
    assert "No token is left" not in lead_assets(installed, "tokens", "revoke", "one").output
    assert "No token is left" in lead_assets(installed, "tokens", "revoke", "two").output
    assert "There is no token two to revoke" in lead_assets(installed, "tokens", "revoke", "two", code=2).output


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "my.machine"])
def test_without_a_token_that_counts_only_this_machine_is_served(installed: Installation, host: str) -> None:
    def refused() -> str:
        return lead_assets(installed, "api", "--host", host, "--port", str(free_port()), code=2).stderr

    sentence = "there is no token. Make one with `lead-assets tokens new NAME`"
    assert sentence in refused()
    installed.token()
    installed.revoke()
    assert sentence in refused(), "a revoked one is none"


def test_a_port_that_is_taken_is_one_sentence(installed: Installation) -> None:
    assert "is not free" in lead_assets(installed, "api", "--port", "99999", code=2).stderr


def test_the_command_serves_until_it_is_told_to_stop_and_logs_no_secret(
    installed: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = lead_assets(installed, "tokens", "new", "reports").stdout.strip()
    for name, value in installed.variables.items():
        monkeypatch.setenv(name, value)
    port = free_port()
    command = [str(Path(sys.executable).parent / "lead-assets"), "api", "--port", str(port), "--host", "0.0.0.0"]
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=tmp_path)
    try:
        eventually(lambda: "Application startup complete" in log.read_text(), "the start")
        url, headers = f"http://127.0.0.1:{port}/campaigns", {"Authorization": f"Bearer {token}"}
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers=headers).status_code == 200
        assert httpx.get(url, params={"token": token}, headers=headers).status_code == 400
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    said = log.read_text()
    assert "with a token" in said
    assert '"GET /campaigns HTTP/1.1" 200' in said
    assert token not in said
    assert "Traceback" not in said
