"""A person's morning in a browser: by keyboard, by touch, without JavaScript, in light and dark, read out aloud."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from lead_assets_tests.process.api.conftest import Installation
from lead_assets_tests.process.web.conftest import HOSTILE, REJECTED, open_site
from lead_assets_tests.stored_leads import store_leads

PAGES = (
    "/c/crm",
    "/c/crm?tab=dismissed",
    "/c/crm/rejected",
    "/c/crm/funnel?exclude_subreddit=sales",
    "/c/crm/lead/t3_00000",
)


@pytest.fixture
def worked(installed: Installation) -> Installation:
    """Six leads, of which some are odd, and two rejected documents."""
    body = "I run a shop. We have ten people. Which CRM? Something cheap. Thanks!"
    store_leads(
        installed.database, "crm", [0.9, 0.8, 0.7], body=body, title="Which CRM for a shop?",
        url="https://www.reddit.com/r/sales/comments/00000/x/", more={"budget": "$50", "contact": ["a@b.example"]},
    )  # fmt: skip
    store_leads(installed.database, "crm", [0.6, 0.5], first=10, subreddit="smallbusiness", author="ann", body=body)
    long = "Which CRM? " + "word " * 8_000
    store_leads(installed.database, "crm", [0.4], first=20, subreddit="odd", title=HOSTILE, body=long, author=None)
    with installed.database.engine.begin() as connection:
        connection.execute(sa.text(REJECTED))
    return installed


@pytest.fixture
def site_url(worked: Installation) -> Iterator[str]:
    with open_site(worked) as url:
        yield url


def opened(browser: Browser, url: str, **options: object) -> Page:
    """A page on which any error of ours fails the test."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    context.route("https://www.reddit.com/**", lambda route: route.fulfill(body="Reddit"))
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(url)
    return page


def count(page: Page, tab: str) -> str:
    return page.locator(".tabs a", has_text=tab).locator(".count").inner_text()


def test_a_morning_by_keyboard(worked: Installation, browser: Browser, site_url: str) -> None:
    token = worked.token("ann")
    page = opened(browser, site_url)
    expect(page).to_have_title("Sign in · lead_assets")
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    expect(page.locator("html.js .card")).to_have_count(6)

    for number in range(5):  # read five
        page.keyboard.press("j")
        expect(page.locator(".card").nth(number)).to_be_focused()
    for _ in range(4):
        page.keyboard.press("k")
    first = page.locator(".card").first
    expect(first).to_be_focused()
    with page.context.expect_page() as popup:
        page.keyboard.press("o")  # open on Reddit
    assert popup.value.url.startswith("https://www.reddit.com/r/sales/")
    expect(page.locator(".card")).to_have_count(5)
    assert count(page, "Open") == "1"

    page.keyboard.press("c")  # contact the next
    expect(page.locator(".done")).to_contain_text("Contacted")
    expect(page.locator(".card")).to_have_count(4)
    page.keyboard.press("n")
    page.keyboard.type("Ask again in May")
    page.keyboard.press("Enter")
    expect(page.locator(".notes")).to_have_text("Ask again in May")

    page.keyboard.press("x")  # dismiss with a reason, and accept the rule
    page.keyboard.press("2")
    expect(page.locator(".offer")).to_contain_text("Leave out r/sales?")
    page.keyboard.press("a")
    expect(page.locator(".offer")).to_have_count(0)
    written = yaml.safe_load((worked.folder / "campaigns" / "crm.yaml").read_text())
    assert written["subreddits"] == {"exclude": ["sales"]}

    page.keyboard.press("u")  # undo the dismissal
    expect(page.locator(".card")).to_have_count(4)
    assert count(page, "Dismissed") == "0"

    page.keyboard.press("j")  # several at once
    page.keyboard.press("Shift+J")
    page.keyboard.press("s")
    expect(page.locator(".done")).to_contain_text("and 1 more")
    assert count(page, "Snoozed") == "2"

    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_role("link", name="Rejected").click()  # find a rejected one and mark it
    expect(page.locator(".card h2").first).to_have_text("Almost a lead")
    page.locator(".card").first.get_by_role("button", name="This was a lead").click()
    expect(page.locator(".card").first).to_contain_text("marked: lead")

    page.get_by_role("link", name="Funnel").click()  # move a threshold and look at the preview
    page.locator('input[name="REDDIT_MAX_POST_AGE_MONTHS"]').fill("0.1")
    expect(page.locator("#preview")).to_contain_text("would go")
    assert "REDDIT_MAX_POST_AGE_MONTHS=0.1" in page.url

    shared = opened(browser, page.url)  # share the address
    shared.get_by_label("Token").fill(token)
    shared.keyboard.press("Enter")
    expect(shared.locator("#preview")).to_contain_text("would go")
    assert page.evaluate("window.hacked") is None


def test_what_is_changed_before_the_script_runs_counts(worked: Installation, browser: Browser, site_url: str) -> None:
    token = worked.token("ann")
    page = opened(browser, site_url)
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    expect(page.locator("html.js .card")).to_have_count(6)
    held: list[Route] = []
    page.route("**/static/page.js", lambda route: held.append(route))

    page.goto(f"{site_url}/c/crm/funnel", wait_until="commit")
    page.locator('input[name="REDDIT_MAX_POST_AGE_MONTHS"]').fill("0.1")
    held.pop().continue_()
    expect(page.locator("#preview")).to_contain_text("would go")

    page.goto(f"{site_url}/c/crm", wait_until="commit")
    page.locator(".card").first.locator('input[name="id"]').check()
    held.pop().continue_()
    expect(page.locator(".card").first).to_have_class(re.compile("chosen"))


def test_forms_work_without_javascript(browser: Browser, site_url: str) -> None:
    page = opened(browser, site_url, java_script_enabled=False)
    page.locator(".card").first.get_by_role("button", name="Contacted").click()
    expect(page.locator(".done")).to_contain_text("Contacted")
    expect(page.locator(".card")).to_have_count(5)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".card")).to_have_count(6)
    page.locator(".card").first.get_by_text("Dismiss").click()
    page.locator(".card").first.get_by_role("button", name="too old").click()
    expect(page.locator(".card")).to_have_count(5)
    page.goto(f"{site_url}/c/crm/funnel")
    page.get_by_label("Leave out a subreddit").fill("smallbusiness")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("would go")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_and_a_phone_can_use_every_page(browser: Browser, site_url: str, scheme: str) -> None:
    page = opened(browser, site_url, color_scheme=scheme, viewport={"width": 375, "height": 800})
    found: list[str] = []
    for path in PAGES:
        page.goto(f"{site_url}{path}")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} pixels wider than a phone"
        results = Axe().run(page)
        found += [
            f"{path} {violation['id']}: {violation['nodes'][0]['html'][:200]}"
            for violation in results.response["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
    assert found == []


def test_texts_of_strangers_run_nothing(browser: Browser, site_url: str, tmp_path: Path) -> None:
    page = opened(browser, site_url)
    expect(page.locator(".card").last).to_contain_text("<script>window.hacked = 1</script>")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img").count() == 0
    page.goto(f"{site_url}/c/crm/lead/t3_00020")
    assert page.evaluate("window.hacked") is None
