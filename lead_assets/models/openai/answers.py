"""What a model answers about a document: form is read generously, and what would be believed stays as it was said.

What belongs here: where an answer may stand, and which ways of writing a field mean the same. What does not: whether
evidence, contacts and budget are true, which ``domain.extraction`` finds out in the document.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from lead_assets.domain.extraction import Extraction, Intent, Urgency
from lead_assets.domain.plain_text import printable
from lead_assets.models.openai import prompt
from lead_assets.models.openai.json_objects import objects_in
from lead_assets.models.openai.tokens import encodable

COMPLAINT_CHARACTERS = 400
DEEPEST_WRAPPING = 8
"""Objects and lists around ours, each of which counts as two where it is an object."""

_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_NOTHING = frozenset({"", "null", "none", "n/a", "na", "nil", "-"})
_NUMBER = re.compile(r"(\d{1,4}(?:[.,]\d{1,20})?)\s*(%|/\s*(?:10|100)\b|percent|out of (?:10|100)\b)?", re.ASCII)


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
    for place in places:
        extraction, found = _extraction_in(place, " ".join(shown.split()), cut_off=cut_off)
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


def _extraction_in(text: str, shown: str, *, cut_off: bool) -> tuple[Extraction | None, str]:
    """The last object that validates; or None and what is wrong with the last one, where there is one."""
    candidates: list[dict[str, Any]] = []
    complaint = ""
    for value, written in objects_in(_unquoted(text), may_be_cut_off=cut_off):
        complaint = complaint or "No object has is_lead and the other fields, or it only repeats the document."
        if " ".join(written.split()) not in shown:
            candidates += _with_our_fields(value, shown)
    for number, fields in enumerate(reversed(candidates)):
        try:
            return Extraction.model_validate(_read(fields)), ""
        except ValidationError as error:
            complaint = _complaint(error) if number == 0 else complaint
    return None, complaint


def _unquoted(text: str) -> str:
    """``text``; where it is a JSON string, what that says."""
    if text.lstrip().startswith('"'):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return value if isinstance(value, str) else text
    return text


def _with_our_fields(value: object, shown: str, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The objects in ``value`` that have our fields, by our names: itself, or what it is wrapped around."""
    if depth > DEEPEST_WRAPPING:
        return
    if isinstance(value, str) and " ".join(value.split()) not in shown:
        # JSON within JSON is an object and nothing else: text that merely has one may be the document's.
        value = [found for found, written in objects_in(value) if written == value.strip()]
    if isinstance(value, list):
        for each in value:
            yield from _with_our_fields(each, shown, depth + 1)
    elif isinstance(value, Mapping):
        fields = {_NAMES[_folded(name)]: _sound(each) for name, each in value.items() if _folded(name) in _NAMES}
        if "is_lead" in fields:
            yield fields
        else:
            yield from _with_our_fields(list(value.values()), shown, depth + 1)


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


def _read(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as they are meant; what means nothing that we know stays, for validation to name it.

    A field that may be empty may be left out. Evidence may be left out only where nothing is claimed by it.
    """
    is_lead = _truth(fields["is_lead"])
    nothing: dict[str, Any] = {"pain_point": None, "budget": None, "contact": []}
    if is_lead is False:
        nothing["evidence"] = []
    given = nothing | dict(fields) | {"is_lead": is_lead}
    for name, read in _READERS.items():
        if name in given:
            given[name] = read(given[name])
    return given


def _truth(value: object) -> object:
    word = str(value).strip().casefold() if isinstance(value, str | int | float) else ""
    return True if word in _TRUE else False if word in _FALSE else value


def _share(value: object) -> object:
    """A confidence from 0 to 1, also where it is given in percent or of ten; alone, 2 to 10 may be either."""
    text = str(value).strip().casefold() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    found = _NUMBER.fullmatch(text)
    if found is None:
        # The schema itself would read odd text as a number.
        return None if isinstance(value, str | bool) else value
    number, unit = float(found[1].replace(",", ".")), found[2] or ""
    if unit.endswith("10"):
        return number / 10
    return number / 100 if unit or 10 < number <= 100 else number


def _one_of(values: tuple[str, ...], nothing: str | None) -> Callable[[object], object]:
    """A reader of one of ``values``, also in capitals and with words behind it; ``nothing`` is what null means."""

    def read(value: object) -> object:
        value = _alone(value)
        if value is None:
            return nothing
        found = re.match(r"[a-z]+", value.strip(" \t\n\"'*_").casefold()) if isinstance(value, str) else None
        return found[0] if found and found[0] in values else value

    return read


def _alone(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _phrase(value: object) -> object:
    """A text, or None where it says that there is none."""
    value = _alone(value)
    if value == [] or (isinstance(value, str) and value.strip().casefold() in _NOTHING):
        return None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _summary(value: object) -> object:
    return "" if value is None else value


def _texts(value: object) -> object:
    """A list of texts: also one text alone, numbers, and objects that have nothing but a text."""
    if value is None or isinstance(value, str | int | float):
        value = [value]
    if not isinstance(value, list):
        return value
    inner = [next(iter(each.values())) if isinstance(each, Mapping) and len(each) == 1 else each for each in value]
    return [phrase for each in inner if (phrase := _phrase(each)) is not None]


_READERS: Mapping[str, Callable[[object], object]] = {
    "pain_point": _phrase,
    "intent": _one_of(get_args(Intent), "other"),
    "urgency": _one_of(get_args(Urgency), "none"),
    "budget": _phrase,
    "contact": _texts,
    "evidence": _texts,
    "confidence": _share,
    "summary": _summary,
}


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
