"""Who may ask: tokens, this machine alone without one, and no web page."""

import hashlib
import logging
from datetime import UTC, datetime

import httpx
import pytest
import sqlalchemy as sa

from lead_assets.api.tokens import find_token, new_token
from lead_assets.cli.serving import WithoutQuery
from lead_assets.domain.own_pages import is_loopback
from lead_assets.storage.api_tokens import StoredToken
from lead_assets_tests.process.api.conftest import Installation, serving

PATHS = ["/campaigns", "/campaigns/crm/stats", "/campaigns/crm/leads", "/runs/x", "/openapi.json", "/nothing/here"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_without_a_token_this_machine_may_ask(client: httpx.Client) -> None:
    assert client.get("/campaigns").status_code == 200
    assert client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_with_a_token_made_every_path_but_health_needs_it(
    installed: Installation, client: httpx.Client, path: str
) -> None:
    token = installed.token()
    refused = client.get(path)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert list(refused.json()) == ["error"]
    assert client.get(path, headers=bearer(token)).status_code in (200, 404)
    assert client.get("/health").status_code == 503  # nobody is at Dagster's address here


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic {token}", "{token}", "Bearer {token}x"])
def test_what_is_no_token_is_refused(installed: Installation, client: httpx.Client, header: str) -> None:
    token = installed.token()
    assert client.get("/campaigns", headers={"Authorization": header.format(token=token)}).status_code == 401
    assert client.post("/campaigns/crm/run", headers={"Authorization": b"Bearer \xff\xfe"}).status_code == 401


def test_of_a_token_only_the_hash_is_stored(installed: Installation) -> None:
    token = installed.token("reports")
    with installed.database.connect() as connection:
        (row,) = connection.execute(sa.text("SELECT * FROM lead_assets.api_tokens"))
    assert row.name == "reports"
    assert row.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(row)


def test_a_revoked_token_is_refused_and_another_goes_on_counting(installed: Installation, client: httpx.Client) -> None:
    gone, stays = installed.token("gone"), installed.token("stays")
    installed.revoke("gone")
    assert client.get("/campaigns", headers=bearer(gone)).status_code == 401
    assert client.get("/campaigns", headers=bearer(stays)).status_code == 200


@pytest.mark.parametrize("beyond_loopback", [False, True])
def test_revoking_the_last_token_closes_the_api(installed: Installation, beyond_loopback: bool) -> None:
    token = installed.token()
    with serving(installed.variables, beyond_loopback=beyond_loopback) as url:
        assert httpx.get(f"{url}/campaigns", headers=bearer(token)).status_code == 200
        installed.revoke()
        assert httpx.get(f"{url}/campaigns", headers=bearer(token)).status_code == 401
        assert httpx.get(f"{url}/campaigns").status_code == 401


def test_without_any_token_nobody_may_ask_an_api_that_other_machines_reach(installed: Installation) -> None:
    with serving(installed.variables, beyond_loopback=True) as url:
        assert httpx.get(f"{url}/campaigns").status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[", "0.0.0.0"]
)
def test_a_name_that_somebody_points_at_this_machine_is_refused(untouched: httpx.Client, host: str) -> None:
    assert untouched.get("/campaigns", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_the_names_of_this_machine_are_not(untouched: httpx.Client, host: str) -> None:
    assert untouched.get("/campaigns", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_web_page_may_not_start_a_run(untouched: httpx.Client, headers: dict[str, str]) -> None:
    assert untouched.post("/campaigns/crm/run", headers=headers).status_code == 403
    assert untouched.post("/campaigns/crm/run").status_code == 503, "only Dagster is missing"


def test_a_page_of_our_own_may(untouched: httpx.Client) -> None:
    own = {"Origin": str(untouched.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert untouched.get("/campaigns", headers=own).status_code == 200


def test_no_page_may_read_answers(untouched: httpx.Client) -> None:
    answer = untouched.get("/campaigns")
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_a_token_in_the_address_is_refused(installed: Installation, client: httpx.Client) -> None:
    token = installed.token()
    for name in ("token", "access_token", "api_key"):
        answer = client.get("/campaigns", params={name: token}, headers=bearer(token))
        assert answer.status_code == 400
        assert token not in answer.text


def test_the_log_of_requests_has_no_query() -> None:
    arguments = ("127.0.0.1:1", "GET", "/campaigns?token=secret", "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', arguments, None)
    assert WithoutQuery().filter(record)
    assert record.getMessage() == '127.0.0.1:1 - "GET /campaigns HTTP/1.1" 200'


def test_every_stored_hash_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr("hmac.compare_digest", lambda given, stored: bool(compared.append(stored)) or given == stored)
    token, now = new_token().encode(), datetime.now(UTC)
    hashes = [hashlib.sha256(token).hexdigest(), "b", "c"]
    stored = [StoredToken(f"token {number}", each, now, None, "work") for number, each in enumerate(hashes)]
    assert find_token(token, stored) == stored[0]
    assert compared == hashes
    revoked = stored[0]._replace(revoked_at=now)
    assert find_token(token, [revoked, *stored[1:]]) is None


CHANGES = [("POST", "/campaigns/crm/run"), ("PATCH", "/campaigns/crm/leads/t3_1"), ("POST", "/campaigns/crm/undo")]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_token_that_may_only_read_changes_nothing(
    installed: Installation, client: httpx.Client, method: str, path: str
) -> None:
    reader, worker = installed.token("reader", "read"), installed.token("worker")
    assert client.get("/campaigns", headers=bearer(reader)).status_code == 200
    refused = client.request(method, path, headers=bearer(reader), json={})
    assert refused.status_code == 403
    assert "reader may only read" in refused.json()["error"]
    assert client.request(method, path, headers=bearer(worker), json={}).status_code in (422, 503)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("my.machine", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
