"""The whole graph, stage by stage, beside the floors of each stage measured in the same run.

    .venv/bin/python benchmarks/pipeline.py [--documents 1000] [--readings-at-once 32] [--no-reading] [--json FILE]

Needs the servers (``lead-assets up``), makes a database of its own there, and drops it. Documents are the real posts of
``LEAD_ASSETS_SHARED`` (else of the folder ``shared`` beside the project; made-up ones where neither is there), with new
ids and a number in the title, as many as are wanted, each with one of the campaign's keywords. Two stand-ins in
processes of their own embed (30 ms a request, 384 dimensions) and read (150 ms a document).

Floors: what a stage cannot do without, done alone: parsing lines, matching keywords, the features of texts, COPY of the
same rows into plain tables, Typesense's import of the same documents and its text-match searches, and the stand-ins'
own time. ``requests`` and ``statements`` are those to Typesense and PostgreSQL; CPU is this process's own, that of the
others stands below. Of the CPU a document, openai's client is measured alone: imported, and asked as it documents.
"""

import argparse
import itertools
import json
import os
import random
import resource
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import requests
import sqlalchemy as sa
import zstandard
from floors import client_cpu, cpu_seconds, floors_of, server_processes
from rich.console import Console
from rich.table import Table
from sqlalchemy.event import listen
from stand_in import PROJECT, stand_in

from lead_assets.config.environment import Environment
from lead_assets.domain.campaign import Campaign
from lead_assets.domain.settings import Layer, resolve
from lead_assets.pipeline import crawl, embed, extract, index, leads, rank
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.step import Step, Stores, run_step
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage.database import Database
from lead_assets.storage.migrate import upgrade

KEYWORDS = ["python", "rails", "javascript", "docker", "react", "aws", "database", "deploy", "hosting"]
AS_OF = datetime(2021, 1, 1, tzinfo=UTC)
EMBED_SECONDS, READ_SECONDS, EMBEDDINGS_AT_ONCE, DIMENSION = 0.03, 0.15, 4, 384
STAGES: tuple[Step, ...] = (crawl.STEP, index.STEP, embed.STEP, embed.STUBS, rank.STEP, extract.STEP, leads.STEP)


@dataclass
class Measured:
    """A stage: wall and CPU seconds, requests to Typesense, statements to PostgreSQL, and the floors by name."""

    name: str
    seconds: float
    cpu: float
    requests: int
    statements: int
    floors: dict[str, float] = field(default_factory=dict)

    @property
    def floor(self) -> float:
        """Seconds of all floors together."""
        return sum(self.floors.values())


def real_posts() -> Iterator[dict[str, Any]]:
    """Reddit's own posts of 2020, or made-up ones."""
    shared = Path(os.environ.get("LEAD_ASSETS_SHARED") or PROJECT.parent / "shared")
    path = shared / "data" / "reddit" / "submissions_2020_devtools.ndjson.zst"
    if path.is_file():
        with zstandard.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)
        return
    chance = random.Random(0)
    words = ["we", "use", "it", "for", "our", "small", "shop", "and", "need", "help", "with", "every", "week"]
    for number in range(5_000):
        body = f"{chance.choice(KEYWORDS)} {' '.join(chance.choices(words, k=150))}?"
        yield {"name": f"t3_{number:x}", "title": "Looking for advice", "selftext": body, "author": f"user{number}"}


def write_corpus(path: Path, campaign: Campaign, count: int) -> None:
    """``count`` matching posts as an archive; the same posts come again with other ids where there are too few."""
    matching = [
        post
        for post in real_posts()
        if campaign.matched_keywords(f"{post['title']}\n\n{post.get('selftext', '')}", post["title"])
    ]
    with path.open("w", encoding="utf-8") as file:
        for number, post in zip(range(count), itertools.cycle(matching), strict=False):
            name = f"{46_656_000 + number:x}"
            new = {
                "id": name,
                "name": f"t3_{name}",
                "title": f"{post['title']} ({number})",
                "permalink": f"/r/test/comments/{name}/_/",
                "created_utc": int(AS_OF.timestamp()) - 86_400 * 90 + number,
                "score": 5,
                "over_18": False,
            }
            file.write(json.dumps({**post, **new}) + "\n")


