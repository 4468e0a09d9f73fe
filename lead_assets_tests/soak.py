"""A month of an installation, on a played clock: posts appear, are edited and deleted, people work on leads, services
fail now and then. In the end nothing is lost, nothing is doubled, and nothing that was deleted is there.

``python -m lead_assets_tests.soak`` (``make soak``) lives through 20 campaigns and 30 days and prints figures. Every
tenth campaign runs through Dagster, the others as steps, all in one process, without pictures.
"""

import argparse
import gc
import os
import random
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from lead_assets import servers as embedded
from lead_assets.defs.metadata import charts
from lead_assets.domain.errors import LeadAssetsError
from lead_assets.domain.notify import Notify
from lead_assets.inbox.delivery import deliver
from lead_assets.inbox.senders import Message, Outcome
from lead_assets.inbox.statuses import set_status
from lead_assets.pipeline.connect import open_witness
from lead_assets.pipeline.sweep import sweep
from lead_assets.search.typesense import SearchIndex
from lead_assets_tests.conftest import FIGURES, World, _create_database, _draw_nothing, _make_fast, write_archive
from lead_assets_tests.crashing import Edges, run_watched
from lead_assets_tests.played import CONTEXTS, PlayedClock, PlayedRunSettings
from lead_assets_tests.soaked_world import WORDS, Figures, Reddit
from lead_assets_tests.stand_ins.openai_server import StandIn
from lead_assets_tests.stand_ins.openai_server.faults import failing
from lead_assets_tests.stand_ins.openai_server.server import CHAT, EMBEDDINGS
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer
from lead_assets_tests.steps import Coordinates, Place, coordinates_of, drop_index, opened_place

