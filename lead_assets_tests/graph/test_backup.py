"""Backup and restore: what is restored equals what was saved, and a file that is not whole changes nothing."""

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lead_assets import servers as embedded
from lead_assets.api.tokens import hash_token, new_token
from lead_assets.domain.errors import BackupFailed, BackupInvalid, CampaignBusy, InvalidInput, SearchUnavailable
from lead_assets.inbox.statuses import add_note, set_mark, set_status
from lead_assets.pipeline.backup import restore_backup, write_backup
from lead_assets.pipeline.backup_file import MANIFEST
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.api_tokens import add_token
from lead_assets.storage.database import Database
from lead_assets.storage.deletions import remember_deleted
from lead_assets.storage.migrate import wanted_revision
from lead_assets.storage.table_copies import TABLES
from lead_assets_tests.conftest import comment, write_archive
from lead_assets_tests.stand_ins.openai_server import StandIn
from lead_assets_tests.steps import Place, asking, place_in

ODD = 'Which CRM? \\. \t tab \\N "quoted", ünïcode 🦆\r\nsecond line\x0b'


def everything(database: Database) -> dict[str, list[str]]:
    """Every row of every table, with every column."""
    with database.connect() as connection:
        connection.execute(sa.text("SET timezone = 'UTC'"))
        return {
            name: sorted(connection.scalars(sa.text(f"SELECT rows::text FROM {table.fullname} AS rows")))
            for name, table in TABLES.items()
        }


@pytest.fixture(scope="module")
def saved(
    servers: embedded.Servers, new_database_url: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Place, Path]]:
    """A store in which something happened to leads, and its backup. Nothing in it is changed."""
    folder = tmp_path_factory.mktemp("saved")
    with ExitStack() as stack:
        model = stack.enter_context(StandIn(dimension=16))
        place = place_in(stack, folder, servers, new_database_url(), model.url)
        (folder / "campaigns").mkdir()
        (folder / "campaigns" / "crm.yaml").write_text("name: CRM  # mine\n", encoding="utf-8")
        (folder / "campaigns" / ".hidden.yaml").write_text("no: campaign\n")
        things = [*(asking(number) for number in range(8)), asking(8, title=ODD), asking(9, over_18=True)]
        write_archive(folder / "archive.ndjson", [*things, comment("I need a CRM.", link_id=things[0]["name"])])
        place.run(place.context())
        found = [thing["name"] for thing in things]
        with place.database.engine.begin() as connection:
            set_status(connection, "crm", found[:2], "contacted", actor="ann")
            set_mark(connection, "crm", found[2:3], "no lead", actor="bob", reason="seller or spam")
            add_note(connection, "crm", found[0], ODD, actor="ann")
            remember_deleted(connection, ["t3_gone"])
            add_token(connection, "reports", hash_token(new_token().encode()))
            connection.execute(sa.text("INSERT INTO lead_assets.request_grants VALUES ('client', 5, 1)"))
        write_backup(place.database, folder / "campaigns", folder / "saved.zip")
        yield place, folder / "saved.zip"


@pytest.fixture
def fresh(saved: tuple[Place, Path], servers: embedded.Servers, database_url: str, tmp_path: Path) -> Iterator[Place]:
    """Another, empty place."""
    with ExitStack() as stack:
        yield place_in(stack, tmp_path, servers, database_url, saved[0].model_url)


def restore(place: Place, path: Path, *, replace: bool = False) -> None:
    campaigns = place.folder / "campaigns"
    restore_backup(place.database, place.search_index, campaigns, path, replace=replace, on_progress=lambda _: None)


def test_what_is_restored_equals_what_was_saved_to_the_row(saved: tuple[Place, Path], fresh: Place) -> None:
    place, path = saved
    before = everything(place.database)
    for name in ("documents", "vectors", "leads", "lead_events", "outbox", "api_tokens", "deleted_documents"):
        assert before[name], f"{name} is not empty in this test"

    restore(fresh, path)

    assert everything(fresh.database) == before
    assert fresh.search_index.held("crm") == place.search_index.held("crm") != {}
    assert [each.name for each in (fresh.folder / "campaigns").iterdir()] == ["crm.yaml"]
    assert (fresh.folder / "campaigns" / "crm.yaml").read_text(encoding="utf-8") == "name: CRM  # mine\n"


def test_a_run_after_restoring_finds_nothing_new_and_pays_nothing(saved: tuple[Place, Path], fresh: Place) -> None:
    place, path = saved
    restore(fresh, path)
    with StandIn(dimension=16) as model:
        fresh.model_url = model.url
        before = fresh.state("crm")

        reports = fresh.run(fresh.context(archive=place.folder / "archive.ndjson"))

        assert not model.requests
    assert reports["crawled_documents"].counts["judged"] == 0
    assert reports["leads"].counts | {"leads_stored": 0} == dict.fromkeys(reports["leads"].counts, 0)
    assert reports["leads"].counts["leads_stored"] > 0
    assert fresh.state("crm") == before == place.state("crm")


