"""One OpenAI-compatible endpoint: what its errors mean, and which of them are tried again.

An error is one of three: ``EndpointUnavailable`` (nothing will work: stop), ``InputRefused`` (this input will never
work: go on with others), ``NoAnswer`` (it was tried again in vain).
"""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import openai
import pydantic_core

from lead_assets.config.addresses import Address
from lead_assets.domain.errors import EndpointUnavailable
from lead_assets.domain.plain_text import printable
from lead_assets.models.openai.json_objects import integer
from lead_assets.models.openai.transfer import Compressed, Late, LeadsElsewhere, TooLarge, client_of, limited
from lead_assets.models.openai.usage import Usage
from lead_assets.retries import RetryPolicy, TryAgain, retry_after_seconds

MOST_FAILURES = 5
"""How often one request is tried that meets failures other than rate limits, which only time ends."""
MOST_REFUSED_CONNECTIONS = 3
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 20.0
MESSAGE_CHARACTERS = 300
MOST_BYTES = 4 * 2**20
"""Of an answer, unless its reader expects more: some hundred times what a model writes at most."""

_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")
_TOO_LONG = re.compile(
    r"context.?length|context (?:size|window)|too (?:long|large|many tokens)|max\w* .{0,30}tokens", re.I
)
_ABOUT_INPUT = re.compile(
    _TOO_LONG.pattern + r"|grammar|schema|response_format|encoding_format|base64|not support", re.I
)
"""Some servers answer 500 to what is the input's fault."""
_BY_GATEWAYS = frozenset({502, 504})
"""Said by what stands before a server, which may well go on and bill."""
_BY_FILTER = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_REFUSALS = frozenset({400, 413, 415, 422, 501})


class InputRefused(Exception):
    """The endpoint will not take this input; the message says why."""

    def __init__(self, message: str, *, too_long: bool = False, by_filter: bool = False) -> None:
        """``too_long``: it has too many tokens. ``by_filter``: a content filter read it and will not have it."""
        super().__init__(message)
        self.too_long, self.by_filter = too_long, by_filter


class NoAnswer(Exception):
    """No usable answer came. ``is_free``: what came was surely not billed (a refusal, not a connection that broke)."""

    def __init__(self, message: str, *, is_free: bool) -> None:
        """``message`` says what came instead."""
        super().__init__(message)
        self.is_free = is_free


class Stopped(Exception):
    """The run ends; this request was not sent."""


@dataclass(frozen=True)
class Received:
    """An answer: its bytes, and the JSON object in them."""

    content: bytes
    body: Mapping[str, Any]


class _Failure(TryAgain):
    """A failed try. ``could_not_connect``: nothing was sent. ``is_free``: surely not billed."""

    def __init__(
        self,
        message: str,
        *,
        asked_seconds: float | None = None,
        is_rate_limit: bool = False,
        could_not_connect: bool = False,
        is_free: bool = False,
        most_tries: int = MOST_FAILURES,
    ) -> None:
        super().__init__(message, asked_seconds=asked_seconds, most_tries=None if is_rate_limit else most_tries)
        self.is_rate_limit, self.could_not_connect, self.is_free = is_rate_limit, could_not_connect, is_free

    @property
    def error(self) -> NoAnswer:
        """What is raised when trying ends."""
        return NoAnswer(str(self), is_free=self.is_free)