@contextmanager
def own_database(url: str) -> Iterator[Database]:
    """A new database on the server of ``url``, with our schema; dropped at the end."""
    name = f"benchmark_{uuid.uuid4().hex[:12]}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    database = Database(sa.make_url(url).set(database=name).render_as_string(hide_password=False))
    try:
        upgrade(database.engine)
        yield database
    finally:
        database.close()
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        server.dispose()


@contextmanager
def counted(database: Database, typesense_url: str) -> Iterator[Counter[str]]:
    """Counts statements to PostgreSQL, and requests to Typesense, whichever client sends them."""
    found: Counter[str] = Counter()

    def statement(*_: object) -> None:
        found["statements"] += 1

    def counting(send: Callable[..., Any]) -> Callable[..., Any]:
        def counted_send(client: Any, request: Any, **options: Any) -> Any:
            found["requests"] += str(request.url).startswith(typesense_url)
            return send(client, request, **options)

        return counted_send

    original = httpx.Client.send, requests.Session.send
    httpx.Client.send, requests.Session.send = map(counting, original)  # type: ignore[method-assign,assignment]
    listen(database.engine, "before_cursor_execute", statement)
    try:
        yield found
    finally:
        httpx.Client.send, requests.Session.send = original  # type: ignore[method-assign]


@dataclass
class CPUClock:
    """CPU seconds of the other processes, from one look to the next."""

    processes: Mapping[str, psutil.Process]
    last: dict[str, float] = field(default_factory=dict)

    def lap(self) -> dict[str, float]:
        """What each has used since the last look."""
        now = {name: cpu_seconds(process) for name, process in self.processes.items()}
        used = {name: seconds - self.last.get(name, 0.0) for name, seconds in now.items()}
        self.last = now
        return used


def run_stages(context: RunContext, stores: Stores, steps: Sequence[Step], found: Counter[str]) -> list[Measured]:
    """Each step once, measured."""
    run_id, measured = str(uuid.uuid4()), list[Measured]()
    for step in steps:
        found.clear()
        began, cpu = time.perf_counter(), time.process_time()
        run_step(step, context, stores, run_id)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        measured.append(Measured(step.name, seconds, used, found["requests"], found["statements"]))
    return measured


def read_count(database: Database, campaign_id: str) -> int:
    """Documents that were read."""
    with database.connect() as connection:
        text = sa.text("SELECT count(*) FROM lead_assets.extractions WHERE campaign_id = :id")
        return int(connection.scalar(text, {"id": campaign_id}) or 0)


