"""Dagster's own web server, asked over GraphQL: what starts runs and backfills from outside of Dagster.

What belongs here: sending one question, and what can go wrong with that. What is asked is in the modules that ask.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from lead_assets.domain.errors import DagsterUnavailable

LOCATION, REPOSITORY = "lead_assets", "__repository__"
"""Names of the code location in workspace.yaml, and of the one repository that ``Definitions`` make."""
TIMEOUT_SECONDS = 30.0


class DagsterService:
    """A web server of Dagster's. Shared by threads."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Nothing is connected yet; ``url`` is the address that a browser opens."""
        self.url = url.rstrip("/")
        # It stands beside us: a proxy for the internet is not the way to it.
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False)

    def __enter__(self) -> Self:
        """Use it, and close it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def run_link(self, run_id: str) -> str:
        """Where a browser shows a run."""
        return f"{self.url}/runs/{run_id}"

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The ``data`` of the answer.

        Raises:
            DagsterUnavailable: nobody answers, or not as Dagster does.
        """
        try:
            response = self._client.post(
                f"{self.url}/graphql", json={"query": query, "variables": dict(variables or {})}
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DagsterUnavailable(
                f"Dagster does not answer at {self.url} ({type(error).__name__}); start it with `lead-assets dev`, or "
                "set DAGSTER_URL to where it listens."
            ) from None
        try:
            answer = response.json()
        except ValueError:
            raise DagsterUnavailable(
                f"What answers at {self.url} is not Dagster (HTTP {response.status_code}, no JSON); set DAGSTER_URL."
            ) from None
        data = answer.get("data") if isinstance(answer, Mapping) else None
        if not isinstance(data, dict):
            raise DagsterUnavailable(f"Dagster at {self.url} did not answer the question: {_first_error(answer)}")
        return data


def _first_error(answer: object) -> str:
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    message = first.get("message") if isinstance(first, Mapping) else None
    return str(message or f"HTTP answer without data: {str(answer)[:200]}")[:500]