class Endpoint:
    """Sends requests, tries again what may pass, and counts all of it. Shared by threads."""

    def __init__(
        self,
        address: Address,
        model: str,
        model_setting: str,
        usage: Usage,
        *,
        timeout_seconds: float = 60.0,
        retry_seconds: float = 120.0,
    ) -> None:
        """Nothing is connected yet."""
        self.address, self.model, self.usage = address, model, usage
        self.stopping = threading.Event()
        self._model_setting = model_setting
        # Not before it was asked for, and not all threads at the same moment.
        self._policy = RetryPolicy(retry_seconds, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, spread=0.25)
        self._paused_until = 0.0
        self._timeout = timeout_seconds
        self._client = client_of(address, timeout_seconds)

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def send(
        self,
        call: Callable[[openai.OpenAI], Any],
        before_repeating: Callable[[NoAnswer], None] = lambda _: None,
        most_bytes: int = MOST_BYTES,
    ) -> Received:
        """The answer to ``call``, which sends one request and gives the response; it has at most ``most_bytes``.

        What may pass (rate limits, failing servers, broken connections) is tried again: after the time that the
        endpoint asks for, else after a growing one, spread by chance. ``before_repeating`` may forbid it by raising.

        Raises:
            EndpointUnavailable, InputRefused, NoAnswer, Stopped: see there.
        """

        def attempt(number: int) -> Received:
            self._wait(self._paused_until - time.monotonic())
            return self._try(call, most_bytes, again=number > 1)

        def before_wait(failure: TryAgain, seconds: float) -> None:
            assert isinstance(failure, _Failure)
            before_repeating(failure.error)
            if failure.is_rate_limit:
                # All threads share the limit: the others would only be refused too.
                self._paused_until = max(self._paused_until, time.monotonic() + seconds)

        try:
            return self._policy.run(attempt, before_wait=before_wait, sleep=self._wait)
        except _Failure as failure:
            if failure.could_not_connect:
                raise EndpointUnavailable(
                    f"{self.address.url} cannot be reached ({failure}). Start the server, or check "
                    f"{self.address.url_setting}."
                ) from None
            raise failure.error from None

    def told(self, text: str) -> str:
        """``text`` of the endpoint's for a message: one short line without the key and without control characters."""
        # White space first: a line end separates words, other control characters only hide among their letters.
        return self.scrubbed(printable(" ".join(text.split())))[:MESSAGE_CHARACTERS]

    def scrubbed(self, text: str) -> str:
        """``text`` without the key: servers repeat what they were sent."""
        return text.replace(self.address.api_key, "[key]") if self.address.api_key else text

    def _wait(self, seconds: float) -> None:
        if self.stopping.wait(max(0.0, seconds)) if seconds > 0 else self.stopping.is_set():
            raise Stopped

    def _try(self, call: Callable[[openai.OpenAI], Any], most_bytes: int, *, again: bool) -> Received:
        began = time.perf_counter()
        try:
            with limited(self._timeout, self.stopping, most_bytes):
                content: bytes = call(self._client).content
        except (openai.APITimeoutError, Late):
            raise _Failure("no answer in time") from None
        except TooLarge:
            raise _Failure(f"the answer is larger than {most_bytes / 2**20:.1f} MiB", most_tries=1) from None
        except Compressed:
            raise _Failure("the answer is compressed, which was not asked for", most_tries=1) from None
        except LeadsElsewhere as elsewhere:
            raise EndpointUnavailable(
                f"{self.address.url} redirects to {self.told(str(elsewhere))}, where nothing is sent. Set "
                f"{self.address.url_setting} to the address that is meant."
            ) from None
        except openai.APIConnectionError as error:
            refused = "ConnectError" in type(error.__cause__).__name__
            raise _Failure(
                "no connection could be made" if refused else "the connection broke",
                could_not_connect=refused,
                is_free=refused,
                most_tries=MOST_REFUSED_CONNECTIONS if refused else MOST_FAILURES,
            ) from None
        except openai.APIStatusError as error:
            raise self._meaning(error.status_code, error.body, error.response.headers) from None
        finally:
            self.usage.sent(again=again, seconds=time.perf_counter() - began)
        body = _parsed(content)
        if not isinstance(body, Mapping):
            raise _Failure("the answer is not a JSON object")
        if body.get("error"):
            # As some gateways pass on what their own provider said.
            raise self._meaning(_status_in(body["error"]), body["error"], {})
        return Received(content, body)

    def _meaning(self, status: int | None, body: object, headers: Mapping[str, str]) -> _Failure:
        """What an error means, with its status where it has one; returns only what may pass."""
        message = self.told(_message(body)) or "no reason is given"
        names = {str(body.get(name)) for name in ("code", "type")} if isinstance(body, Mapping) else set[str]()
        if status == 402 or (names & set(_QUOTA)):
            raise EndpointUnavailable(
                f"{self.address.url} says that the account has no credit left ({message}). Add credit, or lower what a "
                "run may cost. What was stored stays."
            ) from None
        if status in (401, 403):
            raise EndpointUnavailable(
                f"{self.address.url} refuses the key (HTTP {status}). Check {self.address.key_setting} and what it is "
                "allowed."
            ) from None
        if status in (404, 405):
            raise EndpointUnavailable(
                f"{self.address.url} does not know the model {self.model} or the path (HTTP {status}: {message}). "
                f"Check {self._model_setting} and {self.address.url_setting}."
            ) from None
        too_long = bool(_TOO_LONG.search(message)) or "context_length_exceeded" in names or status == 413
        if status in _REFUSALS or (status == 500 and _ABOUT_INPUT.search(message)):
            by_filter = bool(names & _BY_FILTER)
            raise InputRefused(f"HTTP {status}: {message}", too_long=too_long, by_filter=by_filter) from None
        if status is None:
            return _Failure(f"the answer is an error: {message}")
        return _Failure(
            f"HTTP {status}: {message}",
            asked_seconds=retry_after_seconds(headers, datetime.now(UTC)),
            is_rate_limit=status == 429,
            is_free=status not in _BY_GATEWAYS,
        )


def _parsed(content: bytes) -> object:
    """The JSON in ``content``; None where there is none."""
    try:
        return pydantic_core.from_json(content)  # a tenth of the standard library's time, on a megabyte of vectors
    except ValueError:
        pass
    try:
        # Takes halves of surrogate pairs, which models that are cut off do send, and numbers of any length.
        return json.loads(content, parse_int=integer)
    except (ValueError, RecursionError):
        return None


def _status_in(error: object) -> int | None:
    """The HTTP status that an error names in its body."""
    if not isinstance(error, Mapping):
        return None
    named = [str(error.get(name)) for name in ("code", "status")]
    return next((int(text) for text in named if re.fullmatch(r"[45]\d\d", text, re.ASCII)), None)


def _message(body: object) -> str:
    """The message of an error, in any of the shapes that servers give it."""
    if isinstance(body, Mapping):
        inner = body.get("message") or body.get("error") or body.get("detail") or ""
        return _message(inner) if isinstance(inner, Mapping) else str(inner)
    return body if isinstance(body, str) else ""
