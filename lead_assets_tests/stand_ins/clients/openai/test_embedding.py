"""Embedding by an endpoint: batches, the one bad text among many, limits by tokens, and answers that are no vectors."""

import base64
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from lead_assets.config.addresses import Address
from lead_assets.domain.errors import EmbeddingFailed
from lead_assets.models.openai import endpoint as openai_endpoint
from lead_assets.models.openai.embedder import OpenAIEmbedder
from lead_assets.models.openai.embedding_limits import KNOWN_LIMITS
from lead_assets.models.openai.endpoint import Endpoint
from lead_assets.models.openai.tokens import at_most, count_tokens, grouped, without_middle
from lead_assets.models.openai.usage import Usage
from lead_assets.models.protocols import Embedded, Embedder
from lead_assets_tests.stand_ins.openai_server import EMBEDDINGS, Fault, StandIn, faults

SMALL = "text-embedding-3-small"


@pytest.fixture(autouse=True)
def _no_limits_known() -> None:
    KNOWN_LIMITS.forget()


@pytest.fixture
def opened(server: StandIn) -> Iterator[Any]:
    made: list[OpenAIEmbedder] = []

    def make(model: str = SMALL, **other: Any) -> OpenAIEmbedder:
        made.append(OpenAIEmbedder(Endpoint(Address(server.url), model, "EMBEDDING_MODEL", Usage(None)), **other))
        return made[-1]

    yield make
    for each in made:
        each.close()


def bad(word: str = "bad") -> Any:
    return lambda body: any(word in text for text in body["input"])


def one_batch(embedder: OpenAIEmbedder, texts: Sequence[str]) -> Embedded:
    ((number, embedded),) = list(embedder.embed_batches([texts]))
    assert number == 0
    return embedded


def test_it_speaks_the_protocol_and_knows_its_model(opened: Any) -> None:
    spoken: Embedder = opened()
    assert (spoken.name, spoken.model, spoken.dimension, spoken.cosine_threshold) == ("openai", SMALL, 1536, 0.30)


def test_an_unknown_model_keeps_all_at_the_cosine_gate_and_tells_its_dimension_later(opened: Any) -> None:
    embedder = opened("somebody-s-model")
    assert (embedder.dimension, embedder.cosine_threshold) == (None, 0.0)
    assert embedder.embed(["text"]).shape == (1, 8)
    assert embedder.dimension == 8


def test_rows_are_unit_vectors_in_the_order_of_the_texts_also_where_rows_come_in_another(
    server: StandIn, opened: Any
) -> None:
    embedder = opened()
    texts = ["which crm", "cats sleep", "invoices", ""]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    server.fail(EMBEDDINGS, faults.vectors_changed(lambda rows: rows[::-1]))
    together = embedder.embed(texts)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"embedding": np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4").tolist()}


@pytest.mark.parametrize("which", [slice(None), slice(1, 2)], ids=["all", "one of them"])
def test_numbers_in_place_of_base64_which_some_servers_give_are_the_same_vectors(
    server: StandIn, opened: Any, which: slice
) -> None:
    texts = ["which crm", "cats sleep", "invoices"]
    expected = opened().embed(texts)
    changed = lambda rows: [_numbers(row) if row in rows[which] else row for row in rows]  # noqa: E731
    server.fail(EMBEDDINGS, faults.vectors_changed(changed))
    np.testing.assert_allclose(opened().embed(texts), expected, atol=1e-6)


@pytest.mark.parametrize("broken", ["not base64!", "QUJD", "", None, 7, [[0.5]], ["a"], [10**400, 1]])
def test_what_is_no_vector_fails_alone(server: StandIn, opened: Any, broken: object) -> None:
    changed = faults.vectors_changed(lambda rows: [rows[0], rows[1] | {"embedding": broken}])
    server.fail(EMBEDDINGS, changed)
    assert one_batch(opened(), ["one", "two"]).kept == [0]


@pytest.mark.parametrize("as_index", [str, float], ids=["text", "float"])
def test_rows_in_another_order_are_put_right_whatever_form_their_numbers_have(
    server: StandIn, opened: Any, as_index: type
) -> None:
    texts = ["which crm", "cats sleep", "invoices"]
    expected = opened().embed(texts)
    numbered = lambda rows: [row | {"index": as_index(row["index"])} for row in rows[::-1]]  # noqa: E731
    server.fail(EMBEDDINGS, faults.vectors_changed(numbered))
    np.testing.assert_allclose(opened().embed(texts), expected, atol=1e-6)


