"""A few days of a small installation, as `make soak` lives through a month of a large one."""

from pathlib import Path

import pytest

from lead_assets import servers as embedded
from lead_assets_tests import soak as soaking

SEED = 7


def test_days_with_outages_lose_double_and_bring_back_nothing(
    servers: embedded.Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LEAD_ASSETS_CAMPAIGNS", str(tmp_path / "campaigns"))
    monkeypatch.setattr(soaking, "THROUGH_DAGSTER", 3)

    figures = soaking.soak(servers, tmp_path, campaigns=3, days=5, seed=SEED)

    assert figures.runs == 3 * 6
    assert figures.failed_runs > 0, "services failed"
    assert figures.leads > 20
    assert figures.messages > 0
