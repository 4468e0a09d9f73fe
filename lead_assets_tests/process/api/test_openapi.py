"""What the OpenAPI document allows, and what it forbids: never an unexpected 5xx, never an undeclared answer."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from lead_assets.api.app import build_app
from lead_assets.config.environment import Environment
from lead_assets_tests.process.api.conftest import Installation, serving

CAMPAIGN = "shop_crm"
"""The document's example of a campaign."""
# Each example is a request over HTTP.
fuzzed = settings(suppress_health_check=list(HealthCheck))
# Dagster is not there: what asks it says so.
UNAVAILABLE = {("POST", "/campaigns/{campaign_id}/run"), ("GET", "/runs/{run_id}"), ("GET", "/health")}


@schemathesis.check
def only_what_is_missing_is_unavailable(_: CheckContext, response: Response, case: Case) -> None:
    allowed = (503,) if (case.operation.method.upper(), case.operation.path) in UNAVAILABLE else ()
    assert response.status_code < 500 or response.status_code in allowed, response.text


@schemathesis.check
def errors_have_one_shape(_: CheckContext, response: Response, case: Case) -> None:
    if response.status_code >= 400 and case.operation.path != "/health":
        assert isinstance(response.json()["error"], str)


# Nothing is connected for the document's sake.
document = build_app(Environment.read({"DATABASE_URL": "postgresql://127.0.0.1/none"})).openapi()
schema = schemathesis.openapi.from_dict(document)
# Without a token made, the document asks for more than the API does.
schema_without_tokens = schemathesis.openapi.from_dict(json.loads(json.dumps(document).replace('"security"', '"x-no"')))


def map_path_parameters(_: Any, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    # Half of the time a campaign that there is: what comes after the look-up is asked too.
    if parameters and len(str(parameters.get("campaign_id", ""))) % 2:
        parameters["campaign_id"] = CAMPAIGN
    return parameters


for one in (schema, schema_without_tokens):
    one.hook(map_path_parameters)
    # Tokens are tested by their own tests: with made-up ones most requests would end at the door.
    one.config.generation.update(with_security_parameters=False)
    # What is too large is not looked at, whatever else is wrong with it.
    one.config.checks.negative_data_rejection.expected_statuses.append("413")


@pytest.fixture
def open_url(installed: Installation) -> Iterator[str]:
    installed.leads(0.1, 0.5, 0.5, campaign_id=installed.campaign(CAMPAIGN))
    with serving(installed.variables) as url:
        yield url


@pytest.fixture
def token(installed: Installation) -> str:
    return installed.token()


@pytest.fixture
def closed_url(installed: Installation, token: str) -> Iterator[str]:
    installed.leads(0.1, 0.5, 0.5, campaign_id=installed.campaign(CAMPAIGN))
    with serving(installed.variables, beyond_loopback=True) as url:
        yield url


def _validate(case: Case, url: str, headers: dict[str, str]) -> None:
    case.call_and_validate(
        base_url=url,
        headers=headers,
        additional_checks=[only_what_is_missing_is_unavailable, errors_have_one_shape],
        excluded_checks=[
            not_a_server_error,  # the first of ours, which knows that Dagster is not there
            positive_data_acceptance,  # names of settings, days and cursors are more than a schema can say
        ],
    )


@schema_without_tokens.parametrize()
@fuzzed
def test_the_api_without_a_token_answers_as_its_document_says(case: Case, open_url: str) -> None:
    _validate(case, open_url, {})


@schema.parametrize()
@fuzzed
def test_the_api_with_a_token_answers_as_its_document_says(case: Case, closed_url: str, token: str) -> None:
    _validate(case, closed_url, {"Authorization": f"Bearer {token}"})


@schema.parametrize()
@settings(fuzzed, max_examples=10)
def test_nothing_but_health_answers_without_the_token(case: Case, closed_url: str) -> None:
    response = case.call(base_url=closed_url, headers={"Authorization": "Bearer wrong"})
    assert (response.status_code == 401) == (case.operation.path != "/health")
