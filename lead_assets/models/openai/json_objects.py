"""JSON objects in what a model said: within prose, fences and thinking, and written with the usual slips.

Only whole objects are found: one that was cut off is not completed, for what stood in the rest is unknown.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

LONGEST_TEXT = 100_000
"""Characters of an answer that are looked at, the last ones: a document's answer has some hundred."""
MOST_BEGINNINGS = 100
"""Braces at which an object is looked for."""
DEEPEST_NESTING = 100
"""Of an object that is looked through: one that we ask for has three levels. All three keep a hostile answer cheap."""
LONGEST_INTEGER = 30
"""Digits of a number that is read as one; Python refuses more than 4,300."""

_BEGINNING = re.compile(r"\{|[<\[](think|thinking|thought|reasoning|analysis)[>\]]", re.I)
_BRACKETS = r""" "(?:[^"\\]|\\.)*+(?:"|\Z) | '(?:[^'\\]|\\.)*+(?:'|\Z) | //[^\n]* | /\*.*?(?:\*/|\Z) | [{}\[\]] """
"""Brackets, and what may hold some that are none."""
_BRACKET = re.compile(_BRACKETS, re.DOTALL | re.VERBOSE)
_TOKEN = re.compile(rf"{_BRACKETS} | ,(?=\s*[}}\]]) | (?<![\w.])[A-Za-z_]\w*", re.DOTALL | re.VERBOSE)
_WORDS = {"true": "true", "false": "false", "null": "null", "none": "null", "undefined": "null", "nan": "null"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def integer(digits: str) -> float:
    """The number, or infinity where it is longer than any number that means something."""
    return int(digits) if len(digits) <= LONGEST_INTEGER else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


_STRICT = json.JSONDecoder(strict=False, parse_int=integer)


def objects_in(text: str, *, may_be_cut_off: bool = False) -> Iterator[tuple[dict[str, Any], str]]:
    """Each outermost object in ``text`` with how it is written there, in order; thinking between marks is skipped.

    Where an answer ``may_be_cut_off``, thinking without an end is skipped too: what it has so far is a draft.
    """
    text = text[-LONGEST_TEXT:]
    at = 0
    for _ in range(MOST_BEGINNINGS):
        found = _BEGINNING.search(text, at)
        if found is None:
            return
        at = found.end()
        if found[1]:
            end = re.compile(rf"[<\[]/{found[1]}[>\]]", re.I).search(text, at)
            if end is None and may_be_cut_off:
                return
            at = end.end() if end else at
            continue
        value, end_at = _object_at(text, found.start())
        if value is not None:
            at = end_at
            yield value, text[found.start() : end_at]


def _object_at(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    try:
        return _STRICT.raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    end = _end_of_object(text, start)
    try:
        return (_STRICT.decode(_TOKEN.sub(_mended, text[start:end])), end) if end else (None, 0)
    except (ValueError, RecursionError):
        return None, 0


def _end_of_object(text: str, start: int) -> int | None:
    """The place after the brace that closes the one at ``start``; None where none does."""
    depth = 0
    for token in _BRACKET.finditer(text, start):
        if token[0] in ("{", "["):
            depth += 1
            if depth > DEEPEST_NESTING:
                return None
        elif token[0] in ("}", "]"):
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _mended(token: re.Match[str]) -> str:
    """A token as JSON has it: no trailing comma or comment, strings in double quotes, words of other languages."""
    written = token[0]
    if written[0] in "{}[]":
        return written
    if written[0] in ",/":
        return ""
    if written[0] not in "\"'":
        return _WORDS.get(written.lower(), f'"{written}"')
    inner = _ESCAPE.sub(lambda escape: escape[0] if escape[1] in '"\\/bfnrtu' else escape[1], written[1:-1])
    return '"' + (inner if written[0] == '"' else re.sub(r'(?<!\\)"', r'\\"', inner)) + '"'
