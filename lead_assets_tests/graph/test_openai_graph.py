"""The graph with OpenAI: what it stores and counts, that nothing is paid for twice, and that faults cost little."""

import _thread
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from lead_assets.models.openai import endpoint as openai_endpoint
from lead_assets.models.openai.embedding_limits import KNOWN_LIMITS
from lead_assets.models.openai.formats import KNOWN
from lead_assets.storage.deletions import purge_deleted, remember_deleted
from lead_assets_tests.conftest import World, checks, failure, metadata, post
from lead_assets_tests.faults import fault
from lead_assets_tests.stand_ins.openai_server import CHAT, EMBEDDINGS, StandIn, faults

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    KNOWN.forget()
    KNOWN_LIMITS.forget()
    monkeypatch.setattr(openai_endpoint, "FIRST_WAIT_SECONDS", 0.01)
    with StandIn(api_key=KEY) as started:
        monkeypatch.setenv("OPENAI_BASE_URL", started.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield started


def asking(number: int, **other: Any) -> dict[str, Any]:
    return post(f"Can anyone recommend a CRM for shop {number}?", f"We are {number} people and lose track.", **other)


def in_input(word: str) -> Any:
    return lambda body: any(word in text for text in body["input"])


def in_chat(word: str) -> Any:
    return lambda body: word in body["messages"][1]["content"]


def test_a_lead_goes_all_the_way_and_everything_is_counted(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(3)))

    result = world.run()

    assert all(check.passed for check in checks(result).values())
    embedded, extracted = metadata(result, "document_embeddings"), metadata(result, "extracted_leads")
    assert {name: embedded[name] for name in ("inputs", "embedded", "failed", "truncated", "requests", "retries")} == {
        "inputs": 3,
        "embedded": 3,
        "failed": 0,
        "truncated": 0,
        "requests": 1,
        "retries": 0,
    }
    assert embedded["model"] == "text-embedding-3-small"
    assert embedded["input_tokens"] > 0
    assert embedded["cost_usd"] > 0
    assert (extracted["extractor"], extracted["model"], extracted["requests"]) == ("openai", "gpt-4o-mini", 3)
    assert (extracted["extracted"], extracted["failed"], extracted["postponed"]) == (3, 0, 0)
    assert extracted["cost_usd"] > 0
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 3
    rows = world.rows("SELECT input_tokens, output_tokens, cost_usd FROM lead_assets.extractions")
    assert all(row["input_tokens"] and row["output_tokens"] and row["cost_usd"] for row in rows)
    assert checks(result)["cosine_similarity"].metadata["threshold"].value == 0.3


def test_materializing_everything_twice_asks_nothing_the_second_time(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(4)))
    world.run()
    server.forget()

    second = world.run()

    assert dict(server.requests) == {}
    assert metadata(second, "extracted_leads")["current"] == 4
    assert metadata(second, "extracted_leads")["requests"] == 0


def test_a_new_keyword_buys_only_its_own_vectors_and_a_new_product_buys_the_readings(
    world: World, server: StandIn
) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(2)))
    world.run()
    server.forget()
    world.campaign(keywords=["crm", "track clients", "small shop"])
    world.run()
    assert server.requests[CHAT] == 0
    assert not [text for body in server.bodies[EMBEDDINGS] for text in body["input"] if "people and lose" in text]

    world.campaign(product="Accounting for astronauts.")
    world.run(only=("extracted_leads",))
    assert server.requests[CHAT] == 2


def test_another_campaign_with_the_same_text_and_product_pays_nothing(world: World, server: StandIn) -> None:
    world.archive(*(asking(number) for number in range(2)))
    world.campaign("one")
    world.campaign("two")
    world.run("one")
    server.forget()

    result = world.run("two")

    assert dict(server.requests) == {}
    assert metadata(result, "extracted_leads")["reused"] == 2
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads WHERE campaign_id = 'two'") == 2


