"""What the stages of ``pipeline.py`` cannot do without, each done alone."""

import io
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import openai
import psutil

from lead_assets import servers
from lead_assets.config.environment import Environment
from lead_assets.domain.candidate import text_frame
from lead_assets.domain.document import Document
from lead_assets.domain.extraction import ExtractionRequest
from lead_assets.domain.frames import to_frame
from lead_assets.domain.keywords import searches_of
from lead_assets.models.openai import prompt
from lead_assets.pipeline import crawl, embed, extract, index, rank
from lead_assets.pipeline.run_context import RunContext
from lead_assets.pipeline.step import Stores
from lead_assets.search.typesense import SearchIndex
from lead_assets.sources.archive import ArchiveSource
from lead_assets.storage.database import Database

MOST_ASKED = 1_000
"""Readings that the client makes alone; what they take is scaled to all of them."""
WRITTEN: Mapping[str, Sequence[str]] = {
    crawl.STEP.name: ("documents", "sightings"),
    embed.STEP.name: ("vectors",),
    rank.STEP.name: ("text_features", "candidates", "rejections"),
    extract.STEP.name: ("extractions",),
}
"""The tables that hold what each stage has written through the client; ``lead_stubs`` writes within the server."""


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def floors_of(context: RunContext, stores: Stores, archive: Path, model_seconds: float) -> dict[str, dict[str, float]]:
    """Seconds by stage and by what takes them; ``model_seconds`` is the embedding stand-in's own time."""
    campaign, lines = context.campaign, archive.read_text(encoding="utf-8").splitlines()
    found: list[Document] = [one for batch in ArchiveSource(archive).search(campaign) for one in batch.documents]
    things = [json.loads(line) for line in lines]
    texts = [(f"{thing['title']}\n\n{thing.get('selftext', '')}", thing["title"]) for thing in things]
    frame = to_frame(found)
    ids, searches = frame["reddit_id"].tolist(), searches_of(campaign.keywords)
    floors: dict[str, dict[str, float]] = {
        crawl.STEP.name: {
            "parsing": timed(lambda: [json.loads(line) for line in lines]),
            "keywords": timed(lambda: [campaign.matched_keywords(text, title) for text, title in texts]),
        },
        index.STEP.name: {"import": import_seconds(stores.search_index, found)},
        embed.STEP.name: {"model": model_seconds},
        rank.STEP.name: {
            "features": timed(lambda: text_frame(frame[["kind", "title", "body"]], campaign)),
            "searches": timed(lambda: stores.search_index.text_match(campaign.id, ids, searches)),
        },
    }
    for stage, tables in WRITTEN.items():
        floors.setdefault(stage, {})["COPY"] = sum(copy_seconds(stores.database, table) for table in tables)
    return floors


def copy_seconds(database: Database, table: str) -> float:
    """COPY of all rows of one of our tables into a plain one, without keys."""
    rows = io.StringIO()
    with database.engine.begin() as connection:
        cursor: Any = connection.connection.cursor()
        cursor.copy_expert(f"COPY lead_assets.{table} TO STDOUT", rows)
        rows.seek(0)
        connection.exec_driver_sql(f"CREATE TABLE plain (LIKE lead_assets.{table})")
        seconds = timed(lambda: cursor.copy_expert("COPY plain FROM STDIN", rows))
        connection.exec_driver_sql("DROP TABLE plain")
    return seconds


def import_seconds(search_index: SearchIndex, documents: Sequence[Document]) -> float:
    """Typesense's import of the same documents, for a campaign that is removed again."""
    other, collection = f"floor_{uuid.uuid4().hex}", search_index.ensure()
    lines = [
        {"reddit_id": one.reddit_id, "title": one.title, "body": one.body, "text_hash": one.reddit_id}
        for one in documents
    ]
    try:
        return timed(lambda: search_index.upsert(collection, other, lines))
    finally:
        search_index.delete_campaign(other)


def client_cpu(url: str, archive: Path, product: str, readings: int, at_once: int) -> float:
    """CPU seconds of openai's own client, imported and asked for so many readings in the way that it documents."""
    with archive.open(encoding="utf-8") as lines:
        things = [json.loads(line) for line in islice(lines, MOST_ASKED)]
    asked: list[Any] = [
        prompt.messages(ExtractionRequest(product, thing["title"], thing.get("selftext", ""))) for thing in things
    ]
    schema: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": prompt.schema(), "strict": True}}
    with (
        openai.OpenAI(api_key="none", base_url=url, max_retries=0) as client,
        ThreadPoolExecutor(at_once) as pool,
    ):

        def ask(messages: Any) -> object:
            return client.chat.completions.create(
                model="gpt-4o-mini",
                messages=messages,
                temperature=0,
                max_completion_tokens=1_500,
                response_format=schema,
            )

        ask(asked[0])
        began = time.process_time()
        list(pool.map(ask, asked))
        used = time.process_time() - began
    return used / len(asked) * readings + import_cpu()


def import_cpu() -> float:
    """CPU seconds of importing the client in a new process."""
    code = "import time; began = time.process_time(); import openai; print(time.process_time() - began)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def server_processes(environment: Environment) -> dict[str, psutil.Process]:
    """PostgreSQL and Typesense by name, where they are the project's own."""
    return {one.name: psutil.Process(one.pid) for one in servers.status(environment.home) if one.pid is not None}


def cpu_seconds(process: psutil.Process) -> float:
    """CPU seconds of a process and all that it has started."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # ended meanwhile: it is in its parent's below
            times = each.cpu_times()
            total += times.user + times.system
    ended = process.cpu_times()
    return total + ended.children_user + ended.children_system
