"""What is asked of Dagster, with made-up answers; a real Dagster answers in the tests of the API and of backfills."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from lead_assets.dagster_client.operations import (
    add_partitions,
    daemons_healthy,
    failure_of,
    launch_run,
    reload_definitions,
    terminate_run,
)
from lead_assets.dagster_client.service import DagsterService
from lead_assets.domain.errors import DagsterRefused, DagsterUnavailable, SettingInvalid
from lead_assets_tests.stand_ins.dagster_answers import Answering

ADDED = {"key0": {"__typename": "AddDynamicPartitionSuccess"}}


@contextmanager
def answering(status: int, body: bytes) -> Iterator[DagsterService]:
    """A web server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        with DagsterService(f"http://127.0.0.1:{server.server_port}/") as service:
            yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b"<html>not here</html>", "not an answer of Dagster"),
        (200, b"[]", "not an answer of Dagster"),
        (200, b"{}", "not an answer of Dagster"),
        (400, b'{"errors": [{"message": "Cannot query field x"}], "data": null}', "HTTP 400: Cannot query field x"),
    ],
)
def test_another_server_at_dagsters_address_is_reported(status: int, body: bytes, why: str) -> None:
    with answering(status, body) as service, pytest.raises(DagsterUnavailable, match=why):
        service.ask("{ version }")


def test_dagsters_own_client_reports_an_address_at_which_nothing_listens_as_we_do() -> None:
    with DagsterService("http://127.0.0.1:9") as service, pytest.raises(DagsterUnavailable, match="does not answer"):
        terminate_run(service, "r")


def test_partitions_are_added_and_the_sensor_may_be_quicker() -> None:
    answers = {
        "key0": {"__typename": "AddDynamicPartitionSuccess"},
        "key1": {"__typename": "DuplicateDynamicPartitionError"},
    }
    service = Answering(answers)
    add_partitions(service, ["b", "c"])
    assert (service.asked[0]["key0"], service.asked[0]["key1"]) == ("b", "c")
    with pytest.raises(DagsterRefused, match="no such location"):
        add_partitions(Answering({"key0": {"__typename": "PythonError", "message": "no such location"}}), ["b"])


def test_a_run_is_launched_for_its_campaign_with_its_config_and_tags() -> None:
    started = {"launchPipelineExecution": {"__typename": "LaunchRunSuccess", "run": {"runId": "r1"}}}
    service = Answering(ADDED, started)
    assert launch_run(service, "crm", {"source": "archive"}, {"dagster/priority": "10"}) == "r1"
    params = service.asked[1]["executionParams"]
    assert params["runConfigData"] == {"resources": {"run_settings": {"config": {"source": "archive"}}}}
    assert {tag["key"]: tag["value"] for tag in params["executionMetadata"]["tags"]} == {
        "dagster/partition": "crm",
        "dagster/priority": "10",
    }


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (
            {"__typename": "RunConfigValidationInvalid", "errors": [{"message": "no field X"}]},
            SettingInvalid,
            "no field X",
        ),
        ({"__typename": "PipelineNotFoundError", "message": "no job\n at"}, DagsterRefused, "Dagster refused: no job$"),
    ],
)
def test_a_run_that_is_not_launched_says_why(answer: dict[str, Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        launch_run(Answering(ADDED, {"launchPipelineExecution": answer}), "crm", {})


def test_definitions_that_cannot_be_loaded_are_reported() -> None:
    failed = {"__typename": "PythonError", "message": "SyntaxError\n  in definitions"}
    answer = {"__typename": "WorkspaceLocationEntry", "name": "lead_assets", "locationOrLoadError": failed}
    with pytest.raises(DagsterRefused, match=r"could not load the definitions \(SyntaxError in definitions\)"):
        reload_definitions(Answering({"reloadRepositoryLocation": answer}))
    loaded = answer | {"locationOrLoadError": {"__typename": "RepositoryLocation"}}
    reload_definitions(Answering({"reloadRepositoryLocation": loaded}))


def test_the_daemons_are_healthy_if_each_that_is_needed_has_reported() -> None:
    def statuses(**healthy: bool) -> Answering:
        daemons = [{"daemonType": name, "healthy": value} for name, value in healthy.items()]
        return Answering({"instance": {"daemonHealth": {"allDaemonStatuses": daemons}}})

    assert daemons_healthy(statuses(BACKFILL=True, QUEUED_RUN_COORDINATOR=True, SENSOR=False), "BACKFILL")
    assert not daemons_healthy(statuses(BACKFILL=True, QUEUED_RUN_COORDINATOR=False), "QUEUED_RUN_COORDINATOR")
    assert not daemons_healthy(statuses(), "BACKFILL")


def test_a_failed_run_says_why_in_its_assets_words_else_in_dagsters() -> None:
    def events(*found: dict[str, Any], more: bool = False) -> dict[str, Any]:
        return {"logsForRun": {"__typename": "EventConnection", "cursor": "c", "hasMore": more, "events": list(found)}}

    def failure(*answers: dict[str, Any]) -> str:
        return failure_of(Answering(*answers), "r")

    other: dict[str, Any] = {}
    ended = {"message": "Steps failed: ['leads']."}
    step = {"stepKey": "leads", "failureMetadata": None, "error": None}
    said = step | {"failureMetadata": {"description": "There is no archive."}}
    caused = step | {
        "error": {"message": "DagsterExecutionStepExecutionError: x", "cause": {"message": "KeyError: 'a'\n"}}
    }

    assert failure(events(other, more=True), events(said, ended)) == "There is no archive."
    assert failure(events(caused, ended)) == "KeyError: 'a'"
    assert failure(events(step, ended)) == "Step leads failed."
    assert failure(events(other, ended)) == "Steps failed: ['leads']."
    assert failure(events(other)) == "The run ended without saying why."
