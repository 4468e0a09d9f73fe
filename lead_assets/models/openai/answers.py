"""What a model answers about a document: form is read generously, and what would be believed stays as it was said.

What belongs here: where an answer may stand, and which of several is the model's own. What does not: how a field may be
written (``answer_fields``), and whether evidence, contacts and budget are true (``domain.extraction``).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from lead_assets.domain.extraction import Extraction
from lead_assets.domain.plain_text import printable
from lead_assets.models.openai import prompt
from lead_assets.models.openai.answer_fields import read_fields
from lead_assets.models.openai.json_objects import objects_in
from lead_assets.models.openai.tokens import encodable

COMPLAINT_CHARACTERS = 400
DEEPEST_WRAPPING = 8
"""Objects and lists around ours, each of which counts as two where it is an object."""


@dataclass(frozen=True)
class Answer:
    """What came for a request: the extraction, or why there is none and what was said instead.

    ``is_final``: asking again would not help. ``has_object``: it is JSON, though not the one that was asked for.
    """

    extraction: Extraction | None
    raw: str
    complaint: str = ""
    is_final: bool = False
    has_object: bool = False


def answer_in(body: Mapping[str, Any], shown: str, scrubbed: Callable[[str], str]) -> Answer:
    """What an endpoint's answer says; one that does not validate keeps what was said, and says what is wrong with it.

    Of several whole objects the last one counts, which a model comes to after drafts; one that stands in ``shown``, the
    text that the model was asked about, is not the model's own. ``scrubbed`` takes the key out of what was said.
    """
    choice = _first(body.get("choices"))
    cut_off = choice.get("finish_reason") == "length"
    places = [encodable(scrubbed(text)) for text in _places(choice, cut_off=cut_off)]
    raw = printable(next(iter(places), ""))
    if choice.get("finish_reason") == "content_filter":
        return Answer(None, raw, "The endpoint's content filter stopped the answer.", is_final=True)
    complaint = ""
    document = _Document(" ".join(shown.split()))
    for place in places:
        extraction, found = _extraction_in(place, document, cut_off=cut_off)
        if extraction is not None:
            return Answer(_without_our_words(extraction), raw)
        complaint = complaint or found
    if refusal := _refusal(choice):
        return Answer(None, printable(encodable(scrubbed(refusal))), "The model declined to read it.", is_final=True)
    if cut_off:
        return Answer(None, raw, "The answer was cut off at LLM_MAX_OUTPUT_TOKENS; be shorter.")
    otherwise = "The answer has no JSON object." if raw else "The answer was empty."
    return Answer(None, raw, complaint or otherwise, has_object=bool(complaint))


def _first(choices: object) -> Mapping[str, Any]:
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, Mapping) else {}


def _message(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    message = choice.get("message")
    return message if isinstance(message, Mapping) else {"content": message or choice.get("text")}


def _places(choice: Mapping[str, Any], *, cut_off: bool) -> list[str]:
    """Texts that may be the answer, the likeliest first. Thinking that was cut off has drafts only."""
    message = _message(choice)
    calls = message.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    functions.append(message.get("function_call"))
    texts = [_text(message.get("content"))]
    texts += [_text(function.get("arguments")) for function in functions if isinstance(function, Mapping)]
    if not cut_off:
        texts += [_text(message.get(name)) for name in ("reasoning_content", "reasoning")]
    return [text for text in texts if text.strip()]


def _text(content: object) -> str:
    """Content as text: as it is, an object as JSON, a list as its parts that are not thinking."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return json.dumps(content)
    if not isinstance(content, list):
        return ""
    parts = [part if isinstance(part, Mapping) else {"text": part} for part in content]
    texts = [part.get("text") for part in parts if not re.search("think|reason|refus", str(part.get("type")))]
    texts = [text.get("value") if isinstance(text, Mapping) else text for text in texts]
    return "".join(text for text in texts if isinstance(text, str))


