import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_assets.domain import cues

ASKING = [
    "Can anyone recommend a good CRM?",
    "Any suggestions for invoicing software?",
    "What do you use to track your clients?",
    "I'm looking for a bookkeeper",
    "[Hiring] Web designer for a small shop",
    "Is there an app that does this",
    "Who do you use as your web host?",
    "Thinking of switching from QuickBooks, what are my options",
    "Need help choosing a newsletter service",
]
SELLING = [
    "[For Hire] Web designer with ten years of practice",
    "I built a free invoicing app",
    "Check out my new app",
    "We just launched our beta, looking for beta testers",
    "How to choose a CRM",
    "11 awesome tools for designers",
    "What do you think of my landing page?",
    "A beginner's guide to bookkeeping",
]
NEITHER = ["Bitcoin falls again", "My cat sleeps all day"]

HOSTILE = {
    "a word without end": "a" * 40_000,
    "one letter words": "a " * 20_000,
    "beginnings of a question": "what do you " * 3_300,
    "asking without end": "looking for a " * 2_800,
    "at signs": "@" * 40_000,
    "addresses": "a@a." * 10_000,
    "digits": "1" * 40_000,
    "phone numbers": "111-" * 10_000,
    "amounts": "$1, to " * 5_700,
    "user names": "u/" * 20_000,
    "new lines": "\n" * 40_000,
    "links": "http://" * 5_700,
    "requests": "contact me " * 3_600,
    "combining marks": "a" + "\u0301" * 39_999,
    "brackets": "[" * 40_000,
}


@pytest.mark.parametrize("title", ASKING)
def test_who_asks_is_heard(title: str) -> None:
    assert cues.asking_cue(title, "") >= 0.4 > cues.selling_cue(title, "")


@pytest.mark.parametrize("title", SELLING)
def test_who_sells_shows_or_teaches_is_heard(title: str) -> None:
    assert cues.selling_cue(title, "") >= 0.4


@pytest.mark.parametrize("title", NEITHER)
def test_who_does_neither_is_left_alone(title: str) -> None:
    assert cues.asking_cue(title, "") == cues.selling_cue(title, "") == 0


def test_a_title_weighs_more_than_a_body() -> None:
    words = "Can anyone recommend a good CRM"
    assert cues.asking_cue(words, "") > cues.asking_cue("", words) > 0


def test_curly_quotes_markup_and_case_do_not_hide_a_cue() -> None:
    assert cues.asking_cue("**WHAT\u2019S THE BEST** crm", "") == cues.asking_cue("what's the best crm", "") > 0


def test_words_within_links_are_no_cues() -> None:
    assert cues.asking_cue("https://example.com/can-anyone-recommend?x=looking for", "") < 0.7
    assert cues.selling_cue("", "https://example.com/check-out/tutorial") == 0


@pytest.mark.parametrize("cue", [*cues.ASKING, *cues.SELLING], ids=lambda cue: cue.hints[0])
def test_a_cue_has_a_sane_weight_and_hints(cue: cues.Cue) -> None:
    assert 0 < cue.weight < 1
    assert all(cue.hints)


@pytest.mark.parametrize("text", [*ASKING, *SELLING])
def test_hints_never_rule_out_what_the_pattern_matches(text: str) -> None:
    folded = cues.fold(text)
    for cue in (*cues.ASKING, *cues.SELLING):
        assert cue.occurs_in(folded) == bool(cue.pattern.search(folded))


@given(st.text(max_size=300), st.text(max_size=3_000))
def test_cues_stay_within_zero_and_one(title: str, body: str) -> None:
    assert 0 <= cues.asking_cue(title, body) <= 1
    assert 0 <= cues.selling_cue(title, body) <= 1


@given(st.text(max_size=5_000))
def test_sentences_are_verbatim(text: str) -> None:
    assert all(sentence in text and len(sentence) <= cues.MAX_SENTENCE_CHARACTERS for sentence in cues.sentences(text))


def test_a_long_body_is_read_at_its_ends() -> None:
    middle = "filler " * 3_000
    part = cues.opening_and_end(f"first words {middle} last words")
    assert part.startswith("first words")
    assert part.endswith("last words")
    assert len(part) <= cues.HEAD_CHARACTERS + cues.TAIL_CHARACTERS + 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to joe.smith+work@shop.co.uk.", ["joe.smith+work@shop.co.uk"]),
        ("call (555) 123-4567 or 555-123-4567", ["(555) 123-4567", "555-123-4567"]),
        ("call +1 555 123 4567", ["+1 555 123 4567"]),
        ("ask /u/joe_smith", ["/u/joe_smith"]),
        ("Please PM me if interested", ["Please PM me"]),
        ("contact me at https://joe.example/form", ["contact me", "https://joe.example/form"]),
        ("joe@shop.com and joe@shop.com", ["joe@shop.com"]),
        ("my site is https://joe.example and it costs 5551234567", []),
    ],
)
def test_contacts_are_copied_as_written(text: str, found: list[str]) -> None:
    assert sorted(cues.contacts(text)) == sorted(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("my budget is $1,500", "$1,500"),
        ("I can pay $20-50 per month", "$20-50 per month"),
        ("willing to spend 300 dollars", "300 dollars"),
        ("we raised $5 million", None),
        ("no money", None),
    ],
)
def test_a_budget_is_money_somebody_would_pay(text: str, found: str | None) -> None:
    assert cues.budget(text) == found


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("I need this ASAP", "high"),
        ("deadline next week", "medium"),
        ("no rush, tomorrow is fine", "low"),
        ("a crm", "none"),
    ],
)
def test_urgency_is_what_the_words_say(text: str, level: str) -> None:
    assert cues.urgency(cues.fold(text)) == level


def test_forms_of_a_word_have_one_stem() -> None:
    assert {cues.stem(word) for word in ("invoice", "invoices", "invoicing")} == {"invoic"}
    assert cues.stem("es") == "es"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_no_more_than_linear_time(text: str) -> None:
    began = time.perf_counter()
    for pattern in [cue.pattern for cue in (*cues.ASKING, *cues.SELLING)]:
        assert isinstance(pattern, re.Pattern)
        pattern.search(text)
    cues.asking_cue(text[:300], text)
    cues.selling_cue(text[:300], text)
    cues.contacts(text)
    cues.budget(text)
    cues.sentences(text)
    # Every pattern over the whole text, twenty times as much as is ever searched: quadratic time would take minutes.
    assert time.perf_counter() - began < 5
