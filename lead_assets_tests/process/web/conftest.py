"""The page on a database with leads, and Debian's chromium to look at it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from lead_assets import servers as embedded
from lead_assets.storage.lead_events import add_found
from lead_assets.web.site import build_site
from lead_assets_tests.process.api.conftest import Installation, free_port, make_installation, serving

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
HOSTILE = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">'
REJECTED = """INSERT INTO lead_assets.rejections (campaign_id, reddit_id, stage, gate, setting, observed, threshold,
    observed_values, kind, source, subreddit, author, title, url, run_id) VALUES
    ('crm', 't3_far', 'rank', 'fused_score', 'MIN_FUSED_SCORE_THRESHOLD', 0.01, 0.1, '{}', 'post', 'archive', 'sales',
     'a', 'Far away', 'https://www.reddit.com/comments/far/', 'run'),
    ('crm', 't3_near', 'rank', 'fused_score', 'MIN_FUSED_SCORE_THRESHOLD', 0.09, 0.1, '{}', 'post', 'archive', 'sales',
     'b', 'Almost a lead', 'https://www.reddit.com/comments/near/', 'run')"""
"""Two rejected documents of the campaign crm."""


@pytest.fixture
def installed(tmp_path: Path, servers: embedded.Servers, template_database: str) -> Iterator[Installation]:
    """An installation with the campaign crm, without Dagster."""
    made = make_installation(tmp_path, servers, template_database, f"http://127.0.0.1:{free_port()}")
    made.campaign()
    yield made
    made.database.close()


@contextmanager
def open_site(made: Installation) -> Iterator[str]:
    """The address of the page, with every stored lead found."""
    with made.database.engine.begin() as connection:
        add_found(connection, "crm")
    with serving(made.variables, build=build_site) as url:
        yield url


@pytest.fixture
def site(installed: Installation) -> Iterator[httpx.Client]:
    """Asks the page of ``installed``."""
    with open_site(installed) as url, httpx.Client(base_url=url, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the whole session: while it is open an event loop runs, beside which no other can be started."""
    if CHROMIUM is None:
        pytest.skip("There is no chromium. Run apt-get install chromium, or set CHROMIUM.")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()
