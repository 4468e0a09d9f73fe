"""The request budget on a real server: whatever processes do, no window holds more grants than the limit."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from lead_assets.storage.database import Database
from lead_assets.storage.request_budget import RequestBudget
from lead_assets_tests.stand_ins.reddit_server.limits import most_in_window

WINDOW = 3


def budget(database: Database, client: str = "id", limit: int = 10, window: int = WINDOW) -> RequestBudget:
    """A budget of ``limit`` requests in ``window`` seconds."""
    return RequestBudget(database.engine, client, limit * 60 / window, window)


def said(database: Database) -> Any:
    """What is stored of the server's word."""
    query = (
        "SELECT remaining, extract(epoch FROM reset_at - clock_timestamp()) AS reset FROM lead_assets.request_budget"
    )
    with database.connect() as connection:
        return connection.execute(sa.text(query)).one()


def pass_time(database: Database, seconds: float) -> None:
    """Make everything stored so many seconds older."""
    with database.engine.begin() as connection:
        for statement in (
            "UPDATE lead_assets.request_budget SET reset_at = reset_at - make_interval(secs => :s), "
            "blocked_until = blocked_until - make_interval(secs => :s)",
            # A negative number first: otherwise a second moves onto one that is still there.
            "UPDATE lead_assets.request_grants SET second = -second",
            "UPDATE lead_assets.request_grants SET second = -second - CAST(:s AS bigint)",
        ):
            connection.execute(sa.text(statement), {"s": seconds})


def granted(found: RequestBudget, tries: int) -> int:
    """How many of so many requests at once are granted."""
    return sum(found.acquire() == 0 for _ in range(tries))


def hammer(
    budgets: Sequence[RequestBudget], seconds: float, note: Callable[[int, float], None], pause: float = 0.01
) -> None:
    """Ask each budget in a thread of its own, again and again; ``note`` is given the number and the time of a grant."""
    end = time.monotonic() + seconds

    def ask(number: int) -> None:
        while time.monotonic() < end:
            if budgets[number].acquire() == 0:
                note(number, time.monotonic())
            else:
                time.sleep(pause)

    with ThreadPoolExecutor(len(budgets)) as threads:
        list(threads.map(ask, range(len(budgets))))


def test_no_window_holds_more_than_the_limit_whoever_asks(database: Database) -> None:
    grants: list[float] = []
    lock = threading.Lock()

    def note(_: int, moment: float) -> None:
        with lock:
            grants.append(moment)

    hammer([budget(database) for _ in range(4)], 2.5 * WINDOW, note)

    assert most_in_window(sorted(grants), WINDOW) == 10
    assert len(grants) >= 20, "what drops out of the window makes room"


def test_clients_have_budgets_of_their_own(database: Database) -> None:
    one, other = budget(database, "one", window=600), budget(database, "other", window=600)

    assert granted(one, 15) == 10
    assert granted(other, 15) == 10


def test_the_same_client_shares_one_budget(database: Database) -> None:
    assert granted(budget(database, window=600), 6) + granted(budget(database, window=600), 9) == 10


@pytest.mark.parametrize(("per_minute", "expected"), [(0.001, 1), (0.1, 1), (0.5, 5), (1.0, 10)])
def test_the_limit_is_an_average_over_ten_minutes_and_never_nothing(
    database: Database, per_minute: float, expected: int
) -> None:
    assert granted(RequestBudget(database.engine, "id", per_minute), 12) == expected


def test_the_wait_that_is_told_is_enough(database: Database) -> None:
    found = budget(database, limit=3, window=600)
    assert granted(found, 3) == 3
    wait = found.acquire()
    assert 599 < wait <= 601

    pass_time(database, int(wait) - 2)
    assert 0 < found.acquire() <= 4
    pass_time(database, 4)
    assert found.acquire() == 0


def test_retry_after_holds_all_back(database: Database) -> None:
    budget(database).block(60)

    assert 59 < budget(database).acquire() <= 60
    assert budget(database, "other").acquire() == 0
    pass_time(database, 61)
    assert budget(database).acquire() == 0


def test_a_shorter_retry_after_does_not_lift_a_longer_one(database: Database) -> None:
    found = budget(database)
    found.block(60)
    found.block(1)

    assert found.acquire() > 59


def test_a_request_that_has_to_wait_uses_nothing_up(database: Database) -> None:
    found = budget(database, window=600)
    found.block(60)
    assert granted(found, 20) == 0
    pass_time(database, 61)

    assert granted(found, 20) == 10


def test_the_servers_count_is_obeyed(database: Database) -> None:
    found = budget(database, limit=100)
    found.report(3, 60)

    assert granted(found, 10) == 3
    assert 55 < found.acquire() <= 60


def test_another_program_of_the_same_client_is_noticed(database: Database) -> None:
    found = budget(database, limit=100)
    found.report(50, 60)
    found.report(1, 60)

    assert granted(found, 10) == 1


def test_an_answer_that_was_overtaken_raises_nothing(database: Database) -> None:
    found = budget(database, limit=100)
    found.report(2, 60)
    found.report(7, 61)

    assert granted(found, 10) == 2


def test_a_new_window_of_the_server_counts_anew(database: Database) -> None:
    found = budget(database, limit=100)
    found.report(0, 60)
    assert found.acquire() > 0
    pass_time(database, 61)
    found.report(4, 600)

    assert granted(found, 10) == 4


def test_an_answer_from_the_window_before_does_not_undo_the_new_one(database: Database) -> None:
    found = budget(database, limit=100)
    found.report(0, 590)
    found.report(900, 8)

    assert found.acquire() > 580
    assert said(database).reset > 580


def test_a_window_that_has_ended_holds_nobody_back_before_the_next_answer(database: Database) -> None:
    found = budget(database, limit=100)
    found.report(0, 60)
    pass_time(database, 60)

    assert granted(found, 5) == 5


def test_after_a_window_has_ended_a_shorter_one_counts(database: Database) -> None:
    found = budget(database, limit=100)
    found.report(5, 590)
    pass_time(database, 591)
    found.report(1, 2)

    assert granted(found, 5) == 1


def test_time_is_the_servers(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    found = budget(database, limit=2, window=600)
    assert granted(found, 5) == 2
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)

    assert granted(found, 5) == 0
    with database.connect() as connection:
        ages = connection.execute(
            sa.text("SELECT extract(epoch FROM clock_timestamp()) - second FROM lead_assets.request_grants")
        ).scalars()
        assert all(0 <= age < 30 for age in ages)


def test_old_grants_are_cleared_away(database: Database) -> None:
    found = budget(database, limit=5, window=600)
    for _ in range(4):
        found.acquire()
        pass_time(database, 700)
    found.acquire()

    with database.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM lead_assets.request_grants")) == 1
