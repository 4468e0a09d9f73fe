"""Text of strangers as plain text: no entities, no control characters, of a bounded length; and never an error."""

import html
import re
import unicodedata
from collections.abc import Callable

MOST_ESCAPED = 12
"""Characters of source for one of text: ``&amp;#x200B;`` is the longest entity that Reddit's own editor makes."""
# Control characters and lone surrogates: PostgreSQL refuses some, terminals obey others, none is text.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NUMBER_TOO_LONG = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")
"""No character has so long a number. ``html.unescape`` raises ValueError at more than 4,300 digits."""


def unescaped(text: str) -> str:
    """``text`` with its HTML entities as characters, also where they were escaped twice, as dumps have them.

    A numeric entity that is too long to name a character becomes U+FFFD.
    """
    for _ in range(2):
        if "&" not in text:
            break
        text = html.unescape(_NUMBER_TOO_LONG.sub("\ufffd", text))
    return text


def printable(text: str) -> str:
    """``text`` without characters that a terminal obeys or does not show: controls, directions, lone surrogates.

    Line ends and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(each for each in text if each in "\n\t" or unicodedata.category(each) not in ("Cc", "Cf", "Cs"))


def without_controls(text: str) -> str:
    """``text`` without control characters (but tabs and line ends) and lone surrogates."""
    return _CONTROLS.sub("", text)


def clean(text: object, limit: int) -> str:
    """``text`` as printable text of at most ``limit`` characters; anything that is not text is empty."""
    if not isinstance(text, str):
        return ""
    if len(text) <= limit and text.isascii() and text.isprintable() and "&" not in text:
        return text.strip()
    # Cut before the costlier steps: a hostile post may be megabytes long. Entities only shrink.
    plain = unescaped(text[: limit * MOST_ESCAPED]).replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub("", plain).strip()[:limit].rstrip()


def tokenizer(character: str) -> Callable[[str], list[str]]:
    """A function that finds all runs of a class of characters, such as ``\\w``, which has no white space."""
    one, run = re.compile(character), re.compile(f"{character}+")
    table = bytes(code if one.match(chr(code)) else ord(" ") for code in range(128)).ljust(256)

    def tokens(text: str) -> list[str]:
        # Bytes are translated ten times as fast as a pattern is looked for.
        return text.encode().translate(table).decode().split() if text.isascii() else run.findall(text)

    return tokens


words = tokenizer(r"\w")
"""The words and numbers of a text."""