def test_base64_of_addresses_is_read_also_where_one_row_has_no_number(server: StandIn, opened: Any) -> None:
    texts = [f"which crm for shop {number}" for number in range(8)]
    expected = opened().embed(texts)

    def changed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        safe = [row | {"embedding": row["embedding"].replace("+", "-").replace("/", "_")} for row in rows]
        assert any(set("-_") & set(row["embedding"]) for row in safe)
        return [{name: value for name, value in safe[0].items() if name != "index"}, *safe[1:]]

    server.fail(EMBEDDINGS, faults.vectors_changed(changed))
    np.testing.assert_allclose(opened().embed(texts), expected, atol=1e-6)


def test_vectors_that_are_not_of_unit_length_are_scaled(server: StandIn, opened: Any) -> None:
    change = faults.vectors_changed(lambda rows: [row | {"embedding": [3.0, 4.0] + [0.0] * 1534} for row in rows])
    server.fail(EMBEDDINGS, change)
    assert opened().embed(["text"])[0, :2].tolist() == pytest.approx([0.6, 0.8])


def test_a_request_has_at_most_128_texts_and_so_many_tokens(server: StandIn, opened: Any) -> None:
    texts = [f"text number {number}" for number in range(300)]
    one_batch(opened(), texts)
    assert [len(body["input"]) for body in server.bodies[EMBEDDINGS]] == [128, 128, 44]
    server.forget()
    one_batch(opened(max_request_tokens=40), texts[:20])
    for body in server.bodies[EMBEDDINGS]:
        assert sum(count_tokens(text, "cl100k_base") for text in body["input"]) <= 40
    assert sum(len(body["input"]) for body in server.bodies[EMBEDDINGS]) == 20


def test_a_long_text_is_cut_by_tokens_and_marked(server: StandIn, opened: Any) -> None:
    embedded = one_batch(opened(max_input_tokens=50), ["short", "word " * 200, "👩‍💻" * 200])
    assert embedded.truncated == {1, 2}
    assert embedded.kept == [0, 1, 2]
    sent = server.bodies[EMBEDDINGS][0]["input"]
    assert [count_tokens(text, "cl100k_base") <= 50 for text in sent] == [True] * 3
    assert sent[0] == "short"
    assert opened(max_input_tokens=50).model == f"{SMALL}-50"  # other vectors, another key


def test_one_refused_text_is_isolated_and_all_others_are_embedded(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.refused_input().at(times=None, when=bad()))
    texts = [f"text {number}" for number in range(128)]
    texts[77] = "a bad text"
    embedder = opened()
    embedded = one_batch(embedder, texts)
    assert embedded.failed.keys() == {77}
    assert "is invalid" in embedded.failed[77]
    assert embedded.kept == [place for place in range(128) if place != 77]
    np.testing.assert_allclose(embedded.vectors[100], embedder.embed([texts[101]])[0], atol=1e-6)
    assert server.requests[EMBEDDINGS] <= 17  # a bisection: 1 + 2 * 7, the comparison, and no more than one probe


def test_a_text_that_the_server_breaks_at_is_isolated_like_one_that_it_refuses(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.failing(500).at(times=None, when=bad()))
    embedded = one_batch(opened(), ["one", "two", "a bad text", "four"])
    assert (embedded.kept, list(embedded.failed)) == ([0, 1, 3], [2])


@pytest.mark.parametrize("fault", [faults.failing(503), faults.rate_limited("999")])
def test_an_outage_blames_no_text_and_is_not_searched_for_one(server: StandIn, opened: Any, fault: Fault) -> None:
    embedder = opened()
    embedder.embed(["fine"])
    server.forget()
    server.fail(EMBEDDINGS, fault.at(times=None))
    with pytest.raises(EmbeddingFailed, match="did not embed a batch"):
        one_batch(embedder, ["one", "two", "three", "four"])
    assert server.requests[EMBEDDINGS] <= 2 * openai_endpoint.MOST_FAILURES


def test_where_no_text_has_a_usable_vector_it_is_not_the_texts(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.nan_vectors(at=0).at(times=None))
    with pytest.raises(EmbeddingFailed, match=r"refuses to embed any text .*not finite"):
        one_batch(opened(), ["one"])


def test_the_first_text_of_all_may_be_the_bad_one(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.refused_input().at(times=None, when=bad()))
    embedded = one_batch(opened(), ["bad", "good"])
    assert (embedded.kept, list(embedded.failed)) == ([1], [0])


def test_where_every_text_is_refused_it_is_not_the_texts(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.refused_input("unsupported model").at(times=None))
    with pytest.raises(EmbeddingFailed, match=r"refuses to embed any text .*unsupported model"):
        one_batch(opened(), ["one", "two", "three", "four"])
    assert server.requests[EMBEDDINGS] <= 5


def test_a_text_that_the_model_finds_too_long_is_shortened_until_it_fits(server: StandIn, opened: Any) -> None:
    def long(body: dict[str, Any]) -> bool:
        return any(len(text) > 1_000 for text in body["input"])

    server.fail(EMBEDDINGS, faults.too_long().at(times=None, when=long))
    embedded = one_batch(opened(), ["fine", "word " * 1_500])
    assert (embedded.kept, embedded.truncated) == ([0, 1], {1})


