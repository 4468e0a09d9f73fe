"""Leads over HTTP: pages, filters, CSV, and what is wrong with a request."""

import base64
import csv
import io
import random
from typing import Any

import httpx
import pytest

from lead_assets.api.cursors import cursor_after, read_cursor
from lead_assets_tests.process.api.conftest import Installation

LEADS = "/campaigns/crm/leads"


def test_a_lead_has_what_the_command_shows(installed: Installation, client: httpx.Client) -> None:
    (reddit_id,) = installed.leads(0.5)
    (lead,) = client.get(LEADS).json()["leads"]
    assert lead["reddit_id"] == reddit_id
    assert lead["relevance_score"] == 0.5
    assert lead["extracted_data"]["evidence"] == ["Which CRM?"]
    assert lead["matched_keywords"] == ["crm"]
    assert lead["other_places"] == []
    assert "embedding" not in lead


def test_pages_walk_all_leads_once_best_first_also_where_scores_are_equal(
    installed: Installation, client: httpx.Client
) -> None:
    shuffled = random.Random(7)
    scores = [shuffled.choice([0.1, 0.2, 1 / 3, 0.30000000000000004, 1.0]) for _ in range(57)]
    ids = installed.leads(*scores)
    met: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = client.get(LEADS, params={"limit": 10, **cursor}).json()
        met += [lead["reddit_id"] for lead in page["leads"]]
        if page["next_cursor"] is None:
            break
        assert len(page["leads"]) == 10
        cursor = {"cursor": page["next_cursor"]}
    wanted = sorted(zip(scores, ids, strict=True), key=lambda lead: (-lead[0], lead[1]))
    assert met == [reddit_id for _, reddit_id in wanted]


def test_the_last_page_has_no_next_one(installed: Installation, client: httpx.Client) -> None:
    installed.leads(0.1, 0.2)
    page = client.get(LEADS, params={"limit": 2})
    assert len(page.json()["leads"]) == 2
    assert page.json()["next_cursor"] is None
    assert "link" not in page.headers


def test_min_score_and_since_filter(installed: Installation, client: httpx.Client) -> None:
    installed.leads(0.2, 0.5, 0.8, posted_at="2026-05-28T12:00:00Z")

    def found(**filters: Any) -> int:
        return len(client.get(LEADS, params=filters).json()["leads"])

    assert [found(min_score=score) for score in (0, 0.5, 0.51, 1)] == [3, 2, 1, 0]
    days = ["2026-05-28", "2026-05-28T12:00:00Z", "2026-05-28T14:00:00+02:00", "2026-05-28T12:00:01", "2026-05-29"]
    assert [found(since=day) for day in days] == [3, 3, 3, 0, 0]


def test_csv_has_the_next_page_in_its_header_link(installed: Installation, client: httpx.Client) -> None:
    ids = installed.leads(0.5, 0.5, 0.5)
    met: list[str] = []
    url = f"{LEADS}?format=csv&limit=1&min_score=0.1"
    while url:
        answer = client.get(url)
        assert answer.headers["content-type"].startswith("text/csv")
        met += [row["reddit_id"] for row in csv.DictReader(io.StringIO(answer.text))]
        url = answer.links.get("next", {}).get("url", "")
    assert met == ids


def test_a_formula_in_a_title_is_no_formula_in_csv(installed: Installation, client: httpx.Client) -> None:
    installed.leads(0.5, title='=HYPERLINK("https://evil.example","a")', author="+1")
    (row,) = csv.DictReader(io.StringIO(client.get(LEADS, params={"format": "csv"}).text))
    assert row["title"] == '\'=HYPERLINK("https://evil.example","a")'
    assert row["author"] == "'+1"
    assert row["evidence"] == "Which CRM?"


def test_csv_without_a_lead_has_the_same_header(installed: Installation, client: httpx.Client) -> None:
    empty = client.get(LEADS, params={"format": "csv"}).text.splitlines()
    installed.leads(0.5)
    assert client.get(LEADS, params={"format": "csv"}).text.splitlines()[0] == empty[0]
    assert len(empty) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "1" * 5000},
        {"limit": "one"},
        {"min_score": "1.1"},
        {"min_score": "nan"},
        {"min_score": "-inf"},
        {"since": "yesterday"},
        {"since": "0001-01-01T00:00:00+23:59"},
        {"since": "2026-01-31\x00"},
        {"since": "1" * 60},
        {"format": "xml"},
        {"min_scroe": "0.5"},
        {"cursor": ""},
        {"cursor": "nothing"},
        {"cursor": "ä"},
        {"cursor": base64.urlsafe_b64encode(b"nan t3_1").decode()},
        {"cursor": base64.urlsafe_b64encode(b"7 t3_1").decode()},
        {"cursor": base64.urlsafe_b64encode(b"1-1 t3_1").decode()},
        {"cursor": base64.urlsafe_b64encode(b"0.5 t3_' OR 1=1").decode()},
        {"cursor": base64.urlsafe_b64encode(b"0.5 t3_\x00").decode()},
        {"cursor": "A" * 5000},
    ],
)
def test_a_wrong_value_is_told_in_a_sentence(untouched: httpx.Client, wrong: dict[str, str]) -> None:
    answer = untouched.get(LEADS, params=wrong)
    assert answer.status_code == 422
    (name,) = wrong
    assert answer.json()["error"].startswith(f"{name}: ")
    assert len(answer.json()["error"]) <= 500


@pytest.mark.parametrize("score", [0.0, 1e-300, 0.1 + 0.2, 1 / 3, 0.9999999999999999, 1.0])
def test_a_cursor_is_read_back_as_it_was_made(score: float) -> None:
    assert read_cursor(cursor_after(score, "t3_1abc")) == (score, "t3_1abc")