def test_one_text_of_two_people_is_read_once(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(post("Which CRM?", author="ann"), post("Which CRM?", author="bob"))
    world.run()
    assert server.requests[CHAT] == 1
    assert world.value("SELECT count(*) FROM lead_assets.extractions WHERE status = 'ok'") == 2
    server.forget()
    world.run()
    assert dict(server.requests) == {}


def test_another_model_embeds_again_and_changing_back_costs_nothing(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(2)))
    world.run()
    server.forget()
    world.run(config={"EMBEDDING_MODEL": "text-embedding-3-large"})
    assert server.requests[EMBEDDINGS] > 0
    server.forget()

    result = world.run()

    assert dict(server.requests) == {}
    assert checks(result)["embeddings_complete"].metadata["model"].value == "text-embedding-3-small"
    assert {row["model"] for row in world.rows("SELECT DISTINCT model FROM lead_assets.vectors")} == {
        "text-embedding-3-small",
        "text-embedding-3-large",
    }


def test_auto_never_goes_back_and_says_how_to_go_on(
    world: World, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.campaign()
    world.archive(asking(1))
    world.run()
    before = world.rows("SELECT reddit_id, extracted_data FROM lead_assets.qualified_leads")
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")

    for asset in ("document_embeddings", "lead_stubs", "ranked_candidates"):
        said = failure(world.run(only=(asset,), ok=False))
        assert said.startswith("Campaign crm has vectors of text-embedding-3-small, but neither OPENAI_API_KEY")
        assert "EMBEDDER=local" in said
    said = failure(world.run(only=("extracted_leads",), ok=False))
    assert said.startswith("Campaign crm was read by a language model")
    assert "EXTRACTOR=rules" in said
    world.run(only=("leads",))  # reads nothing: it persists the answers that count, which are the model's
    assert world.rows("SELECT reddit_id, extracted_data FROM lead_assets.qualified_leads") == before


def test_who_chooses_the_rules_keeps_what_the_model_read(
    world: World, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.campaign()
    world.archive(asking(1))
    world.run()
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    world.archive(asking(1), asking(2))

    result = world.run(config={"EMBEDDER": "local", "EXTRACTOR": "rules"})

    assert metadata(result, "extracted_leads")["extractor"] == "rules"
    found = world.rows("SELECT extracted_data ->> 'extractor' AS reader FROM lead_assets.qualified_leads")
    assert sorted(row["reader"] for row in found) == ["openai", "rules"]


def test_openai_without_an_endpoint_is_one_sentence(world: World) -> None:
    world.campaign()
    world.archive(asking(1))
    said = failure(world.run(config={"EMBEDDER": "openai"}, ok=False))
    assert said.startswith("EMBEDDER is openai, but no endpoint is known. Set OPENAI_API_KEY")


def test_a_base_url_without_a_key_works(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    KNOWN.forget()
    KNOWN_LIMITS.forget()
    with StandIn(dialect="ollama") as ollama:
        monkeypatch.setenv("OPENAI_BASE_URL", ollama.url)
        world.campaign()
        world.archive(asking(1))
        result = world.run(config={"EMBEDDING_MODEL": "nomic-embed-text", "LLM_MODEL": "llama3.2"})
        assert {headers["authorization"] for headers in ollama.headers} == {"Bearer no-key"}
    assert metadata(result, "document_embeddings")["cost_usd"] == "unknown"
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 1


def test_a_refused_text_is_recorded_accepted_and_counted_and_left_unranked(world: World, server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.refused_input().at(times=None, when=in_input("shop 2?")))
    world.campaign()
    world.archive(*(asking(number) for number in range(5)))

    result = world.run()

    assert (metadata(result, "document_embeddings")["embedded"], metadata(result, "document_embeddings")["failed"]) == (
        4,
        1,
    )
    check = checks(result)["embeddings_complete"]
    assert check.passed
    assert check.metadata["failed"].value == 1
    assert metadata(result, "ranked_candidates")["not_embedded"] == 1
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 4
    assert world.value("SELECT attempts FROM lead_assets.failed_embeddings") == 1
    for _ in range(2):
        world.run()
    server.forget()
    world.run()
    assert dict(server.requests) == {}  # given up after three attempts


def test_a_truncated_text_is_marked_in_the_store(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(asking(1), post("Which CRM is good?", "word " * 500))
    result = world.run(config={"EMBEDDING_MAX_INPUT_TOKENS": 100})
    assert metadata(result, "document_embeddings")["truncated"] == 1
    assert checks(result)["embeddings_complete"].metadata["truncated"].value == 1


def test_an_endpoint_of_another_dimension_changes_nothing(world: World, server: StandIn) -> None:
    config = {"EMBEDDING_MODEL": "own-model"}
    world.campaign()
    world.archive(asking(1))
    world.run(config=config)
    before = world.rows("SELECT text_hash FROM lead_assets.vectors ORDER BY 1")
    server.dimension = 16
    world.archive(asking(1), asking(2))

    said = failure(world.run(config=config, ok=False))

    assert said.startswith("Model own-model gave 16 dimensions, but its stored vectors have 8. Nothing was stored")
    assert world.rows("SELECT text_hash FROM lead_assets.vectors ORDER BY 1") == before


@fault(
    "it fails in the middle of embedding",
    service="a model",
    seen="the run fails with what the endpoint said",
    again="the next run embeds what is missing",
)
def test_an_embedding_run_that_breaks_keeps_its_batches(
    world: World, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lead_assets.pipeline.embed.BATCH", 2)
    world.campaign()
    world.archive(*(asking(number) for number in range(10)))
    config = {"EMBEDDING_CONCURRENCY": 1}
    server.fail(EMBEDDINGS, faults.quota_exceeded().at(times=None, when=lambda _: server.requests[EMBEDDINGS] > 3))
    said = failure(world.run(only=("crawled_documents", "document_embeddings"), config=config, ok=False))
    assert "no credit left" in said
    assert world.value("SELECT count(*) FROM lead_assets.vectors") == 6
    server.faults[EMBEDDINGS].clear()
    server.forget()
    world.run(only=("document_embeddings",), config=config)
    assert sum(len(body["input"]) for body in server.bodies[EMBEDDINGS]) == 4


@fault(
    "it refuses the key",
    service="a model",
    seen="the run fails and names the setting",
    again="nothing is sent again before the next run",
)
def test_a_wrong_key_fails_the_run_before_anything_is_spent(
    world: World, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    world.campaign()
    world.archive(*(asking(number) for number in range(30)))
    said = failure(world.run(ok=False))
    assert "refuses the key (HTTP 401). Check OPENAI_API_KEY" in said
    assert server.requests[EMBEDDINGS] == 1
    assert server.requests[CHAT] == 0


@fault(
    "a cap on calls or cost is reached",
    service="a model",
    seen="the run warns: “… candidates are left for the next run by …”",
    again="the next run, best first",
)
def test_a_cap_reads_the_best_first_and_postpones_the_others(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(6)))

    result = world.run(config={"LLM_MAX_CALLS_PER_RUN": 2})

    found = metadata(result, "extracted_leads")
    assert (found["extracted"], found["postponed"], found["requests"]) == (2, 4, 2)
    best = world.rows("SELECT reddit_id FROM lead_assets.candidates ORDER BY fused_score DESC, reddit_id LIMIT 2")
    read = world.rows("SELECT reddit_id FROM lead_assets.extractions")
    assert {row["reddit_id"] for row in read} == {row["reddit_id"] for row in best}
    assert all(check.passed for check in checks(result).values())
    assert metadata(world.run(), "extracted_leads")["extracted"] == 4


@fault(
    "its answer about a document is useless",
    service="a model",
    seen="the reading is stored as failed with the answer, and `extractions_grounded` counts it",
    again="the next runs, three times in all",
    lost="that document's reading, until its text, the product or the model changes",
)
def test_a_failed_reading_is_kept_with_its_answer_and_tried_again_up_to_a_limit(world: World, server: StandIn) -> None:
    server.fail(CHAT, faults.said('{"odd": "\\u0000"} \x00').at(times=None, when=in_chat("shop 1?")))
    world.campaign()
    world.archive(asking(1), asking(2))

    counts = [metadata(world.run(), "extracted_leads") for _ in range(4)]

    assert [(found["extracted"], found["failed"], found["given_up"]) for found in counts] == [
        (1, 1, 0),
        (0, 1, 0),
        (0, 1, 0),
        (0, 0, 1),
    ]
    (row,) = world.rows("SELECT * FROM lead_assets.extractions WHERE status = 'failed'")
    assert (row["attempts"], row["extraction"]) == (3, None)
    assert row["raw_answer"].startswith('{"odd"')
    assert "No object has is_lead" in row["error"]
    assert row["input_tokens"] > 0


def test_a_run_in_which_nothing_could_be_read_fails_and_says_so(world: World, server: StandIn) -> None:
    server.fail(CHAT, faults.said("no JSON").at(times=None, when=in_chat("shop")))
    world.campaign()
    world.archive(asking(1), asking(2))
    assert "None of the 2 candidates that gpt-4o-mini was given could be read" in failure(world.run(ok=False))
    server.faults[CHAT].clear()
    assert metadata(world.run(), "extracted_leads")["extracted"] == 2


def test_a_run_in_which_most_could_not_be_read_warns(world: World, server: StandIn) -> None:
    server.fail(CHAT, faults.said("no JSON").at(times=None, when=lambda body: not in_chat("shop 1?")(body)))
    world.campaign()
    world.archive(asking(1), asking(2), asking(3))
    check = checks(world.run())["extractions_grounded"]
    assert not check.passed
    assert "2 of 3 candidates could not be read" in str(check.description)


def test_results_are_written_as_they_come(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(8)))
    server.fail(CHAT, faults.quota_exceeded().at(times=None, when=lambda _: server.requests[CHAT] > 5))
    said = failure(world.run(config={"LLM_CONCURRENCY": 1}, ok=False))
    assert "no credit left" in said
    assert world.value("SELECT count(*) FROM lead_assets.extractions WHERE status = 'ok'") == 5
    server.faults[CHAT].clear()
    assert metadata(world.run(), "extracted_leads")["extracted"] == 3


def test_a_text_without_a_usable_vector_is_recorded_also_where_it_is_alone_in_its_run(
    world: World, server: StandIn
) -> None:
    nothing = faults.vectors_changed(lambda rows: [row | {"embedding": [0.0] * 8} for row in rows])
    config = {"EMBEDDING_MODEL": "own-model", "EMBEDDING_CONCURRENCY": 1}
    world.campaign()
    world.archive(asking(1))
    world.run(config=config)
    server.fail(EMBEDDINGS, nothing.at(times=None, when=in_input("shop 2?")))
    world.archive(asking(1), asking(2))

    for attempts in (1, 2):
        result = world.run(config=config)
        assert metadata(result, "document_embeddings")["failed"] == 1
        assert world.value("SELECT attempts FROM lead_assets.failed_embeddings") == attempts


def test_a_text_that_another_campaign_embeds_meanwhile_is_not_embedded_again(
    world: World, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lead_assets.pipeline.embed.BATCH", 2)
    world.campaign("one")
    world.campaign("two")
    world.archive(*(asking(number) for number in range(6)))
    crawl, embed = ("crawled_documents",), ("document_embeddings",)
    world.run("one", only=crawl)
    world.run("two", only=crawl)
    fetched = server._embedded

    def other_run_first(body: dict[str, Any]) -> tuple[int, Any]:
        monkeypatch.setattr(server, "_embedded", fetched)
        world.run("two", only=embed)
        return fetched(body)

    monkeypatch.setattr(server, "_embedded", other_run_first)
    result = world.run("one", only=embed, config={"EMBEDDING_CONCURRENCY": 1})

    assert metadata(result, "document_embeddings")["inputs"] == 2  # the batch that was under way
    assert sum(len(body["input"]) for body in server.bodies[EMBEDDINGS]) == 8
    assert checks(result)["embeddings_complete"].passed


def test_one_text_of_two_people_that_cannot_be_read_is_given_up_for_both_at_once(world: World, server: StandIn) -> None:
    server.fail(CHAT, faults.refusal().at(times=None, when=in_chat("Which CRM?")))
    world.campaign()
    world.archive(post("Which CRM?", author="ann"), post("Which CRM?", author="bob"), asking(1))
    counts = [metadata(world.run(), "extracted_leads") for _ in range(4)]
    assert [(found["failed"], found["given_up"], found["postponed"]) for found in counts] == [
        (2, 0, 0),
        (2, 0, 0),
        (2, 0, 0),
        (0, 2, 0),
    ]
    assert server.requests[CHAT] == 3 + 1


def test_an_outage_with_one_candidate_left_is_no_attempt_at_it(world: World, server: StandIn) -> None:
    server.fail(CHAT, faults.failing(503).at(times=None))
    world.campaign()
    world.archive(asking(1))
    for _ in range(4):
        assert "nor a harmless text" in failure(world.run(ok=False))
    server.faults[CHAT].clear()
    assert metadata(world.run(), "extracted_leads")["extracted"] == 1


def test_everything_that_went_wrong_at_once_costs_nothing_more_when_it_was_given_up(
    world: World, server: StandIn
) -> None:
    server.fail(EMBEDDINGS, faults.refused_input().at(times=None, when=in_input("shop 1?")))
    server.fail(CHAT, faults.refusal().at(times=None, when=in_chat("shop 2?")))
    server.fail(CHAT, faults.said("{}").at(times=None, when=in_chat("shop 3?")))
    world.campaign()
    world.archive(*(asking(number) for number in range(5)), post("Which CRM is good?", "word " * 500))
    config = {"EMBEDDING_MAX_INPUT_TOKENS": 100}
    for _ in range(3):
        world.run(config=config)
    server.forget()
    world.run(config=config)
    assert dict(server.requests) == {}


def test_what_could_not_be_embedded_or_read_goes_with_its_document(world: World, server: StandIn) -> None:
    server.fail(EMBEDDINGS, faults.refused_input("about shop 1").at(times=None, when=in_input("shop 1?")))
    server.fail(CHAT, faults.said("shop 2 says").at(times=None, when=in_chat("shop 2?")))
    world.campaign()
    world.archive(asking(1), asking(2), asking(3))
    world.run()
    assert world.value("SELECT count(*) FROM lead_assets.failed_embeddings") == 1
    assert world.value("SELECT count(*) FROM lead_assets.extractions WHERE raw_answer IS NOT NULL") == 1
    gone = world.rows("SELECT reddit_id FROM lead_assets.documents WHERE title !~ 'shop 3'")

    with world.database.engine.begin() as connection:
        remember_deleted(connection, [row["reddit_id"] for row in gone])
        purged = purge_deleted(connection, "crm")

    assert (purged.rows["vectors"], purged.rows["failed_embeddings"], purged.rows["extractions"]) == (1, 1, 1)
    assert world.value("SELECT count(*) FROM lead_assets.failed_embeddings") == 0
    assert world.value("SELECT count(*) FROM lead_assets.extractions WHERE raw_answer IS NOT NULL") == 0


@pytest.mark.parametrize(("source", "kept"), [("archive", 1), ("reddit", 0)])
def test_what_a_model_said_in_a_failed_reading_is_stored_only_where_contacts_are(
    world: World, server: StandIn, source: str, kept: int
) -> None:
    server.fail(CHAT, faults.said("shop 2 says mail a@b.example").at(times=None, when=in_chat("shop 2?")))
    world.campaign()
    world.archive(asking(1), asking(2))
    world.run(only=("crawled_documents", "typesense_index", "document_embeddings", "ranked_candidates"))
    world.execute("UPDATE lead_assets.documents SET source = :source", source=source)

    world.run(only=("extracted_leads",))

    assert world.value("SELECT count(*) FROM lead_assets.extractions WHERE status = 'failed'") == 1
    assert world.value("SELECT count(*) FROM lead_assets.extractions WHERE raw_answer ~ 'a@b.example'") == kept


def test_an_interrupted_run_stores_every_answer_that_was_under_way(world: World, server: StandIn) -> None:
    timer = threading.Timer(0.3, _thread.interrupt_main)

    def late(_: Any) -> bool:
        if server.requests[CHAT] == 4:
            timer.start()
        return server.requests[CHAT] >= 4

    server.fail(CHAT, faults.slow(0.8).at(times=None, when=late))
    world.campaign()
    world.archive(*(asking(number) for number in range(30)))
    with contextlib.suppress(KeyboardInterrupt, DagsterExecutionInterruptedError):
        world.run(config={"LLM_CONCURRENCY": 3}, ok=False)
    timer.join()

    stored = world.value("SELECT count(*) FROM lead_assets.extractions WHERE status = 'ok'")
    assert 4 <= stored == server.requests[CHAT] < 10


def test_a_run_of_which_no_reading_succeeds_fails_and_says_so(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(3)))
    server.fail(CHAT, faults.said("no JSON at all").at(times=None))

    told = failure(world.run(ok=False))

    assert "None of the 3 candidates" in told
    assert world.value("SELECT count(*) FROM lead_assets.extractions WHERE status = 'failed'") == 3


def test_a_run_of_which_most_readings_fail_warns(world: World, server: StandIn) -> None:
    world.campaign()
    world.archive(*(asking(number) for number in range(3)))
    server.fail(CHAT, faults.said("no JSON at all").at(times=None, when=lambda body: not in_chat("shop 1")(body)))

    result = world.run()

    check = checks(result)["extractions_grounded"]
    assert (check.passed, check.severity.value) == (False, "WARN")
    assert "2 of 3" in (check.description or "")
