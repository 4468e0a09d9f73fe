"""Commands that a program would read print JSON, and the demonstration names the page where it is."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lead_assets.cli import main, running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path / "campaigns"))
    (tmp_path / "campaigns").mkdir()
    return tmp_path / "campaigns"


def said(*arguments: str, code: int = 0) -> object:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_new_and_validate(folder: Path) -> None:
    given = ["--product", "Tea.", "--keyword", "tea", "--source", "reddit", "--json"]

    assert said("campaigns", "new", "tea", *given) == {"id": "tea", "path": str(folder / "tea.yaml")}
    assert said("campaigns", "validate", "--json") == [{"path": str(folder / "tea.yaml"), "error": None}]

    (folder / "broken.yaml").write_text("name: 1\n")
    found = said("campaigns", "validate", "--json", code=2)
    assert isinstance(found, list)
    assert {Path(each["path"]).stem: bool(each["error"]) for each in found} == {"broken": True, "tea": False}


def test_down(folder: Path) -> None:
    assert said("down", "--json") == {"home": str(folder.parent / "home"), "stopped": []}


def test_env(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"DATABASE_URL": "postgresql://x/y", "TYPESENSE_URL": "http://x", "TYPESENSE_API_KEY": "k"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    found = said("env", "--json")

    assert isinstance(found, dict)
    assert given.items() <= found.items()


def test_the_demonstration_names_the_page_where_people_reach_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "bring_up", lambda: None)
    monkeypatch.setattr(running, "copy_sample_campaigns", lambda _: [])
    monkeypatch.setenv("PAGE_URL", "https://leads.example:8443")

    assert "then https://leads.example:8443\n" in CliRunner().invoke(main, ["demo"]).output