def test_events_go_on_after_the_restored_ones(saved: tuple[Place, Path], fresh: Place) -> None:
    restore(fresh, saved[1])
    newest = fresh.value("SELECT max(event_id) FROM lead_assets.lead_events")
    with fresh.database.engine.begin() as connection:
        set_status(connection, "crm", ["t3_1c0003"], "won", actor="ann")
    assert fresh.value("SELECT max(event_id) FROM lead_assets.lead_events") == newest + 1


def test_a_backup_is_private_whole_or_not_there(
    saved: tuple[Place, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, path = saved
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InvalidInput, match="is there already"):
        write_backup(place.database, place.folder / "campaigns", path)
    with pytest.raises(BackupFailed, match="There is no backup"):
        write_backup(place.database, place.folder / "campaigns", tmp_path / "missing" / "x.zip")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackupFailed, match="No space left"):
        write_backup(place.database, place.folder / "campaigns", tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_of_one_moment(saved: tuple[Place, Path], fresh: Place, tmp_path: Path) -> None:
    """What is written while tables are saved is in none of them."""
    restore(fresh, saved[1])
    before = everything(fresh.database)
    written = []

    def on_progress(_: str) -> None:
        with fresh.database.engine.begin() as connection:
            remember_deleted(connection, [f"t3_during{len(written)}"])
            add_token(connection, f"during{len(written)}", f"hash{len(written)}")
        written.append(1)

    write_backup(fresh.database, fresh.folder / "campaigns", tmp_path / "moment.zip", on_progress)
    fresh.database.engine.dispose()
    restore(fresh, tmp_path / "moment.zip", replace=True)

    assert len(written) > 10
    after = everything(fresh.database)
    assert after["api_tokens"] == before["api_tokens"]
    assert {name: rows for name, rows in after.items() if name != "deleted_documents"} == {
        name: rows for name, rows in before.items() if name != "deleted_documents"
    }


def test_what_is_stored_is_replaced_only_where_that_is_wanted(saved: tuple[Place, Path], fresh: Place) -> None:
    _, path = saved
    write_archive(fresh.folder / "archive.ndjson", [asking(50)])
    fresh.run(fresh.context("other"))
    before = everything(fresh.database)
    with pytest.raises(InvalidInput, match=r"has \d+ rows. Give --replace"):
        restore(fresh, path)
    assert everything(fresh.database) == before

    restore(fresh, path, replace=True)

    assert everything(fresh.database) == everything(saved[0].database)
    assert fresh.search_index.held("other") == {}


def test_a_campaign_file_is_overwritten_only_where_that_is_wanted(saved: tuple[Place, Path], fresh: Place) -> None:
    file = fresh.folder / "campaigns" / "crm.yaml"
    file.parent.mkdir()
    file.write_text("name: Another\n")
    with pytest.raises(InvalidInput, match="is another file than the backup's"):
        restore(fresh, saved[1])
    assert fresh.value("SELECT count(*) FROM lead_assets.documents") == 0
    restore(fresh, saved[1], replace=True)
    assert file.read_text() == "name: CRM  # mine\n"


def test_what_was_deleted_after_the_backup_does_not_come_back(saved: tuple[Place, Path], fresh: Place) -> None:
    with fresh.database.engine.begin() as connection:
        remember_deleted(connection, ["t3_1c0001"])
    restore(fresh, saved[1], replace=True)
    for table in ("documents", "leads", "extractions"):
        assert fresh.value(f"SELECT count(*) FROM lead_assets.{table} WHERE reddit_id = 't3_1c0001'") == 0
    assert "t3_1c0001" not in fresh.search_index.held("crm")
    assert fresh.value("SELECT count(*) FROM lead_assets.deleted_documents") == 2


def test_nothing_is_restored_while_a_run_writes(saved: tuple[Place, Path], fresh: Place) -> None:
    with fresh.database.campaign("crm"), pytest.raises(CampaignBusy, match="Wait for its end"):
        restore(fresh, saved[1], replace=True)


def test_without_typesense_all_but_the_index_is_restored(saved: tuple[Place, Path], fresh: Place) -> None:
    index = fresh.search_index
    fresh.search_index = SearchIndex("http://127.0.0.1:9", "key", timeout_seconds=0.1)
    with pytest.raises(SearchUnavailable):
        restore(fresh, saved[1])
    fresh.search_index.close()
    fresh.search_index = index
    assert everything(fresh.database) == everything(saved[0].database)
    fresh.run(fresh.context(archive=saved[0].folder / "archive.ndjson"))
    assert fresh.search_index.held("crm") == saved[0].search_index.held("crm")


Members = dict[str, bytes]


def _manifest(members: Members) -> dict[str, Any]:
    return json.loads(members[MANIFEST])


def _with_manifest(members: Members, **changed: Any) -> Members:
    return members | {MANIFEST: json.dumps(_manifest(members) | changed).encode()}


def _with_member(members: Members, name: str, content: bytes, **more: Any) -> Members:
    """A member whose manifest fits."""
    kind, _, short = name.removesuffix(".copy").partition("/")
    manifest = _manifest(members)
    told = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **more}
    manifest[kind][short] = {**manifest[kind].get(short, {}), **told}
    return members | {name: content, MANIFEST: json.dumps(manifest).encode()}


