"""Runs on Celery, with a real Redis and workers as processes: who executes which step, and what survives a kill."""

import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import psutil
import pytest
import sqlalchemy as sa

from lead_assets import servers as embedded
from lead_assets.dagster_client import backfills
from lead_assets.dagster_client.operations import launch_run
from lead_assets.dagster_client.service import DagsterService
from lead_assets.defs.jobs import BACKFILL_JOB
from lead_assets.defs.partitions import CELERY_JOB
from lead_assets_tests.conftest import post, write_archive
from lead_assets_tests.faults import fault
from lead_assets_tests.process.dagster_dev import (
    COMMAND,
    answers,
    dagster_dev,
    eventually,
    free_port,
    installation,
    write_campaign,
)
from lead_assets_tests.stand_ins.openai_server import StandIn
from lead_assets_tests.stand_ins.openai_server.answers import shown_document
from lead_assets_tests.stand_ins.openai_server.server import CHAT

REDIS = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(REDIS is None, reason="no redis-server is installed (Debian: redis-server)")

WORKERS = {"gather": ("crawl", "index"), "think": ("embed", "rank"), "finish": ("llm", "persist", "announce")}
STAGE_OF = {
    "crawled_documents": "crawl",
    "typesense_index": "index",
    "document_embeddings": "embed",
    "lead_stubs": "embed",
    "ranked_candidates": "rank",
    "extracted_leads": "llm",
    "leads": "persist",
    "announced_leads": "announce",
}
ASK = "Can anyone recommend a good CRM for my small business? Shop {}."
VISIBILITY_SECONDS = 8
MANY = 24
"""Documents of a campaign whose reading takes long enough to be met in the middle."""


@dataclass
class Cluster:
    """A `lead-assets dev` and its workers, all of them on Celery."""

    folder: Path
    dagster: DagsterService
    instance: dg.DagsterInstance
    engine: sa.Engine
    model: StandIn
    workers: dict[str, psutil.Popen] = field(default_factory=dict)

    def start(self, name: str, queues_of: str = "") -> None:
        queues = [f"--queue={queue}" for queue in WORKERS[queues_of or name]]
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [str(COMMAND), "worker", f"--name={name}", *queues]
            self.workers[name] = psutil.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def stop(self) -> None:
        for worker in self.workers.values():
            if worker.is_running():
                family = [worker, *worker.children(recursive=True)]
                for process in family:
                    process.kill()
                worker.wait()

    def campaign(self, campaign_id: str, documents: int) -> None:
        write_campaign(self.folder, campaign_id)
        things = [post(ASK.format(f"{campaign_id} {number}")) for number in range(documents)]
        write_archive(self.folder / f"{campaign_id}.ndjson", things)

    def launch(self, *campaign_ids: str) -> None:
        backfills.launch(self.dagster, BACKFILL_JOB, campaign_ids, {}, {})

    def succeeded(self, count: int) -> list[dg.DagsterRun] | None:
        runs = list(self.instance.get_runs())
        failed = [
            run.run_id for run in runs if run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
        ]
        assert not failed
        done = [run for run in runs if run.status is dg.DagsterRunStatus.SUCCESS]
        return done if len(done) == count else None

    def count(self, query: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(sa.text(query)) or 0)

    def workers_of(self, run: dg.DagsterRun) -> dict[str, set[str]]:
        """The workers that executed each step of a run."""
        found: dict[str, set[str]] = {}
        for entry in self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            metadata = entry.dagster_event.engine_event_data.metadata if entry.dagster_event else {}
            if "Celery worker" in metadata:
                name = str(metadata["Celery worker"].value).partition("@")[0]
                found.setdefault(str(entry.step_key).split("_index_matches")[0], set()).add(name)
        return found


