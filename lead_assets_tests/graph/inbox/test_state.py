"""What people decide about leads is kept as events, and read back by one definition."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from lead_assets.domain.errors import InvalidInput
from lead_assets.domain.inbox import MARK_OF_REASON, REASONS, STATUSES, mark_of_status
from lead_assets.inbox.marks import export_rows, import_rows, parse_marks, read_marks
from lead_assets.inbox.statuses import add_note, set_mark, set_status, undo
from lead_assets.storage.database import Database
from lead_assets.storage.deletions import purge_deleted, remember_deleted
from lead_assets.storage.lead_events import add_found, read_history, read_notes, read_states
from lead_assets_tests.stored_leads import store_leads

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def ids(database: Database) -> list[str]:
    return store_leads(database, "crm", [0.2, 0.5, 0.8])


@pytest.fixture
def store(database: Database, ids: list[str]) -> Iterator[sa.Connection]:
    """A connection that commits nothing: times do not move within it."""
    with database.connect() as connection:
        yield connection


def status_of(store: sa.Connection, reddit_id: str) -> str:
    return read_states(store, "crm", [reddit_id])[reddit_id]["status"]


def marks(store: sa.Connection) -> dict[str, bool]:
    frame = read_marks(store, "crm")
    assert list(frame.columns) == ["reddit_id", "is_lead"]
    return dict(zip(frame["reddit_id"], frame["is_lead"], strict=True))


def test_a_lead_is_found_once(store: sa.Connection, ids: list[str]) -> None:
    assert add_found(store, "crm") == 3
    assert add_found(store, "crm") == 0
    assert [event["event"] for event in read_history(store, "crm", ids[0])] == ["found"]


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_and_the_mark_that_it_implies(store: sa.Connection, ids: list[str], status: str) -> None:
    for reason in REASONS if status == "dismissed" else [None]:
        set_status(store, "crm", ids[:1], status, actor="ann", reason=reason)
        assert status_of(store, ids[0]) == status
        implied = mark_of_status(status, reason)
        assert marks(store).get(ids[0]) == {"lead": True, "no lead": False, "none": None}[implied]


def test_reasons_that_say_nothing_of_the_text_leave_a_mark(store: sa.Connection, ids: list[str]) -> None:
    set_mark(store, "crm", ids[:1], "lead", actor="ann")
    for reason in (reason for reason, mark in MARK_OF_REASON.items() if mark == "none"):
        set_status(store, "crm", ids[:1], "dismissed", actor="ann", reason=reason)
        assert marks(store) == {ids[0]: True}
    set_status(store, "crm", ids[:1], "dismissed", actor="ann", reason="not buying")
    assert marks(store) == {ids[0]: False}
    set_mark(store, "crm", ids[:1], "none", actor="ann")
    assert marks(store) == {}


def test_a_snooze_ends_by_itself(store: sa.Connection, ids: list[str]) -> None:
    now = datetime.now(UTC)
    set_status(store, "crm", ids[:1], "snoozed", actor="ann", until=now + timedelta(hours=1))
    assert status_of(store, ids[0]) == "snoozed"
    earlier = now - timedelta(days=2)
    set_status(store, "crm", ids[:1], "snoozed", actor="ann", now=earlier, until=earlier + timedelta(days=1))
    assert status_of(store, ids[0]) == "new"


def test_a_contacted_lead_stays_in_its_tab_when_it_no_longer_qualifies(store: sa.Connection, ids: list[str]) -> None:
    set_status(store, "crm", ids[:1], "contacted", actor="ann")
    store.execute(sa.text("UPDATE lead_assets.candidates SET kept = false"))
    assert read_states(store, "crm", ids).keys() == {ids[0]}
    assert read_states(store, "crm", ids)[ids[0]]["qualifies"] is False


def test_undo_goes_back_step_by_step(database: Database, ids: list[str]) -> None:
    def act(*given: str, reason: str | None = None) -> None:
        with database.engine.begin() as connection:
            set_status(connection, "crm", [ids[0]] if len(given) < 2 else ids, given[0], actor="ann", reason=reason)

    def statuses() -> list[str]:
        with database.connect() as connection:
            return [status_of(connection, reddit_id) for reddit_id in ids]

    def step_back() -> list[str]:
        with database.engine.begin() as connection:
            undo(connection, "crm", actor="ann")
        return statuses()

    act("contacted")
    act("dismissed", "all", reason="not buying")
    act("won")
    assert statuses() == ["won", "dismissed", "dismissed"]
    assert step_back() == ["dismissed", "dismissed", "dismissed"]
    assert step_back() == ["contacted", "new", "new"]
    with database.connect() as connection:
        assert marks(connection) == {ids[0]: True}
    assert step_back() == ["new", "new", "new"]
    with database.connect() as connection:
        assert marks(connection) == {}
        with pytest.raises(InvalidInput, match="nothing to undo"):
            undo(connection, "crm", actor="ann")
        with pytest.raises(InvalidInput, match="nothing to undo"):
            undo(connection, "crm", actor="bob")


def test_nobody_undoes_what_another_has_changed_since(store: sa.Connection, ids: list[str]) -> None:
    set_status(store, "crm", ids[:1], "contacted", actor="ann")
    set_status(store, "crm", ids[:1], "won", actor="bob")
    with pytest.raises(InvalidInput, match="bob has changed"):
        undo(store, "crm", actor="ann")


def test_a_note_can_be_taken_back(database: Database, ids: list[str]) -> None:
    with database.engine.begin() as connection:
        add_note(connection, "crm", ids[0], " Called\x00; wants an offer. ", actor="ann")
    with database.engine.begin() as connection:
        assert read_notes(connection, "crm", ids)["value"].tolist() == ["Called; wants an offer."]
        undo(connection, "crm", actor="ann")
        assert read_notes(connection, "crm", ids).empty


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda store, ids: set_status(store, "crm", ids, "lost", actor="a"), "not a status"),
        (lambda store, ids: set_status(store, "crm", ids, "won", actor="a", reason="not buying"), "dismissal"),
        (lambda store, ids: set_status(store, "crm", ids, "dismissed", actor="a", reason="dull"), "not a reason"),
        (lambda store, ids: set_status(store, "crm", ["t3_none"], "won", actor="a"), "holds no document"),
        (lambda store, ids: set_status(store, "crm", ids, "won", actor="a", until=datetime.now(UTC)), "snooze"),
        (lambda store, ids: set_status(store, "crm", ids, "snoozed", actor="a", until=LONG_AGO), "ended"),
        (lambda store, ids: set_mark(store, "crm", ids, "maybe", actor="a"), "not a mark"),
        (lambda store, ids: add_note(store, "crm", ids[0], "\n", actor="a"), "empty"),
        (lambda store, ids: add_note(store, "crm", ids[0], "x" * 2001, actor="a"), "longer"),
    ],
)  # fmt: skip
def test_a_wrong_decision_is_refused_and_nothing_is_written(store, ids, call, said) -> None:
    with pytest.raises(InvalidInput, match=said):
        call(store, ids)
    assert store.scalar(sa.text("SELECT count(*) FROM lead_assets.lead_events")) == 0


def test_deletion_takes_the_texts_and_keeps_the_counts(store: sa.Connection, ids: list[str]) -> None:
    add_found(store, "crm")
    set_status(store, "crm", ids[:1], "contacted", actor="ann")
    add_note(store, "crm", ids[0], "somebody's phone number", actor="ann")
    remember_deleted(store, ids[:1])
    assert purge_deleted(store, "crm").rows["texts_of_notes"] == 1
    assert "phone" not in str(store.execute(sa.text("SELECT * FROM lead_assets.lead_events")).all())
    assert [event["event"] for event in read_history(store, "crm", ids[0])] == ["found", "status", "note"]
    assert marks(store) == {ids[0]: True}, "the mark still counts"
    with pytest.raises(InvalidInput, match="holds no document"):
        add_note(store, "crm", ids[0], "again", actor="ann")


def test_marks_go_out_and_in_again(store: sa.Connection, ids: list[str]) -> None:
    set_status(store, "crm", ids[:1], "won", actor="ann")
    set_mark(store, "crm", ids[1:2], "no lead", actor="ann", reason="competitor")
    rows = export_rows(store, "crm")
    assert [(row["reddit_id"], row["mark"]) for row in rows] == [(ids[0], "lead"), (ids[1], "no lead")]
    store_leads_elsewhere = sa.text("UPDATE lead_assets.lead_events SET campaign_id = 'other'")
    store.execute(store_leads_elsewhere)
    assert marks(store) == {}
    odd = [{"reddit_id": name, "mark": "lead"} for name in ("\x00", "\udc80", "t3_' OR 1=1", "t3_\u0661")]
    assert import_rows(store, "crm", odd, actor="file").unknown == [row["reddit_id"] for row in odd]
    result = import_rows(store, "crm", [*rows, {"reddit_id": "t3_gone", "mark": "lead"}], actor="file")
    assert (result.written, result.unchanged, result.unknown) == (2, 0, ["t3_gone"])
    assert marks(store) == {ids[0]: True, ids[1]: False}
    assert import_rows(store, "crm", rows, actor="file").unchanged == 2


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        ("id,mark\nt3_1,lead\n", "csv", "columns reddit_id and mark"),
        ("{", "jsonl", "Line 1 is not"),
        ("[1]", "jsonl", "Line 1 is not"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, form: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_marks(text, form)


def test_a_row_without_a_mark_is_refused_by_its_number(store: sa.Connection) -> None:
    with pytest.raises(InvalidInput, match="Mark 2 "):
        import_rows(store, "crm", parse_marks("reddit_id,mark\nt3_1,lead\nt3_2,perhaps\n", "csv"), actor="file")
