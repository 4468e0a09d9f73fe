"""The rate limit, counts and speed."""

import threading
import time

from lead_assets_tests.stand_ins.reddit_server import Corpus, Fault, asking
from lead_assets_tests.stand_ins.reddit_server.asking import (
    IGNORED_WARNINGS,
    Serve,
    comment,
    get,
    listed,
    post,
    raw,
    raw_token,
)
from lead_assets_tests.stand_ins.reddit_server.limits import most_in_window

pytestmark = IGNORED_WARNINGS
serve = asking.serve


def test_rate_limit_headers_and_a_429_beyond_the_limit(serve: Serve) -> None:
    server = serve(limit=3, window_seconds=60, first_window_seconds=60)
    answers = [raw(server, "/r/all/new") for _ in range(5)]
    assert [status for status, *_ in answers] == [200, 200, 200, 429, 429]
    assert [headers["x-ratelimit-remaining"] for _, headers, _ in answers] == ["2.0", "1.0", "0.0", "0.0", "0.0"]
    assert [headers["x-ratelimit-used"] for _, headers, _ in answers] == ["1", "2", "3", "4", "5"]
    assert {int(headers["x-ratelimit-reset"]) for _, headers, _ in answers} <= {59, 60}
    assert answers[-1][2] == {"message": "Too Many Requests", "error": 429}


def test_a_new_window_begins_with_nothing_used(serve: Serve) -> None:
    server = serve(limit=1, window_seconds=0.3)
    token = raw_token(server)
    assert [raw(server, "/r/all/new", token)[0] for _ in range(2)] == [200, 429]
    time.sleep(0.3)
    assert raw(server, "/r/all/new", token)[0] == 200


def test_most_requests_in_a_sliding_window(serve: Serve) -> None:
    assert most_in_window([0, 1, 1.5, 1.9, 5, 5.5], 1) == 3
    assert most_in_window([0, 1, 2], 1) == 1
    assert most_in_window([], 1) == 0
    server = serve()
    for _ in range(3):
        raw(server, "/r/all/new")
    assert server.most_in_window(60) == 3
    assert server.total == 6


def test_reset_forgets(serve: Serve) -> None:
    server = serve()
    get(server, "/r/all/new")
    (agent,) = server.user_agents
    assert agent.startswith("test:lead_assets:1 ")
    server.fail(Fault.BAD_REQUEST, times=None)
    server.reset()
    assert (server.total, server.log, server.user_agents) == (0, [], set())
    assert raw(server, "/r/all/new")[1]["x-ratelimit-used"] == "1"


def test_latency_is_before_each_answer(serve: Serve) -> None:
    server = serve()
    token = raw_token(server)
    server.latency = 0.1
    started = time.monotonic()
    raw(server, "/r/all/new", token)
    assert 0.1 <= time.monotonic() - started < 1


def test_a_corpus_may_grow_while_it_is_served(serve: Serve) -> None:
    server = serve()

    def grow() -> None:
        for number in range(300):
            server.corpus.add_post(post(number))
            server.corpus.add_comment(comment(f"c{number}"))

    thread = threading.Thread(target=grow)
    thread.start()
    sizes = [len(listed(server, "new", "all", limit=100)) for _ in range(8)]
    thread.join()
    assert sizes == sorted(sizes)
    assert len(listed(server, "new", "all")) == 300


def test_pages_come_at_once(serve: Serve) -> None:
    server = serve(Corpus(posts=[post(number, selftext="We need a CRM. " * 50) for number in range(1000)]))
    token = raw_token(server)
    path = "/r/a+b/search?q=crm&sort=new&limit=100&restrict_sr=1&raw_json=1"
    raw(server, path, token)
    took = []
    for _ in range(5):
        started = time.perf_counter()
        raw(server, path, token)
        took.append(time.perf_counter() - started)
    assert min(took) < 0.06, took
