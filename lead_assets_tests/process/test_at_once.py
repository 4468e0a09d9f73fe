"""What happens at once ends as if it had happened one after the other, and nobody waits for ever."""

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from lead_assets import servers as embedded
from lead_assets.pipeline.connect import open_witness
from lead_assets.pipeline.sweep import sweep
from lead_assets_tests.conftest import write_archive
from lead_assets_tests.faults import fault
from lead_assets_tests.process.conftest import Reference, copy_of, differences, paid_for
from lead_assets_tests.stand_ins.openai_server import StandIn
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer
from lead_assets_tests.steps import Coordinates, Place, State, asking, coordinates_of, drop_index, opened_place

PATIENCE = 240
"""Seconds after which somebody is taken to wait for ever."""
OF_WHO_PAYS = ("input_tokens", "output_tokens", "cost_usd", "raw_answer")
"""Columns of a reading that are empty where another campaign had asked for it already."""


def at_once(*works: Callable[[], object]) -> None:
    """Do all of ``works``, each in a thread, begun together."""
    begin = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def work(one: Callable[[], object]) -> None:
        begin.wait()
        try:
            one()
        except BaseException as error:  # noqa: BLE001  the test's own thread raises it again
            errors.append(error)

    threads = [threading.Thread(target=work, args=(one,), daemon=True) for one in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not [thread for thread in threads if thread.is_alive()], "somebody waits for ever"
    if errors:
        raise errors[0]


def run_at(at: Coordinates, campaign_id: str, archive: Path) -> None:
    """All steps, with clients of its own."""
    with ExitStack() as stack:
        place = opened_place(stack, at)
        place.run(place.context(campaign_id, archive=archive))


def empty_place(stack: ExitStack, at: Coordinates) -> tuple[Coordinates, Place]:
    """Clients of the stores at ``at``, and an index that goes with ``stack``."""
    place = opened_place(stack, at)
    place.search_index.ensure()
    stack.callback(drop_index, place.search_index)
    return at, place


@fault(
    "two runs of one campaign are started at once",
    service="a run",
    seen="“Another run is writing campaign …. Waiting for it to end.”",
    again="the other run's steps wait for the campaign's lock and find nothing left to do",
)
def test_two_runs_of_one_campaign(reference: Reference, servers: embedded.Servers, tmp_path: Path) -> None:
    with ExitStack() as stack:
        at = coordinates_of(tmp_path, servers, copy_of(servers, reference.template), reference.model.url)
        place = opened_place(stack, at)
        stack.callback(drop_index, place.search_index)
        reference.model.forget()
        at_once(*[lambda: run_at(at, "crm", reference.archive)] * 2)
        assert differences(place.state("crm"), reference.state) == {}
        assert paid_for(reference.model) == reference.paid, "the second finds nothing left to do"


def test_ten_campaigns_over_the_same_posts(
    servers: embedded.Servers, new_database_url: Callable[[], str], tmp_path: Path
) -> None:
    """They share vectors, features of texts, readings and the index."""
    names = [f"crm_{number}" for number in range(10)]
    archive = write_archive(tmp_path / "archive.ndjson", [asking(number) for number in range(20)])
    with ExitStack() as stack:
        model = stack.enter_context(StandIn(dimension=16))
        states: list[State] = []
        for is_at_once in (False, True):
            at, place = empty_place(stack, coordinates_of(tmp_path, servers, new_database_url(), model.url))
            works = [lambda name=name, at=at: run_at(at, name, archive) for name in names]
            if is_at_once:
                at_once(*works)
            else:
                for work in works:
                    work()
            states.append(place.state(*names, but=OF_WHO_PAYS))
        one_by_one, together = states
        assert len(one_by_one["qualified_leads"]) == 10 * 20
        assert differences(together, one_by_one) == {}


@pytest.mark.parametrize("seed", range(2))
def test_a_crawl_while_the_sweep_deletes(
    servers: embedded.Servers, new_database_url: Callable[[], str], tmp_path: Path, seed: int
) -> None:
    things = [asking(number) for number in range(30)]
    gone = random.Random(seed).sample([thing["name"] for thing in things], 10)
    archives = _archives(tmp_path, things)
    with ExitStack() as stack:
        model = stack.enter_context(StandIn(dimension=16))
        reddit = stack.enter_context(RedditServer(Corpus(things)))
        states: list[State] = []
        for is_at_once in (False, True):
            at, place = empty_place(stack, coordinates_of(tmp_path, servers, new_database_url(), model.url))
            run_at(at, "crm", archives[0])
            for name in gone:
                reddit.corpus.delete(name)
            crawl, delete = lambda at=at: run_at(at, "crm", archives[1]), lambda at=at: sweep_at(at, reddit)
            if is_at_once:
                at_once(crawl, delete)
            else:
                crawl()
            # What a crawl meets for the first time after the sweep has looked is the next sweep's.
            delete()
            run_at(at, "crm", archives[1])
            states.append(place.state("crm"))
        one_by_one, together = states
        left = {thing["name"] for thing in things} - set(gone)
        assert {row[1] for row in together["documents"]} == left
        assert {name for name, _ in together["typesense crm"]} == left
        assert differences(together, one_by_one) == {}


def _archives(folder: Path, things: Sequence[dict]) -> list[Path]:
    return [
        write_archive(folder / "first.ndjson", things[:20]),
        write_archive(folder / "second.ndjson", things),
    ]


def sweep_at(at: Coordinates, reddit: RedditServer) -> None:
    """A sweep with clients of its own."""
    with ExitStack() as stack:
        place: Place = opened_place(stack, at)
        place.variables = reddit.variables
        witness = open_witness(place.context().environment, "reddit", place.database, lambda _: None)
        stack.callback(witness.close)
        sweep(place.database, place.search_index, witness, place.folder / "rejections")
