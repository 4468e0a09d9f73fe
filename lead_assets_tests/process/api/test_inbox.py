"""Statuses, marks and notes over HTTP, with the rules of the page and the commands."""

from typing import Any

import httpx
import pytest

from lead_assets_tests.process.api.conftest import Installation

CRM = "/campaigns/crm"


def test_a_lead_is_worked_over_http(installed: Installation, client: httpx.Client) -> None:
    first, second = installed.leads(0.8, 0.5)
    worked = {"Authorization": f"Bearer {installed.token('ann')}"}

    def change(reddit_id: str, **body: Any) -> dict[str, Any]:
        answer = client.patch(f"{CRM}/leads/{reddit_id}", json=body, headers=worked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    state = change(first, status="contacted", note="Wrote to them.")
    assert (state["status"], state["mark"], state["notes"], state["status_by"]) == (
        *("contacted", "lead", ["Wrote to them."]),
        "ann",
    )
    assert change(second, status="dismissed", reason="competitor", mark="lead")["mark"] == "lead"
    found = client.get(f"{CRM}/leads", params={"status": "dismissed"}, headers=worked).json()["leads"]
    assert [(lead["reddit_id"], lead["status"]) for lead in found] == [(second, "dismissed")]
    marks = client.get(f"{CRM}/marks", headers=worked).json()["marks"]
    assert {mark["reddit_id"]: mark["mark"] for mark in marks} == {first: "lead", second: "lead"}
    again = client.post(f"{CRM}/marks/import", json={"marks": marks}, headers=worked)
    assert again.json() == {"written": 0, "unchanged": 2, "unknown": []}
    undone = client.post(f"{CRM}/undo", headers=worked).json()
    assert undone == {"reddit_ids": [second]} or undone == {"reddit_ids": [second, second]}


def test_leads_are_polled_by_when_they_were_found(installed: Installation, client: httpx.Client) -> None:
    ids = installed.leads(0.2, 0.5, 0.8)
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get(f"{CRM}/leads", params={"order": "newest", "limit": 1, "found_since": "1h", **cursor})
        page = answer.json()
        found += [lead["reddit_id"] for lead in page["leads"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ids, "found at one moment: by id"
    best = client.get(f"{CRM}/leads", params={"limit": 1}).json()["next_cursor"]
    assert client.get(f"{CRM}/leads", params={"order": "newest", "cursor": best}).status_code == 422


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "changes nothing"),
        ({"status": "lost"}, "status"),
        ({"status": "dismissed", "reason": "dull"}, "reason"),
        ({"status": "won", "reason": "not buying"}, "belongs to a dismissal"),
        ({"status": "snoozed", "until": "2020-01-01T00:00:00Z"}, "has ended already"),
        ({"note": ""}, "note"),
        ({"until": "2030-01-01", "note": "x"}, "end of a snooze"),
        ({"status": "snoozed", "until": "soon"}, "until: this is not a time"),
        ({"status": "won"}, "holds no document"),
        ({"stauts": "won"}, "stauts"),
    ],
)
def test_a_wrong_change_is_refused_in_a_sentence(client: httpx.Client, body: dict[str, str], said: str) -> None:
    answer = client.patch(f"{CRM}/leads/t3_none", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
