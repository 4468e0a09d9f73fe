"""Counting and cutting texts by tokens. The vocabularies are in the package: nothing is fetched."""

import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

MOST_CHARACTERS = 50_000
"""The tokenizer takes 200,000 tokens, and a character is at most four."""


_loaded: dict[str, Any] = {}
_loading = threading.Lock()


def _encoding(name: str) -> Any:
    with _loading:
        if name not in _loaded:
            with warnings.catch_warnings():
                # The package opens its files in a way that Python 3.11 calls deprecated.
                warnings.simplefilter("ignore", DeprecationWarning)
                # Imported here: loading a vocabulary takes a good part of a second, and short texts need none.
                import bpe_openai

                _loaded[name] = bpe_openai.get_encoding(name)
        return _loaded[name]


def encodable(text: str) -> str:
    """The text with lone surrogates replaced, which JSON in UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def count_tokens(text: str, encoding: str) -> int:
    """Tokens of ``text``; its bytes where it is longer than the tokenizer takes, which is never too few."""
    if len(text) > MOST_CHARACTERS:
        return len(text.encode())
    return len(_encoding(encoding).encode(text, disallowed_special=()))


def at_most(text: str, tokens: int, encoding: str) -> tuple[str, bool]:
    """The beginning of ``text`` that has at most so many tokens, and whether something was cut off."""
    # A token is at least a byte: most texts need not be counted.
    if len(text.encode()) <= tokens:
        return text, False
    encoded = _encoding(encoding).encode(text[:MOST_CHARACTERS], disallowed_special=())
    if len(text) <= MOST_CHARACTERS and len(encoded) <= tokens:
        return text, False
    length = tokens
    while True:
        # A cut within a character leaves a part of it, and a beginning may take more tokens on its own.
        cut = _encoding(encoding).decode(encoded[:length]).rstrip("\ufffd")
        if count_tokens(cut, encoding) <= tokens:
            return cut, True
        length -= 1


def without_middle(text: str, tokens: int, encoding: str) -> str:
    """``text`` with its middle left out where it has more tokens than so many: its beginning and its end tell most."""
    if len(text.encode()) <= tokens:
        return text
    encode, decode = _encoding(encoding).encode, _encoding(encoding).decode
    beginning = encode(text[:MOST_CHARACTERS], disallowed_special=())
    if len(text) <= MOST_CHARACTERS and len(beginning) <= tokens:
        return text
    end = beginning if len(text) <= MOST_CHARACTERS else encode(text[-MOST_CHARACTERS:], disallowed_special=())
    head, tail = decode(beginning[: tokens * 3 // 4]), decode(end[-(tokens // 4) :])
    return f"{head.rstrip(chr(0xFFFD))}\n[…]\n{tail.lstrip(chr(0xFFFD))}"


def grouped(texts: Sequence[str], most_texts: int, most_tokens: int, encoding: str) -> Iterator[list[int]]:
    """Places of ``texts`` in order, in groups of at most so many texts and tokens; a text alone may have more."""
    sizes = [len(text.encode()) for text in texts]
    if sum(sizes) > most_tokens:
        sizes = [count_tokens(text, encoding) for text in texts]
    group: list[int] = []
    total = 0
    for place, size in enumerate(sizes):
        if group and (len(group) == most_texts or total + size > most_tokens):
            yield group
            group, total = [], 0
        group.append(place)
        total += size
    if group:
        yield group