def _refusal(choice: Mapping[str, Any]) -> str:
    message = _message(choice)
    content = message.get("content")
    parts = [part.get("refusal") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    return str(next(filter(None, [message.get("refusal"), *parts]), ""))


@dataclass(frozen=True)
class _Document:
    """The text that a model was asked about, with single spaces: what it repeats of that is not its own."""

    text: str

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        return [value for value, _ in objects_in(self.text)]

    @property
    def names_our_fields(self) -> bool:
        """Whether it is written for a reader like ours; people do not write so."""
        return "is_lead" in self.text.casefold()

    def has(self, written: str, value: object = None) -> bool:
        """Whether it has this text, or this object however it is written."""
        return " ".join(written.split()) in self.text or (isinstance(value, Mapping) and value in self.objects)


def _extraction_in(text: str, document: _Document, *, cut_off: bool) -> tuple[Extraction | None, str]:
    """The last object that validates; or None and what is wrong with the last one, where there is one.

    Where the document names our fields and the objects differ, the last one counts that claims nothing.
    """
    candidates: list[dict[str, Any]] = []
    complaint = ""
    for value, written in objects_in(_unquoted(text), may_be_cut_off=cut_off):
        complaint = complaint or "No object has is_lead and the other fields, or it only repeats the document."
        if not document.has(written, value):
            candidates += _with_our_fields(value, document)
    valid: list[Extraction] = []
    for number, fields in enumerate(reversed(candidates)):
        try:
            valid.append(Extraction.model_validate(read_fields(fields)))
        except ValidationError as error:
            complaint = _complaint(error) if number == 0 else complaint
    if not valid:
        return None, complaint
    modest = [extraction for extraction in valid if document.names_our_fields and not extraction.is_lead]
    return [*modest, *valid][0], ""


def _unquoted(text: str) -> str:
    """``text``; where it is a JSON string, what that says."""
    if text.lstrip().startswith('"'):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return value if isinstance(value, str) else text
    return text


def _with_our_fields(value: object, document: _Document, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The objects in ``value`` that have our fields, by our names: itself, or what it is wrapped around."""
    if depth > DEEPEST_WRAPPING:
        return
    if isinstance(value, str) and not document.has(value):
        # JSON within JSON is an object and nothing else: text that merely has one may be the document's.
        value = [found for found, written in objects_in(value) if written == value.strip()]
    if isinstance(value, list):
        for each in value:
            yield from _with_our_fields(each, document, depth + 1)
    elif isinstance(value, Mapping) and value not in document.objects:
        fields = {_NAMES[_folded(name)]: _sound(each) for name, each in value.items() if _folded(name) in _NAMES}
        if "is_lead" in fields:
            yield fields
        else:
            yield from _with_our_fields(list(value.values()), document, depth + 1)


def _sound(value: Any) -> Any:
    """``value`` without halves of surrogate pairs, which JSON can name."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return [_sound(each) for each in value]
    return {name: _sound(each) for name, each in value.items()} if isinstance(value, Mapping) else value


def _folded(name: str) -> str:
    return re.sub("[^a-z]", "", name.casefold())


_NAMES = {_folded(name): name for name in Extraction.model_fields}


def _without_our_words(extraction: Extraction) -> Extraction:
    """Free text that tells the instructions says nothing of the document."""
    update: dict[str, Any] = {}
    if prompt.repeats_instructions(extraction.summary):
        update["summary"] = ""
    if extraction.pain_point and prompt.repeats_instructions(extraction.pain_point):
        update["pain_point"] = None
    return extraction.model_copy(update=update) if update else extraction


def _complaint(error: ValidationError) -> str:
    """What is wrong, without what was said: that is the model's text and may be the document's."""
    found = [
        f"{'.'.join(map(str, each['loc'])) or 'the answer'}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False)
    ]
    return f"{'; '.join(found)[:COMPLAINT_CHARACTERS]}."
