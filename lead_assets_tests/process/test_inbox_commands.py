"""Working on leads from the command line: statuses, marks, previews, changes of a campaign's file."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from lead_assets.cli import main
from lead_assets_tests.process.api.conftest import Installation
from lead_assets_tests.process.api.conftest import installed as installed
from lead_assets_tests.process.api.conftest import nobody as nobody


def test_leads_are_worked_from_the_command_line(installed: Installation, tmp_path: Path) -> None:
    first, second = installed.leads(0.9, 0.5)

    def said(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, list(arguments), env=installed.variables, catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    def asked(*arguments: str) -> Any:
        return json.loads(said(*arguments, "--json"))

    assert asked("inbox", "set", "crm", "contacted", first)["reddit_ids"] == [first]
    assert "Dismissed: " in said(
        "inbox", "set", "crm", "dismissed", f"https://redd.it/{second[3:]}", "--reason", "too old"
    )
    assert "Noted" in said("inbox", "note", "crm", first, "Call in May")
    said("mark", "crm", second, "--as", "no-lead")
    history = asked("inbox", "history", "crm", second)
    assert [event["value"] for event in history["events"]] == ["dismissed", "no lead"]
    assert history["state"]["reason"] == "too old"
    exported = said("marks", "export", "crm")
    assert [json.loads(line)["mark"] for line in exported.splitlines()] == ["lead", "no lead"]
    path = tmp_path / "marks.jsonl"
    path.write_text(exported)
    said("inbox", "undo", "crm")
    assert "1 marks written, 1 were in force already." in said("marks", "import", "crm", str(path))

    assert said("leads", "crm", "--format", "jsonl", "--status", "contacted").count("\n") == 1
    assert "None of the 2 leads of crm match" in said("leads", "crm", "--since", "today")
    assert said("leads", "crm", "--format", "jsonl", "--found-since", "1d", "--newest").count("\n") == 2
    assert "is not a time" in said("leads", "crm", "--since", "soon", code=2)

    tried = asked("preview", "crm", "--exclude-subreddit", "sales")
    assert (tried["leads_now"], tried["leads_then"], len(tried["gone"])) == (2, 0, 2)
    assert "2 leads now, 0 then" in said("preview", "crm", "--exclude-subreddit", "sales")
    assert "Nothing would change" in said("preview", "crm", code=2)
    written = asked("campaigns", "set", "crm", "--set", "MIN_KEYWORD_HITS=2", "--negative-keyword", "hiring")
    assert written["settings"] == {"MIN_KEYWORD_HITS": 2}
    assert "hiring" in (installed.folder / "campaigns" / "crm.yaml").read_text()
    assert "did you mean" in said("campaigns", "set", "crm", "--set", "MIN_KEYWORD_HIT=2", code=2)
    assert "names no receivers" in said("notify", "test", "crm", code=2)
    assert "0 wait" in said("notify", "state", "crm")
