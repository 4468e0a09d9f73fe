"""What a reader sees of a text: no entities, Markdown, addresses or invisible characters, and no difference of case.

Only what decides whether words match is looked at, in one pass of bounded patterns each, so that hostile text costs
linear time. A Markdown parser would build a tree that nobody needs, of a dialect that is not Reddit's.
"""

import re
import unicodedata

import regex

from lead_assets.domain.plain_text import unescaped

# Each pattern begins with one of a few characters, so that the other characters cost next to nothing.
_ADDRESS = re.compile(
    r"[hHfFwW](?:[tT]{2}[pP][sS]?://|[tT][pP]://|[wW]{2}\.)"
    # It ends before scripts that are written without spaces.
    r"[^\s<>\"\])|\u0e00-\u0eff\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef]+"
)
# A line with a label and its address, or the blank that has taken an address's place; "[UK]: which CRM?" is shown.
_LABEL_OF_ADDRESS = re.compile(
    r"^ {0,3}\[[^\]\n]{1,200}\]:"
    r"(?:[ \t]{0,9}(?:<[^<>\n]{0,2000}>|(?=\S{0,2000}[/#.])[^\s<]{1,2000}+)|[ \t]{1,9}+)"
    r"""(?:[ \t]{0,9}(?:"[^"\n]{0,400}"|'[^'\n]{0,400}'|\([^)\n]{0,400}\)))?[ \t]{0,9}$""",
    re.MULTILINE,
)
_ESCAPED_OR_LINK_END = re.compile(
    r"[\\\]](?:(?<=\\)(?P<escaped>[!-/:-@\[-`{-~])"
    # The end of an image with a caption, which Reddit shows; the end of any other link or image.
    r'|(?<=\])\(\s{0,9}[\w|]{1,99}\s{1,9}"(?P<caption>[^"\n]{0,400})"\)'
    r"|(?<=\])\(\s{0,9}(?:<[^<>\n]{0,2000}>|(?:[^\s()\\]|\\.|\([^\s()]{0,2000}\)){0,2000})"
    r"""(?:\s{1,9}(?:"[^"\n]{0,400}"|'[^'\n]{0,400}'))?\s{0,9}\))"""
)
_EMPHASIS = re.compile(r"([*~`])\1{0,2}(?=\S)(?P<inner>[^*~`\n]+)(?<=\S)\1{1,3}")
_HIDDEN_WHEN_ESCAPED = "*_~`"

_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
# Marks that NFKC would glue to the word before them as letters and digits.
_SET_APART = re.compile("[™℠²³¹\u2070-\u209c]")
_APOSTROPHES = re.compile("[’‘ʼ‛′`]")  # noqa: RUF001
_DASHES = re.compile("[\u2010-\u2013\u2212\u200b]")
"""Hyphens and what is typed for them. A zero-width space may part words or hide in one, as a hyphen may."""
_HYPHEN_IN_WORD = re.compile(r"-(?:(?<=[^\W\d_]-)(?=[^\W_])|(?<=\d-)(?=[^\W\d_]))")
"""Between letters, or a letter and a digit: a hyphen between digits is a range or a date."""


def visible(text: str) -> str:
    """``text`` without entities and Markdown: of links and images what is shown, not the address."""
    text = unescaped(text)
    # An address goes first: what is escaped within it is not shown either.
    if "://" in text or "ww." in text.lower():
        text = _ADDRESS.sub(" ", text)
    if "]:" in text:
        text = _LABEL_OF_ADDRESS.sub(" ", text)
    if "\\" in text or "](" in text:
        text = _ESCAPED_OR_LINK_END.sub(_shown, text)
    if "*" in text or "~" in text or "`" in text:
        text = _EMPHASIS.sub(_inner, text)
    return text.replace("_", " ")


def fold(text: str) -> str:
    """``text`` in compatible characters without case and invisible ones, and with plain hyphens and apostrophes."""
    if text.isascii():
        return text.lower()
    text = _compatible(_SET_APART.sub(" ", text.replace("´", "'")))  # noqa: RUF001
    text = _INVISIBLE.sub("", _DASHES.sub("-", _APOSTROPHES.sub("'", text)))
    text = _compatible(text.casefold())
    # Turkish capitals: an I may stand for either letter, and the dotted one keeps its dot as a character of its own.
    return text.replace("i\u0307", "i").replace("ı", "i")  # noqa: RUF001


def without_hyphens(folded: str) -> str:
    """``folded`` with hyphenated words written as one."""
    return _HYPHEN_IN_WORD.sub("", folded) if "-" in folded else folded


_LOWER = bytes(range(256)).lower()
_MAY_HIDE = b"\\*_~^`'-" + bytes(code for code in range(128) if not (chr(code).isprintable() or chr(code).isspace()))
"""Characters that may stand within a word without being seen."""


def skeleton(text: str) -> str:
    """A text that contains all words of ``text``'s visible form, among others, at a tenth of the cost.

    Its ASCII characters come first, without case and without those that may hide within a word; then, unless ``text``
    is ASCII, all of it, folded.
    """
    text = unescaped(text)
    if text.isascii():
        return without_hiding(text)
    folded = _compatible(_compatible(text).casefold()).replace("ı", "i")  # noqa: RUF001
    return f"{without_hiding(folded)}\n{folded}"


def without_hiding(text: str) -> str:
    """``text`` as it would stand in ``skeleton``, its ASCII characters alone."""
    return text.encode("ascii", "ignore").translate(_LOWER, _MAY_HIDE).decode("ascii")


def _shown(markup: re.Match[str]) -> str:
    if escaped := markup["escaped"]:
        return " " if escaped in _HIDDEN_WHEN_ESCAPED else escaped
    return f" {markup['caption'] or ''} "


def _inner(emphasis: re.Match[str]) -> str:
    return emphasis["inner"]


def _compatible(text: str) -> str:
    return text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)
