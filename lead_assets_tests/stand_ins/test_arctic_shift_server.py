"""The stand-in for Arctic Shift answers as its documentation says, counts, and fails as it is told."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lead_assets.tls import trust_for
from lead_assets_tests.conftest import NOW, comment, post
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer, Fault
from lead_assets_tests.stand_ins.arctic_shift_server.answers import text_query
from lead_assets_tests.stand_ins.arctic_shift_server.server import subreddit


@pytest.fixture
def server() -> Iterator[ArcticShiftServer]:
    with ArcticShiftServer() as server:
        yield server


def ask(server: ArcticShiftServer, path: str, **params: Any) -> httpx.Response:
    return httpx.get(f"{server.url}/api/{path}", params=params, timeout=5, verify=trust_for(server.url))


def ids(response: httpx.Response) -> list[str]:
    return [thing["id"] for thing in response.json()["data"]]


def test_a_search_answers_newest_first_by_subreddit_in_any_case_25_at_a_time(server: ArcticShiftServer) -> None:
    things = [post(created_utc=NOW - number) for number in range(30)]
    server.add(*reversed(things), post(subreddit="other"))

    assert ids(ask(server, "posts/search", subreddit="r/SmallBusiness")) == [thing["id"] for thing in things[:25]]
    assert ids(ask(server, "posts/search", subreddit="smallbusiness", sort="asc", limit=2)) == [
        thing["id"] for thing in things[:-3:-1]
    ]


@pytest.mark.parametrize(("inclusive", "expected"), [(False, [1]), (True, [0, 1, 2])])
@pytest.mark.parametrize("unit", [1, 1_000])
def test_dates_bound_a_search(unit: int, inclusive: bool, expected: list[int], server: ArcticShiftServer) -> None:
    things = [post(created_utc=NOW - number) for number in range(3)]
    server.add(*things)
    server.inclusive_dates = inclusive

    found = ask(server, "posts/search", subreddit="smallbusiness", before=NOW * unit, after=(NOW - 2) * unit)

    assert ids(found) == [things[number]["id"] for number in expected]


def test_dates_may_be_iso(server: ArcticShiftServer) -> None:
    server.add(post(created_utc=NOW))

    assert len(ids(ask(server, "posts/search", after="2026-05-28", before="2026-05-29 00:00:00"))) == 1
    assert ids(ask(server, "posts/search", after="2026-05-29")) == []


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("crm clients", "Clients of a CRM", True),
        ("crm clients", "a CRM", False),
        ("crm OR track clients", "crm", True),
        ("crm OR track clients", "track", False),
        ('"a crm"', "a CRM", True),
        ('"a crm"', "crm a", False),
        ("crm -hiring", "crm", True),
        ("crm -hiring", "hiring crm", False),
        ('buy "or" rent', "buy", False),
        ("client", "clients", False),
        ("", "anything", False),
    ],
)
def test_text_is_searched_as_postgresql_reads_web_searches(query: str, text: str, found: bool) -> None:
    assert text_query(query)(text) is found


def test_each_text_parameter_searches_its_own_fields(server: ArcticShiftServer) -> None:
    titled, told = post("crm", "x"), post("x", "crm")
    server.add(titled, told, comment("crm"))

    assert ids(ask(server, "posts/search", subreddit="smallbusiness", title="crm")) == [titled["id"]]
    assert ids(ask(server, "posts/search", subreddit="smallbusiness", selftext="crm")) == [told["id"]]
    assert len(ids(ask(server, "posts/search", author="u/somebody", query="crm"))) == 2
    assert len(ids(ask(server, "comments/search", subreddit="smallbusiness", body="crm"))) == 1


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("posts/search", {"query": "crm"}),
        ("comments/search", {"body": "crm"}),
        ("comments/search", {"subreddit": "a", "query": "crm"}),
        ("posts/search", {"subreddit": "a", "limit": 101}),
        ("posts/search", {"subreddit": "a", "limit": 0}),
        ("posts/search", {"subreddit": "a", "sort": "score"}),
        ("posts/search", {"subreddit": "a", "before": "t3_abc"}),
        ("posts/ids", {"ids": ",".join(["abc"] * 501)}),
        ("posts/ids", {"ids": "a b"}),
        ("posts/ids", {}),
    ],
)
def test_what_is_not_documented_is_refused(path: str, params: dict[str, Any], server: ArcticShiftServer) -> None:
    response = ask(server, path, **params)

    assert response.status_code == 400
    assert response.json()["data"] is None
    assert response.json()["error"]


def test_ids_answer_what_is_known_with_or_without_a_prefix(server: ArcticShiftServer) -> None:
    first, second, reply = post(), post(), comment()
    server.add(first, second, reply)

    assert ids(ask(server, "posts/ids", ids=f"{first['id']},t3_{second['id']},zzz")) == [first["id"], second["id"]]
    assert ids(ask(server, "comments/ids", ids=reply["name"])) == [reply["id"]]
    assert ask(server, "posts/ids", ids=first["id"], fields="title").json() == {"data": [{"title": first["title"]}]}


def test_subreddits_are_found_by_exact_name_or_id(server: ArcticShiftServer) -> None:
    server.subreddits = [subreddit("Sales", "2qh1i", 7), subreddit("SalesForce")]

    (found,) = ask(server, "subreddits/search", subreddit="sales").json()["data"]

    assert (found["display_name"], found["subscribers"]) == ("Sales", 7)
    assert ids(ask(server, "subreddits/ids", ids="2qh1i")) == ["2qh1i"]
    assert ask(server, "subreddits/search", subreddit="sale").json() == {"data": []}


def test_requests_are_counted_per_endpoint_with_their_parameters(server: ArcticShiftServer) -> None:
    ask(server, "posts/search", subreddit="a")
    ask(server, "nowhere")

    assert (server.count(), server.count("posts/search"), server.count("comments/search")) == (2, 1, 0)
    assert server.asked("posts/search") == [{"subreddit": "a"}]


def test_an_unknown_address_is_not_found(server: ArcticShiftServer) -> None:
    assert ask(server, "nowhere").status_code == 404


@pytest.mark.parametrize(
    ("fault", "status", "beginning"),
    [
        (Fault.TOO_MANY_WITH_RETRY_AFTER, 429, "{"),
        (Fault.TOO_MANY_WITH_RESET, 429, "{"),
        (Fault.TOO_MANY, 429, "{"),
        (Fault.SERVER_ERROR, 500, "{"),
        (Fault.UNAVAILABLE, 503, "<html>"),
        (Fault.TRUNCATED, 200, '{"data": ['),
        (Fault.HTML, 200, "<!doctype html>"),
        (Fault.NO_DATA, 200, '{"data": null}'),
        (Fault.QUERY_TIMED_OUT, 400, '{"data": null, "error": "Query timed out"}'),
        (Fault.SLOW_DOWN, 422, '{"data": null, "error": "Timeout.'),
        (Fault.MAINTENANCE, 200, '{"data": null, "error": "Under maintenance"}'),
        (Fault.FORBIDDEN, 403, "<html>"),
    ],
)
def test_it_fails_as_told_so_often_as_told(
    fault: Fault, status: int, beginning: str, server: ArcticShiftServer
) -> None:
    server.fail(fault, 2, "posts/search", after=1, wait=9)

    answers = [ask(server, path, ids="abc") for path in ["posts/ids"]]
    answers += [ask(server, "posts/search", subreddit="a") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, status, status, 200]
    assert answers[2].text.startswith(beginning)
    hints = {Fault.TOO_MANY_WITH_RETRY_AFTER: ("9", None), Fault.TOO_MANY_WITH_RESET: (None, "9")}
    given = answers[2].headers.get("Retry-After"), answers[2].headers.get("X-RateLimit-Reset")
    assert given == hints.get(fault, (None, None))


def test_it_can_leave_a_client_waiting_or_hang_up(server: ArcticShiftServer) -> None:
    server.fail(Fault.TIMEOUT)
    server.fail(Fault.RESET)

    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{server.url}/api/posts/search", timeout=0.2)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(server, "posts/search")
    assert server.count() == 2


def test_failures_without_an_end_end_when_it_is_healed(server: ArcticShiftServer) -> None:
    server.fail(Fault.SERVER_ERROR, None)
    failed = [ask(server, "posts/search", subreddit="a").status_code for _ in range(3)]

    server.heal()

    assert failed == [500] * 3
    assert ask(server, "posts/search", subreddit="a").status_code == 200


def test_keywords_are_refused_in_busy_subreddits_and_time_out_above_a_limit(server: ArcticShiftServer) -> None:
    server.busy_subreddits = {"askreddit"}
    server.max_limit = 25

    assert ask(server, "posts/search", subreddit="AskReddit", query="crm").status_code == 400
    assert ask(server, "posts/search", subreddit="AskReddit", limit=100).status_code == 200
    assert ask(server, "comments/search", subreddit="a", body="crm", limit=26).json()["error"] == "Query timed out"
    assert ask(server, "comments/search", subreddit="a", body="crm", limit=25).status_code == 200


def test_answers_tell_what_remains_of_the_rate_limit(server: ArcticShiftServer) -> None:
    server.rate_limit = [(0, 30)]

    headers = [ask(server, "posts/search", subreddit="a").headers for _ in range(2)]

    assert [(h["X-RateLimit-Remaining"], h["X-RateLimit-Reset"]) for h in headers] == [("0", "30"), ("1000", "60")]
