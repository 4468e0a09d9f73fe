"""Requests against the stand-in: what is tried again, what stops a run, and what is counted."""

import _thread
import contextlib
import threading
import time
from typing import Any

import pytest

from lead_assets.config.addresses import OPENAI_URL, Address, address_in
from lead_assets.domain.errors import EndpointUnavailable, SettingInvalid
from lead_assets.domain.prices import Price, parse_prices, price_of
from lead_assets.models.openai import endpoint as openai_endpoint
from lead_assets.models.openai import transfer
from lead_assets.models.openai.concurrency import results
from lead_assets.models.openai.endpoint import Endpoint, InputRefused, NoAnswer, Received, Stopped
from lead_assets.models.openai.usage import Budget, Tokens, Usage
from lead_assets_tests.stand_ins.openai_server import EMBEDDINGS, Fault, StandIn, faults

KEY = "sk-test-0123456789abcdef"


def endpoint(url: str, **other: Any) -> Endpoint:
    return Endpoint(Address(url, KEY), "text-embedding-3-small", "EMBEDDING_MODEL", Usage(Price(1.0)), **other)


def ask(asked: Endpoint, **options: Any) -> Received:
    def call(client: Any) -> Any:
        return client.embeddings.with_raw_response.create(model=asked.model, input=["a text"]).http_response

    try:
        return asked.send(call, **options)
    finally:
        asked.close()


@pytest.mark.parametrize(
    "fault",
    [
        faults.rate_limited("0.01"),
        faults.failing(500),
        faults.failing(503),
        faults.reset_mid_answer(),
        faults.not_json(),
        faults.slow(0.4),
    ],
    ids=["429", "500", "503", "reset", "no JSON", "timeout"],
)
def test_what_may_pass_is_tried_again_and_counted(server: StandIn, fault: Fault) -> None:
    server.fail(EMBEDDINGS, fault.at(times=2))
    asked = endpoint(server.url, timeout_seconds=0.2)

    assert ask(asked).body["data"]

    assert server.requests[EMBEDDINGS] == 3
    assert (asked.usage.requests, asked.usage.retries) == (3, 2)


@pytest.mark.parametrize("fault", [faults.failing(500), faults.reset_mid_answer(), faults.not_json()])
def test_what_does_not_pass_ends_after_a_few_tries(server: StandIn, fault: Fault) -> None:
    server.fail(EMBEDDINGS, fault.at(times=None))
    with pytest.raises(NoAnswer):
        ask(endpoint(server.url))
    assert server.requests[EMBEDDINGS] == openai_endpoint.MOST_FAILURES


def test_a_rate_limit_is_waited_for_as_long_as_asked_but_not_for_ever(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.rate_limited("3600"))
    with pytest.raises(NoAnswer, match="Rate limit"):
        ask(endpoint(server.url, retry_seconds=60))
    assert server.requests[EMBEDDINGS] == 1


def test_the_wait_that_is_asked_for_is_kept_and_shared_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = endpoint("http://127.0.0.1:1/v1")
    waits = {asked._policy.wait_seconds(1, 8.0) for _ in range(50)}
    assert min(waits) >= 8.0
    assert len(waits) > 1  # not all at the same moment
    asked._paused_until = openai_endpoint.time.monotonic() + 30
    waited: list[float] = []
    monkeypatch.setattr(asked, "_wait", waited.append)
    with pytest.raises(EndpointUnavailable):
        ask(asked)
    assert waited[0] > 29


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.invalid_key(KEY), "refuses the key"),
        (faults.quota_exceeded(), "no credit left"),
        (faults.model_not_found(), "does not know the model text-embedding-3-small"),
        (Fault(status=403, error={"message": "Country not supported"}), "refuses the key"),
        (Fault(status=402, error={"message": "Insufficient Balance"}), "no credit left"),
    ],
    ids=["401", "quota", "404", "403", "402"],
)
def test_what_never_passes_is_asked_once_and_told_in_one_sentence_without_the_key(
    server: StandIn, fault: Fault, said: str
) -> None:
    server.fail(EMBEDDINGS, fault.at(times=None))
    with pytest.raises(EndpointUnavailable, match=said) as told:
        ask(endpoint(server.url))
    assert server.requests[EMBEDDINGS] == 1
    assert KEY not in str(told.value)
    assert told.value.__cause__ is None


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(EndpointUnavailable, match=r"cannot be reached .*check OPENAI_BASE_URL"):
        ask(endpoint("http://127.0.0.1:9/v1"))


