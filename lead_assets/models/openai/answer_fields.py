"""Which ways of writing a field of an answer mean the same."""

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from lead_assets.domain.extraction import Intent, Urgency

_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_NOTHING = frozenset({"", "null", "none", "n/a", "na", "nil", "-"})
_NUMBER = re.compile(
    r"(?:[a-z ]{1,20}[(:] ?)?~?(\d{1,4}(?:[.,]\d{1,20})?|[.,]\d{1,20})\s{0,9}"
    r"(?:(?:/|out of)\s{0,9}(1|5|10|100)|%|percent)?\)?\.?",
    re.ASCII,
)
"""A confidence, also with a word before it: "High (0.9)", "4/5", "85 %"."""
_TEXT_KEYS = ("text", "quote", "value")


def read_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
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
    word = str(value).strip(" \t\n\"'*.!").casefold() if isinstance(value, str | int | float) else ""
    return True if word in _TRUE else False if word in _FALSE else value


def _share(value: object) -> object:
    """A confidence from 0 to 1, also where it is given in percent or of five or ten; alone, 2 to 10 may be either."""
    text = str(value).strip().casefold() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    found = _NUMBER.fullmatch(text)
    if found is None:
        # The schema itself would read odd text as a number.
        return None if isinstance(value, str | bool) else value
    number = float(found[1].replace(",", "."))
    if found[2]:
        return number / int(found[2])
    return number / 100 if text.endswith(("%", "percent")) or 10 < number <= 100 else number


def _one_of(values: tuple[str, ...], nothing: str | None) -> Callable[[object], object]:
    """A reader of one of ``values``, also in capitals and with words behind it; ``nothing`` is what null means."""

    def read(value: object) -> object:
        value = _alone(value)
        if value is None or (isinstance(value, str) and value.strip().casefold() in _NOTHING - {"none"}):
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
    value = _alone(value)
    return "" if value is None else value


def _texts(value: object) -> object:
    """A list of texts: also one text alone, numbers, and objects of texts or lists of texts."""
    if isinstance(value, Mapping):
        value = [text for each in value.values() for text in (each if isinstance(each, list) else [each])]
    if value is None or isinstance(value, str | int | float):
        value = [value]
    if not isinstance(value, list):
        return value
    return [phrase for each in value if (phrase := _phrase(_text_of(each))) is not None]


def _text_of(value: object) -> object:
    """The text in an object that has only one, or says which one it is."""
    if not isinstance(value, Mapping):
        return value
    named = [value[key] for key in _TEXT_KEYS if key in value]
    return named[0] if named else next(iter(value.values())) if len(value) == 1 else value


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
