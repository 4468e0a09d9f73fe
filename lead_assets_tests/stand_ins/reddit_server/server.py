"""The server: counts every request, fails where told to, guards tokens and the rate limit, and lets the API answer."""

import base64
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from lead_assets_tests.stand_ins.reddit_server.answers import Answer, answer, page, refusal, unauthorized
from lead_assets_tests.stand_ins.reddit_server.api import Api, route
from lead_assets_tests.stand_ins.reddit_server.corpus import Corpus
from lead_assets_tests.stand_ins.reddit_server.faults import Fault, FaultPlans, Plan
from lead_assets_tests.stand_ins.reddit_server.handler import Listener
from lead_assets_tests.stand_ins.reddit_server.limits import RateWindow, Tokens, most_in_window

LONGEST_TARGET = 8000

LogEntry = tuple[float, str, str, dict[str, str]]


class RedditServer:
    """Reddit's API on 127.0.0.1, from a corpus. ``url`` is both asyncpraw's ``oauth_url`` and ``reddit_url``.

    asyncpraw spreads its requests evenly over what is left of a rate window. So that tests need not wait for it, the
    first window has only ``first_window_seconds`` left when the server starts; later ones are ``window_seconds`` long.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        client_id: str = "id",
        client_secret: str = "secret",
        limit: int = 1000,
        window_seconds: float = 600,
        first_window_seconds: float = 120,
        token_seconds: float = 86_400,
        port: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.corpus = corpus
        self.api = Api(corpus, now)
        self.client_id = client_id
        self.client_secret = client_secret
        self.latency = 0.0
        self.requests: Counter[str] = Counter()
        self.log: list[LogEntry] = []
        self.user_agents: set[str] = set()
        self.errors: list[BaseException] = []
        self._port = port
        self._tokens = Tokens(token_seconds)
        self._window = RateWindow(limit, window_seconds, first_window_seconds)
        self._plans = FaultPlans()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that asks this server."""
        return {
            "REDDIT_URL": self.url,
            "REDDIT_CLIENT_ID": self.client_id,
            "REDDIT_CLIENT_SECRET": self.client_secret,
            "REDDIT_USER_AGENT": "linux:lead.assets.tests:v1 (by /u/nobody)",
        }

    def start(self) -> "RedditServer":
        """Serve in the background, on a free port unless one was asked for."""
        self._stopping.clear()
        listener = Listener(("127.0.0.1", self._port), self)
        self._listener = listener
        self._port = listener.server_address[1]
        self._thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving; connections are dropped, silent ones too. Raises if the server itself failed meanwhile."""
        if self._listener is None or self._thread is None:
            return
        self._stopping.set()
        self._listener.shutdown()
        self._thread.join()
        self._listener.drop_connections()
        self._listener.server_close()
        self._listener = self._thread = None
        if self.errors:
            raise RuntimeError("the stand-in for Reddit could not answer a request") from self.errors.pop(0)

    def __enter__(self) -> "RedditServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def total(self) -> int:
        """All requests so far, token requests included."""
        return sum(self.requests.values())

    def most_in_window(self, seconds: float) -> int:
        """The most requests in any sliding window of so many seconds, token requests left out."""
        with self._lock:
            return most_in_window([moment for moment, endpoint, *_ in self.log if endpoint != "token"], seconds)

    def fail(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        endpoint: str | None = None,
        after: int = 0,
        retry_after: float = 1,
    ) -> None:
        """Make the next ``times`` requests (None: all) of an endpoint fail, after so many that do not.

        Without an endpoint, any request but a token's may fail.
        """
        self._plans.add(Plan(fault, times, endpoint, after, retry_after))

    def reset(self) -> None:
        """Forget counts, log, user agents, failures still to come and the requests of the rate window."""
        with self._lock:
            self.requests.clear()
            self.log.clear()
            self.user_agents.clear()
        self._plans.clear()
        self._window.restart()

    def expire_tokens(self) -> None:
        """Make all tokens given out invalid."""
        self._tokens.revoke()

    def respond(
        self, method: str, target: str, form: Mapping[str, str], headers: Mapping[str, Any]
    ) -> tuple[Answer, Fault | None]:
        """The answer to a request, and the failure that its connection is to suffer. Called by each connection."""
        path, _, arguments = target.partition("?")
        params = dict(parse_qsl(arguments, keep_blank_values=True)) | dict(form)
        path = unquote(path)
        endpoint, parts = route(path, params)
        self._record(endpoint, path, params, str(headers.get("User-Agent", "")))
        within = endpoint == "token" or self._window.use()
        self._stopping.wait(self.latency)
        plan = self._plans.take(endpoint)
        if plan is not None and plan.fault in _ANSWERS:
            found = _ANSWERS[plan.fault](plan)
            if plan.fault is Fault.EXPIRED_TOKEN:
                self._tokens.revoke(_token(headers))
        elif endpoint == "token":
            found = self._give_token(method, params, headers)
        elif not self._tokens.valid(_token(headers)):
            found = unauthorized()
        elif not within:
            found = refusal(429)
        elif len(target) > LONGEST_TARGET:
            found = refusal(400)
        else:
            found = self.api.answer(endpoint, parts, params)
        return replace(found, headers={**found.headers, **self._window.headers()}), plan.fault if plan else None

    def _record(self, endpoint: str, path: str, params: dict[str, str], user_agent: str) -> None:
        with self._lock:
            self.log.append((time.monotonic(), endpoint, path, params))
            self.requests[endpoint] += 1
            self.user_agents.add(user_agent)

    def _give_token(self, method: str, params: Mapping[str, str], headers: Mapping[str, Any]) -> Answer:
        expected = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if headers.get("Authorization", "") != f"Basic {expected}":
            return refusal(401)
        if method != "POST" or params.get("grant_type") != "client_credentials":
            return answer({"error": "unsupported_grant_type"})
        seconds = int(self._tokens.seconds)
        token = self._tokens.give()
        return answer({"access_token": token, "token_type": "bearer", "expires_in": seconds, "scope": "*"})


_ANSWERS: dict[Fault, Callable[[Plan], Answer]] = {
    Fault.TOO_MANY_WITH_RETRY_AFTER: lambda plan: refusal(429, headers={"retry-after": f"{plan.retry_after:g}"}),
    Fault.TOO_MANY: lambda plan: refusal(429),
    Fault.SERVER_ERROR: lambda plan: refusal(500),
    Fault.UNAVAILABLE: lambda plan: refusal(503),
    Fault.HTML: lambda plan: page(200, "Reddit is having trouble"),
    Fault.EXPIRED_TOKEN: lambda plan: unauthorized(),
    Fault.FORBIDDEN_AGENT: lambda plan: page(403, "whoa there, pardner!"),
    Fault.BAD_REQUEST: lambda plan: refusal(400),
}


def _token(headers: Mapping[str, Any]) -> str:
    scheme, _, token = str(headers.get("Authorization", "")).partition(" ")
    return token if scheme.lower() == "bearer" else ""
