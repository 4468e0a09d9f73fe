"""Reddit objects in JSON as people save it: a line each, arrays, listings of the API, wrapped ones, pretty-printed.

What is no record comes as a ``Broken`` with the reason, so that it can be counted.
"""

import codecs
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lead_assets.sources.record_files import MAX_LINE_BYTES

Record = dict[str, object]

MAX_VALUE_CHARACTERS = 4 * MAX_LINE_BYTES
"""A saved listing has hundreds of records in one value."""
MAX_BROKEN_VALUES = 1_000
_SEPARATORS = re.compile(r"[\s,\[\]\ufeff\x1e]*")
_BETWEEN = re.compile(r"[\s,\ufeff\x1e]*")
"""What may stand before, between and after the objects of one line."""
_NEXT_VALUE = re.compile(r"\n[ \t\r]*(?=\{)|(?<=\})\s*,\s*(?=\{)")
_READ_AT_LEAST = 2**20
_OTHER_KINDS = frozenset({"t2", "t4", "t5", "t6"})
_decode = json.JSONDecoder().decode
_TEXTS = ("title", "body", "selftext")


@dataclass(frozen=True)
class Broken:
    """What is no record, and why."""

    why: str


def records(pieces: Iterable[bytes]) -> Iterator[tuple[str, Record | Broken]]:
    """Every record of a file in order, with where it stands, or what is broken there."""
    pieces = iter(pieces)
    first = list(itertools.islice(_until_text(pieces), None))
    values = _in_lines if _is_in_lines(first) else _in_values
    for where, value in values(itertools.chain(first, pieces)):
        if isinstance(value, dict) and "id" in value and "replies" not in value:
            yield where, _checked(value)
            continue
        for record in _within(value):
            yield where, record