@pytest.mark.parametrize(
    ("fault", "too_long"),
    [
        (faults.refused_input(), False),
        (faults.too_long(), True),
        (Fault(status=422, error={"message": "bad"}), False),
        (Fault(status=500, error={"message": "input is too large to process: too many tokens"}), True),
    ],
)
def test_a_refused_input_is_not_tried_again(server: StandIn, fault: Fault, too_long: bool) -> None:
    server.fail(EMBEDDINGS, fault)
    with pytest.raises(InputRefused) as refused:
        ask(endpoint(server.url))
    assert refused.value.too_long is too_long
    assert server.requests[EMBEDDINGS] == 1


def test_a_key_in_the_server_s_own_words_is_replaced(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.refused_input(f"bad request by {KEY}"))
    with pytest.raises(InputRefused, match=r"bad request by \[key\]"):
        ask(endpoint(server.url))


@pytest.mark.parametrize(
    ("variables", "purpose", "expected"),
    [
        ({}, "LLM", None),
        ({"OPENAI_API_KEY": "k"}, "LLM", (OPENAI_URL, "k")),
        ({"OPENAI_BASE_URL": "http://h/v1"}, "LLM", ("http://h/v1", None)),
        ({"OPENAI_API_KEY": " k\n", "OPENAI_BASE_URL": "http://h/v1"}, "EMBEDDING", ("http://h/v1", "k")),
        # OpenAI's key does not go to somebody else's server.
        ({"OPENAI_API_KEY": "k", "LLM_BASE_URL": "http://h/v1"}, "LLM", ("http://h/v1", None)),
        ({"OPENAI_API_KEY": "k", "LLM_BASE_URL": "http://h/v1"}, "EMBEDDING", (OPENAI_URL, "k")),
        ({"LLM_API_KEY": "own", "LLM_BASE_URL": "http://h/v1"}, "LLM", ("http://h/v1", "own")),
        ({"LLM_BASE_URL": "http://h/v1"}, "EMBEDDING", None),
    ],
)
def test_the_endpoint_of_each_purpose(
    variables: dict[str, str], purpose: Any, expected: tuple[str, str] | None
) -> None:
    found = address_in(variables, purpose)
    assert (found and (found.url, found.api_key)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "api.openai.com",
        "ftp://h/v1",
        "http://user:secret@h/v1",
        "http://h/v1?key=secret",
        "http://h/v1#secret",
        "http://h:99999/v1",
        "http://[h/v1",
        "http://ho st/v1",
        "http://h/\x00v1",
    ],
)
def test_an_address_with_secrets_or_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingInvalid, match=r"OPENAI_BASE_URL .* A key goes into OPENAI_API_KEY") as refused:
        address_in({"OPENAI_BASE_URL": url}, "LLM")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://h/v1/", "https://h:8443/team/openai/v1", "http://[::1]:11434/v1"])
def test_an_address_may_have_a_path_a_port_and_a_slash_at_its_end(url: str) -> None:
    assert address_in({"OPENAI_BASE_URL": url}, "LLM") == Address(url)


