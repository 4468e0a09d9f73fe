"""``worker``: executes steps of runs on Celery."""

import socket

import click

from lead_assets.cli import dev_server
from lead_assets.cli.state import console, set_variables
from lead_assets.config.environment import Environment
from lead_assets.defs.celery import DEFAULT_QUEUE, STAGES, worker_app
from lead_assets.domain.errors import InvalidInput


@click.command()
@click.option(
    "--queue",
    "queues",
    multiple=True,
    type=click.Choice(STAGES),
    help="A stage whose steps are executed; may be repeated. Default: all.",
)
@click.option("--concurrency", type=click.IntRange(1), default=1, show_default=True, help="Steps at the same time.")
@click.option("--name", help="The worker's name, which Dagster shows. Default: its queues and this machine.")
def worker(queues: tuple[str, ...], concurrency: int, name: str | None) -> None:
    """Execute steps of runs on Celery, from the queues that are named.

    Needs the packages of `lead_assets[celery]`, a broker (CELERY_BROKER_URL), and LEAD_ASSETS_EXECUTOR=celery here and
    where Dagster runs. Ctrl-C lets the steps under way end first.
    """
    environment = Environment.read()
    if environment.executor != "celery":
        raise InvalidInput(
            "A worker has nothing to do while runs are executed in one process. Set LEAD_ASSETS_EXECUTOR=celery here "
            "and where `lead-assets dev` runs."
        )
    set_variables(environment)
    dev_server.use(environment.home)
    listens = list(queues or STAGES)
    if not queues:
        listens.append(DEFAULT_QUEUE)
    host = name or f"{'-'.join(queues) or 'all'}@{socket.gethostname()}"
    console.print(f"Worker {host}: {', '.join(listens)}.")
    worker_app(environment).worker_main(
        [
            "worker",
            f"--queues={','.join(listens)}",
            f"--concurrency={concurrency}",
            f"--hostname={host if '@' in host else f'{host}@%h'}",
            "--loglevel=WARNING",
            "--without-gossip",
            "--without-mingle",
        ]
    )
