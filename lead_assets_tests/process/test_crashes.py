"""SIGKILL at the edge of a transaction, in every step; then one more run: nothing is lost, nothing is doubled, and at
most the requests that were under way are paid for again.

The edges of an undisturbed run are divided among twenty seeds. The normal suite takes five seeds and draws one edge of
each; `make test-crash` takes every edge of all. A seed that fails replays alone: `pytest -k 'crash and 7'`.
"""

import os
import random
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from lead_assets import servers as embedded
from lead_assets_tests.crashing import crash
from lead_assets_tests.faults import fault
from lead_assets_tests.process.conftest import Reference, copy_of, differences, paid_for
from lead_assets_tests.steps import STEPS, coordinates_of, drop_index, opened_place

ALL = 20
IS_WHOLE = os.environ.get("LEAD_ASSETS_TEST_SEEDS") == "all"
SEEDS = range(ALL) if IS_WHOLE else range(2, ALL, 4)


def test_the_edges_are_in_every_step(reference: Reference) -> None:
    for step in STEPS:
        assert f"{step.name} before commit" in reference.edges
    assert any("Typesense upsert" in edge for edge in reference.edges)
    assert len(reference.edges) >= 2 * ALL
    assert reference.state["lead_events"]
    assert reference.state["outbox"]
    assert reference.state["deleted_documents"]
    assert reference.state["typesense crm"]


@fault(
    "its process is killed, at any edge of any transaction",
    service="a run",
    seen="the run is shown as failed within a minute",
    again="the next run continues where the last transaction ended; at most the requests under way are paid for twice",
)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_crash_costs_nothing_but_what_was_under_way(
    reference: Reference, seed: int, servers: embedded.Servers, tmp_path: Path
) -> None:
    share = len(reference.edges) / ALL
    own = range(int(seed * share), int((seed + 1) * share))
    for kill_at in own if IS_WHOLE else [random.Random(seed).choice(own)]:
        _crash_once(reference, kill_at, servers, tmp_path)


def _crash_once(reference: Reference, kill_at: int, servers: embedded.Servers, folder: Path) -> None:
    where = f"edge {kill_at}: {reference.edges[kill_at]}"
    reference.model.forget()
    with ExitStack() as stack:
        at = coordinates_of(folder, servers, copy_of(servers, reference.template), reference.model.url)
        place = opened_place(stack, at)
        stack.callback(drop_index, place.search_index)

        assert crash(at, kill_at, archive=reference.archive) == -signal.SIGKILL, where
        place.run(place.context(archive=reference.archive))

        assert differences(place.state("crm"), reference.state) == {}, where
        assert place.unaccounted("crm") == 0, where
    again = paid_for(reference.model) - reference.paid
    assert sum(again.values()) <= most_under_way(reference.edges[kill_at]), where
    assert set(paid_for(reference.model)) == set(reference.paid), where


def most_under_way(edge: str) -> int:
    """How many texts or documents may be paid for twice: the one that was read, or the texts of one batch."""
    if edge.startswith("extracted_leads before"):
        return 1
    return (
        20 if edge.endswith(" before commit") and edge.startswith(("document_embeddings", "ranked_candidates")) else 0
    )
