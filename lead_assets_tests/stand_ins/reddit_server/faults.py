"""Failures on demand."""

import threading
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """A way in which Reddit, or the network before it, fails."""

    TOO_MANY_WITH_RETRY_AFTER = "429 with a Retry-After header"
    TOO_MANY = "429 without a Retry-After header"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    TIMEOUT = "no answer until the client leaves or the server stops"
    TRUNCATED = "half of the JSON that Content-Length promises"
    HTML = "200 with HTML"
    EXPIRED_TOKEN = "401, and the token is no longer valid"
    FORBIDDEN_AGENT = "403 with HTML, as for a banned User-Agent"
    BAD_REQUEST = "400"
    RESET = "the connection is reset"


@dataclass
class Plan:
    """So many requests of an endpoint (None: of any but the token's) fail, after so many that do not."""

    fault: Fault
    times: int | None
    endpoint: str | None
    after: int
    retry_after: float

    def matches(self, endpoint: str) -> bool:
        """Whether a request is one that this plan counts."""
        return endpoint == self.endpoint if self.endpoint else endpoint != "token"

    def strikes(self) -> bool:
        """Count a matching request; whether it is due to fail."""
        if self.after > 0:
            self.after -= 1
            return False
        return self.times is None or self.times > 0


class FaultPlans:
    """The failures still to come, first told first done. Safe between threads."""

    def __init__(self) -> None:
        self._plans: list[Plan] = []
        self._lock = threading.Lock()

    def add(self, plan: Plan) -> None:
        """Plan a failure."""
        with self._lock:
            self._plans.append(plan)

    def clear(self) -> None:
        """Forget all plans."""
        with self._lock:
            self._plans.clear()

    def take(self, endpoint: str) -> Plan | None:
        """The plan that makes this request fail, if one does."""
        with self._lock:
            due = [plan for plan in self._plans if plan.matches(endpoint) and plan.strikes()]
            if not due:
                return None
            if due[0].times is not None:
                due[0].times -= 1
            return due[0]
