"""The API as it is served: uvicorn on a port, real PostgreSQL and Typesense, and for some Dagster's web server."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa
import uvicorn
import yaml

from lead_assets import servers as embedded
from lead_assets.api.app import build_app
from lead_assets.api.tokens import hash_token, new_token
from lead_assets.config.environment import Environment
from lead_assets.storage.api_tokens import add_token, revoke_token
from lead_assets.storage.database import Database
from lead_assets_tests.conftest import PROJECT, _create_database

PATIENCE_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(variables: Mapping[str, str], *, beyond_loopback: bool = False) -> Iterator[str]:
    """The address of the API on what ``variables`` name."""
    app = build_app(Environment.read(variables), beyond_loopback=beyond_loopback)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, ws="none", log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not server.started:
            assert time.monotonic() < deadline
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=PATIENCE_SECONDS)


@dataclass
class Installation:
    """Campaign files and a database, and the variables that lead to them."""

    folder: Path
    database: Database
    variables: dict[str, str]

    def campaign(self, campaign_id: str = "crm", **keys: object) -> str:
        content = {"name": campaign_id, "product": "A simple CRM for small businesses.", "keywords": ["crm"]}
        path = self.folder / "campaigns" / f"{campaign_id}.yaml"
        path.write_text(yaml.safe_dump(content | keys))
        return campaign_id

    def token(self, name: str = "somebody") -> str:
        token = new_token()
        with self.database.engine.begin() as connection:
            assert add_token(connection, name, hash_token(token.encode()))
        return token

    def revoke(self, name: str = "somebody") -> None:
        with self.database.engine.begin() as connection:
            assert revoke_token(connection, name)

    def leads(self, *scores: float, campaign_id: str = "crm", **of_document: Any) -> list[str]:
        """Store a qualified lead for each score, as a run would; returns their ids."""
        ids = [f"t3_{number:05d}" for number in range(len(scores))]
        shared = {"title": "Which CRM?", "author": "somebody", "posted_at": "2026-05-28T12:00:00Z"} | of_document
        with self.database.engine.begin() as connection:
            for statement in _LEAD:
                connection.execute(
                    sa.text(statement),
                    [
                        {"campaign": campaign_id, "id": reddit_id, "score": score, **shared}
                        for reddit_id, score in zip(ids, scores, strict=True)
                    ],
                )
        return ids


_LEAD = (
    """INSERT INTO lead_assets.documents (campaign_id, reddit_id, kind, source, subreddit, author, title, body, url,
        created_at, matched_keywords, text_hash, judged_as_of, run_id)
        VALUES (:campaign, :id, 'post', 'archive', 'sales', :author, :title, '', 'https://reddit.com/x', :posted_at,
        '{crm}', 'hash', now(), 'run')""",
    """INSERT INTO lead_assets.candidates (campaign_id, reddit_id, model, text_hash, cosine_similarity, lexical,
        intent_similarity, asking_cue, selling_cue, keyword_hits, fused_score, kept, run_id, product_similarity)
        VALUES (:campaign, :id, 'model', 'hash', 1, 1, 1, 0, 0, 1, :score, true, 'run', 1)""",
    """INSERT INTO lead_assets.extractions (campaign_id, reddit_id, request_key, text_hash, extractor, model, status,
        removed_quotes, removed_contacts, attempts, run_id)
        VALUES (:campaign, :id, 'key', 'hash', 'rules', 'rules', 'ok', 0, 0, 1, 'run')""",
    """INSERT INTO lead_assets.leads (campaign_id, reddit_id, reddit_url, author, extracted_data, relevance_score,
        title, subreddit, posted_at)
        VALUES (:campaign, :id, 'https://reddit.com/x', :author, '{"is_lead": true, "request_key": "key",
        "intent": "recommendation", "urgency": "none", "budget": null, "pain_point": null, "summary": "Wants a CRM.",
        "confidence": 0.9, "extractor": "rules", "evidence": ["Which CRM?"], "contact": []}', :score, :title,
        'sales', :posted_at)""",
)


def make_installation(
    folder: Path, servers: embedded.Servers, template_database: str, dagster_url: str
) -> Installation:
    (folder / "campaigns").mkdir()
    url = _create_database(servers.database_url, f"t_{uuid.uuid4().hex}", template_database)
    variables = {
        "DATABASE_URL": url,
        "TYPESENSE_URL": servers.typesense_url or "",
        "TYPESENSE_API_KEY": servers.typesense_api_key,
        "LEAD_ASSETS_HOME": str(folder / "home"),
        "LEAD_ASSETS_CAMPAIGNS": str(folder / "campaigns"),
        "DAGSTER_HOME": str(PROJECT),
        "DAGSTER_URL": dagster_url,
    }
    return Installation(folder, Database(url), variables)


@pytest.fixture
def nobody() -> str:
    """An address at which nobody answers."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def installed(tmp_path: Path, servers: embedded.Servers, template_database: str, nobody: str) -> Iterator[Installation]:
    """An installation with the campaign crm, without Dagster."""
    made = make_installation(tmp_path, servers, template_database, nobody)
    made.campaign()
    yield made
    made.database.close()


@pytest.fixture
def client(installed: Installation) -> Iterator[httpx.Client]:
    """Asks the API of ``installed``, of which this is the only machine."""
    with serving(installed.variables) as url, httpx.Client(base_url=url, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="package")
def untouched(
    tmp_path_factory: pytest.TempPathFactory, servers: embedded.Servers, template_database: str
) -> Iterator[httpx.Client]:
    """Asks an API without tokens, without Dagster, with the campaigns crm and broken, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("untouched")
    made = make_installation(folder, servers, template_database, f"http://127.0.0.1:{free_port()}")
    made.campaign()
    made.campaign("broken", keywords=[])
    made.database.close()
    with serving(made.variables) as url, httpx.Client(base_url=url, timeout=60) as opened:
        yield opened


@contextmanager
def dagster_webserver(variables: Mapping[str, str], port: int) -> Iterator[None]:
    """Dagster's web server without its daemon, so that what is queued stays queued."""
    with process(["-m", "dagster_webserver", "-w", "workspace.yaml", "-p", str(port)], variables, port):
        yield


@contextmanager
def process(arguments: Sequence[str], variables: Mapping[str, str], port: int) -> Iterator[None]:
    """Python with ``arguments`` as a process that listens on ``port``; it and all that it starts end with the block."""
    started = subprocess.Popen(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **variables},
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(port):
            assert time.monotonic() < deadline
            assert started.poll() is None
            time.sleep(0.2)
        yield
    finally:
        children = psutil.Process(started.pid).children(recursive=True)
        started.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs([psutil.Process(started.pid), *children], timeout=30)
        for one in alive:
            one.kill()
        started.wait(timeout=30)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