BEGIN = datetime(2026, 3, 2, 6, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ROUNDS = 6
"""Attempts to send alerts a day: a receiver that is tried once a day would be switched off after its second failure."""
NOTIFY = "json://127.0.0.1:9/never-sent"
OUTAGES = ("reading", "embedding", "Typesense", "PostgreSQL")
THROUGH_DAGSTER = 10
"""One campaign in so many."""
EXPECTED = (LeadAssetsError, SQLAlchemyError, psycopg2.Error)
"""What a run may fail with on a day on which a service fails."""


@dataclass
class Soak:
    """One installation, and what is known of it from outside."""

    at: Coordinates
    clock: PlayedClock
    model: StandIn
    server: RedditServer
    ids: Sequence[str]
    chance: random.Random
    reddit: Reddit
    figures: Figures
    decided: dict[tuple[str, str], str] = field(default_factory=dict)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)

    def word(self, campaign_id: str) -> str:
        return WORDS[self.ids.index(campaign_id) % len(WORDS)]

    def place(self, stack: ExitStack) -> Place:
        place = opened_place(stack, self.at)
        place.moment, place.batch_documents = self.clock.moment, 50
        place.variables = {
            **self.server.variables,
            "REDDIT_REQUESTS_PER_MINUTE": "100000",
        }
        return place

    def context(self, place: Place, campaign_id: str) -> Any:
        word = self.word(campaign_id)
        keys = {"product": f"A {word} tool for small businesses, {campaign_id}.", "keywords": [word]}
        settings = {"OPENAI_RETRY_SECONDS": 0, "LLM_CONCURRENCY": 4}
        return place.context(campaign_id, settings=settings, notify=[{"to": NOTIFY, "max_age": 365}], **keys)

    def live_through_a_day(self, outage: str | None) -> None:
        """Posts, runs, alerts, and people who work on leads."""
        self.clock.go_on(DAY - ROUNDS * HOUR)
        self.reddit.live_through(self.clock.moment, self.server.corpus)
        write_archive(self.at.folder / "archive.ndjson", self.reddit.archive())
        faults = {"reading": CHAT, "embedding": EMBEDDINGS}
        if outage in faults:
            self.model.fail(faults[outage], failing().at(times=None))
        for campaign_id in self.ids:
            self._run(campaign_id, outage)
        for faulty in faults.values():
            self.model.faults[faulty].clear()
        with ExitStack() as stack:
            place = self.place(stack)
            for _ in range(ROUNDS):
                self.clock.go_on(HOUR)
                self._deliver(place)
            self._work(place)

    def _run(self, campaign_id: str, outage: str | None) -> None:
        self.figures.runs += 1
        with ExitStack() as stack:
            place = self.place(stack)
            try:
                self._run_at(place, campaign_id, outage)
            except EXPECTED:
                assert outage is not None, "a run failed on a day without an outage"
                self.figures.failed_runs += 1
                return
            assert place.unaccounted(campaign_id) == 0
            listed = "SELECT count(*) FROM lead_assets.{} JOIN lead_assets.deleted_documents USING (reddit_id)"
            for table in ("documents", "leads", "candidates", "extractions", "sightings", "rejections"):
                query = f"{listed.format(table)} WHERE campaign_id = :id"
                assert place.value(query, id=campaign_id) == 0, f"what was deleted is in {table} again"

    def _run_at(self, place: Place, campaign_id: str, outage: str | None) -> None:
        if outage == "Typesense":
            place.search_index.close()
            place.search_index = SearchIndex("http://127.0.0.1:9", "key", timeout_seconds=0.1)
        context = partial(self.context, place, campaign_id)
        if self.ids.index(campaign_id) % THROUGH_DAGSTER == THROUGH_DAGSTER - 1 or len(self.ids) == 1:
            run_in_dagster(place, campaign_id, context)
        elif outage == "PostgreSQL":
            edge = self.chance.randrange(20)
            run_watched(place, Edges(edge, self.clock.end_connections), str(uuid.uuid4()), make_context=context)
        else:
            place.run(context())

    def _deliver(self, place: Place) -> None:
        def send(notify: Notify, message: Message, now: datetime) -> Outcome:
            if self.chance.random() < 0.2:
                return Outcome("failed", "status 503")
            self.figures.messages += 1
            self.told.update((campaign_id, lead["reddit_id"]) for lead in message.data["leads"])
            return Outcome("sent")

        for campaign_id in self.ids:
            context = self.context(place, campaign_id)
            deliver(place.database, context.campaign, context.settings, "http://page", send, self.clock.moment)

    def _work(self, place: Place) -> None:
        """Somebody decides about a few new leads of each campaign."""
        for campaign_id in self.ids:
            query = sa.text(
                "SELECT reddit_id FROM lead_assets.lead_states WHERE campaign_id = :id AND status = 'new' ORDER BY 1"
            )
            with place.database.engine.begin() as connection:
                new = list(connection.scalars(query, {"id": campaign_id}))
                for name in self.chance.sample(new, min(2, len(new))):
                    status = self.chance.choice(["contacted", "dismissed", "won"])
                    set_status(connection, campaign_id, [name], status, actor="ann", now=self.clock.moment)
                    self.decided[campaign_id, name] = status

    def sweep(self) -> None:
        """What Reddit alone knows to be deleted goes."""
        with ExitStack() as stack:
            place = self.place(stack)
            environment = self.context(place, self.ids[0]).environment
            witness = open_witness(environment, "reddit", place.database, lambda _: None)
            stack.callback(witness.close)
            sweep(place.database, place.search_index, witness, place.folder / "rejections")

    def measure(self) -> None:
        """Bytes in the database and of this process."""
        with ExitStack() as stack:
            documents = int(self.place(stack).value("SELECT count(*) FROM lead_assets.documents"))
        gc.collect()
        self.figures.stored.append((documents, self.clock.bytes_stored()))
        self.figures.memory.append((documents, psutil.Process().memory_info().rss))

    def assert_all_is_right(self) -> None:
        """What must be there is there, once, as it is now; nothing else is."""
        with ExitStack() as stack:
            place = self.place(stack)
            with place.database.connect() as connection:
                rows = connection.execute(sa.text("SELECT campaign_id, reddit_id, title FROM lead_assets.documents"))
                documents = {(row.campaign_id, row.reddit_id): row.title for row in rows}
                leads = _pairs(connection, "SELECT campaign_id, reddit_id FROM lead_assets.qualified_leads")
                found = _pairs(
                    connection, "SELECT campaign_id, reddit_id FROM lead_assets.lead_events WHERE event = 'found'"
                )
                decisions = {
                    (row.campaign_id, row.reddit_id): row.status
                    for row in connection.execute(sa.text("SELECT * FROM lead_assets.lead_decisions"))
                }
                outcomes = Counter(
                    connection.scalars(sa.text("SELECT coalesce(outcome, 'waiting') FROM lead_assets.outbox"))
                )
            wanted = {
                (campaign_id, name): title
                for campaign_id in self.ids
                for name, title in self.reddit.wanted(self.word(campaign_id)).items()
            }
            assert documents == wanted, "documents are those that are on Reddit"
            assert set(leads) == set(wanted), "each of them is a lead"
            assert max(Counter(leads).values()) == max(Counter(found).values()) == 1, "nothing is doubled"
            assert decisions == self.decided, "what people decided stays"
            assert max(self.told.values()) == 1, "nobody is told twice"
            undecided = {lead for lead in leads if lead not in self.decided}
            assert not outcomes["undelivered"], "no receiver is switched off"
            assert undecided <= set(self.told), "everybody is told"
            for campaign_id in self.ids:
                held = set(place.search_index.held(campaign_id))
                assert held == {name for each, name in wanted if each == campaign_id}
            self.figures.documents, self.figures.leads = len(documents), len(leads)
            self.figures.posts = len(self.reddit.posts)


