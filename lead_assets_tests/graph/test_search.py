"""Typesense: the index repairs itself, and a stale one is never ranked as "no match"."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import numpy as np
import pytest

from lead_assets import servers as embedded
from lead_assets.domain.errors import SearchUnavailable
from lead_assets.search.typesense import SearchIndex
from lead_assets_tests.conftest import World, checks, failure, metadata, post
from lead_assets_tests.faults import fault

INDEX = ("typesense_index",)
CORPUS = ("crawled_documents", "typesense_index")


def test_a_wiped_index_is_whole_again_after_materializing_one_asset(world: World) -> None:
    world.campaign()
    world.archive(*[post() for _ in range(5)])
    world.run(only=CORPUS)
    world.search_index._client.collections[world.search_index.current_collection()].delete()

    result = world.run(only=INDEX)

    assert metadata(result, "typesense_index")["indexed"] == 5
    assert checks(result)["index_matches_documents"].passed


def test_a_half_written_index_is_repaired_both_ways(world: World) -> None:
    world.campaign()
    things = [post(f"Which CRM is number {number}?") for number in range(4)]
    world.archive(*things)
    world.run(only=CORPUS)
    collection = world.search_index.ensure()
    world.search_index.delete(collection, "crm", [things[0]["name"]])
    stale = {"reddit_id": things[1]["name"], "title": "old", "body": "", "text_hash": "old"}
    surplus = {"reddit_id": "t3_gone", "title": "gone", "body": "", "text_hash": "gone"}
    assert world.search_index.upsert(collection, "crm", [stale, surplus]) == []

    result = world.run(only=INDEX)

    found = metadata(result, "typesense_index")
    assert (found["indexed"], found["reindexed"], found["removed"]) == (1, 1, 1)
    assert checks(result)["index_matches_documents"].passed


def test_the_check_says_what_differs(world: World) -> None:
    world.campaign()
    world.archive(lost := post(), post())
    world.run(only=CORPUS)
    world.search_index.delete(world.search_index.ensure(), "crm", [lost["name"]])

    # Ranking alone leaves the index as it is, so that the check in the same run sees it.
    result = world.run(only=("document_embeddings", "ranked_candidates"))
    assert metadata(result, "ranked_candidates")["not_indexed"] == 1

    from lead_assets.pipeline.index import compare

    with world.database.connect() as connection:
        from lead_assets.storage.corpus import read_text_hashes

        difference = compare(read_text_hashes(connection, "crm"), world.search_index.held("crm"))
    assert difference.missing == [lost["name"]]


def test_a_document_that_is_not_indexed_keeps_its_previous_rank_and_is_counted(world: World) -> None:
    world.campaign()
    world.archive(lost := post("Which CRM do you recommend for a plumber?"), post())
    world.run()
    before = world.rows("SELECT * FROM lead_assets.candidates WHERE reddit_id = :id", id=lost["name"])
    world.search_index.delete(world.search_index.ensure(), "crm", [lost["name"]])

    result = world.run(only=("ranked_candidates",))

    found = metadata(result, "ranked_candidates")
    assert (found["ranked"], found["not_indexed"]) == (1, 1)
    assert world.rows("SELECT * FROM lead_assets.candidates WHERE reddit_id = :id", id=lost["name"]) == before
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 2


def test_a_stale_text_is_not_ranked_by_its_old_match(world: World) -> None:
    world.campaign()
    document = post("Which CRM do you recommend?")
    world.archive(document)
    world.run()
    world.execute("UPDATE lead_assets.documents SET title = 'edited', text_hash = 'edited'")

    result = world.run(only=("ranked_candidates",))

    assert metadata(result, "ranked_candidates")["ranked"] == 0
    # What was ranked was another text, so nothing that rests on it is a lead.
    assert world.value("SELECT count(*) FROM lead_assets.qualified_leads") == 0


def test_two_campaigns_whose_ids_differ_in_an_underscore_do_not_meet(world: World) -> None:
    world.archive(post())
    for campaign_id in ("a_b", "ab"):
        world.campaign(campaign_id)
        world.run(campaign_id, only=CORPUS)
    world.execute("DELETE FROM lead_assets.documents WHERE campaign_id = 'ab'")

    world.run("ab", only=INDEX)

    assert len(world.search_index.held("a_b")) == 1
    assert world.search_index.held("ab") == {}


def test_text_match_does_not_depend_on_which_documents_share_a_request(search_index: SearchIndex) -> None:
    collection = search_index.ensure()
    texts = ["track clients", "track a client", "clients", "tracking", "track", "nothing", "clients we track daily"]
    rows = [
        {"reddit_id": f"t3_{number}", "title": text, "body": "", "text_hash": str(number)}
        for number, text in enumerate(texts * 60)
    ]
    assert search_index.upsert(collection, "crm", rows) == []
    ids = [row["reddit_id"] for row in rows]

    together = np.array(search_index.text_match("crm", ids, ["track clients", "crm"]))
    alone = np.vstack([search_index.text_match("crm", [one], ["track clients", "crm"]) for one in ids[:7]])

    assert together.shape == (420, 2)
    assert np.array_equal(together[:7], alone)
    assert alone[0, 0] > alone[2, 0] > alone[5, 0] == 0
    assert not together[:, 1].any()


def test_a_campaign_with_the_longest_id_is_matched_by_its_own_documents(search_index: SearchIndex) -> None:
    longest, other = "c" * 63, "c" * 62
    collection = search_index.ensure()
    rows = [{"reddit_id": f"t3_{number:013x}", "title": "crm", "body": "", "text_hash": "1"} for number in range(300)]
    unlike = [row | {"title": "shoes"} for row in rows]
    assert search_index.upsert(collection, longest, rows) == search_index.upsert(collection, other, unlike) == []

    found = [search_index.text_match(name, [row["reddit_id"] for row in rows], ["crm"]) for name in (longest, other)]

    assert np.array(found[0]).all()
    assert not np.array(found[1]).any()


@fault(
    "it refuses a document",
    service="Typesense",
    seen="`typesense_index` fails: “Typesense at … refused 1 of … documents (first: …)”",
    again="the next run. The others are indexed",
)
def test_a_refused_document_fails_the_asset_and_the_others_are_indexed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.campaign()
    world.archive(post(), post())
    world.run(only=("crawled_documents",))
    # A document without its text is one that Typesense itself refuses, in a 200 for the whole batch.
    whole = SearchIndex.upsert

    def first_without_title(index: SearchIndex, collection: str, campaign_id: str, rows: list) -> list[str]:
        return whole(index, collection, campaign_id, [{k: v for k, v in rows[0].items() if k != "title"}, *rows[1:]])

    monkeypatch.setattr(SearchIndex, "upsert", first_without_title)
    result = world.run(only=INDEX, ok=False)
    monkeypatch.undo()

    assert "refused 1 of 2 documents" in failure(result)
    assert len(world.search_index.held("crm")) == 1


def test_an_index_of_another_schema_is_a_clear_error(world: World) -> None:
    world.campaign()
    world.archive(post())
    world.run(only=CORPUS)
    client = world.search_index._client
    client.collections.create({"name": f"{world.search_index.alias}_old", "fields": [{"name": "x", "type": "string"}]})
    wanted = world.search_index.wanted_collection
    client.aliases.upsert(world.search_index.alias, {"collection_name": f"{world.search_index.alias}_old"})

    result = world.run(only=INDEX, ok=False)

    assert "holds the index of another version" in failure(result)
    assert "lead-assets up" in failure(result)
    client.collections[wanted].delete()


def test_an_unreachable_server_is_one_sentence(world: World, search_index: SearchIndex) -> None:
    world.campaign()
    world.archive(post())
    world.search_index = SearchIndex("http://127.0.0.1:9", "key", timeout_seconds=1)

    result = world.run(only=CORPUS, ok=False)

    assert failure(result).startswith("Typesense at http://127.0.0.1:9 failed")
    # Nothing of the crawl is lost: the next run indexes it.
    world.search_index.close()
    world.search_index = search_index
    assert metadata(world.run(only=INDEX), "typesense_index")["indexed"] == 1


def test_a_wrong_key_is_one_sentence(servers: embedded.Servers) -> None:
    index = SearchIndex(servers.typesense_url, "wrong")
    with pytest.raises(SearchUnavailable, match="refuses the key"):
        index.check()
    index.close()


@pytest.fixture
def impostor() -> Iterator[tuple[str, dict[str, str]]]:
    """A server that answers every GET with a chosen body."""
    answer = {"body": "{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer["body"].encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", answer
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"version": "0.22.2"}', "is version 0.22.2; version 0.24 or newer is needed"),
        ("<html>hello</html>", "does not"),
        ("[]", "does not say Typesense's version"),
        ("{}", "does not say Typesense's version"),
    ],
)
def test_a_server_of_a_wrong_version_or_kind_is_one_sentence(
    impostor: tuple[str, dict[str, str]], body: str, sentence: str
) -> None:
    url, answer = impostor
    answer["body"] = body
    index = SearchIndex(url, "key", timeout_seconds=2)
    with pytest.raises(SearchUnavailable, match=sentence):
        index.check()
    index.close()


def test_a_url_that_is_none_is_one_sentence() -> None:
    with pytest.raises(SearchUnavailable, match="Write http://host:port"):
        SearchIndex("nonsense", "key")
