"""One OpenAI-compatible endpoint: the client, what its errors mean, and the only place where requests are tried again.

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
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

import httpx
import openai
import pydantic_core

from lead_assets.domain.errors import EndpointUnavailable
from lead_assets.models.openai.address import Address
from lead_assets.models.openai.usage import Usage

NO_KEY = "no-key"
"""Sent where there is no key: the client insists on one, and local servers do not look at it."""
MOST_FAILURES = 5
"""How often one request is tried that meets failures other than rate limits, which only time ends."""
MOST_REFUSED_CONNECTIONS = 3
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 20.0
MESSAGE_CHARACTERS = 300

_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")
_TOO_LONG = re.compile(
    r"context.?length|context (?:size|window)|too (?:long|large|many tokens)|max\w* .{0,30}tokens", re.I
)
_ABOUT_INPUT = re.compile(_TOO_LONG.pattern + r"|grammar|schema|response_format|not support", re.I)
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


@dataclass(frozen=True)
class _Failure:
    """A failed try: why, and after how many seconds to try again if the endpoint said so."""

    message: str
    retry_after: float | None = None
    is_rate_limit: bool = False
    is_connection: bool = False
    is_free: bool = False

    @property
    def error(self) -> NoAnswer:
        """What is raised when trying ends."""
        return NoAnswer(self.message, is_free=self.is_free)


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
        random: Random | None = None,
    ) -> None:
        """Nothing is connected yet."""
        self.address, self.model, self.usage = address, model, usage
        self.stopping = threading.Event()
        self._model_setting = model_setting
        self._retry_seconds = retry_seconds
        self._random = random or Random()  # noqa: S311  spreads retries, guards nothing
        self._paused_until = 0.0
        self._client = openai.OpenAI(
            api_key=address.api_key or NO_KEY, base_url=address.url, max_retries=0, timeout=timeout_seconds
        )
        if not address.is_of_openai_s_account:
            # The client takes them from OPENAI_ORG_ID and OPENAI_PROJECT_ID, and would tell them to anybody.
            self._client.organization = self._client.project = None

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def send(
        self,
        call: Callable[[openai.OpenAI], httpx.Response],
        before_repeating: Callable[[NoAnswer], None] = lambda _: None,
    ) -> Received:
        """The answer to ``call``, which sends one request.

        What may pass (rate limits, failing servers, broken connections) is tried again: after the time that the
        endpoint asks for, else after a growing one, spread by chance. ``before_repeating`` may forbid it by raising.

        Raises:
            EndpointUnavailable, InputRefused, NoAnswer, Stopped: see there.
        """
        began, tries = time.monotonic(), 0
        while True:
            self._wait(self._paused_until - time.monotonic())
            outcome = self._try(call, again=tries > 0)
            if isinstance(outcome, Received):
                return outcome
            tries += 1
            seconds = self._seconds_to_wait(outcome, tries)
            left = began + self._retry_seconds - time.monotonic()
            if seconds > left or (tries >= MOST_FAILURES and not outcome.is_rate_limit):
                raise outcome.error
            if outcome.is_connection and tries >= MOST_REFUSED_CONNECTIONS:
                raise EndpointUnavailable(
                    f"{self.address.url} cannot be reached ({outcome.message}); start the server, or check "
                    f"{self.address.url_setting}."
                )
            before_repeating(outcome.error)
            if outcome.is_rate_limit:
                # All threads share the limit: the others would only be refused too.
                self._paused_until = max(self._paused_until, time.monotonic() + seconds)
            self._wait(seconds)

    def told(self, text: str) -> str:
        """``text`` of the endpoint's for a message: one short line without the key."""
        return self.scrubbed(" ".join(text.split()))[:MESSAGE_CHARACTERS]

    def scrubbed(self, text: str) -> str:
        """``text`` without the key: servers repeat what they were sent."""
        return text.replace(self.address.api_key, "[key]") if self.address.api_key else text

    def _wait(self, seconds: float) -> None:
        if self.stopping.wait(max(0.0, seconds)) if seconds > 0 else self.stopping.is_set():
            raise Stopped

    def _seconds_to_wait(self, failure: _Failure, tries: int) -> float:
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** (tries - 1))
        if failure.retry_after is None:
            return longest * self._random.uniform(0.5, 1.0)
        # Not before it was asked for; and not all at the same moment.
        return failure.retry_after + self._random.uniform(0.0, min(1.0, 0.25 * failure.retry_after))

    def _try(self, call: Callable[[openai.OpenAI], httpx.Response], *, again: bool) -> Received | _Failure:
        began = time.perf_counter()
        try:
            content = call(self._client).content
        except openai.APITimeoutError:
            return _Failure("no answer in time")
        except openai.APIConnectionError as error:
            refused = "ConnectError" in type(error.__cause__).__name__
            return _Failure(
                "no connection could be made" if refused else "the connection broke",
                is_connection=refused,
                is_free=refused,
            )
        except openai.APIStatusError as error:
            return self._meaning(error)
        finally:
            self.usage.sent(again=again, seconds=time.perf_counter() - began)
        body = _parsed(content)
        if not isinstance(body, Mapping):
            return _Failure("the answer is no JSON object")
        if body.get("error"):
            return _Failure(self.told(f"the answer is an error: {_message(body['error'])}"))
        return Received(content, body)

    def _meaning(self, error: openai.APIStatusError) -> _Failure:
        """What a refusal means; returns only what may pass."""
        status, message = error.status_code, self.told(_message(error.body) or error.message)
        names = {str(error.code), str(error.type)}
        if status == 402 or (names & set(_QUOTA)):
            raise EndpointUnavailable(
                f"{self.address.url} says that the account has no credit left ({message}); add credit, or lower what a "
                "run may cost; what was stored stays."
            ) from None
        if status in (401, 403):
            raise EndpointUnavailable(
                f"{self.address.url} refuses the key (HTTP {status}); check {self.address.key_setting} and what it is "
                "allowed."
            ) from None
        if status in (404, 405):
            raise EndpointUnavailable(
                f"{self.address.url} does not know the model {self.model} or the path (HTTP {status}: {message}); "
                f"check {self._model_setting} and {self.address.url_setting}."
            ) from None
        too_long = bool(_TOO_LONG.search(message)) or "context_length_exceeded" in names or status == 413
        if status in _REFUSALS or (status == 500 and _ABOUT_INPUT.search(message)):
            by_filter = bool(names & _BY_FILTER)
            raise InputRefused(f"HTTP {status}: {message}", too_long=too_long, by_filter=by_filter) from None
        retry_after = retry_after_seconds(error.response.headers, datetime.now(UTC))
        is_free = status not in _BY_GATEWAYS
        return _Failure(f"HTTP {status}: {message}", retry_after, is_rate_limit=status == 429, is_free=is_free)


def _parsed(content: bytes) -> object:
    """The JSON in ``content``; None where there is none."""
    try:
        return pydantic_core.from_json(content)  # a tenth of the standard library's time, on a megabyte of vectors
    except ValueError:
        pass
    try:
        return json.loads(content)  # takes halves of surrogate pairs, which models that are cut off do send
    except (ValueError, RecursionError):
        return None


def _message(body: object) -> str:
    """The message of an error, in any of the shapes that servers give it."""
    if isinstance(body, Mapping):
        inner = body.get("message") or body.get("error") or body.get("detail") or ""
        return _message(inner) if isinstance(inner, Mapping) else str(inner)
    return body if isinstance(body, str) else ""


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """What ``Retry-After-Ms`` or ``Retry-After`` (seconds, or a date) ask for; None where nothing sensible is said.

    Source: RFC 9110, 10.2.3; the milliseconds are OpenAI's own.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            seconds = _seconds_until(value, now)
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def _seconds_until(date: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return -1.0
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())
