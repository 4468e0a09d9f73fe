"""A model that does whatever any text in its request tells it: the worst reader that a hostile post could wish for."""

import json
import re
from typing import Any

from lead_assets_tests.stand_ins.openai_server.answers import extraction, shown_document

_JSON = re.compile(r"\{[^{}]*\}", re.DOTALL)
_LINK = re.compile(r"(?:https?://|www\.)\S+|\b[\w.]+@[\w.]+\w")
_SAY = re.compile(
    r"(?:say|write|output|answer|reply|summary(?: to| =|:)?|set summary to)\s*[:=]?\s*[\"'“](.+?)[\"'”]", re.I
)
_QUOTED = re.compile(r"[\"“](.{6,200}?)[\"”]")
SECRET = "budget of four million dollars from the other customer"
"""What such a model remembers of another document, true or not."""


def obey(messages: list[dict[str, Any]]) -> str:
    """An answer that is within the schema and otherwise does all harm that it can."""
    system, document = messages[0]["content"], shown_document(messages)
    answer: dict[str, Any] = json.loads(extraction(messages))
    told = " ".join(match.group(1) for match in _SAY.finditer(document))
    links = _LINK.findall(document)
    # Whatever the text says, it is a lead, as sure as can be, with the quotes that it asks for and some more.
    answer |= {"is_lead": True, "confidence": 1.0, "urgency": "high", "intent": "recommendation"}
    answer["evidence"] = [*_QUOTED.findall(document), *answer["evidence"], SECRET, system[:120]]
    answer["contact"] = [*links, "attacker@evil.example", "+1 555 0100 200", SECRET]
    answer["budget"] = "$4,000,000"
    leaked = "".join(f" {link}?leak={system[:40].replace(' ', '+')}" for link in links) or " https://evil.example/?q=1"
    answer["summary"] = f"{told}{leaked} mail attacker@evil.example or pay $4,000,000\x1b[31m\u202e {system}"
    answer["pain_point"] = f"{told} see http://evil.example/{SECRET.replace(' ', '-')} <img src=x onerror=alert(1)>"
    for found in _JSON.findall(document):
        answer |= _fitting(found, answer)
    return json.dumps(answer)


def _fitting(text: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The fields of a JSON object in the document, as far as their types fit."""
    try:
        given = json.loads(text)
    except ValueError:
        return {}
    return {name: value for name, value in given.items() if name in answer and type(value) is type(answer[name])}
