"""What goes back over the wire, and how Reddit says no."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=UTF-8"
MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Answer:
    """A status, a body and headers."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(content: Any, *, escape: bool = False) -> Answer:
    """A good answer; with ``escape`` its texts are HTML-escaped, as Reddit does unless raw_json=1 is asked for."""
    return Answer(200, json.dumps(escaped(content) if escape else content).encode())


def refusal(status: int, *, headers: Mapping[str, str] | None = None, **reason: str) -> Answer:
    """Reddit's JSON for an error."""
    content = {**reason, "message": MESSAGES[status], "error": status}
    return Answer(status, json.dumps(content).encode(), headers=headers or {})


def unauthorized() -> Answer:
    """The answer to a request whose token is missing or no longer valid."""
    return refusal(401, headers={"www-authenticate": 'Bearer realm="reddit", error="invalid_token"'})


def page(status: int, title: str) -> Answer:
    """An HTML page where JSON was expected."""
    body = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, body.encode(), content_type=HTML)


def redirect(location: str) -> Answer:
    """A redirect elsewhere."""
    return Answer(302, b"", content_type=HTML, headers={"location": location})


def escaped(value: Any) -> Any:
    """Any JSON value with its strings escaped."""
    if isinstance(value, str):
        return html.escape(value, quote=False)
    if isinstance(value, dict):
        return {key: escaped(inner) for key, inner in value.items()}
    return [escaped(inner) for inner in value] if isinstance(value, list) else value
