"""How an endpoint is asked for JSON: what it can do is found out by asking, and remembered while the process lives.

Best first: the strict schema, as the client's ``parse`` sends it, the schema without strictness, a JSON object with the
schema beside it, a JSON object, and plain text. Finding out costs at most a few refused requests, which nobody bills.
"""

import dataclasses
import re
import threading
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import openai

from lead_assets.domain.extraction import Extraction
from lead_assets.models.openai.prompt import Message, schema, with_schema
from lead_assets.models.openai.transfer import post

Mode = Literal["parse", "json_schema", "json_object_schema", "json_object", "text"]
MODES: tuple[Mode, ...] = ("parse", "json_schema", "json_object_schema", "json_object", "text")

_ABOUT_FORMAT = re.compile(r"response_format|json_schema|json_object|json mode|schema|grammar|guided|structured", re.I)


@dataclass(frozen=True)
class Dialect:
    """How requests to one model of one endpoint look. ``proven``: an answer of this kind has validated."""

    mode: Mode = "parse"
    output_limit: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    temperature: bool = True
    proven: bool = False

    def after_refusal(self, message: str) -> "Dialect | None":
        """What to try where the endpoint refused a request with ``message``; None where the format is not to blame."""
        if self.temperature and "temperature" in message:
            return dataclasses.replace(self, temperature=False)
        if self.output_limit in message:
            other = "max_tokens" if self.output_limit == "max_completion_tokens" else "max_completion_tokens"
            # Each names the other in its refusal; the one that was sent is the one to drop.
            return None if self.proven else dataclasses.replace(self, output_limit=other)
        if not self.proven or _ABOUT_FORMAT.search(message):
            return self.simpler()
        return None

    def simpler(self) -> "Dialect | None":
        """The next simpler way; None after the last."""
        at = MODES.index(self.mode) + 1
        return dataclasses.replace(self, mode=MODES[at], proven=False) if at < len(MODES) else None

    def showing_schema(self) -> "Dialect":
        """This way, or the first simpler one that has the schema in the prompt."""
        shown = max(MODES.index(self.mode), MODES.index("json_object_schema"))
        return dataclasses.replace(self, mode=MODES[shown])

    def send(self, client: openai.OpenAI, model: str, asked: list[Message], max_output_tokens: int) -> httpx2.Response:
        """Send one request; the response as it came. The client's ``parse`` would make the schema anew each time."""
        messages = asked if self.mode in ("parse", "json_schema") else with_schema(asked)
        body: dict[str, Any] = {"model": model, "messages": messages, self.output_limit: max_output_tokens}
        if self.temperature:
            body["temperature"] = 0
        if (response_format := _response_format(self.mode)) is not None:
            body["response_format"] = response_format
        return post(client, "/chat/completions", body)


def _response_format(mode: Mode) -> dict[str, Any] | None:
    if mode == "parse":
        named = {"name": Extraction.__name__, "schema": schema(), "strict": True}
        return {"type": "json_schema", "json_schema": named}
    if mode == "json_schema":
        return {"type": "json_schema", "json_schema": {"name": Extraction.__name__, "schema": schema()}}
    if mode == "json_object_schema":
        return {"type": "json_object", "schema": schema()}
    return {"type": "json_object"} if mode == "json_object" else None


class Known:
    """The dialects that were found out, by endpoint and model; shared by threads and runs of a process."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._dialects: dict[tuple[str, str], Dialect] = {}
        self._lock = threading.Lock()

    def of(self, url: str, model: str) -> Dialect:
        """The dialect to begin with."""
        with self._lock:
            return self._dialects.get((url, model), Dialect())

    def works(self, url: str, model: str, dialect: Dialect) -> None:
        """An answer in ``dialect`` has validated."""
        if not dialect.proven:
            with self._lock:
                self._dialects[url, model] = dataclasses.replace(dialect, proven=True)

    def forget(self) -> None:
        """Know nothing."""
        with self._lock:
            self._dialects.clear()


KNOWN = Known()
