"""Real servers for the tests: one PostgreSQL and one Typesense for all, a database and an index for each test.

Every test is marked by the folder that it is in: ``unit`` (no server, no process of its own), ``stand_in`` (a client
and the server that stands in for its service, over TCP), ``graph`` (the graph in this process, on real servers) or
``process`` (what runs as processes of their own).
"""

import gc
import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import hypothesis
import pytest
import sqlalchemy as sa
import yaml

from lead_assets import servers as embedded
from lead_assets.config.addresses import VARIABLES as OPENAI_VARIABLES
from lead_assets.config.environment import REDDIT_VARIABLES
from lead_assets.definitions import build_defs
from lead_assets.defs.jobs import GRAPH
from lead_assets.defs.metadata import charts
from lead_assets.defs.partitions import campaigns
from lead_assets.domain.settings import NAMES
from lead_assets.models.local_embedder import LocalEmbedder
from lead_assets.pipeline.connect import open_source
from lead_assets.search.typesense import SearchIndex
from lead_assets.storage import migrate
from lead_assets.storage.database import Database

PROJECT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("LEAD_ASSETS_SHARED") or PROJECT.parent / "shared")
"""Real data, which is not part of the project: tests that need it are skipped where it is not there."""
KINDS = {"unit": "unit", "stand_ins": "stand_in", "graph": "graph", "process": "process"}
"""The mark of the tests in each folder."""
LONGEST_FIRST = ("process", "graph", "stand_in", "unit")
FIGURES = {name: getattr(charts, name) for name in ("funnel_figure", "score_figure")}
"""What draws pictures."""

# Of a test of any values: the same few at each landing, others and many in `make test-thorough`. No deadline: the
# machine may be busy.
hypothesis.settings.register_profile("landing", max_examples=50, derandomize=True, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=1_000, deadline=None)
hypothesis.settings.load_profile("landing")

# As the program does (lead_assets/program.py); beside it, what is loaded by now stays.
gc.set_threshold(100_000, 20, 50)
gc.freeze()

# Tests say how wide a terminal is; a console that is made while this is set would not listen to them.
os.environ.pop("COLUMNS", None)

NOW = 1_780_000_000  # 28 May 2026
AS_OF = "2026-06-30"
DAY = 86_400