@pytest.mark.parametrize(("url_setting", "told"), [("OPENAI_BASE_URL", True), ("LLM_BASE_URL", False)])
def test_openai_s_organization_is_told_to_nobody_else(
    server: StandIn, monkeypatch: pytest.MonkeyPatch, url_setting: str, told: bool
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-1")
    address = Address(server.url + "/", KEY, url_setting)
    ask(Endpoint(address, "text-embedding-3-small", "EMBEDDING_MODEL", Usage(None)))
    (headers,) = server.headers
    assert ("openai-organization" in headers, "openai-project" in headers) == (told, told)


def test_a_key_that_cannot_be_sent_is_refused_and_no_key_is_ever_shown() -> None:
    with pytest.raises(SettingInvalid, match="OPENAI_API_KEY has characters") as refused:
        address_in({"OPENAI_API_KEY": "sk-\u00e4bc"}, "LLM")
    assert "\u00e4" not in str(refused.value)
    assert KEY not in repr(Address("http://h/v1", KEY))


def test_a_budget_is_exact_whatever_number_of_threads_reserve() -> None:
    budget, granted = Budget(calls=100), []
    threads = [threading.Thread(target=lambda: granted.extend(budget.reserve() for _ in range(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 100


def test_a_budget_gives_back_what_a_call_did_not_cost() -> None:
    budget = Budget(cost_usd=1.0)
    assert budget.reserve(0.6)
    assert not budget.reserve(0.6)
    budget.settle(0.6, 0.1)
    assert budget.reserve(0.6)
    budget.settle(0.6, None)  # unknown: it stays spent
    assert not budget.reserve(0.4)
    assert budget.reserve(0.3)


def test_usage_adds_up_and_says_where_the_cost_is_unknown() -> None:
    usage = Usage(Price(0.15, 0.60))
    usage.used(Tokens(1_000_000, 1_000_000))
    assert usage.metadata()["cost_usd"] == 0.75
    usage.used(Tokens())
    assert usage.metadata()["cost_usd"] == "unknown"
    assert Usage(None).metadata()["cost_usd"] == "unknown"


def test_prices_are_found_by_name_dated_name_and_as_given() -> None:
    assert price_of("gpt-4o-mini-2024-07-18", {}) == price_of("gpt-4o-mini", {}) == Price(0.15, 0.60)
    assert price_of("my-model", {}) is None
    assert price_of("my-model", parse_prices('{"my-model": [1, 2]}')) == Price(1.0, 2.0)


@pytest.mark.parametrize("text", ["x", "[]", '{"a": 1}', '{"a": ["x"]}', '{"a": [-1, 2]}', '{"a": [1, 2, 3]}'])
def test_prices_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="dollars per million"):
        parse_prices(text)


def test_an_answer_that_nests_too_deeply_is_no_json(server: StandIn) -> None:
    server.fail(EMBEDDINGS, Fault(change=lambda _: "[" * 100_000))
    assert ask(endpoint(server.url)).body["data"]
    assert server.requests[EMBEDDINGS] == 2


@pytest.mark.parametrize(("status", "is_free"), [(500, True), (503, True), (502, False), (504, False)])
def test_what_a_gateway_says_may_have_been_billed(server: StandIn, status: int, is_free: bool) -> None:
    server.fail(EMBEDDINGS, faults.failing(status).at(times=None))
    with pytest.raises(NoAnswer) as failed:
        ask(endpoint(server.url))
    assert failed.value.is_free is is_free


def test_an_interruption_starts_nothing_more_and_still_gives_what_is_under_way() -> None:
    numbers, stopping = iter(range(100)), threading.Event()
    started: list[int] = []

    def work(number: int) -> int:
        started.append(number)
        time.sleep(0.1 if number == 2 else 0.4)
        if number == 2:
            _thread.interrupt_main()
        return number

    found: list[int] = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  what comes before the interruption is the claim
        for ready in results(lambda _: next(numbers, None), work, 4, stopping):
            found.extend(ready)
    assert sorted(found) == sorted(started)
    assert len(started) <= 5
    assert stopping.is_set()


def test_an_interruption_between_hearing_of_a_result_and_taking_it_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interruptions = iter([KeyboardInterrupt])

    class Interrupted(threading.Event):
        def clear(self) -> None:
            super().clear()
            for interruption in interruptions:
                raise interruption

    numbers, stopping, are_done = iter(range(3)), threading.Event(), threading.Barrier(3)

    def work(number: int) -> int:
        are_done.wait(5)
        return number

    monkeypatch.setattr(threading, "Event", Interrupted)
    found: list[int] = []

    def read() -> None:
        # In a thread of its own, so that a test whose claim is wrong ends.
        with contextlib.suppress(KeyboardInterrupt):
            for ready in results(lambda _: next(numbers, None), work, 3, stopping):
                found.extend(ready)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(10)
    assert not reader.is_alive()
    assert sorted(found) == [0, 1, 2]


def test_results_come_as_they_are_ready_and_the_first_error_keeps_what_is_under_way() -> None:
    numbers, stopping, release = iter(range(10)), threading.Event(), threading.Event()

    def work(number: int) -> int:
        if number == 1:
            release.set()
            raise ValueError("one")
        release.wait(5)
        return number

    found: list[int] = []
    with pytest.raises(ValueError, match="one"):  # noqa: PT012  what comes before the error is the claim
        for ready in results(lambda _: next(numbers, None), work, 3, stopping):
            found.extend(ready)
    assert set(found) >= {0, 2}
    assert len(found) < 9
    assert stopping.is_set()


def test_an_answer_that_drips_ends_with_the_deadline_for_the_whole_of_it(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.dripping(0.05).at(times=None))
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="no answer in time"):
        ask(endpoint(server.url, timeout_seconds=0.5, retry_seconds=0))
    assert 0.5 <= time.monotonic() - began < 3
    assert server.requests[EMBEDDINGS] == 1


def test_an_answer_that_drips_is_tried_again_and_on_a_kept_connection_too(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.dripping(0.1).at(when=lambda _: server.requests[EMBEDDINGS] == 2))
    asked = endpoint(server.url, timeout_seconds=1)

    def call(client: Any) -> Any:
        return client.embeddings.with_raw_response.create(model=asked.model, input=["a text"]).http_response

    assert asked.send(call).body["data"]
    assert asked.send(call).body["data"]
    asked.close()
    assert (server.requests[EMBEDDINGS], asked.usage.retries) == (3, 1)


@pytest.mark.parametrize("fault", [faults.dripping(0.1), faults.slow(8)], ids=["drip", "silence"])
def test_a_run_that_ends_waits_for_an_answer_under_way_only_for_a_while(
    server: StandIn, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "GRACE_SECONDS", 0.3)
    server.fail(EMBEDDINGS, fault.at(times=None))
    asked = endpoint(server.url, timeout_seconds=60)
    began = time.monotonic()
    threading.Timer(0.3, asked.stopping.set).start()
    with pytest.raises(Stopped):
        ask(asked)
    assert 0.6 <= time.monotonic() - began < 4
    assert server.requests[EMBEDDINGS] == 1


def test_an_answer_under_way_when_the_run_ends_is_still_taken(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.slow(1.0))
    asked = endpoint(server.url)
    threading.Timer(0.2, asked.stopping.set).start()
    assert ask(asked).body["data"]


def test_an_answer_that_is_too_large_is_not_read_to_its_end_and_not_asked_for_again(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.flooding(2**30).at(times=None))
    with pytest.raises(NoAnswer, match=r"the answer is larger than 4\.0 MiB"):
        ask(endpoint(server.url))
    assert server.requests[EMBEDDINGS] == 1
    assert server.flooded < 64 * 2**20


def test_an_error_that_is_too_large_is_not_read_to_its_end_either(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.refused_input("x" * 2_000_000))
    with pytest.raises(NoAnswer, match=r"the answer is larger than 1\.0 MiB"):
        ask(endpoint(server.url), most_bytes=2**20)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_is_sent_where_another_server_is_named(server: StandIn, status: int) -> None:
    with StandIn() as other:
        server.fail(EMBEDDINGS, faults.redirected(f"{other.url}/embeddings", status).at(times=None))
        with pytest.raises(EndpointUnavailable, match=f"redirects to {other.url[:-3]}, where nothing is sent") as told:
            ask(endpoint(server.url))
        assert other.requests.total() == 0
    assert server.requests[EMBEDDINGS] == 1
    assert "OPENAI_BASE_URL" in str(told.value)


@pytest.mark.parametrize(
    ("own", "other", "same"),
    [
        ("http://h/v1", "http://h/v2/x?y", True),
        ("http://h:80/v1", "http://h/v1/", True),
        ("http://H/v1", "http://h/v1", True),
        ("http://h/v1", "https://h/v1", True),
        ("https://h/v1", "http://h/v1", False),
        ("http://h:8000/v1", "https://h/v1", False),
        ("http://h/v1", "http://h:8080/v1", False),
        ("http://h/v1", "http://h.evil.example/v1", False),
        ("http://h/v1", "http://h@evil.example/v1", False),
        ("http://127.0.0.1:1/v1", "http://localhost:1/v1", False),
    ],
)
def test_the_same_server_is_the_same_host_and_port_or_its_encrypted_door(own: str, other: str, same: bool) -> None:
    assert transfer._is_same_server(transfer.httpx2.URL(own), transfer.httpx2.URL(other)) is same


def test_a_redirect_on_the_same_server_is_followed(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.redirected("/v1/embeddings"))
    assert ask(endpoint(server.url)).body["data"]
    assert server.bodies[EMBEDDINGS][0] == server.bodies[EMBEDDINGS][1]


ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b2J \u202eleft\u200b\x00\r\nline"


@pytest.mark.parametrize(
    "fault",
    [
        faults.refused_input(ESCAPES),
        Fault(status=500, error={"message": ESCAPES}),
        Fault(status=404, error={"message": ESCAPES}),
        Fault(status=402, error={"message": {"message": ESCAPES}}),
        faults.error_with_200(message=ESCAPES),
        faults.error_with_200(message=ESCAPES, code=400),
        faults.redirected("http://evil\x1b[31m.example/"),
    ],
)
def test_what_an_endpoint_says_has_no_control_characters(server: StandIn, fault: Fault) -> None:
    server.fail(EMBEDDINGS, fault.at(times=None))
    with pytest.raises((InputRefused, NoAnswer, EndpointUnavailable)) as told:
        ask(endpoint(server.url))
    assert str(told.value).isprintable()


def test_no_answer_is_compressed_and_one_that_is_is_not_unpacked(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.compressed())
    with pytest.raises(NoAnswer, match="compressed"):
        ask(endpoint(server.url))
    assert server.headers[0]["accept-encoding"] == "identity"
    assert server.requests[EMBEDDINGS] == 1


def test_a_gateway_s_word_on_a_rate_limit_is_waited_for(server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.error_with_200(message="Slow down", code=429).at(times=8))
    assert ask(endpoint(server.url)).body["data"]