@pytest.mark.parametrize("times", [1, None])
def test_a_wrong_count_of_vectors_is_never_taken_for_the_right_one(
    server: StandIn, opened: Any, times: int | None
) -> None:
    server.fail(EMBEDDINGS, faults.wrong_count().at(times=times, when=lambda body: len(body["input"]) > 1))
    embedded = one_batch(opened(), ["one", "two", "three"])
    assert embedded.kept == [0, 1, 2]
    np.testing.assert_allclose(embedded.vectors[2], opened().embed(["three"])[0], atol=1e-6)


def test_a_vector_that_is_not_a_number_fails_alone(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.nan_vectors(at=1))
    embedded = one_batch(opened(), ["one", "two", "three"])
    assert (embedded.kept, list(embedded.failed)) == ([0, 2], [1])
    assert np.isfinite(embedded.vectors).all()


def test_a_zero_vector_fails_alone(server: StandIn, opened: Any) -> None:
    zeros = faults.vectors_changed(lambda rows: [rows[0], rows[1] | {"embedding": [0.0] * 1536}])
    server.fail(EMBEDDINGS, zeros)
    assert one_batch(opened(), ["one", "two"]).kept == [0]


@pytest.mark.parametrize("model", [SMALL, "unknown-model"])
def test_another_dimension_than_the_model_s_stops_with_one_sentence(server: StandIn, opened: Any, model: str) -> None:
    embedder = opened(model)
    embedder.embed(["first"])
    server.fail(EMBEDDINGS, faults.wrong_dimension(384).at(times=None))
    with pytest.raises(EmbeddingFailed, match=r"gave vectors of \[384\] dimensions .* Nothing of the batch was stored"):
        one_batch(embedder, ["text"])


@pytest.mark.parametrize(
    "fault", [faults.failing(503), faults.reset_mid_answer(), faults.rate_limited("0.01"), faults.not_json()]
)
def test_a_passing_fault_loses_nothing(server: StandIn, opened: Any, fault: Fault) -> None:
    server.fail(EMBEDDINGS, fault.at(times=2))
    batches = [[f"{number} {place}" for place in range(5)] for number in range(6)]
    found = dict(opened(concurrency=3).embed_batches(batches))
    assert sorted(found) == list(range(6))
    assert all(embedded.kept == list(range(5)) for embedded in found.values())


def test_requests_run_at_once_but_no_more_than_are_allowed(server: StandIn, opened: Any) -> None:
    server.latency = 0.05
    list(opened(concurrency=3).embed_batches([[f"text {number}"] for number in range(12)]))
    assert server.most_at_once == 3


def test_batches_are_only_read_when_they_are_needed(server: StandIn, opened: Any) -> None:
    read: list[int] = []

    def batches() -> Iterator[list[str]]:
        for number in range(100):
            read.append(number)
            yield [f"text {number}"]

    found = opened(concurrency=2).embed_batches(batches())
    next(found)
    found.close()
    assert len(read) <= 5
    assert server.requests[EMBEDDINGS] <= 5


def test_a_phrase_that_is_refused_is_one_sentence(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.refused_input().at(times=None, when=bad()))
    with pytest.raises(EmbeddingFailed, match=r"will not embed one of the texts .*'bad phrase'"):
        opened().embed(["good phrase", "bad phrase"])


@pytest.mark.parametrize("text", ["<|endoftext|> " * 40, "\ud800" * 50, "e\u0301" * 100, "\x00" * 100, " " * 5_000])
def test_any_text_is_cut_to_its_tokens(text: str) -> None:
    cut, _ = at_most(text.encode("utf-8", "replace").decode(), 20, "cl100k_base")
    assert count_tokens(cut, "cl100k_base") <= 20
    assert text.encode("utf-8", "replace").decode().startswith(cut)


def test_the_middle_of_a_long_document_is_left_out() -> None:
    text = "beginning " + "middle " * 5_000 + "end"
    cut = without_middle(text, 100, "o200k_base")
    assert cut.startswith("beginning")
    assert cut.endswith("end")
    assert count_tokens(cut, "o200k_base") <= 110
    assert without_middle("short", 100, "o200k_base") == "short"


def test_the_end_of_a_document_that_is_longer_than_the_tokenizer_takes_is_its_end() -> None:
    assert without_middle("beginning " + "middle " * 20_000 + "end", 100, "o200k_base").endswith("end")


def test_groups_hold_every_place_once_in_order() -> None:
    texts = ["word " * (number % 40) + "x" for number in range(200)]
    groups = list(grouped(texts, 16, 100, "cl100k_base"))
    assert [place for group in groups for place in group] == list(range(200))
    assert all(len(group) <= 16 for group in groups)


