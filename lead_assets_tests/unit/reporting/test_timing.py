"""Seconds of an asset's phases."""

import time

import pytest

from lead_assets.pipeline.timing import Phases


def test_phases_add_up_even_where_one_fails() -> None:
    phases = Phases()

    with phases.measured("store"):
        time.sleep(0.01)
    with pytest.raises(ZeroDivisionError), phases.measured("store"):
        time.sleep(0.01 / 0)

    assert list(phases.metadata()) == ["seconds_store"]
    assert 0.01 <= phases.metadata()["seconds_store"] < 5
