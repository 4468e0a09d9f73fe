"""Texts that somebody may have written to break what reads them, and what must never reach a terminal."""

import unicodedata

from hypothesis import strategies as st

ODD: dict[str, str] = {
    "digit bomb": "&#" + "9" * 4_301 + ";",
    "escaped digit bomb": "&amp;#" + "9" * 4_301,
    "hexadecimal bomb": "&#x" + "f" * 4_301 + ";",
    "lone surrogates": "a\ud800b\udfffc",
    "bidi": "\u202egnp.exe\u202c \u2066x\u2069",
    "zero width": "c\u200br\u200cm\u200d \ufeffcrm",
    "one word of a megabyte": "crm" * 350_000,
    "nested quotes": "".join(">" * depth + " which CRM?\n" for depth in range(1, 200)),
    "full-width formula": "\uff1d1+1 \uff0bcmd|' /C calc'!A0",
    "formula": '=HYPERLINK("http://x.example","crm")',
    "nul": "crm\x00\x00crm",
    "terminal escapes": "\x1b[2J\x1b[31mcrm\x1b]8;;http://x.example\x07link\x1b]8;;\x07\x9b31m\x08\x7f",
    "line separators": "crm\u2028crm\u2029crm\x0b\x0c\x85\r",
    "no characters": "\ufffe\uffff\U0010ffff crm",
    "combining": "e" + "\u0301" * 5_000 + " crm",
    "markup": "[bold red]crm[/] <script>alert(1)</script> {{7*7}} %s %(x)s {0} \\N \\copy",
    "statement": "crm'; DROP TABLE lead_assets.documents; --",
    "json": '"}], "crm": {"a": [[[[',
    "only spaces": " \t\n \u00a0\u3000",
}

PARTS = st.sampled_from([text[:9_000] for text in ODD.values()])
odd_texts = st.lists(st.one_of(PARTS, st.text(max_size=20)), min_size=1, max_size=4).map("".join)


def controls(text: str) -> set[str]:
    """The control characters in ``text`` (but tabs and line ends), and lone surrogates."""
    return {each for each in text if unicodedata.category(each) in ("Cc", "Cs") and each not in "\t\n\r"}


def acts_on_a_terminal(text: str) -> set[str]:
    """The same, and characters that change directions or are not seen."""
    return controls(text) | {each for each in text if unicodedata.category(each) == "Cf"}
