"""The server: counts what it is asked, and fails on demand."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lead_assets_tests.stand_ins.arctic_shift_server.answers import (
    BadRequestError,
    Params,
    Thing,
    by_ids,
    search,
    subreddits,
)

POST_TEXTS = {"query": ("title", "selftext"), "title": ("title",), "selftext": ("selftext",)}
COMMENT_TEXTS = {"body": ("body",)}


class Fault(Enum):
    """A way in which Arctic Shift, or the network before it, fails."""

    TOO_MANY_WITH_RETRY_AFTER = "429 with Retry-After"
    TOO_MANY_WITH_RESET = "429 with X-RateLimit-Reset"
    TOO_MANY = "429 with neither"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    TIMEOUT = "no answer until the server stops"
    RESET = "the connection is closed without an answer"
    TRUNCATED = "200 with half of the JSON"
    HTML = "200 with HTML"
    NO_DATA = "200 with data: null and no error"
    QUERY_TIMED_OUT = "400 with the documented message"
    SLOW_DOWN = "422 with the message that is seen"
    MAINTENANCE = "200 with an error, which is the server's ``maintenance``"
    FORBIDDEN = "403 with HTML"


_ANSWERS: Mapping[Fault, tuple[int, object]] = {
    Fault.TOO_MANY_WITH_RETRY_AFTER: (429, {"data": None, "error": "Too many requests"}),
    Fault.TOO_MANY_WITH_RESET: (429, {"data": None, "error": "Too many requests"}),
    Fault.TOO_MANY: (429, {"data": None, "error": "Too many requests"}),
    Fault.SERVER_ERROR: (500, {"data": None, "error": "Internal server error"}),
    Fault.UNAVAILABLE: (503, "<html><h1>503 Service Unavailable</h1></html>"),
    Fault.TRUNCATED: (200, '{"data": [{"id": "1abc", "tit'),
    Fault.HTML: (200, "<!doctype html><title>Arctic Shift</title>"),
    Fault.NO_DATA: (200, {"data": None}),
    Fault.QUERY_TIMED_OUT: (400, {"data": None, "error": "Query timed out"}),
    Fault.SLOW_DOWN: (422, {"data": None, "error": "Timeout. Maybe slow down a bit"}),
    Fault.FORBIDDEN: (403, "<html>Forbidden</html>"),
}


@dataclass
class _Plan:
    fault: Fault
    times: int | None
    endpoint: str | None
    after: int
    wait: float


@dataclass(frozen=True)
class Request:
    """One request that came in, such as ``posts/search``."""

    endpoint: str
    params: dict[str, str]


class ArcticShiftServer:
    """A stand-in on 127.0.0.1, as a context manager; fill its lists, then ask it.

    ``busy_subreddits`` (case-folded) refuse keywords, ``max_limit`` makes keyword queries time out that ask for more,
    ``maintenance`` is what it says of that,
    ``inclusive_dates`` makes ``after`` and ``before`` include their second, ``rate_limit`` is what the headers say.
    """

    def __init__(self, port: int = 0) -> None:
        self.posts: list[Thing] = []
        self.comments: list[Thing] = []
        self.subreddits: list[Thing] = []
        self.busy_subreddits: set[str] = set()
        self.max_limit: int | None = None
        self.inclusive_dates = False
        self.rate_limit: list[tuple[int, float]] = []
        self.maintenance = "Under maintenance"
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._plans: list[_Plan] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"stand_in": self}))
        self._thread = threading.Thread(target=lambda: self._http.serve_forever(poll_interval=0.02), daemon=True)

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "ArcticShiftServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def add(self, *things: Thing) -> None:
        """Archive posts and comments."""
        for thing in things:
            (self.comments if "body" in thing else self.posts).append(thing)

    def fail(
        self, fault: Fault, times: int | None = 1, endpoint: str | None = None, after: int = 0, wait: float = 0
    ) -> None:
        """Let so many requests (None: all) of an endpoint fail, after so many that do not; ``wait`` is asked for."""
        with self._lock:
            self._plans.append(_Plan(fault, times, endpoint, after, wait))

    def heal(self) -> None:
        """No failures any more."""
        with self._lock:
            self._plans.clear()

    def count(self, endpoint: str | None = None) -> int:
        """How many requests came in, for an endpoint such as ``posts/search`` or for all."""
        return len(self.asked(endpoint))

    def asked(self, endpoint: str | None = None) -> list[dict[str, str]]:
        """Parameters of the requests that came in."""
        with self._lock:
            return [request.params for request in self.requests if endpoint in (None, request.endpoint)]

    def take(self, endpoint: str, params: Params) -> _Plan | None:
        """Note a request; the plan that makes it fail, if one does."""
        with self._lock:
            self.requests.append(Request(endpoint, dict(params)))
            for plan in self._plans:
                if plan.endpoint not in (None, endpoint) or plan.times == 0:
                    continue
                if plan.after:
                    plan.after -= 1
                    continue
                plan.times = None if plan.times is None else plan.times - 1
                return plan
        return None

    def limits(self) -> tuple[int, float]:
        """What the next answer says of the rate limit: requests that remain, and when it is reset."""
        with self._lock:
            return self.rate_limit.pop(0) if self.rate_limit else (1_000, 60)

    def answer(self, endpoint: str, params: Params) -> tuple[int, object]:
        """Status and body of an answer without a fault."""
        try:
            return 200, {"data": self._data(endpoint, params)}
        except BadRequestError as error:
            return 400, {"data": None, "error": str(error)}
        except TimeoutError as error:
            return 422, {"data": None, "error": str(error)}
        except LookupError:
            return 404, {"data": None, "error": "Not found"}

    def _data(self, endpoint: str, params: Params) -> Any:
        self._refuse_heavy(params)
        match endpoint:
            case "posts/search":
                return search(self.posts, params, POST_TEXTS, self.inclusive_dates)
            case "comments/search":
                return search(self.comments, params, COMMENT_TEXTS, self.inclusive_dates)
            case "posts/ids":
                return by_ids(self.posts, params)
            case "comments/ids":
                return by_ids(self.comments, params)
            case "subreddits/ids":
                return by_ids(self.subreddits, params)
            case "subreddits/search":
                return subreddits(self.subreddits, params)
            case _:
                raise LookupError(endpoint)

    def _refuse_heavy(self, params: Params) -> None:
        if not {"query", "title", "selftext", "body"} & set(params):
            return
        if params.get("subreddit", "").casefold() in self.busy_subreddits:
            raise BadRequestError("Keyword search is not supported for very active subreddits")
        if self.max_limit is not None and int(params.get("limit", "25")) > self.max_limit:
            raise TimeoutError("Query timed out")


class _Handler(BaseHTTPRequestHandler):
    stand_in: ArcticShiftServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer one request."""
        address = urlsplit(self.path)
        endpoint, params = address.path.removeprefix("/api/"), dict(parse_qsl(address.query))
        plan = self.stand_in.take(endpoint, params)
        if plan is None:
            remaining, reset = self.stand_in.limits()
            limits = {"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": f"{reset:g}"}
            self._send(*self.stand_in.answer(endpoint, params), limits)
        elif plan.fault in (Fault.TIMEOUT, Fault.RESET):
            if plan.fault is Fault.TIMEOUT:
                self.stand_in.stopping.wait()
            self.close_connection = True
        elif plan.fault is Fault.MAINTENANCE:
            self._send(200, {"data": None, "error": self.stand_in.maintenance}, {})
        else:
            self._send(*_ANSWERS[plan.fault], _waits(plan))

    def _send(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base's
        """Nothing: requests are kept in ``requests``."""


def _waits(plan: _Plan) -> dict[str, str]:
    name = {Fault.TOO_MANY_WITH_RETRY_AFTER: "Retry-After", Fault.TOO_MANY_WITH_RESET: "X-RateLimit-Reset"}
    return {name[plan.fault]: f"{plan.wait:.0f}"} if plan.fault in name else {}


def subreddit(name: str, number: str = "2abc", subscribers: int | None = 50_000, over18: bool = False) -> Thing:
    """A subreddit as Arctic Shift lists it."""
    return {"id": number, "display_name": name, "subscribers": subscribers, "over18": over18, "_meta": {"num_posts": 1}}


def subreddits_of(things: Sequence[Thing]) -> list[Thing]:
    """A list of the subreddits that ``things`` are of."""
    names = sorted({str(thing["subreddit"]) for thing in things})
    return [subreddit(name, f"2ab{place}") for place, name in enumerate(names)]
