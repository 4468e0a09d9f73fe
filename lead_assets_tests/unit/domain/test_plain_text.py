"""Text of strangers becomes plain text, and never an error."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_assets.domain.plain_text import clean, tokenizer, unescaped, words

PARTS = st.sampled_from(
    ["&#", "&#x", "&", ";", "amp;", "9" * 40, "f" * 20, "0", "\x00", "\ud800", "\x1b[31m", "a", " ", "\r\n", "&lt;"]
)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("Q&amp;A", "Q&A"),
        ("a&amp;#x200B;b", "a\u200bb"),
        ("&amp;amp;", "&"),
        ("&lt;b&gt;", "<b>"),
        ("no entity & none", "no entity & none"),
        ("&#" + "9" * 4_301 + ";", "\ufffd"),
        ("&#" + "9" * 50_000, "\ufffd"),
        ("&amp;#" + "9" * 4_301 + ";", "\ufffd"),
        ("&#x" + "f" * 4_301 + ";", "\ufffd"),
    ],
)
def test_entities_become_the_characters_that_a_reader_sees(raw: str, plain: str) -> None:
    assert unescaped(raw) == plain


def test_a_text_is_cut_and_has_no_control_characters() -> None:
    assert clean("a\x00b\x1b[31m c" * 100, 8) == "ab[31m c"


@pytest.mark.parametrize("value", [None, 7, ["a"], {"b": 1}, b"bytes"])
def test_what_is_not_text_is_empty(value: object) -> None:
    assert clean(value, 10) == ""


@given(st.lists(PARTS, max_size=40).map("".join), st.integers(min_value=1, max_value=50))
def test_no_text_is_an_error(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    cleaned.encode()
    assert "\x00" not in cleaned


@given(st.one_of(st.text(), st.text(st.characters(max_codepoint=127))))
def test_plain_ascii_goes_a_shorter_way_to_the_same(text: str) -> None:
    assert clean(f"é{text}é", 1_000)[1:-1].strip() == clean(text, 1_000)
    assert words(text) == re.findall(r"\w+", text)
    assert tokenizer(r"[^\W\d_]")(text) == re.findall(r"[^\W\d_]+", text)