def _until_text(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The first pieces, up to the second one that is not blank."""
    texts = 0
    for piece in pieces:
        yield piece
        texts += bool(piece.strip())
        if texts == 2:
            return


def _is_in_lines(first: list[bytes]) -> bool:
    """Whether each line is a value of its own; else a value may stand on several lines."""
    texts = [piece.strip().removeprefix(codecs.BOM_UTF8).lstrip(b"\x1e") for piece in first if piece.strip()]
    if not texts or texts[0][:1] not in (b"{", b"["):
        return True
    if texts[0].startswith(b"["):
        return False
    try:
        json.loads(texts[0])
    except (ValueError, RecursionError):
        return len(texts) == 2 and texts[1].startswith(b"{")
    return True


def _in_lines(pieces: Iterable[bytes]) -> Iterator[tuple[str, object]]:
    number, whole = 0, True
    for piece in pieces:
        continues, whole = not whole, piece.endswith(b"\n") or len(piece) < MAX_LINE_BYTES
        if continues:
            continue
        number += 1
        if not whole:
            yield f"line {number}", Broken(f"longer than {MAX_LINE_BYTES // 2**20} MiB")
        elif piece.strip():
            value = _loaded(piece)
            for each in (isinstance(value, Broken) and _objects(piece)) or (value,):
                yield f"line {number}", each


def _loaded(line: bytes) -> object:
    try:
        return _decode(str(line, "utf-8"))
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(line)  # which looks for other encodings first
    except (ValueError, RecursionError) as error:
        return Broken(f"not JSON ({str(error)[:80]})")


def _objects(line: bytes) -> list[object]:
    """The objects of a line that is no JSON as a whole, something between them; none where it has anything else."""
    decode, position, found = json.JSONDecoder().raw_decode, 0, list[object]()
    try:
        text = line.decode("utf-8", errors="surrogatepass")
        while (start := _BETWEEN.match(text, position).end()) < len(text):  # type: ignore[union-attr]
            if found and start == position:
                return []  # two lines that ran into each other: something is wrong with the file
            value, position = decode(text, start)
            found.append(value)
    except (ValueError, RecursionError):
        return []
    return found if all(isinstance(each, dict) for each in found) else []


def _in_values(pieces: Iterable[bytes]) -> Iterator[tuple[str, object]]:
    """JSON values one after the other, whatever lines they stand on; brackets and commas between them are passed over.

    What is broken is passed over up to where the next object seems to begin.
    """
    decode = json.JSONDecoder().raw_decode
    text, position, broken = _Text(pieces), 0, 0
    for number in itertools.count(1):
        position = _after_separators(text, position)
        if position == len(text.buffer):
            return
        while True:
            try:
                value, position = decode(text.buffer, position)
                break
            except (ValueError, RecursionError) as error:
                position, grew = text.read_more(position)
                if grew:
                    continue
                value = Broken(f"not JSON ({str(error)[:80]})")
                found = _NEXT_VALUE.search(text.buffer, position + 1)
                position = found.end() if found else len(text.buffer)
                broken += 1
                break
        yield f"value {number}", value
        if broken >= MAX_BROKEN_VALUES:
            yield f"value {number + 1}", Broken(f"not read, after {broken} values that are no JSON")
            return


def _after_separators(text: "_Text", position: int) -> int:
    while True:
        match = _SEPARATORS.match(text.buffer, position)
        position = match.end() if match else position
        if position < len(text.buffer):
            return position
        position, grew = text.read_more(position)
        if not grew:
            return position


class _Text:
    """What was read and not used yet of a file; bytes that are no UTF-8 become U+FFFD."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.buffer = ""
        self._pieces = iter(pieces)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")

    def read_more(self, used: int) -> tuple[int, bool]:
        """Read on, as much as is left after ``used``; returns the new position, and whether there was more."""
        left = len(self.buffer) - used
        if left >= MAX_VALUE_CHARACTERS:
            return used, False
        parts = [self.buffer[used:]]
        wanted = max(left, _READ_AT_LEAST)
        for piece in self._pieces:
            parts.append(self._decoder.decode(piece))
            wanted -= len(piece)
            if wanted <= 0:
                break
        self.buffer = "".join(parts)
        return 0, len(self.buffer) > left


def _within(value: object) -> Iterator[Record | Broken]:
    """The records in a value: itself, or those in a listing, a wrapper or an array, comments' replies included."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Broken):
            yield value
        elif isinstance(value, list):
            waiting += reversed(value)
        elif not isinstance(value, dict):
            yield Broken("not a JSON object")
        elif "id" in value or "name" in value or any(name in value for name in _TEXTS):
            if isinstance(value.get("replies"), dict):
                waiting.append(value["replies"])
            if "children" not in value:  # "more comments" have ids only
                yield _checked(value)
        elif value.get("kind") in _OTHER_KINDS:
            yield Broken(f"a {value['kind']}, which is neither a post nor a comment")
        elif inner := _wrapped(value):
            waiting += reversed(inner)
        elif value.get("kind") not in ("Listing", "more"):
            yield Broken("neither a post nor a comment")


def _wrapped(value: Record) -> list[object]:
    """What stands in a listing or another wrapper."""
    return [
        inner
        for name, inner in value.items()
        if (isinstance(inner, dict) and (name in ("data", "json") or _looks_like_record(inner)))
        or (isinstance(inner, list) and _has_objects(inner))
    ]


def _has_objects(values: list[object]) -> bool:
    return any(isinstance(value, dict) for value in values)


def _looks_like_record(value: Record) -> bool:
    return ("id" in value or "name" in value) and any(name in value for name in _TEXTS)


def _checked(record: Record) -> Record | Broken:
    if not any(name in record for name in _TEXTS):
        return Broken("neither a post nor a comment")
    name = record.get("name")
    if isinstance(name, str) and name[:2] in _OTHER_KINDS and name[2:3] == "_":
        return Broken(f"a {name[:2]}, which is neither a post nor a comment")
    return record
