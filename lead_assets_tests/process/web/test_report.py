"""The report: one file that says what the page says, opens from disk, sorts, and runs nothing of strangers."""

import re
from html import unescape
from pathlib import Path

import httpx
from click.testing import CliRunner
from playwright.sync_api import Browser, expect

from lead_assets.cli import main
from lead_assets_tests.process.api.conftest import Installation
from lead_assets_tests.process.web.conftest import HOSTILE, open_site
from lead_assets_tests.stored_leads import store_leads


def store_some(made: Installation) -> None:
    body = "I run a shop. We have ten people. Which CRM? Something cheap. Thanks!"
    store_leads(made.database, "crm", [0.3, 0.9], body=body, title=HOSTILE, more={"budget": "$50"})
    store_leads(made.database, "crm", [0.6], first=5, body=body, kind="comment", subreddit="accounting")


def printed(made: Installation, *options: str) -> str:
    result = CliRunner().invoke(main, ["report", "crm", *options], env=made.variables, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def cells(page: str, start: str) -> list[tuple[str, ...]]:
    """What each lead of a page says: its id, facts, excerpt, and the line with its probability and reasons."""
    found: list[tuple[str, ...]] = []
    for part in page.split(start)[1:]:
        one = part.split("</article>")[0].split("</tr>")[0]
        pieces = (r'^id="(\w+)"', r"<h2[^>]*>(.*?)</h2>", r'<ul class="facts".*?</ul>', r"<blockquote.*?</blockquote>")
        matches = [re.search(piece, one, re.DOTALL) for piece in (*pieces, r'<p class="why">.*?</p>')]
        assert all(matches), one[:300]
        texts = [re.sub(r"<[^>]+>", " ", match[0]) for match in matches if match]
        found.append(tuple(" ".join(unescape(text).split()) for text in texts))
    return found


def test_the_report_says_what_the_page_says(installed: Installation) -> None:
    store_some(installed)
    with open_site(installed) as url:
        page = cells(httpx.get(f"{url}/c/crm").text, '<article class="card" ')
    assert len(page) == 3
    assert cells(printed(installed), "<tr ") == page
    assert cells(printed(installed, "--found-since", "1d", "--min-score", "0.5"), "<tr ") == page[:2]
    assert "No leads." in printed(installed, "--status", "won")


def test_the_report_opens_from_disk_and_sorts(installed: Installation, browser: Browser, tmp_path: Path) -> None:
    store_some(installed)
    path = tmp_path / "leads.html"
    path.write_text(printed(installed), encoding="utf-8")
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    ids = "[...document.querySelectorAll('tbody tr')].map(row => row.id)"
    page.get_by_role("button", name="Probability").click()
    assert page.evaluate(ids) == ["t3_00001", "t3_00005", "t3_00000"]
    page.get_by_role("button", name="Probability").click()
    assert page.evaluate(ids) == ["t3_00000", "t3_00005", "t3_00001"]
    page.get_by_role("button", name="Where").click()
    page.get_by_role("button", name="Where").click()
    assert page.evaluate(ids)[0] == "t3_00005"
    expect(page.locator("tbody h2").nth(1)).to_contain_text("<script>window.hacked = 1</script>")
    assert page.evaluate("window.hacked") is None
    assert asked == [path.as_uri()], "everything is in the one file"
    page.emulate_media(media="print")
    assert len(page.pdf()) > 5_000
