"""What a shell offers to complete."""

from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from lead_assets.cli import COMMANDS, OF_A_CAMPAIGN, load_command, main
from lead_assets.domain.settings import NAMES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("crm.yaml", "crm_eu.yml", "website.yaml", "notes.txt", ".draft.yaml"):
        (tmp_path / name).write_text("")
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path))
    return tmp_path


def offered(*words: str) -> list[str]:
    """What is offered for the last of ``words``."""
    *args, incomplete = words
    return [item.value for item in ShellComplete(main, {}, "lead-assets", "_").get_completions(args, incomplete)]


@pytest.mark.parametrize(
    "words", [("leads",), ("run",), ("backfill", "crm"), ("inbox", "history"), ("campaigns", "set")]
)
def test_campaigns_are_offered_by_their_files(folder: Path, words: tuple[str, ...]) -> None:
    assert offered(*words, "") == ["crm", "crm_eu", "website"]
    assert offered(*words, "cr") == ["crm", "crm_eu"]


def test_the_folder_is_the_one_that_the_command_would_use(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.yaml").write_text("")
    assert offered("--campaigns-dir", str(other), "leads", "") == ["mine"]
    assert offered("--campaigns-dir", str(tmp_path / "nowhere"), "leads", "") == []


def test_nothing_is_offered_where_the_folder_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", "~nosuchuser/campaigns")
    assert offered("leads", "") == []


@pytest.mark.parametrize(
    "words", [("run", "crm", "--set"), ("preview", "crm", "--set"), ("campaigns", "set", "crm", "--set")]
)
def test_settings_are_offered_by_name_in_any_case(folder: Path, words: tuple[str, ...]) -> None:
    assert offered(*words, "") == [f"{name}=" for name in NAMES]
    assert offered(*words, "min_f") == ["MIN_FUSED_SCORE_THRESHOLD="]


def test_options_and_their_choices_are_those_of_the_command(folder: Path) -> None:
    assert offered("leads", "--fo") == ["--format", "--found-since"]
    assert offered("leads", "crm", "--format", "c") == ["csv"]


def test_what_is_followed_by_a_campaign_is_named() -> None:
    first: set[str] = set()
    for name in COMMANDS:
        arguments = [each for each in load_command(name).params if isinstance(each, click.Argument)]
        first |= {name} if arguments and arguments[0].name in ("campaign_id", "campaign_ids") else set()
    assert first == OF_A_CAMPAIGN