def _without(members: Members, name: str) -> Members:
    return {each: content for each, content in members.items() if each != name}


def _row_changed(members: Members) -> Members:
    name = "tables/documents.copy"
    return members | {name: members[name].replace(b"bakery", b"bakers")}


def _columns(members: Members) -> Members:
    manifest = _manifest(members)
    manifest["tables"]["authors"]["columns"][0] = "karma) FROM PROGRAM 'touch /tmp/x' --"
    return members | {MANIFEST: json.dumps(manifest).encode()}


CHANGED: dict[str, tuple[Callable[[Members], Members], str]] = {
    "a row changed": (_row_changed, "is not what its manifest says"),
    "a row too many, and a manifest that says so": (
        lambda members: _with_member(members, "tables/api_tokens.copy", members["tables/api_tokens.copy"] * 2),
        "duplicate key",
    ),
    "a table that is missing": (lambda members: _without(members, "tables/leads.copy"), "other members"),
    "a table that is nowhere": (
        lambda members: _with_manifest(
            _without(members, "tables/leads.copy"),
            tables={name: each for name, each in _manifest(members)["tables"].items() if name != "leads"},
        ),
        "table leads is missing",
    ),
    "a table of another schema": (
        lambda members: _with_member(members, "tables/pg_authid.copy", b"", rows=0, columns=["rolname"]),
        "tables that are not ours",
    ),
    "columns that are a statement": (_columns, "other columns"),
    "rows that are none": (
        lambda members: _with_member(members, "tables/authors.copy", b"only one\n", rows=1),
        "authors: missing data",
    ),
    "fewer rows than it says": (
        lambda members: _with_member(members, "tables/authors.copy", b"", rows=7),
        "0 rows instead of 7",
    ),
    "a path that leads out": (
        lambda members: _with_member(members, "campaigns/../../evil.yaml", b"x"),
        "cannot be the name of a campaign file",
    ),
    "an absolute path": (
        lambda members: _with_member(members, "campaigns//tmp/evil.yaml", b"x"),
        "cannot be the name of a campaign file",
    ),
    "a member besides": (lambda members: members | {"more.txt": b"x"}, "other members"),
    "a bomb": (
        lambda members: _with_member(members, "tables/authors.copy", b"\n" * 2**24, rows=1),
        "expands to more than rows do",
    ),
    "a large campaign file": (
        lambda members: _with_member(members, "campaigns/big.yaml", os.urandom(300_000)),
        "larger than a campaign file may be",
    ),
    "a manifest that is none": (lambda members: members | {MANIFEST: b"[]"}, "its manifest says something else"),
    "no manifest": (lambda members: _without(members, MANIFEST), "has no manifest"),
    "a newer schema": (lambda members: _with_manifest(members, revision="9999"), "Update lead_assets"),
    "a newer format": (lambda members: _with_manifest(members, format=2), "Update lead_assets"),
    "an older schema": (lambda members: _with_manifest(members, revision="0009"), "Restore it with that version"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_file_that_is_not_a_whole_backup_of_this_schema_changes_nothing(
    saved: tuple[Place, Path], fresh: Place, what: str
) -> None:
    change, expected = CHANGED[what]
    with zipfile.ZipFile(saved[1]) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    path = fresh.folder / "changed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)
    fresh_folder = sorted(fresh.folder.iterdir())

    with pytest.raises(BackupInvalid, match=expected):
        restore(fresh, path)

    assert not any(everything(fresh.database).values())
    assert {each.name for each in fresh.folder.iterdir()} - {each.name for each in fresh_folder} <= {"campaigns"}
    assert not (fresh.folder / "campaigns").exists() or not list((fresh.folder / "campaigns").iterdir())
    assert not Path("/tmp/evil.yaml").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_changes_nothing(saved: tuple[Place, Path], fresh: Place, share: float) -> None:
    content = saved[1].read_bytes()
    path = fresh.folder / "cut.zip"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BackupInvalid, match="is not a whole backup"):
        restore(fresh, path)
    assert not any(everything(fresh.database).values())


def test_a_flipped_byte_anywhere_is_found_or_harmless(saved: tuple[Place, Path], fresh: Place) -> None:
    """Harmless is one that only says when a member was written, and the like."""
    content = bytearray(saved[1].read_bytes())
    whole = everything(saved[0].database)
    path = fresh.folder / "flipped.zip"
    found = 0
    for place in range(40, len(content), len(content) // 12):
        flipped = bytearray(content)
        flipped[place] ^= 0x10
        path.write_bytes(flipped)
        before = everything(fresh.database)
        try:
            restore(fresh, path, replace=True)
        except BackupInvalid:
            found += 1
            assert everything(fresh.database) == before, place
        else:
            assert everything(fresh.database) == whole, place
    assert found >= 9


def test_the_revision_of_a_backup_is_that_of_the_schema(saved: tuple[Place, Path]) -> None:
    with zipfile.ZipFile(saved[1]) as archive:
        manifest = json.loads(archive.read(MANIFEST))
    assert manifest["revision"] == wanted_revision()
    assert set(manifest["tables"]) == set(TABLES)