@contextmanager
def redis() -> Iterator[str]:
    port = free_port()
    command = [str(REDIS), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: answers(port), "Redis's start")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(
    tmp_path: Path, database_url: str, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    with ExitStack() as stack:
        model = stack.enter_context(StandIn(latency=0.2))
        environment = installation(tmp_path, database_url, servers) | {
            "LEAD_ASSETS_EXECUTOR": "celery",
            "CELERY_BROKER_URL": stack.enter_context(redis()),
            "CELERY_VISIBILITY_SECONDS": str(VISIBILITY_SECONDS),
            "LLM_BASE_URL": model.url,
            "LLM_CONCURRENCY": "2",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        port = stack.enter_context(dagster_dev(tmp_path))
        dagster = stack.enter_context(DagsterService(f"http://127.0.0.1:{port}"))
        instance = stack.enter_context(dg.DagsterInstance.get())
        engine = sa.create_engine(database_url)
        stack.callback(engine.dispose)
        made = Cluster(tmp_path, dagster, instance, engine, model)
        stack.callback(made.stop)
        for name in WORKERS:
            made.start(name)
        yield made


@fault(
    "the process that executes a step, or its worker with all processes, is killed",
    service="Celery",
    seen="nothing but a longer run",
    again="the step: at once, or after `CELERY_VISIBILITY_SECONDS` where the whole worker is gone",
)
def test_ten_campaigns_on_three_workers_that_are_killed(cluster: Cluster) -> None:
    """Each stage is executed by its queue's worker. Where a reading is under way, first the process that executes it is
    killed, later its worker with all processes; and every run completes, with nothing lost or doubled."""
    documents = {"killed_0": MANY, "killed_1": MANY} | {f"crm_{number}": 2 for number in range(8)}
    for campaign_id, count in documents.items():
        cluster.campaign(campaign_id, count)
    cluster.launch(*documents)
    for number, kill in enumerate((_kill_child, _kill_all)):
        read = f"SELECT count(*) FROM lead_assets.extractions WHERE campaign_id = 'killed_{number}'"
        eventually(lambda query=read: cluster.count(query) > 0, "the first readings")
        kill(cluster)
        assert cluster.count(read) < MANY, "it was killed in the middle"
    for run in eventually(lambda: cluster.succeeded(len(documents)), "the end of all runs"):
        executed = cluster.workers_of(run)
        for step, stage in STAGE_OF.items():
            (name,) = executed[step]
            assert stage in WORKERS[name], f"{step} was executed by {name}"
    for campaign_id, count in documents.items():
        for table in ("extractions", "qualified_leads"):
            query = f"SELECT count(*) FROM lead_assets.{table} WHERE campaign_id = '{campaign_id}'"
            assert cluster.count(query) == count, (campaign_id, table)
        found = f"SELECT count(*) FROM lead_assets.lead_events WHERE event = 'found' AND campaign_id = '{campaign_id}'"
        assert cluster.count(found) == count

    _a_step_that_is_delivered_twice(cluster, len(documents))


def _a_step_that_is_delivered_twice(cluster: Cluster, ended_before: int) -> None:
    """A step that takes longer than the broker waits comes to another worker too, which waits for the campaign's lock
    and then finds nothing left to do."""
    cluster.start("finish_too", queues_of="finish")
    cluster.campaign("twice", MANY)
    cluster.model.forget()
    cluster.model.latency = 2 * 2.5 * VISIBILITY_SECONDS / MANY
    launch_run(cluster.dagster, "twice", {}, job=CELERY_JOB)
    eventually(lambda: cluster.succeeded(ended_before + 1), "the end of the run")
    (run,) = cluster.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "twice"}))
    eventually(lambda: cluster.workers_of(run)["extracted_leads"] == {"finish", "finish_too"}, "the second delivery")
    told = [entry.user_message for entry in cluster.instance.all_logs(run.run_id)]
    assert any("Another run is writing campaign twice. Waiting" in message for message in told)
    read = Counter(shown_document(body["messages"]) for body in cluster.model.bodies[CHAT])
    assert len(read) == MANY
    assert max(read.values()) == 1, "nothing is paid for twice"


def _kill_child(cluster: Cluster) -> None:
    """End the process that executes the step: the worker gives its task back."""
    for child in cluster.workers["finish"].children():
        child.kill()


def _kill_all(cluster: Cluster) -> None:
    """End the worker with all its processes, as where a machine is lost; another one is started in its place."""
    worker = cluster.workers["finish"]
    for process in (*worker.children(recursive=True), worker):
        process.send_signal(signal.SIGKILL)
    worker.wait()
    time.sleep(1)
    cluster.start("finish")
