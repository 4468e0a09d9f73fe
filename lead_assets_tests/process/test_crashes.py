"""SIGKILL at the edge of a transaction, in every step; then one more run: nothing is lost, nothing is doubled, and at
most the requests that were under way are paid for again.

Each seed is a place: the edges of an undisturbed run are divided among the seeds, and a seed draws one of its part. The
normal suite takes five, `make test-crash` all; a seed that fails replays alone: `pytest -k 'crash and 7'`.
"""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lead_assets import servers as embedded
from lead_assets.inbox.statuses import add_note, set_status
from lead_assets_tests.conftest import _create_database, write_archive
from lead_assets_tests.crashing import Edges, crash, run_watched
from lead_assets_tests.stand_ins.openai_server import StandIn
from lead_assets_tests.stand_ins.openai_server.answers import shown_document
from lead_assets_tests.stand_ins.openai_server.server import CHAT, EMBEDDINGS
from lead_assets_tests.steps import STEPS, State, asking, coordinates_of, drop_index, opened_place

ALL = 20
SEEDS = range(ALL) if os.environ.get("LEAD_ASSETS_TEST_SEEDS") == "all" else range(2, ALL, 4)


def paid_for(model: StandIn) -> Counter[str]:
    """How often each text was embedded and each document read."""
    read = (f"read {shown_document(body['messages'])}" for body in model.bodies[CHAT])
    embedded_ = (f"embedded {text}" for body in model.bodies[EMBEDDINGS] for text in body["input"])
    return Counter([*read, *embedded_])


@dataclass(frozen=True)
class Reference:
    """A day that was not disturbed: the store before it, its edges, the store after it, and what was paid for."""

    template: str
    archive: Path
    edges: list[str]
    state: State
    paid: Counter[str]
    model: StandIn


@pytest.fixture(scope="module")
def reference(
    servers: embedded.Servers, new_database_url: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reference]:
    """On the first day documents were found and worked on; on the second some are new, edited, deleted."""
    folder = tmp_path_factory.mktemp("crashes")
    first = [asking(number) for number in range(12)]
    write_archive(folder / "first.ndjson", [*first, asking(12, over_18=True), asking(13, title=first[0]["title"])])
    edited = {**first[1], "selftext": "Which CRM has an API? Edited.", "edited": first[1]["created_utc"] + 500}
    gone = [{**thing, "selftext": "[removed]", "retrieved_on": thing["created_utc"] + 900} for thing in first[2:4]]
    second = [*first, edited, *gone, *(asking(number) for number in range(20, 28)), asking(30, over_18=True)]
    archive = write_archive(folder / "second.ndjson", second)
    with ExitStack() as stack:
        model = stack.enter_context(StandIn(dimension=16))
        url = new_database_url()
        before = stack.enter_context(ExitStack())
        place = opened_place(before, coordinates_of(folder, servers, url, model.url))
        place.run(place.context(archive=folder / "first.ndjson"))
        with place.database.engine.begin() as connection:
            set_status(connection, "crm", [first[2]["name"], first[5]["name"]], "contacted", actor="ann")
            add_note(connection, "crm", first[5]["name"], "Called.", actor="ann")
        drop_index(place.search_index)
        before.close()
        template = url.rpartition("/")[2].partition("?")[0]
        undisturbed = coordinates_of(folder, servers, _copy(servers, template), model.url)
        place = opened_place(stack, undisturbed)
        stack.callback(drop_index, place.search_index)
        model.forget()
        edges = Edges()
        run_watched(place, edges, "undisturbed", archive=archive)
        yield Reference(template, archive, edges.reached, place.state("crm"), paid_for(model), model)


def _copy(servers: embedded.Servers, template: str) -> str:
    return _create_database(servers.database_url, f"crash_{random.SystemRandom().randrange(16**12):x}", template)


def test_the_edges_are_in_every_step(reference: Reference) -> None:
    for step in STEPS:
        assert f"{step.name} before commit" in reference.edges
    assert any("Typesense upsert" in edge for edge in reference.edges)
    assert len(reference.edges) >= 2 * ALL
    assert reference.state["lead_events"]
    assert reference.state["outbox"]
    assert reference.state["deleted_documents"]
    assert reference.state["typesense crm"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_costs_nothing_but_what_was_under_way(
    reference: Reference, seed: int, servers: embedded.Servers, tmp_path: Path
) -> None:
    share = len(reference.edges) / ALL
    kill_at = random.Random(seed).choice(range(int(seed * share), int((seed + 1) * share)))
    where = f"edge {kill_at}: {reference.edges[kill_at]}"
    reference.model.forget()
    with ExitStack() as stack:
        at = coordinates_of(tmp_path, servers, _copy(servers, reference.template), reference.model.url)
        place = opened_place(stack, at)
        stack.callback(drop_index, place.search_index)

        assert crash(at, kill_at, archive=reference.archive) == -signal.SIGKILL, where
        place.run(place.context(archive=reference.archive))

        assert differences(place.state("crm"), reference.state) == {}, where
    again = paid_for(reference.model) - reference.paid
    assert sum(again.values()) <= most_under_way(reference.edges[kill_at]), where
    assert set(paid_for(reference.model)) == set(reference.paid), where


def differences(found: State, expected: State) -> dict[str, Any]:
    """The rows of each table that are only in one of two states."""
    return {
        name: (set(found.get(name, ())) ^ set(expected[name])) or "the same rows, but not as often"
        for name in expected
        if found.get(name) != expected[name]
    }


def most_under_way(edge: str) -> int:
    """How many texts or documents may be paid for twice: the one that was read, or the texts of one batch."""
    if edge.startswith("extracted_leads before"):
        return 1
    return (
        20 if edge.endswith(" before commit") and edge.startswith(("document_embeddings", "ranked_candidates")) else 0
    )