def encodings(server: StandIn) -> list[str | None]:
    return [body.get("encoding_format") for body in server.bodies[EMBEDDINGS]]


@pytest.mark.parametrize(
    "refusal",
    [
        faults.needs_floats(),
        faults.needs_floats("Invalid value: 'base64'"),
        faults.needs_floats("bad request"),
        dataclasses.replace(faults.needs_floats("unknown encoding_format"), status=500),
        dataclasses.replace(faults.needs_floats("validation error"), status=422),
    ],
    ids=["named", "value", "no reason", "500", "422"],
)
def test_a_server_that_refuses_base64_is_asked_for_numbers_and_that_is_remembered(
    server: StandIn, opened: Any, refusal: Fault
) -> None:
    texts = [f"text {number}" for number in range(300)]
    expected = opened().embed(texts)
    server.forget()
    KNOWN_LIMITS.forget()
    server.fail(EMBEDDINGS, refusal.at(times=None, when=refusal.when))

    np.testing.assert_allclose(opened().embed(texts), expected, atol=1e-5)
    assert encodings(server) == ["base64", "float", "float", "float"]
    opened().embed(texts)
    assert encodings(server)[4:] == ["float", "float", "float"]


def test_a_server_that_refuses_any_encoding_is_asked_without(server: StandIn, opened: Any) -> None:
    refusal = faults.refused_input("Unknown field: encoding_format")
    server.fail(EMBEDDINGS, refusal.at(times=None, when=lambda body: "encoding_format" in body))
    assert opened().embed(["text"]).shape == (1, 1536)
    opened().embed(["text"])
    assert encodings(server) == ["base64", "float", None, None]


def test_a_refusal_for_another_reason_changes_no_encoding(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.refused_input("no such text").at(times=None, when=bad()))
    embedder = opened()
    assert embedder.embed(["good"]).shape == (1, 1536)
    assert one_batch(embedder, ["good", "bad", "good", "good"]).failed.keys() == {1}
    assert set(encodings(server)) == {"base64"}


def test_numbers_are_tried_once_where_the_first_text_of_all_is_refused_without_a_reason(
    server: StandIn, opened: Any
) -> None:
    server.fail(EMBEDDINGS, faults.refused_input("no such text").at(times=None, when=bad()))
    assert one_batch(opened(), ["bad", "good"]).failed.keys() == {0}
    assert encodings(server).count("float") == 1


@pytest.mark.parametrize(
    ("fault", "most", "refused"),
    [
        (faults.too_many_texts(50), 32, 2),
        # Numbers are tried too, once.
        (faults.too_many_texts(32, 400), 32, 3),
        (faults.too_many_texts(100, 422), 64, 2),
        (faults.too_many_texts(1), 1, 7),
    ],
)
def test_a_limit_on_texts_that_is_found_by_halving_is_remembered(
    server: StandIn, opened: Any, fault: Fault, most: int, refused: int
) -> None:
    server.fail(EMBEDDINGS, fault.at(times=None, when=fault.when))
    texts = [f"text {number}" for number in range(128)]
    assert opened().embed(texts).shape == (128, 1536)
    assert server.requests[EMBEDDINGS] == refused + 128 // most
    server.forget()
    opened().embed(texts)
    assert [len(body["input"]) for body in server.bodies[EMBEDDINGS]] == [most] * (128 // most)


def test_a_limit_on_tokens_that_is_found_by_halving_is_remembered(server: StandIn, opened: Any) -> None:
    says = "This request has too many tokens: at most 1000"
    server.fail(
        EMBEDDINGS,
        faults.refused_input(says).at(times=None, when=lambda body: len(" ".join(body["input"]).split()) > 1_000),
    )
    texts = ["word " * 50] * 128
    opened().embed(texts)
    server.forget()
    opened().embed(texts)
    assert server.requests[EMBEDDINGS] == 8
    assert opened().embed(["short"] * 128).shape == (128, 1536)
    assert len(server.bodies[EMBEDDINGS][-1]["input"]) == 128


def test_one_bad_text_lowers_no_limit(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.refused_input("no such text").at(times=None, when=bad()))
    embedder = opened()
    embedder.embed(["good"])
    one_batch(embedder, ["good"] * 100 + ["bad"])
    server.forget()
    embedder.embed(["good"] * 128)
    assert server.requests[EMBEDDINGS] == 1


def test_a_flood_in_place_of_vectors_is_one_sentence(server: StandIn, opened: Any) -> None:
    server.fail(EMBEDDINGS, faults.flooding(2**30).at(times=None))
    with pytest.raises(EmbeddingFailed, match=r"did not embed a batch \(the answer is larger than 4\.5 MiB\)"):
        opened().embed(["text"])
    assert server.flooded < 64 * 2**20
