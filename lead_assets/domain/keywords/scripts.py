"""Where words end in the world's scripts, as parts of patterns for the ``regex`` module (with ``regex.V1``).

Most scripts part words by spaces. Chinese, Japanese, Thai, Lao, Khmer and Burmese do not: there a word is found
anywhere. In Korean particles follow a word without a space. Combining marks, as Hindi has them, are part of a word.
"""

import regex

_UNSEGMENTED = r"\p{Han}\p{Hiragana}\p{Katakana}ー々〆\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = r"\p{L}\p{M}\p{N}"
SPACED = rf"[[{_WORD}]--[{_UNSEGMENTED}\p{{Hangul}}]]"
"""A letter, mark or digit of a script with spaces between words; Korean is apart."""

_is_unsegmented = regex.compile(f"[{_UNSEGMENTED}]").match
_is_hangul = regex.compile(r"\p{Hangul}").match
is_spaced = regex.compile(f"{SPACED}+", regex.V1).fullmatch
"""Whether a text consists of letters of scripts with spaces between words."""
is_word = regex.compile(f"[{_WORD}]+").fullmatch
"""Whether a text consists of letters, marks and digits."""
runs_on = regex.compile(rf"[{_UNSEGMENTED}\p{{Hangul}}]").search
"""Whether a text has letters of a script whose words are not all parted by spaces."""
parts = regex.compile(rf"[{_UNSEGMENTED}]+|\p{{Hangul}}+|{SPACED}+", regex.V1).findall
"""A word in parts of one kind of script each: "CRM软件" is two."""


def before(first: str) -> str:
    """A pattern for the place before a word that begins with the character ``first``."""
    if _is_unsegmented(first):
        return ""
    if _is_hangul(first):
        return r"(?<!\p{Hangul})"
    if is_spaced(first):
        # ".net" is not "net", but a full stop may lack its space.
        return rf"(?<!{SPACED})(?<![\s(]\.)"
    return rf"(?<!{SPACED}|{regex.escape(first)})" if first.isascii() else ""


def behind(last: str) -> str:
    """A pattern for the place behind a word that ends with the character ``last``."""
    if _is_unsegmented(last):
        return r"(?!\p{M})"
    if _is_hangul(last):
        return ""
    if is_spaced(last):
        # "c++", "c++17" and "c#" are not "c", but "c+d" and "c#d" may lack spaces.
        return rf"(?!{SPACED}|\+\+|[+#](?!{SPACED}))"
    return rf"(?!\p{{L}}|{regex.escape(last)})" if last.isascii() else ""


def between(last: str, first: str) -> str:
    """A pattern for what parts two words that stand side by side, given the characters at their edges."""
    return rf"[^{_WORD}]" + ("++" if is_spaced(last) and is_spaced(first) else "*+")
