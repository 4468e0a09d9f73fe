"""A server that dies in the middle of a run, a wiped index, a full disk: what is told, and that the next run makes it
whole: the store is then that of an undisturbed run."""

import os
import resource
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dagster as dg
import psutil
import pytest
import sqlalchemy as sa

from lead_assets import servers as embedded
from lead_assets.defs.partitioned_checks import as_dagster_failure
from lead_assets.storage import migrate
from lead_assets_tests.conftest import _create_database
from lead_assets_tests.crashing import Edges, in_a_child, run_watched
from lead_assets_tests.faults import fault
from lead_assets_tests.process.conftest import Days, Reference, copy_of, differences
from lead_assets_tests.stand_ins.openai_server import StandIn
from lead_assets_tests.steps import STEPS, Coordinates, coordinates_of, drop_index, opened_place


@dataclass
class OwnServers:
    """Servers that tests may kill, and databases in them."""

    home: Path
    folder: Path
    model_url: str

    def kill(self, name: str) -> None:
        """End a server as the kernel does where memory is short."""
        (server,) = [each for each in embedded.status(self.home) if each.name == name]
        assert server.pid is not None
        process = psutil.Process(server.pid)
        process.kill()
        process.wait(timeout=30)

    def start(self) -> embedded.Servers:
        return embedded.up(self.home)

    def wipe_typesense(self) -> None:
        """Lose its disk."""
        self.kill("typesense")
        shutil.rmtree(self.home / "typesense")

    def new_place(self) -> Coordinates:
        servers = self.start()
        url = _create_database(servers.database_url, f"t_{uuid.uuid4().hex}", "template1")
        engine = sa.create_engine(url)
        migrate.upgrade(engine)
        engine.dispose()
        return coordinates_of(self.folder, servers, url, self.model_url)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServers]:
    home = tmp_path_factory.mktemp("own")
    with StandIn(dimension=16) as model:
        try:
            yield OwnServers(home, tmp_path_factory.mktemp("places"), model.url)
        finally:
            embedded.down(home)


def run_struck(at: Coordinates, days: Days, edge: str, strike: Callable[[], object]) -> str:
    """Live through two days, in the second of which something happens at ``edge``; returns what the run said of it."""
    with ExitStack() as stack:
        place = opened_place(stack, at)
        days.live_through_the_first(place)
        edges = Edges(edge, strike)
        with pytest.raises(dg.Failure) as failed, as_dagster_failure():
            run_watched(place, edges, "struck", archive=days.second)
        assert edges.at is None, "it happened"
        return str(failed.value.description)


def assert_made_whole(at: Coordinates, reference: Reference) -> None:
    """One more run, and nothing is lost or doubled."""
    with ExitStack() as stack:
        place = opened_place(stack, at)
        place.run(place.context(archive=reference.archive))
        assert differences(place.state("crm"), reference.state) == {}


@fault(
    "it is killed and started again in the middle of a run",
    service="PostgreSQL",
    seen="the run fails: “PostgreSQL failed (…). What was committed before stays. Run again.”",
    again="the next run continues where the last transaction ended",
)
@pytest.mark.parametrize(
    "edge", ["crawled_documents before commit", "document_embeddings before commit", "extracted_leads after commit"]
)
def test_postgresql_killed_in_the_middle_of_a_run(own: OwnServers, days: Days, reference: Reference, edge: str) -> None:
    at = own.new_place()

    def strike() -> None:
        own.kill("postgres")
        own.start()

    told = run_struck(at, days, edge, strike)

    assert told.startswith("PostgreSQL failed (")
    assert told.endswith("What was committed before stays. Run again.")
    assert_made_whole(at, reference)


@fault(
    "it is killed in the middle of a run",
    service="Typesense",
    seen="the run fails: “Typesense at … failed (…). Start it with `lead-assets up`, or check TYPESENSE_URL.”",
    again="the next run indexes what is missing",
)
def test_typesense_killed_in_the_middle_of_a_run(own: OwnServers, days: Days, reference: Reference) -> None:
    at = own.new_place()
    told = run_struck(at, days, "typesense_index before Typesense upsert", lambda: own.kill("typesense"))
    assert told.startswith("Typesense at http")
    assert "Start it with `lead-assets up`" in told
    own.start()
    assert_made_whole(at, reference)


@fault(
    "its data is wiped, in the middle of a run",
    service="Typesense",
    seen="`ranked_candidates` warns: “… documents are not in Typesense as they are stored and were not ranked. "
    "Materialize typesense_index.” Leads that were found before stay",
    again="the next run fills the index from PostgreSQL",
)
def test_typesense_wiped_between_the_steps_of_a_run(own: OwnServers, days: Days, reference: Reference) -> None:
    at = own.new_place()
    with ExitStack() as stack:
        place = opened_place(stack, at)
        days.live_through_the_first(place)
        leads = "SELECT count(*) FROM lead_assets.qualified_leads"
        before = place.value(leads)
        own.wipe_typesense()
        own.start()
        steps = [step for step in STEPS if step.name != "typesense_index"]
        reports = place.run(place.context(archive=days.first), steps)
        assert any("are not in Typesense" in said for said in reports["ranked_candidates"].warnings)
        assert place.value(leads) == before > 0
    assert_made_whole(at, reference)


ROOM = 100
"""Bytes that a file may have: less than the header of the CSV file."""


@fault(
    "no room for the CSV file of rejections",
    service="the disk",
    seen="the run succeeds and warns: “The CSV file of rejections was not written: … Make room there or set "
    "REJECTION_LOG_DIR”",
    again="the next run writes its own file",
    lost="that CSV file; its rows are in the table `rejections`",
)
def test_a_disk_without_room_for_csv_files(reference: Reference, servers: embedded.Servers, tmp_path: Path) -> None:
    with ExitStack() as stack:
        at = coordinates_of(tmp_path, servers, copy_of(servers, reference.template), reference.model.url)
        place = opened_place(stack, at)
        stack.callback(drop_index, place.search_index)

        assert in_a_child(partial(_run_without_room, at, reference.archive)) == 0

        assert differences(place.state("crm"), reference.state) == {}
    assert [path for path in (tmp_path / "rejections").rglob("*") if path.is_file()] == []


def _run_without_room(at: Coordinates, archive: Path) -> None:
    """The operating system refuses to let files grow, as where a disk is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with ExitStack() as stack:
        place = opened_place(stack, at)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
        reports = place.run(place.context(archive=archive))
    assert any("was not written: File too large" in said for said in reports["crawled_documents"].warnings)
    os._exit(0)
