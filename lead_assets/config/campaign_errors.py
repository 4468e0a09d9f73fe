"""What is wrong in a campaign's file, in a sentence with the line, the key and the fix."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from lead_assets.domain.campaign import Archive, Campaign, Subreddits
from lead_assets.domain.notify import Notify

_MOST_SHOWN = 60
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (date, "a date"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping (`key: value`)"),
)
_PARTS: Mapping[str, tuple[type[Subreddits | Archive | Notify], str]] = {
    "subreddits": (Subreddits, "subreddits: {include: [sales]}"),
    "archive": (Archive, "archive: {path: dumps/posts.zst}"),
    "notify": (Notify, "notify: [{to: env:NOTIFY_SLACK}]"),
}

Details = Mapping[str, Any]


def sentence_of(path: Path, error: ValidationError, node: Node | None) -> str:
    """The first of the faults that ``error`` found in the file at ``path``, which was parsed as ``node``."""
    details = error.errors()[0]
    location = [part for part in details["loc"] if not str(part).startswith(("function-", "constrained-"))]
    if not location:  # a key that is no text, such as one with half of a surrogate pair
        return f"{path}: a key is not valid text. Write keys as docs/campaigns.md names them."
    if location[0] == "settings":
        location = location[:2]  # what follows names the types that were tried
    line = line_of(node, location)
    return f"{path}, line {line}: {_told(location, details)}" if line else f"{path}: {_told(location, details)}"


def line_of(node: Node | None, location: Sequence[Any]) -> int | None:
    """The line on which the innermost part of ``location`` that exists is written."""
    line = None
    for part in location:
        children: Mapping[Any, tuple[Node, Node]] = {}
        if isinstance(node, MappingNode):
            children = {key.value: (key, value) for key, value in node.value}
        elif isinstance(node, SequenceNode):
            children = {index: (value, value) for index, value in enumerate(node.value)}
        if part not in children:
            break
        key, node = children[part]
        line = key.start_mark.line + 1
    return line


def _told(location: list[Any], details: Details) -> str:
    name = ".".join(part for part in location if isinstance(part, str))
    name += "".join(f", entry {part + 1}" for part in location if isinstance(part, int))
    kind = details["type"]
    if kind == "missing":
        return f"{name} is missing. Add a line `{location[-1]}: …`."
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _keys_beside(location), n=1)
        return f"there is no key {name}; {f'did you mean {close[0]}?' if close else 'take it out.'}"
    if location[0] == "settings" and len(location) > 1:
        return f"{name} is {_kind(details['input'])}. Write one number or text."
    if kind in _TOLD:
        return f"{name}{',' if ', entry' in name else ''} {_TOLD[kind](location, details)}"
    if kind.startswith("date"):
        return f"{name} is not a day. Write one such as 2026-01-31."
    return f"{name}: {details['msg'].removeprefix('Value error, ')}."


def _keys_beside(location: list[Any]) -> list[str]:
    return list((_PARTS[location[0]][0] if len(location) > 1 else Campaign).model_fields)


def _kind(value: object) -> str:
    return next((words for types, words in _KINDS if isinstance(value, types)), "empty")


def _no_text(_: list[Any], details: Details) -> str:
    kind = _kind(details["input"])
    if kind == "empty":
        return "is empty. Write a text; one with # in it needs quotes."
    return f"is {kind}. " + ("Write one text." if kind == "a list" else "Put it in quotes.")


def _no_list(location: list[Any], details: Details) -> str:
    given = details["input"]
    # What stands in notify may be secret.
    shown = given if isinstance(given, str) and len(given) <= _MOST_SHOWN and location[0] != "notify" else "…"
    return f"is {_kind(given)}. Write a list: [{shown}]."


def _no_mapping(location: list[Any], details: Details) -> str:
    example = _PARTS[location[0]][1] if location[0] in _PARTS else f"{location[0]}: {{NAME: value}}"
    return f"is {_kind(details['input'])}. Write `{example}`."


def _no_name(location: list[Any], details: Details) -> str:
    given = str(details["input"])[:_MOST_SHOWN]
    if location[0] == "exclude_authors":
        return f"is {given!r}, which is no name on Reddit. Write an author's name, such as spez."
    return f"is {given!r}, which is no name on Reddit. Write a subreddit's name, such as sales."


def _no_choice(_: list[Any], details: Details) -> str:
    return f"is not one of the words for it. Write {details['ctx']['expected']}."


def _no_boolean(_: list[Any], details: Details) -> str:
    return f"is {_kind(details['input'])}. Write true or false."


_TOLD: Mapping[str, Callable[[list[Any], Details], str]] = {
    "string_type": _no_text,
    "string_unicode": lambda _, __: "has half of a character. Write it anew.",
    "string_too_short": lambda _, __: "is empty. Write a text.",
    "string_too_long": lambda _, details: f"is longer than {details['ctx']['max_length']} characters. Shorten it.",
    "string_pattern_mismatch": _no_name,
    "list_type": _no_list,
    "too_short": lambda _, __: "is empty. Write at least one entry.",
    "too_long": lambda _, details: f"has more than {details['ctx']['max_length']} entries. Take some out.",
    "model_type": _no_mapping,
    "dict_type": _no_mapping,
    "literal_error": _no_choice,
    "bool_type": _no_boolean,
    "bool_parsing": _no_boolean,
}
"""What is said of each of pydantic's types of errors, after the key."""