VARIABLES = (
    "DATABASE_URL",
    "TYPESENSE_URL",
    "TYPESENSE_API_KEY",
    "REJECTION_LOG_DIR",
    "DAGSTER_HOME",
    "DAGSTER_URL",
    "ARCTIC_SHIFT_URL",
    *OPENAI_VARIABLES,
    # Read by the client itself.
    *("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "OPENAI_CUSTOM_HEADERS", "OPENAI_LOG"),
    *(name for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (proxy, proxy.lower())),
    *REDDIT_VARIABLES,
)


def kind(path: Path) -> str:
    """Of the tests in a file."""
    return KINDS[path.relative_to(Path(__file__).parent).parts[0]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, and put those first that take long, so that all workers end at the same time."""
    for item in items:
        item.add_marker(kind(item.path))
    items.sort(key=lambda item: LONGEST_FIRST.index(kind(item.path)))


@pytest.fixture(scope="session", autouse=True)
def _no_environment() -> Iterator[None]:
    """Tests see no settings of the machine they run on."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*NAMES, *VARIABLES):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _environment_as_before() -> Iterator[None]:
    """What a test, or a command in it, sets is gone with the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


class _NotDrawn(Exception):
    """What metadata says in the place of a picture."""


def _draw_nothing(*_: Any) -> None:
    raise _NotDrawn


@pytest.fixture(scope="module", autouse=True)
def _no_pictures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Drawing takes as long as all else of a small run: in runs of this process pictures are left out."""
    with pytest.MonkeyPatch.context() as patch:
        if kind(request.path) != "unit":
            for name in FIGURES:
                patch.setattr(charts, name, _draw_nothing)
        yield


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that looks at pictures: they are drawn."""
    for name, figure in FIGURES.items():
        monkeypatch.setattr(charts, name, figure)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Servers]:
    home = tmp_path_factory.mktemp("servers")
    try:
        started = embedded.up(home)
        _make_fast(started.database_url)
        yield started
    finally:
        embedded.down(home)


def _make_fast(database_url: str) -> None:
    """Sessions of the role that commit without waiting for the disk, and connect without 4096 rounds of a hash.

    What has committed is lost only where PostgreSQL itself is killed, and tests that kill it have servers of their own.
    Dagster opens a connection for each event.
    """
    engine = sa.create_engine(database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("ALTER ROLE CURRENT_USER SET synchronous_commit = off"))
        connection.execute(sa.text("SET scram_iterations = 1"))
        password = sa.literal(engine.url.password).compile(engine, compile_kwargs={"literal_binds": True})
        connection.execute(sa.text(f"ALTER ROLE CURRENT_USER PASSWORD {password}"))
    engine.dispose()


@pytest.fixture(scope="session")
def template_database(servers: embedded.Servers, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that tests copy: our schema and Dagster's, which takes seconds to make."""
    url = _create_database(servers.database_url, "migrated_template", template="template1")
    engine = sa.create_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        patch.setenv("DAGSTER_HOME", str(PROJECT))
        patch.setenv("LEAD_ASSETS_HOME", str(tmp_path_factory.mktemp("template")))
        with dg.DagsterInstance.get():
            pass
    return "migrated_template"


def _create_database(server_url: str, name: str, template: str) -> str:
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    engine.dispose()
    return sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def new_database_url(servers: embedded.Servers, template_database: str) -> Callable[[], str]:
    """Makes a copy of the template at each call."""
    return lambda: _create_database(servers.database_url, f"t_{uuid.uuid4().hex}", template_database)


@pytest.fixture
def database_url(new_database_url: Callable[[], str]) -> str:
    return new_database_url()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url, lock_timeout_seconds=0.5)
    yield opened
    opened.close()


@pytest.fixture
def search_index(servers: embedded.Servers) -> Iterator[SearchIndex]:
    index = SearchIndex(servers.typesense_url, servers.typesense_api_key, alias=f"t_{uuid.uuid4().hex}")
    yield index
    if (collection := index.current_collection()) is not None:
        index._client.collections[collection].delete()
        index._client.aliases[index.alias].delete()
    index.close()


@pytest.fixture(scope="session")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


_ids = itertools.count(0x1ABC00)


def post(title: str = "Which CRM do you recommend?", body: str = "", **other: Any) -> dict[str, Any]:
    """A Reddit post as archives have it, which passes every metadata gate. A value of ``...`` leaves the field out."""
    number = _base36(next(_ids))
    thing = {
        "id": number,
        "name": f"t3_{number}",
        "title": title,
        "selftext": body,
        "subreddit": "smallbusiness",
        "subreddit_subscribers": 50_000,
        "author": "somebody",
        "author_karma": 100,
        "score": 5,
        "upvote_ratio": 0.9,
        "over_18": False,
        "created_utc": NOW,
        "permalink": f"/r/smallbusiness/comments/{number}/x/",
    }
    return {key: value for key, value in (thing | other).items() if value is not ...}


def comment(body: str = "Which CRM do you recommend?", **other: Any) -> dict[str, Any]:
    """A Reddit comment as archives have it."""
    number = _base36(next(_ids))
    thing = {
        "id": number,
        "name": f"t1_{number}",
        "body": body,
        "link_id": "t3_1abc",
        "subreddit": "smallbusiness",
        "author": "somebody",
        "author_karma": 100,
        "score": 2,
        "created_utc": NOW,
    }
    return {key: value for key, value in (thing | other).items() if value is not ...}


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def write_archive(path: Path, things: Sequence[Mapping[str, Any] | str]) -> Path:
    """An archive of ``things``; a string is written as the line that it is."""
    lines = [thing if isinstance(thing, str) else json.dumps(thing) for thing in things]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@dataclass
class World:
    """A whole installation of the graph: campaign files, an archive, the servers, and a Dagster instance."""

    folder: Path
    database: Database
    search_index: SearchIndex
    instance: dg.DagsterInstance
    overrides: dict[str, Any] = field(default_factory=dict)

    def campaign(self, campaign_id: str = "crm", **keys: Any) -> str:
        """Write a campaign file and make it a partition."""
        path = self.folder / "campaigns" / f"{campaign_id}.yaml"
        content = {
            "name": campaign_id,
            "product": "A simple CRM for small businesses.",
            "keywords": ["crm", "track clients"],
            "source": "archive",
            "archive": {"path": "../archive.ndjson", "as_of": AS_OF},
        }
        path.write_text(yaml.safe_dump(content | keys), encoding="utf-8")
        self.instance.add_dynamic_partitions(campaigns.name, [campaign_id])
        return campaign_id

    def archive(self, *things: Mapping[str, Any] | str) -> None:
        """Write the archive that all campaigns read."""
        write_archive(self.folder / "archive.ndjson", things)

    def run(
        self,
        campaign_id: str = "crm",
        *,
        only: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        ok: bool | None = True,
    ) -> dg.ExecuteInProcessResult:
        """Run the job for a campaign, all of it or the named assets and their checks; None: ``ok`` or not."""
        defs = build_defs(self.resources())
        selection = dg.AssetSelection.assets(*only) if only else GRAPH
        job = dg.define_asset_job("job", selection=selection, executor_def=dg.in_process_executor)
        built = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("job")
        result = built.execute_in_process(
            instance=self.instance,
            partition_key=campaign_id,
            run_config={
                "resources": {"run_settings": {"config": dict(config or {})}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
        assert ok is None or result.success is ok, "" if result.success else failure(result)
        return result

    def check(self, name: str, campaign_id: str | None, *, ok: bool = True) -> dg.ExecuteInProcessResult:
        """Run one standalone check alone, as the UI does: the campaign is a tag of the run."""
        keys = [key for key in build_defs().resolve_asset_graph().asset_check_keys if key.name == name]
        selection = dg.AssetSelection.checks(*keys)
        job = dg.define_asset_job("check", selection=selection, executor_def=dg.in_process_executor)
        built = dg.Definitions.merge(build_defs(self.resources()), dg.Definitions(jobs=[job]))
        result = built.resolve_job_def("check").execute_in_process(
            instance=self.instance,
            tags={"dagster/partition": campaign_id} if campaign_id else {},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        assert result.success is ok, "" if result.success else failure(result)
        return result

    def resources(self) -> dict[str, Any]:
        """What the graph works with here."""
        return {
            "database": self.database,
            "search_index": self.search_index,
            "rejection_logs": dg.ResourceDefinition.hardcoded_resource(self.folder / "rejections"),
            "source_opener": dg.ResourceDefinition.hardcoded_resource(open_source),
            **self.overrides,
        }

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.database.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.text(query), parameters)]

    def value(self, query: str, **parameters: Any) -> Any:
        """The one value of a query."""
        (row,) = self.rows(query, **parameters)
        return next(iter(row.values()))

    def execute(self, statement: str, **parameters: Any) -> None:
        """Change something behind the graph's back."""
        with self.database.engine.begin() as connection:
            connection.execute(sa.text(statement), parameters)


@pytest.fixture
def world(
    tmp_path: Path,
    database: Database,
    search_index: SearchIndex,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    (tmp_path / "campaigns").mkdir()
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path / "campaigns"))
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path / "home"))
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path, database, search_index, instance)


class Metadata(dict[str, Any]):
    """A materialization's metadata. Counts of zero are left out of it."""

    def __missing__(self, name: str) -> int:
        """A count that is not shown is zero."""
        return 0


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> Metadata:
    """The materialization's metadata as plain values."""
    (event,) = result.asset_materializations_for_node(asset)
    return Metadata({name: value.value for name, value in event.metadata.items()})


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Check evaluations by name."""
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What a failed run said."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    return (data.user_failure_data.description if data.user_failure_data else None) or str(data.error)
