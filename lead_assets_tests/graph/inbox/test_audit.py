"""A random sample of what gates rejected can be marked, and says how many leads they lose."""

import json

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from lead_assets.cli import main
from lead_assets.domain.audit import SAMPLE, Audit
from lead_assets.inbox.statuses import set_mark
from lead_assets.storage.candidates import read_least_sure
from lead_assets.storage.database import Database
from lead_assets.storage.rejected import read_audits, read_rejected, read_sample
from lead_assets_tests.conftest import World, checks
from lead_assets_tests.graph.test_graph import asking
from lead_assets_tests.stored_leads import store_leads

REJECTION = sa.text("""INSERT INTO lead_assets.rejections (campaign_id, reddit_id, stage, gate, setting, observed,
    threshold, observed_values, kind, source, subreddit, author, title, url, run_id) VALUES ('crm', :id, 'rank', :gate,
    'S', :observed, 0.1, '{}', 'post', 'archive', 'sales', 'a', 'Which CRM?', 'https://www.reddit.com/x', 'run')""")


@pytest.fixture
def rejected(database: Database) -> Database:
    """100 rejects of one gate, three of another."""
    with database.engine.begin() as connection:
        rows = [{"id": f"t3_{number:03d}", "gate": "fused_score", "observed": number / 1000} for number in range(100)]
        rows += [{"id": f"t3_x{number}", "gate": "engagement", "observed": 0} for number in range(3)]
        connection.execute(REJECTION, rows)
    return database


def test_a_sample_is_the_same_each_time_and_not_the_nearest(rejected: Database) -> None:
    with rejected.connect() as connection:
        drawn = [row["reddit_id"] for row in read_sample(connection, "crm", "fused_score")]
        assert drawn == [row["reddit_id"] for row in read_sample(connection, "crm", "fused_score")]
        nearest = read_rejected(connection, "crm", gate="fused_score", limit=SAMPLE, after=None)
    assert len(set(drawn)) == SAMPLE
    assert len(set(drawn) & {row["reddit_id"] for row in nearest}) < SAMPLE / 2


def test_only_marks_of_the_sample_count(rejected: Database) -> None:
    with rejected.engine.begin() as connection:
        drawn = [row["reddit_id"] for row in read_sample(connection, "crm", "fused_score")]
        others = sorted({f"t3_{number:03d}" for number in range(100)} - set(drawn))
        assert read_audits(connection, "crm") == {}
        set_mark(connection, "crm", drawn[:2], "lead", actor="ann")
        set_mark(connection, "crm", drawn[2:10], "no lead", actor="ann")
        set_mark(connection, "crm", drawn[10:12], "none", actor="ann")
        set_mark(connection, "crm", others[:20], "lead", actor="ann")
        assert read_audits(connection, "crm") == {"fused_score": Audit(marked=10, leads=2)}
        assert read_audits(connection, "other") == {}


def test_what_to_mark_next_is_unmarked_and_nearest_to_the_decision(database: Database) -> None:
    far, near, nearest, unkept = store_leads(database, "crm", [0.9, 0.3, 0.2, 0.18])
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE lead_assets.candidates SET lead_probability = fused_score"))
        connection.execute(
            sa.text("UPDATE lead_assets.candidates SET kept = false WHERE reddit_id = :id"), {"id": unkept}
        )

        def least_sure(limit: int = 10) -> list[str]:
            return [row["reddit_id"] for row in read_least_sure(connection, "crm", 0.18, limit)]

        assert least_sure() == [nearest, near, far]
        assert least_sure(1) == [nearest]
        set_mark(connection, "crm", [nearest], "no lead", actor="ann")
        assert least_sure() == [near, far]


@pytest.mark.parametrize(
    ("marked", "leads", "low", "high"), [(10, 2, 0.0567, 0.5098), (30, 0, 0.0, 0.1135), (4, 4, 0.5101, 1.0)]
)
def test_the_interval_is_wilson_s(marked: int, leads: int, low: float, high: float) -> None:
    assert Audit(marked, leads).interval == pytest.approx((low, high), abs=1e-4)


def test_the_gate_s_check_says_how_many_leads_it_loses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.campaign()
    low, lower = asking(2, score=-3), asking(3, score=-4)
    world.archive(asking(1), low, lower)
    world.run()
    with world.database.engine.begin() as connection:
        set_mark(connection, "crm", [low["name"]], "lead", actor="ann")
        set_mark(connection, "crm", [lower["name"]], "no lead", actor="ann")
    found = checks(world.run())
    told = "1 of 2 marked in the sample are leads: about 50% of what is rejected here (9% to 91%)."
    assert found["engagement"].metadata["audit"].value == told
    assert "audit" not in found["nsfw"].metadata

    monkeypatch.setenv("DATABASE_URL", world.database.engine.url.render_as_string(hide_password=False))
    result = CliRunner().invoke(main, ["marks", "sample", "crm", "--gate", "engagement", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["gates"]["engagement"]["leads"] == 1
    assert {row["reddit_id"]: row["mark"] for row in answer["sample"]} == {
        low["name"]: "lead",
        lower["name"]: "no lead",
    }
    shown = CliRunner().invoke(main, ["marks", "sample", "crm"])
    assert low["name"] in shown.stdout
    assert "1 of 2 marked" in shown.stdout
