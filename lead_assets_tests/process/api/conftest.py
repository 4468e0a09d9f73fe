"""The API as it is served: uvicorn on a port, real PostgreSQL and Typesense, and for some Dagster's web server."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvicorn
import yaml
from fastapi import FastAPI

from lead_assets import servers as embedded
from lead_assets.api.app import build_app
from lead_assets.api.tokens import hash_token, new_token
from lead_assets.config.environment import Environment
from lead_assets.storage.api_tokens import add_token, revoke_token
from lead_assets.storage.database import Database
from lead_assets_tests.conftest import PROJECT, _create_database
from lead_assets_tests.stored_leads import store_leads

PATIENCE_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(
    variables: Mapping[str, str], *, beyond_loopback: bool = False, build: Callable[..., FastAPI] = build_app
) -> Iterator[str]:
    """The address of the API on what ``variables`` name."""
    app = build(Environment.read(variables), beyond_loopback=beyond_loopback)
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

    def token(self, name: str = "somebody", kind: str = "work") -> str:
        token = new_token()
        with self.database.engine.begin() as connection:
            assert add_token(connection, name, hash_token(token.encode()), kind)
        return token

    def revoke(self, name: str = "somebody") -> None:
        with self.database.engine.begin() as connection:
            assert revoke_token(connection, name)

    def leads(self, *scores: float, campaign_id: str = "crm", **of_document: Any) -> list[str]:
        """Store a qualified lead for each score, as a run would; returns their ids."""
        return store_leads(self.database, campaign_id, scores, **of_document)


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
