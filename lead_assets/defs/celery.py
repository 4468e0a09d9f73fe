"""Runs on Celery: where LEAD_ASSETS_EXECUTOR is celery, each step of a run is a task on the queue of its stage.

Dagster's executor and the workers are made from the same environment, so that they cannot disagree about the broker.

A worker acknowledges a task when it has ended. A killed process gives its task back at once; what a killed machine was
doing comes again after ``visibility_seconds``. A step that comes twice waits for the campaign's lock, and then finds
nothing left to do.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg

from lead_assets.config.environment import Environment
from lead_assets.domain.errors import SettingInvalid

if TYPE_CHECKING:
    from celery import Celery

QUEUE_TAG = "dagster-celery/queue"
STAGES = ("crawl", "index", "embed", "rank", "llm", "persist", "announce")
"""The queues, in the order of the graph."""
DEFAULT_QUEUE = "dagster"
"""Of what names no queue."""


def celery_config(environment: Environment) -> dict[str, Any]:
    """The config of Dagster's executor for Celery."""
    return {
        "broker": environment.broker_url,
        "backend": environment.broker_url,
        "config_source": {
            "broker_transport_options": {
                "visibility_timeout": environment.visibility_seconds,
                # Every ten seconds it is looked for what a lost machine held; unless told, only at each tenth time.
                "unacked_restore_throttle": 1,
            },
            "broker_connection_retry_on_startup": True,
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            "worker_prefetch_multiplier": 1,
        },
    }


def run_executor(environment: Environment) -> dg.ExecutorDefinition:
    """The executor of the runs that Dagster starts.

    Raises:
        SettingInvalid: the setting is wrong, or Celery is not installed.
    """
    if environment.executor == "in_process":
        return dg.in_process_executor
    _require_celery()
    from dagster_celery import celery_executor

    return celery_executor.configured(celery_config(environment), name="celery")


def worker_app(environment: Environment) -> "Celery":
    """The application of a worker, with the task that executes a step.

    Raises:
        SettingInvalid: the setting is wrong, or Celery is not installed.
    """
    _require_celery()
    from dagster_celery.executor import CeleryExecutor
    from dagster_celery.make_app import make_app
    from dagster_celery.tasks import create_task

    app = make_app(CeleryExecutor.for_cli(**celery_config(environment)).app_args())
    create_task(app)
    return app


def _require_celery() -> None:
    try:
        import celery  # noqa: F401
        import dagster_celery  # noqa: F401
        import redis  # noqa: F401
    except ImportError as error:
        raise SettingInvalid(
            f"Celery needs the package {error.name}, which is not installed. Run `pip install 'lead_assets[celery]'`."
        ) from None
