"""What a reader sees of a text."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_assets.domain.keywords.visible_text import fold, skeleton, visible, without_hyphens


def read(text: str) -> str:
    """The words that a reader sees, with one space between them."""
    return " ".join(visible(text).split())


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("in**voic**ing", "invoicing"),
        ("in*voic*ing", "invoicing"),
        ("***CRM***s", "CRMs"),
        ("~~in~~voice", "invoice"),
        ("`CRM`s", "CRMs"),
        ("_CRM_", "CRM"),
        ("__lead tracking__", "lead tracking"),
        ("lead_tracking", "lead tracking"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("* one\n* two", "* one * two"),
        (r"C\# and C\+\+", "C# and C++"),
        (r"follow\-up", "follow-up"),
        (r"lead\_tracking", "lead tracking"),
        (r"a \* b \* c", "a b c"),
        ("C:\\Users", "C:\\Users"),
        ("[CRM](https://x.example)", "[CRM"),
        ("[a CRM](/r/crm)s", "[a CRM s"),
        ('[CRM](https://x.example "best erp")', "[CRM"),
        ("[a](https://x.example/wiki/b_(c)) d", "[a ) d"),
        ("[a](b(c)d) e", "[a e"),
        ("![a logo](https://i.redd.it/crm.png)", "![a logo"),
        ('![img](f3k2 "our CRM")', "![img our CRM"),
        ("![gif](giphy|crm|x)", "![gif"),
        ("<https://crm.example/crm>", "< >"),
        ("see https://x.example/crm?a=crm#crm, or", "see or"),
        ("see HTTPS://x.example/crm or", "see or"),
        ("see www.crm.example/a or", "see or"),
        (r"see https://x.example/a\_crm or", "see or"),
        ("参见https://x.example/crm客户管理", "参见 客户管理"),
        ("[1]: https://x.example/crm\nCRM", "CRM"),
        ("&amp;amp; &lt;b&gt;", "& <b>"),
        ("lead&amp;#x200B;tracking", "lead\u200btracking"),
        ("R&amp;D", "R&D"),
        (">!CRM!<", ">!CRM!<"),
        ("[brackets] (and) more", "[brackets] (and) more"),
    ],
)
def test_markup_and_addresses_are_not_seen(source: str, seen: str) -> None:
    assert read(source) == seen


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＣＲＭ＋＋", "crm++"),
        ("ﬁrma", "firma"),
        ("C\u00adR\u00adM", "crm"),
        ("C\u2060R\ufeffM", "crm"),
        ("📈\ufe0f", "📈"),
        ("SİGORTA", "sigorta"),
        ("SIGORTA", "sıgorta"),
        ("STRASSE", "straße"),
        ("ΟΔΟΣ", "οδος"),
        ("cafe\u0301", "CAFÉ"),
        ("what’s", "what's"),
        ("what´s", "what's"),
        ("e‑mail", "e-mail"),
        ("e–mail", "e-mail"),
        ("best\u200bcrm", "best-crm"),
    ],
)
def test_what_looks_the_same_is_folded_to_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_a_trade_mark_is_not_part_of_the_word_before_it() -> None:
    assert fold("CRM™ ERP²").split() == ["crm", "erp"]


def test_hyphens_in_words_can_be_left_out_but_not_between_numbers() -> None:
    assert without_hyphens("book-keeping 9-5 - state-of-the-art") == "bookkeeping 9-5 - stateoftheart"


@given(st.text())
def test_any_text_can_be_read_and_folding_is_final(text: str) -> None:
    folded = fold(visible(text))
    assert fold(folded) == folded
    assert {each for each in folded if each.isascii() and each.isalnum()} <= set(skeleton(text))


HOSTILE: dict[str, Callable[[int], str]] = {
    "one word": lambda size: "a" * size,
    "one word of another script": lambda size: "ä" * size,
    "nested links": lambda size: "[" * (size // 2) + "](" * (size // 4),
    "link ends": lambda size: "](a" * (size // 3),
    "links that do not end": lambda size: "](" + "a" * size,
    "titles that do not end": lambda size: '](a "b ' * (size // 7),
    "parentheses": lambda size: "](" + "(" * size,
    "backslashes": lambda size: "\\" * size,
    "stars": lambda size: "*" * size,
    "emphasis that does not end": lambda size: "**a " * (size // 4),
    "emphasis of spaces": lambda size: "*" + "a" + " " * size,
    "underscores": lambda size: "_" * size,
    "addresses": lambda size: "https://" * (size // 8),
    "labels": lambda size: "[a]:" * (size // 4),
    "labels that do not end": lambda size: ("[" + "a" * 190 + "\n") * (size // 192) + "]:",
    "labels with dots": lambda size: "[a]: " + "." * size + " x\n",
    "many labels": lambda size: "[a]: b.c 'd\n" * (size // 11),
    "labels of blanks": lambda size: "[a]:" + " " * size + "x",
    "ampersands": lambda size: "&" * size,
    "long entities": lambda size: "&#" + "9" * size,
    "hyphens": lambda size: "a-" * (size // 2),
    "zero-width characters": lambda size: "a\u200b" * (size // 2),
    "ligatures": lambda size: "\ufdfa" * (size // 18),
    "quotes": lambda size: "> " * (size // 2),
    "carets": lambda size: "^(" * (size // 2),
}


def seconds(text: str) -> float:
    """The least that three readings take."""
    took: list[float] = []
    for _ in range(3):
        start = time.process_time()
        fold(visible(text))
        skeleton(text)
        took.append(time.process_time() - start)
    return min(took)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_costs_linear_time(kind: str) -> None:
    small, large = seconds(HOSTILE[kind](100_000)), seconds(HOSTILE[kind](800_000))
    assert large < 24 * small + 0.1
    assert large < 5
