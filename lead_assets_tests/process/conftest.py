"""What tests of crashes and faults share: two days of documents, and what an undisturbed run makes of them."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from lead_assets import servers as embedded
from lead_assets.inbox.statuses import add_note, set_status
from lead_assets_tests.conftest import _create_database, write_archive
from lead_assets_tests.crashing import Edges, run_watched
from lead_assets_tests.stand_ins.openai_server import StandIn
from lead_assets_tests.stand_ins.openai_server.answers import shown_document
from lead_assets_tests.stand_ins.openai_server.server import CHAT, EMBEDDINGS
from lead_assets_tests.steps import Place, State, asking, coordinates_of, drop_index, opened_place


def paid_for(model: StandIn) -> Counter[str]:
    """How often each text was embedded and each document read."""
    read = (f"read {shown_document(body['messages'])}" for body in model.bodies[CHAT])
    texts = (f"embedded {text}" for body in model.bodies[EMBEDDINGS] for text in body["input"])
    return Counter([*read, *texts])


@dataclass(frozen=True)
class Days:
    """Archives of two days. On the second some documents are new, edited, deleted."""

    first: Path
    second: Path

    def live_through_the_first(self, place: Place) -> None:
        """Find leads, and let people work on them."""
        place.run(place.context(archive=self.first))
        worked_on = [asking(number)["name"] for number in (2, 5)]
        with place.database.engine.begin() as connection:
            set_status(connection, "crm", worked_on, "contacted", actor="ann")
            add_note(connection, "crm", worked_on[1], "Called.", actor="ann")


@pytest.fixture(scope="session")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    folder = tmp_path_factory.mktemp("days")
    first = [asking(number) for number in range(12)]
    over_18 = asking(12, over_18=True)
    edited = {**first[1], "selftext": "Which CRM has an API? Edited.", "edited": first[1]["created_utc"] + 500}
    gone = [{**thing, "selftext": "[removed]", "retrieved_on": thing["created_utc"] + 900} for thing in first[2:4]]
    second = [*first, edited, *gone, *(asking(number) for number in range(20, 28)), asking(30, over_18=True)]
    return Days(
        write_archive(folder / "first.ndjson", [*first, over_18, asking(13, title=first[0]["title"])]),
        write_archive(folder / "second.ndjson", second),
    )


@dataclass(frozen=True)
class Reference:
    """A second day that was not disturbed: the store before it, its edges, the store after it, what was paid for."""

    template: str
    archive: Path
    edges: list[str]
    state: State
    paid: Counter[str]
    model: StandIn


@pytest.fixture(scope="session")
def reference(
    days: Days,
    servers: embedded.Servers,
    new_database_url: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Reference]:
    folder = tmp_path_factory.mktemp("reference")
    with ExitStack() as stack:
        model = stack.enter_context(StandIn(dimension=16))
        url = new_database_url()
        with ExitStack() as before:
            place = opened_place(before, coordinates_of(folder, servers, url, model.url))
            days.live_through_the_first(place)
            drop_index(place.search_index)
        template = url.rpartition("/")[2].partition("?")[0]
        place = opened_place(stack, coordinates_of(folder, servers, copy_of(servers, template), model.url))
        stack.callback(drop_index, place.search_index)
        model.forget()
        edges = Edges()
        run_watched(place, edges, "undisturbed", archive=days.second)
        yield Reference(template, days.second, edges.reached, place.state("crm"), paid_for(model), model)


def copy_of(servers: embedded.Servers, template: str) -> str:
    """The URL of a new copy of a database."""
    return _create_database(servers.database_url, f"t_{uuid.uuid4().hex}", template)


def differences(found: State, expected: State) -> dict[str, object]:
    """The rows of each table that are only in one of two states."""
    return {
        name: (set(found.get(name, ())) ^ set(expected[name])) or "the same rows, but not as often"
        for name in expected
        if found.get(name) != expected[name]
    }
