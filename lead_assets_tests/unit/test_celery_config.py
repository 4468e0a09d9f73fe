"""Celery loses the task of a killed worker unless it is told otherwise, and Dagster's run would wait for ever."""

import pytest

pytest.importorskip("dagster_celery")

from lead_assets.config.environment import Environment
from lead_assets.defs.celery import celery_config, worker_app


def test_a_worker_says_the_end_of_a_task_late_and_gives_back_what_it_could_not_end() -> None:
    conf = worker_app(Environment.read({"CELERY_VISIBILITY_SECONDS": "9000"})).conf
    assert conf.task_acks_late is True
    assert conf.task_reject_on_worker_lost is True
    assert conf.worker_prefetch_multiplier == 1
    assert conf.broker_transport_options == {"visibility_timeout": 9000, "unacked_restore_throttle": 1}


def test_the_broker_waits_longer_than_any_step_takes_unless_told_otherwise() -> None:
    config = celery_config(Environment.read({}))
    assert config["config_source"]["broker_transport_options"]["visibility_timeout"] == 6 * 3600
