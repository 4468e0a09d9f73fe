"""``lead-assets backup`` and ``restore``, into a fresh home whose servers the command itself starts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lead_assets import servers as embedded
from lead_assets.cli import main
from lead_assets_tests.process.api.conftest import Installation
from lead_assets_tests.process.api.conftest import installed as installed
from lead_assets_tests.process.api.conftest import nobody as nobody


@pytest.fixture
def fresh_home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "fresh"
    embedded.down(tmp_path / "fresh")


def command(variables: dict[str, str], *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(arguments), env=variables, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_a_store_moves_to_a_fresh_home(
    installed: Installation, fresh_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, other = installed.leads(0.9, 0.5)
    command(installed.variables, "inbox", "set", "crm", "contacted", best)
    path = tmp_path / "saved.zip"
    saved = json.loads(command(installed.variables, "backup", str(path), "--json").stdout)
    assert saved["rows"]["documents"] == 2
    assert saved["campaigns"] == ["crm.yaml"]
    assert "is there already" in command(installed.variables, "backup", str(path), code=2).output
    before = command(installed.variables, "leads", "crm", "--format", "jsonl").stdout

    fresh = {"LEAD_ASSETS_HOME": str(fresh_home), "LEAD_ASSETS_CAMPAIGNS": str(fresh_home / "campaigns")}
    for name in ("DATABASE_URL", "TYPESENSE_URL", "TYPESENSE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "is not a whole backup" in command(fresh, "restore", __file__, code=2).output
    assert not fresh_home.exists(), "a file that is no backup starts no servers"
    assert "Restored" in command(fresh, "restore", str(path)).output

    assert command(fresh, "leads", "crm", "--format", "jsonl").stdout == before
    assert best in before
    assert other in before
    assert "Give --replace" in command(fresh, "restore", str(path), code=2).output
    assert "Restored" in command(fresh, "restore", str(path), "--replace").output