def _pairs(connection: sa.Connection, query: str) -> list[tuple[str, str]]:
    return [(row.campaign_id, row.reddit_id) for row in connection.execute(sa.text(query))]


def run_in_dagster(place: Place, campaign_id: str, context: Callable[[], Any]) -> None:
    """The whole job in this process. A failed run raises, as a step does."""
    CONTEXTS[campaign_id] = context
    with dg.DagsterInstance.ephemeral() as instance:
        overrides = {"run_settings": PlayedRunSettings()}
        world = World(place.folder, place.database, place.search_index, instance, overrides)
        world.campaign(campaign_id)
        result = world.run(campaign_id, ok=None)
    if not result.success:
        raise LeadAssetsError("the run failed")


def soak(
    servers: embedded.Servers,
    folder: Path,
    *,
    campaigns: int,
    days: int,
    seed: int,
    on_day: Callable[[str], object] = lambda _: None,
) -> Figures:
    """Live through it, on servers that are there; raises where anything is not as it must be."""
    began = time.monotonic()
    chance = random.Random(seed)
    (folder / "campaigns").mkdir()
    with ExitStack() as stack:
        url = _create_database(servers.database_url, f"soak_{uuid.uuid4().hex}", "template1")
        clock = PlayedClock(url, BEGIN)
        stack.callback(clock.close)
        model = stack.enter_context(StandIn(dimension=16, keep=False))
        server = stack.enter_context(RedditServer(Corpus()))
        at = coordinates_of(folder, servers, clock.url, model.url)
        ids = [f"soak_{number:02}" for number in range(campaigns)]
        figures = Figures(days, campaigns)
        life = Soak(at, clock, model, server, ids, chance, Reddit(chance), figures)
        place = life.place(stack)
        place.search_index.ensure()
        stack.callback(drop_index, place.search_index)
        for day in range(1, days + 1):
            # The last day is a good one: what failed before must be made up for by then.
            outage = chance.choice(OUTAGES) if day % 3 == 2 and day != days else None
            life.live_through_a_day(outage)
            on_day(f"day {day}: {len(life.reddit.posts)} posts, {figures.failed_runs} failed runs, outage: {outage}")
            if day % 7 == 0 or day == days:
                life.sweep()
            if day % max(1, days // 3) == 0:
                life.measure()
        life.live_through_a_day(None)
        life.sweep()
        for _ in range(100):
            if "waiting" not in _outcomes(place):
                break
            life.clock.go_on(HOUR)
            life._deliver(place)
        life.assert_all_is_right()
        figures.seconds = time.monotonic() - began
    return figures


def _outcomes(place: Place) -> Mapping[str, int]:
    with place.database.connect() as connection:
        return Counter(connection.scalars(sa.text("SELECT coalesce(outcome, 'waiting') FROM lead_assets.outbox")))


def assert_growth_is_linear(figures: Figures) -> None:
    """What a document takes in the last third is at most half as much again as in the second; so is memory, but for
    what an allocator keeps."""
    (first, first_bytes), (second, second_bytes), (third, third_bytes) = figures.stored[:3]
    before, after = (second_bytes - first_bytes) / (second - first), (third_bytes - second_bytes) / (third - second)
    assert after <= 1.5 * before, f"{before:.0f} bytes a document, then {after:.0f}"
    (_, first_memory), (_, second_memory), (_, third_memory) = figures.memory[:3]
    assert third_memory - second_memory <= 1.5 * max(second_memory - first_memory, 0) + 30e6, figures.memory


def main() -> None:
    """Live through a month on servers of its own, and print figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--campaigns", type=int, default=20)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        home, place = Path(folder) / "home", Path(folder) / "place"
        place.mkdir(mode=0o755)
        for name in FIGURES:
            patch.setattr(charts, name, _draw_nothing)
        patch.setenv("LEAD_ASSETS_HOME", str(home))
        patch.setenv("LEAD_ASSETS_CAMPAIGNS", str(place / "campaigns"))
        try:
            servers = embedded.up(home)
            _make_fast(servers.database_url)
            given = {"campaigns": options.campaigns, "days": options.days, "seed": options.seed}
            figures = soak(servers, place, **given, on_day=partial(print, flush=True))
        finally:
            embedded.down(home)
    for name, value in figures.rows().items():
        print(f"| {name} | {value} |")
    print(f"| on | {os.cpu_count()} cores |")
    assert_growth_is_linear(figures)


if __name__ == "__main__":
    main()
