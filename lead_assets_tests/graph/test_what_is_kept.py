"""What is stored, and for how long: contacts that are found in texts, and documents that have become old."""

import time
from typing import Any

import pytest

from lead_assets.inbox.statuses import add_note, set_status
from lead_assets_tests.conftest import World, metadata, post
from lead_assets_tests.graph.test_sweep import csv_text, holding
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer
from lead_assets_tests.stand_ins.arctic_shift_server.server import subreddit

DAY = 86_400
ASK = "Can anyone recommend a simple CRM for my small business?"


def ago(days: float, title: str = ASK, **other: Any) -> dict[str, Any]:
    return post(title, created_utc=int(time.time() - days * DAY), **other)


def contacts(world: World, table: str, column: str) -> dict[str, list[str]]:
    query = f"SELECT reddit_id, {column} -> 'contact' AS contact FROM lead_assets.{table} WHERE {column} IS NOT NULL"
    return {row["reddit_id"]: row["contact"] for row in world.rows(query)}


def stored_contacts(world: World) -> dict[str, list[str]]:
    """Contacts of each lead, which are those of its reading."""
    read = contacts(world, "extractions", "extraction")
    assert contacts(world, "leads", "extracted_data") == read
    return read


@pytest.fixture
def arctic(monkeypatch: pytest.MonkeyPatch) -> Any:
    with ArcticShiftServer() as server:
        server.subreddits.append(subreddit("smallbusiness"))
        monkeypatch.setenv("ARCTIC_SHIFT_URL", server.url)
        monkeypatch.setenv("REDDIT_RETRY_SECONDS", "0")
        yield server


def test_contacts_are_kept_of_archive_files_and_not_of_live_sources(world: World, arctic: ArcticShiftServer) -> None:
    from_file = ago(5, body="Mail me at ann@bakery.example, please.", author="ann")
    live = ago(5, body="Mail me at bob@garage.example, please.", author="bob")
    world.archive(from_file)
    arctic.add(live)
    world.campaign(archive={"path": "../archive.ndjson"}, subreddits={"include": ["smallbusiness"]})
    world.run()
    world.run(config={"source": "arctic_shift"})

    assert stored_contacts(world) == {from_file["name"]: ["ann@bakery.example"], live["name"]: []}
    assert "bob@garage.example" in world.value(
        "SELECT body FROM lead_assets.documents WHERE reddit_id = :id", id=live["name"]
    ), "what its author wrote stays as it is"


def test_contacts_of_live_sources_are_kept_where_that_is_wanted(world: World, arctic: ArcticShiftServer) -> None:
    arctic.add(ago(5, body="Mail me at bob@garage.example, please."))
    subreddits = {"include": ["smallbusiness"]}
    world.campaign(source="arctic_shift", archive=None, subreddits=subreddits, settings={"STORE_CONTACTS": True})
    world.run()

    assert list(stored_contacts(world).values()) == [["bob@garage.example"]]


def test_turning_it_off_removes_what_was_stored_before(world: World) -> None:
    asking = ago(5, body="Mail me at ann@bakery.example, please.")
    world.archive(asking)
    world.campaign(archive={"path": "../archive.ndjson"})
    world.run()
    assert stored_contacts(world) == {asking["name"]: ["ann@bakery.example"]}
    world.execute("UPDATE lead_assets.extractions SET raw_answer = 'ann@bakery.example'")
    before = world.rows("SELECT extraction - 'contact' AS rest FROM lead_assets.extractions")

    result = world.run(config={"STORE_CONTACTS": False})

    assert stored_contacts(world) == {asking["name"]: []}
    assert world.value("SELECT count(*) FROM lead_assets.extractions WHERE raw_answer IS NOT NULL") == 0
    assert world.rows("SELECT extraction - 'contact' AS rest FROM lead_assets.extractions") == before
    assert metadata(result, "extracted_leads")["contacts_forgotten"] == 1
    assert metadata(result, "leads")["leads_gone"] == 0


def test_old_documents_and_what_follows_from_them_go_and_do_not_come_back(world: World) -> None:
    old, won = ago(100, author="ann"), ago(100, f"{ASK} We are three.", author="bob")
    young = ago(40, f"{ASK} We are four.", author="cat")
    rejected, undated = ago(100, "A CRM, and my secret", upvote_ratio=0.1), post("Any CRM?", created_utc=...)
    kept = ago(40, "A CRM, not so secret", upvote_ratio=0.1)
    world.archive(old, won, young, rejected, undated, kept)
    world.campaign(archive={"path": "../archive.ndjson"})
    world.run()
    hashes = "SELECT text_hash FROM lead_assets.documents WHERE reddit_id = :id"
    of_old = world.value(hashes, id=old["name"])
    with world.database.engine.begin() as connection:
        set_status(connection, "crm", [won["name"]], "won", actor="ann")
        set_status(connection, "crm", [old["name"]], "contacted", actor="ann")
        add_note(connection, "crm", old["name"], "somebody's phone number", actor="ann")
    world.campaign(archive={"path": "../archive.ndjson"}, settings={"RETENTION_DAYS": 50})

    first, second = metadata(world.run(), "crawled_documents"), metadata(world.run(), "crawled_documents")

    assert [holding(world, each["name"]) for each in (old, rejected, undated)] == [[], [], []]
    everything = ["documents", "sightings", "candidates", "extractions", "leads"]
    assert [holding(world, each["name"]) for each in (won, young)] == [everything, everything]
    assert set(world.search_index.held("crm")) == {won["name"], young["name"]}
    for table in ("vectors", "text_features"):
        assert world.value(f"SELECT count(*) FROM lead_assets.{table} WHERE text_hash = :hash", hash=of_old) == 0
    assert "phone" not in str(world.rows("SELECT * FROM lead_assets.lead_events"))
    assert "my secret" not in csv_text(world)
    assert "not so secret" in csv_text(world)
    assert (first["purged"], second["purged"]) == (3, 0)
    assert second["expired"] == 4, "the won one is stored as it is"
    assert world.check("leads_complete", "crm").success


def test_what_a_run_that_died_left_in_a_file_goes_with_the_next(world: World) -> None:
    world.archive(ago(100, "A CRM, and my secret", upvote_ratio=0.1), ago(1))
    world.campaign(archive={"path": "../archive.ndjson"})
    world.run()
    world.execute("DELETE FROM lead_assets.rejections")

    world.run(config={"RETENTION_DAYS": 50}, only=("crawled_documents",))

    assert "my secret" not in csv_text(world)


def test_a_text_that_a_younger_document_has_too_keeps_its_vector(world: World) -> None:
    old, young = ago(100), ago(10)
    world.archive(old, young)
    world.campaign(archive={"path": "../archive.ndjson"})
    world.run()
    assert world.rows("SELECT 1 FROM lead_assets.candidates WHERE duplicate_of = :id", id=old["name"])

    world.run(config={"RETENTION_DAYS": 50})

    assert world.value("SELECT reddit_id FROM lead_assets.documents") == young["name"]
    assert world.value("SELECT reddit_id FROM lead_assets.qualified_leads") == young["name"]