def main() -> None:
    """Make the corpus, run the graph twice, measure the floors, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--readings-at-once", type=int, default=32)
    parser.add_argument("--no-reading", action="store_true", help="from crawl to rank only")
    parser.add_argument("--json", type=Path, help="where the figures are written")
    options = parser.parse_args()
    steps = STAGES[:5] if options.no_reading else STAGES
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        embedding, reading = (
            stack.enter_context(stand_in(seconds, "--dimension", str(DIMENSION)))
            for seconds in (EMBED_SECONDS, READ_SECONDS)
        )
        environment = Environment.read({**os.environ, "EMBEDDING_BASE_URL": embedding, "LLM_BASE_URL": reading})
        database = stack.enter_context(own_database(environment.database_url))
        url, key = environment.typesense
        search_index = SearchIndex(url, key)
        stack.callback(search_index.close)
        campaign = Campaign(
            id=f"benchmark_{uuid.uuid4().hex[:12]}",
            name="benchmark",
            product="Hosting for web applications.",
            keywords=KEYWORDS,
        )
        stack.callback(search_index.delete_campaign, campaign.id)
        archive = folder / "corpus.ndjson"
        write_corpus(archive, campaign, options.documents)
        settings = {
            "LLM_CONCURRENCY": options.readings_at_once,
            "LLM_MAX_CALLS_PER_RUN": 0,
            "EMBEDDING_MODEL": "stand-in-embedding",
            "EMBEDDING_CONCURRENCY": EMBEDDINGS_AT_ONCE,
            "COSINE_THRESHOLD": -1.0,
            "MIN_FUSED_SCORE_THRESHOLD": 0.0,
        }
        context = RunContext(campaign, resolve([Layer("benchmark", settings)]), "archive", archive, AS_OF, environment)
        stores = Stores(database, search_index, folder)
        stand_ins = dict(zip(("embedding stand-in", "reading stand-in"), psutil.Process().children(), strict=True))
        clock = CPUClock(server_processes(environment) | stand_ins)
        found = stack.enter_context(counted(database, url))
        clock.lap()
        first = run_stages(context, stores, steps, found)
        others = clock.lap()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        again = run_stages(context, stores, steps, found)
        others_again = clock.lap()
        embedding_seconds = -(-options.documents // embed.BATCH) * EMBED_SECONDS / EMBEDDINGS_AT_ONCE
        floors = floors_of(context, stores, archive, embedding_seconds)
        readings = 0 if options.no_reading else read_count(database, campaign.id)
        if readings:
            floors[extract.STEP.name]["model"] = readings * READ_SECONDS / options.readings_at_once
        for one in first:
            one.floors = floors.get(one.name, {})
        client = client_cpu(reading, archive, campaign.product, readings, options.readings_at_once) if readings else 0.0
    figures = {
        "documents": options.documents,
        "peak_mb": peak,
        "first": _plain(first),
        "again": _plain(again),
        "cpu_of_others": {"first": others, "again": others_again},
        "cpu_of_client_alone": client,
    }
    show(options.documents, first, again, peak, client)
    show_others(others, others_again)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _plain(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    return [vars(one) | {"floor": one.floor} for one in measured]


def show(count: int, first: Sequence[Measured], again: Sequence[Measured], peak: float, client: float) -> None:
    """The table: a row for each stage, and their sum."""
    table = Table(title=f"{count:,} documents; peak {peak:,.0f} MB", title_justify="left")
    for name in ("stage", "seconds", "floor", "ratio", "CPU", "requests", "statements", "nothing new", "floors"):
        table.add_column(name, justify="left" if name in ("stage", "floors") else "right")
    for one, second in zip(first, again, strict=True):
        floors = ", ".join(f"{name} {seconds:.2f}" for name, seconds in one.floors.items())
        _row(table, one.name, [one], [second], floors)
    own = 1e3 * (_cpu(first) - _cpu(again)) / count
    alone = f", of which openai's client alone {1e3 * client / count:.2f}" if client else ""
    _row(table, "all", first, again, f"{own:.2f} ms CPU a document beyond nothing new{alone}")
    Console(width=160).print(table)


def show_others(first: Mapping[str, float], again: Mapping[str, float]) -> None:
    """CPU of the other processes."""
    table = Table("process", "CPU", "nothing new")
    for name, seconds in first.items():
        table.add_row(name, f"{seconds:.2f}", f"{again[name]:.2f}")
    Console(width=160).print(table)


def _cpu(stages: Sequence[Measured]) -> float:
    return sum(one.cpu for one in stages)


def _row(table: Table, name: str, stages: Sequence[Measured], again: Sequence[Measured], note: str) -> None:
    seconds, floor = sum(one.seconds for one in stages), sum(one.floor for one in stages)
    table.add_row(
        name,
        f"{seconds:.2f}",
        f"{floor:.2f}",
        f"{seconds / floor:.1f}" if floor else "",
        f"{_cpu(stages):.2f}",
        str(sum(one.requests for one in stages)),
        str(sum(one.statements for one in stages)),
        f"{sum(one.seconds for one in again):.2f}",
        note,
    )


if __name__ == "__main__":
    main()
