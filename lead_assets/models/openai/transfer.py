"""Requests on their way to an endpoint: each answer whole within a deadline, of a bounded size, from one place only.

The client's own timeout is for each read, so that a server which sends a byte a second could hold a run for ever.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx2
import openai

from lead_assets.config.addresses import Address
from lead_assets.tls import trust_of_httpx2

NO_KEY = "no-key"
"""Sent where there is no key: the client insists on one, and local servers do not look at it."""
GRACE_SECONDS = 10.0
"""How long an answer under way is waited for after the run was told to end: it may be paid for."""
LOOK_SECONDS = 0.5
"""How often a waiting thread looks whether the run is to end."""


class Late(Exception):
    """The answer was not whole in time."""


class TooLarge(Exception):
    """The answer is larger than it may be; the rest of it was not read."""


class Compressed(Exception):
    """The answer is compressed though that was not asked for: how large it is would be known when it is too late."""


class LeadsElsewhere(Exception):
    """The endpoint redirects to another server; nothing was sent there."""


class _Limits(threading.local):
    """The limits of the request that a thread makes."""

    deadline: float
    stopping: threading.Event
    most_bytes: int

    def seconds_left(self) -> float:
        """Seconds until the answer must be whole; raises Late."""
        now = time.monotonic()
        if self.stopping.is_set():
            self.deadline = min(self.deadline, now + GRACE_SECONDS)
            self.stopping = threading.Event()  # its grace is counted from here
        if now >= self.deadline:
            raise Late
        return self.deadline - now


_limits = _Limits()


@contextmanager
def limited(seconds: float, stopping: threading.Event, most_bytes: int) -> Iterator[None]:
    """Within, requests of this thread by a client of ``client_of`` end after so many seconds or bytes.

    Where ``stopping`` is set they end after ``GRACE_SECONDS``, if that is sooner. They raise Late, TooLarge, Compressed
    and LeadsElsewhere beside what the client raises.
    """
    _limits.deadline, _limits.stopping, _limits.most_bytes = time.monotonic() + seconds, stopping, most_bytes
    yield


def client_of(address: Address, timeout_seconds: float) -> openai.OpenAI:
    """A client of the endpoint at ``address``; its requests must be made within ``limited``."""

    def stay_here(request: httpx2.Request) -> None:
        if not _is_same_server(httpx2.URL(address.url), request.url):
            raise LeadsElsewhere(f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}")
        request.extensions["trace"] = _watch_connection

    client = openai.OpenAI(
        api_key=address.api_key or NO_KEY,
        base_url=address.url,
        max_retries=0,
        timeout=timeout_seconds,
        default_headers={"Accept-Encoding": "identity"},
        http_client=openai.DefaultHttpxClient(
            event_hooks={"request": [stay_here], "response": [_bound_size]}, verify=trust_of_httpx2()
        ),
    )
    if not address.is_of_openai_s_account:
        # The client takes them from OPENAI_ORG_ID and OPENAI_PROJECT_ID, and would tell them to anybody.
        client.organization = client.project = None
    return client


def post(client: openai.OpenAI, path: str, body: Mapping[str, Any]) -> httpx2.Response:
    """The response to one request, as it came.

    Not by the client's method for ``path``, which looks at the type of each value in ``body``: that takes as long as
    all else that the client does, and for many texts longer than all of our work.
    """
    return client.post(path, cast_to=httpx2.Response, body=body)


def _is_same_server(own: httpx2.URL, other: httpx2.URL) -> bool:
    is_upgrade = (own.scheme, own.port, other.scheme, other.port) == ("http", None, "https", None)
    return own.host == other.host and (is_upgrade or (own.scheme, own.port) == (other.scheme, other.port))


def _watch_connection(event: str, info: Mapping[str, Any]) -> None:
    """Let each read from a new connection end when the answer that it is for must be there."""
    if event.endswith(("connect_tcp.complete", "start_tls.complete")):
        stream = info["return_value"]
        stream.read = _reading(stream.read)


def _reading(read: Callable[..., bytes]) -> Callable[..., bytes]:
    def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
        # The client's timeout is the deadline's, for each read.
        while True:
            try:
                return read(max_bytes, timeout=min(LOOK_SECONDS, _limits.seconds_left()))
            except httpcore2.ReadTimeout:
                pass

    return read_in_time


def _bound_size(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Compressed
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.SyncByteStream):
    """A stream that breaks off where the answer is too large."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self._stream:
            size += len(part)
            if size > _limits.most_bytes:
                raise TooLarge
            yield part

    def close(self) -> None:
        self._stream.close()
