"""The key is nowhere: not in events, logs, output, rows, files or the list of processes, also where the run fails."""

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest

from lead_assets.models.openai import endpoint as openai_endpoint
from lead_assets.models.openai.embedding_limits import KNOWN_LIMITS
from lead_assets.models.openai.formats import KNOWN
from lead_assets_tests.conftest import World, failure, post
from lead_assets_tests.stand_ins.openai_server import CHAT, EMBEDDINGS, StandIn, faults

KEY = "sk-test-7f3a9c1e5b2d8f6a4c0e"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    KNOWN.forget()
    KNOWN_LIMITS.forget()
    monkeypatch.setattr(openai_endpoint, "FIRST_WAIT_SECONDS", 0.01)
    with StandIn(api_key=KEY) as started:
        monkeypatch.setenv("OPENAI_BASE_URL", started.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield started


def _rows(world: World) -> str:
    tables = world.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'lead_assets'")
    assert {"extractions", "failed_embeddings", "vectors"} <= {row["table_name"] for row in tables}
    # Vectors are numbers: their text would take most of the time.
    names = [row["table_name"] for row in tables if row["table_name"] not in ("vectors", "leads", "qualified_leads")]
    data = [world.rows(f"SELECT to_jsonb(t)::text AS row FROM lead_assets.{name} t") for name in names]
    leads = world.rows("SELECT (to_jsonb(t) - 'embedding')::text AS row FROM lead_assets.leads t")
    return "\n".join(row["row"] for rows in [*data, leads] for row in rows)


def _files(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def _events(instance: dg.DagsterInstance) -> str:
    records = [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    assert len(records) > 50
    return "\n".join(dg.serialize_value(entry) + str(entry) for entry in records)


def test_the_key_is_in_nothing_that_a_run_leaves_behind(
    world: World, server: StandIn, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.campaign()
    world.archive(
        *(post(f"Can anyone recommend a CRM for shop {number}?") for number in range(6)),
        post("A CRM that is over 18?", over_18=True),
    )
    # A server that repeats the key wherever it can, in errors and in what the model says.
    server.fail(
        EMBEDDINGS,
        faults.rate_limited("0"),
        faults.refused_input(f"refused {KEY}").at(
            times=None, when=lambda body: any("shop 3" in t for t in body["input"])
        ),
    )
    server.fail(
        CHAT,
        faults.failing(500),
        faults.said(f"My key is {KEY}").at(times=None, when=lambda body: "shop 4" in body["messages"][1]["content"]),
    )
    world.run()
    server.fail(CHAT, faults.invalid_key(KEY).at(times=None))
    world.campaign(product="Another product.")
    assert "refuses the key" in failure(world.run(ok=False))

    command_lines = "\n".join(" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    output = capfd.readouterr()
    left = {
        "rows": _rows(world),
        "files": _files(world.folder),
        "events": _events(world.instance),
        "output": output.out + output.err,
        "log": caplog.text,
        "processes": command_lines,
    }
    assert "[key]" in left["rows"]  # it was there to be found
    assert len(left["log"]) > 1_000
    assert [name for name, text in left.items() if KEY in text or KEY[8:] in text] == []
    assert any(KEY in headers.get("authorization", "") for headers in server.headers)
