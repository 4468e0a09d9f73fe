"""How the stand-in fails: each fault is what one kind of failing server answers."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


def _always(_: Body) -> bool:
    return True


@dataclass
class Fault:
    """Something that goes wrong for requests that ``when`` holds of, ``times`` often (None: for ever).

    A fault answers an error (``status`` and ``error``), or changes what would have been answered (``change``), or
    breaks the connection after half of it (``reset``); it may take ``delay`` seconds longer. ``drip`` seconds pass
    before each byte, those of the status line included; ``flood`` bytes of white space come before the answer.
    """

    status: int | None = None
    error: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[Body], Any] | None = None
    reset: bool = False
    drip: float = 0.0
    flood: int = 0
    delay: float = 0.0
    times: int | None = 1
    when: Callable[[Body], bool] = _always

    def at(self, *, times: int | None = 1, when: Callable[[Body], bool] = _always) -> "Fault":
        """The same fault, so often and for such requests."""
        return dataclasses.replace(self, times=times, when=when)


def _error(status: int, message: str, code: str | None = None, kind: str = "invalid_request_error") -> Fault:
    return Fault(status=status, error={"message": message, "type": kind, "param": None, "code": code})


def rate_limited(retry_after: str = "0.05") -> Fault:
    """429 with Retry-After."""
    fault = _error(429, "Rate limit reached for requests", "rate_limit_exceeded", "requests")
    return dataclasses.replace(fault, headers={"Retry-After": retry_after})


def failing(status: int = 500) -> Fault:
    """500, 503 and the like."""
    return _error(status, "The server had an error while processing your request.", kind="server_error")


def invalid_key(shown: str = "sk-wrong") -> Fault:
    """401, with the key repeated in the message, as some servers do."""
    return _error(401, f"Incorrect API key provided: {shown}. You can find yours in the dashboard.", "invalid_api_key")


def quota_exceeded() -> Fault:
    """429 that no waiting mends."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return _error(429, message, "insufficient_quota", "insufficient_quota")


def model_not_found(model: str = "gone") -> Fault:
    """404 for a model."""
    return _error(404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found")


def refused_input(message: str = "'$.input' is invalid.") -> Fault:
    """400 for what was sent."""
    return _error(400, message)


def too_long() -> Fault:
    """400 for a text of too many tokens."""
    message = "This model's maximum context length is 8192 tokens, however you requested 9000 tokens."
    return _error(400, message, "context_length_exceeded")


def reset_mid_answer() -> Fault:
    """The connection breaks after half of the answer."""
    return Fault(reset=True)


def slow(seconds: float) -> Fault:
    """The answer takes so much longer."""
    return Fault(delay=seconds)


def not_json() -> Fault:
    """The whole answer is no JSON."""
    return Fault(change=lambda _: "<html>Bad gateway</html>")


def said(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> Fault:
    """The model says ``content``, whatever it was asked."""

    def change(answer: Body) -> Body:
        message = {"role": "assistant", "content": content, "refusal": refusal}
        return answer | {"choices": [{"index": 0, "finish_reason": finish, "message": message}]}

    return Fault(change=change)


def message(finish: str = "stop", **fields: Any) -> Fault:
    """The model's message has such ``fields``, whatever it was asked."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": None} | fields}
    return Fault(change=lambda answer: answer | {"choices": [choice]})


def refusal() -> Fault:
    """The model declines."""
    return said(None, refusal="I can't help with that.")


def empty_choices() -> Fault:
    """An answer without any choice."""
    return Fault(change=lambda answer: answer | {"choices": []})


def no_usage() -> Fault:
    """An answer that does not say how many tokens it took."""
    return Fault(change=lambda answer: {name: value for name, value in answer.items() if name != "usage"})


def usage(tokens_in: Any, tokens_out: Any) -> Fault:
    """An answer that says that it took so many tokens."""
    counts = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
    return Fault(change=lambda answer: answer | {"usage": counts})


def error_with_200(**error: Any) -> Fault:
    """An error in the body of an answer that is none, as some gateways send it."""
    return Fault(change=lambda _: {"error": error})


def dripping(seconds: float) -> Fault:
    """A byte each so many seconds, from the first byte of the headers on."""
    return Fault(drip=seconds)


def flooding(size: int) -> Fault:
    """So many bytes before the answer."""
    return Fault(flood=size)


def redirected(to: str, status: int = 307) -> Fault:
    """Ask there instead."""
    return Fault(status=status, headers={"Location": to})


def compressed() -> Fault:
    """The answer says that it is compressed, though nobody asked for that."""
    return Fault(headers={"Content-Encoding": "gzip"})


def needs_floats(says: str = "encoding_format 'base64' is not supported") -> Fault:
    """400 for vectors in base64."""
    return refused_input(says).at(times=None, when=lambda body: body.get("encoding_format") == "base64")


def too_many_texts(most: int, status: int = 413) -> Fault:
    """Refuses more than so many texts at once."""
    says = f"batch size > maximum allowed batch size {most}"
    return _error(status, says).at(times=None, when=lambda body: len(body["input"]) > most)


def vectors_changed(change: Callable[[list[Body]], list[Body]]) -> Fault:
    """An embedding answer whose rows were changed."""
    return Fault(change=lambda answer: answer | {"data": change(answer["data"])})


def wrong_dimension(dimension: int) -> Fault:
    """Vectors of another dimension."""
    return vectors_changed(lambda rows: [row | {"embedding": [1.0] + [0.0] * (dimension - 1)} for row in rows])


def nan_vectors(at: int = 0) -> Fault:
    """The vector at one place is not a number (as null, which is how servers write NaN in JSON)."""

    def change(rows: list[Body]) -> list[Body]:
        return [row | {"embedding": [None] * 8} if place == at else row for place, row in enumerate(rows)]

    return vectors_changed(change)


def wrong_count() -> Fault:
    """One vector too few."""
    return vectors_changed(lambda rows: rows[:-1])
