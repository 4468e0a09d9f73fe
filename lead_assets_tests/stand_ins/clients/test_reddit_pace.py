"""The pace of requests: what a server asks for is obeyed, within reason."""

import asyncio
from dataclasses import dataclass, field

import pytest

from lead_assets.sources.base import SourceCounts
from lead_assets.sources.reddit.failures import RunBudgetSpent
from lead_assets.sources.reddit.pace import LONGEST_BLOCK_SECONDS, LONGEST_WAIT_SECONDS, Pace


@dataclass
class FakeBudget:
    waits: list[float] = field(default_factory=list)
    blocked: list[float] = field(default_factory=list)
    reported: list[tuple[float, float]] = field(default_factory=list)

    def acquire(self) -> float:
        return self.waits.pop(0) if self.waits else 0.0

    def report(self, remaining: float, reset_seconds: float) -> None:
        self.reported.append((remaining, reset_seconds))

    def block(self, seconds: float) -> None:
        self.blocked.append(seconds)


def pace(budget: FakeBudget, said: list[str] | None = None) -> Pace:
    say = (said if said is not None else []).append
    return Pace(budget, SourceCounts(), max_requests=10, say=say, retry_seconds=0)


def test_waiting_for_the_budget_is_said_and_counted() -> None:
    said: list[str] = []
    paced = pace(FakeBudget(waits=[1.0, 0.2]), said)

    asyncio.run(paced.admit())

    assert said == ["Waiting 1 s for the request budget (REDDIT_REQUESTS_PER_MINUTE)."]
    assert paced._counts.waited_seconds == pytest.approx(1.2)
    assert paced.left == 9


def test_a_wait_of_hours_ends_the_run_with_what_it_has() -> None:
    paced = pace(FakeBudget(waits=[LONGEST_WAIT_SECONDS + 1]))

    with pytest.raises(RunBudgetSpent, match="Run again after that"):
        asyncio.run(paced.admit())

    assert paced.left == 10


def test_nobody_can_stop_all_runs_for_ever() -> None:
    budget = FakeBudget()
    paced = pace(budget)

    paced.obey(10.0**9)
    paced.obey(30.0)
    paced.take_in({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1e9"})
    paced.take_in({"x-ratelimit-remaining": "nan", "x-ratelimit-reset": "5"})

    assert budget.blocked == [LONGEST_BLOCK_SECONDS, 30.0]
    assert budget.reported == [(0.0, LONGEST_BLOCK_SECONDS)]
