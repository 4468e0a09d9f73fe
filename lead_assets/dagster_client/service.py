"""Dagster's own web server, asked over GraphQL, directly and through Dagster's own client.

What belongs here: sending a question, and what can go wrong with that. What is asked is in the modules that ask. They
raise DagsterUnavailable where Dagster does not answer, and DagsterRefused where it does not do what it was asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import httpx
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError
from gql import GraphQLRequest
from gql.transport import Transport
from graphql import ExecutionResult, print_ast

from lead_assets.domain.errors import DagsterRefused, DagsterUnavailable, SettingInvalid
from lead_assets.tls import trust_for

TIMEOUT_SECONDS = 30.0
KEYS_PER_QUESTION = 50


class DagsterService:
    """A web server of Dagster's. Shared by threads."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Nothing is connected yet; ``url`` is the address that a browser opens."""
        self.url = url.rstrip("/")
        # It is nearby: a proxy for the internet is not the way to it.
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False, verify=trust_for(self.url))

    def __enter__(self) -> Self:
        """Use it, and close it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def run_link(self, run_id: str) -> str:
        """Where a browser shows a run."""
        return f"{self.url}/runs/{run_id}"

    def backfill_link(self, backfill_id: str) -> str:
        """Where a browser shows a backfill."""
        return f"{self.url}/runs/b/{backfill_id}"

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The ``data`` of the answer."""
        try:
            question = {"query": query, "variables": dict(variables or {})}
            response = self._client.post(f"{self.url}/graphql", json=question)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DagsterUnavailable(
                f"Dagster does not answer at {self.url} ({type(error).__name__}). Start it with `lead-assets dev`, or "
                "set DAGSTER_URL to where it listens."
            ) from None
        try:
            answer: Any = response.json()
            if isinstance(answer["data"], dict):
                return answer["data"]
            why = str(answer["errors"][0]["message"])[:500]
        except (ValueError, LookupError, TypeError):
            why = "not an answer of Dagster. Set DAGSTER_URL to where it listens"
        raise DagsterUnavailable(f"{self.url} answered with HTTP {response.status_code}: {why}.")

    def ask_each(self, operation: str, field: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The answer of ``field``, a part of a query or mutation with the variable ``$key``, for each of ``keys``."""
        answers: dict[str, dict[str, Any]] = {}
        for start in range(0, len(keys), KEYS_PER_QUESTION):
            part = {f"key{number}": key for number, key in enumerate(keys[start : start + KEYS_PER_QUESTION])}
            declared = ", ".join(f"${name}: String!" for name in part)
            fields = " ".join(f"{name}: {field.replace('$key', f'${name}')}" for name in part)
            data = self.ask(f"{operation}({declared}) {{ {fields} }}", part)
            answers |= {key: data[name] for name, key in part.items()}
        return answers

    @contextmanager
    def official_client(self) -> Iterator[DagsterGraphQLClient]:
        """Dagster's own client, for one thread, over this connection and with our errors."""
        try:
            yield DagsterGraphQLClient("", transport=_Connection(self))
        except DagsterGraphQLClientError as error:
            if isinstance(error.__cause__, DagsterUnavailable):
                raise error.__cause__ from None
            given: tuple[Any, ...] = (*error.args, "")
            kind, said = given[:2]
            if str(kind).endswith("ConfigValidationInvalid"):
                raise SettingInvalid(f"Dagster does not accept these settings: {said[0]['message']}") from None
            raise DagsterRefused(_refusal(kind, said)) from None


class _Connection(Transport):
    def __init__(self, service: DagsterService) -> None:
        self._service = service

    def execute(self, request: GraphQLRequest, *_: Any, **__: Any) -> ExecutionResult:
        return ExecutionResult(data=self._service.ask(print_ast(request.document), request.variable_values))


def expected(answer: Mapping[str, Any], *types: str) -> Mapping[str, Any]:
    """``answer`` if it is of one of these types; otherwise DagsterRefused with Dagster's own words."""
    if answer["__typename"] not in types:
        raise DagsterRefused(_refusal(answer["__typename"], answer.get("message")))
    return answer


def _refusal(kind: object, said: object) -> str:
    return f"Dagster refused: {(str(said or '').strip().splitlines() or [str(kind)])[0][:500]}"
