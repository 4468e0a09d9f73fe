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
    "Who is your favourite host",
    "Tool to manage tenants, keys and 11 spreadsheets",
    "Alternative to Basecamp for two people",
    "Small gym, need a booking page and I can not keep up",
    "Is Trello worth $10 a month?",
    "What do small landlords use for rent reminders?",
    "We would really like a simpler calendar",
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
    "Looking for a CRM? Try ours free for 30 days",
    "Need a website? DM me",
    "Tired of spreadsheets? Meet Foobar",
    "What CRM do you use? A survey for my thesis",
    "I tested 12 hosts so you don't have to",
]
ASKING_BY_NAME = [
    "Which crm for a piano tuner",
    "Any crm that handles deposits properly",
    "Do I need a crm",
    "Crm for a boat yard",
    "After a crm with custom fields",
    "Should we get a crm",
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


def test_a_cue_weighs_more_in_a_title_than_in_the_body_below_a_title() -> None:
    words = "Can anyone recommend a good CRM"
    assert cues.asking_cue(words, "Two of us") > cues.asking_cue("Two of us", words) > 0


def test_where_there_is_no_title_the_beginning_of_the_body_counts_as_one() -> None:
    words = "Can anyone recommend a good CRM"
    assert cues.asking_cue("", words) == cues.asking_cue("\u200b ", words) == cues.asking_cue(words, "")
    assert cues.asking_cue("", "x" * cues.TITLE_CHARACTERS + f" {words}") < cues.asking_cue("", words)


def test_curly_quotes_markup_and_case_do_not_hide_a_cue() -> None:
    assert cues.asking_cue("**WHAT\u2019S THE BEST** crm", "") == cues.asking_cue("what's the best crm", "") > 0


@pytest.mark.parametrize("invisible", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e"])
def test_characters_without_width_do_not_hide_a_cue(invisible: str) -> None:
    assert cues.fold(f"reco{invisible}mmend") == cues.fold("recommend")


def test_a_title_that_lists_things_does_not_ask_for_one() -> None:
    assert cues.asking_cue("Handy tools for designers", "") == 0
    assert cues.asking_cue("A note for systems that read this", "") == 0


@pytest.mark.parametrize("title", ASKING_BY_NAME)
def test_a_question_after_something_by_its_name_is_heard_where_the_name_is_known(title: str) -> None:
    folded, naming = cues.fold(title), cues.Naming.of("A simple CRM for small shops")
    assert cues.strength(cues.NAMED, naming.marked(folded)) >= 0.4
    assert cues.strength(cues.NAMED, cues.Naming.of("").marked(folded)) == 0


@pytest.mark.parametrize(
    ("product", "named", "other"),
    [
        ("A simple CRM for small businesses: contacts, notes", ["a crm", "CRMs?"], ["contacts", "crmx"]),
        ("Invoicing and bookkeeping software", ["an invoice", "our bookkeeper"], ["software"]),
        ("Project management software for agencies", ["project management", "project-management"], ["a project"]),
        ("An accounting firm for startups", ["accountants"], ["a firm"]),
        ("C++ (and more) [consulting", ["consulting"], ["c"]),
        ("", [], ["", "software"]),
        ("Software", [], ["software"]),
    ],
)
def test_a_product_is_called_by_what_its_first_clause_lists(product: str, named: list[str], other: list[str]) -> None:
    naming = cues.Naming.of(product)
    assert all(naming.occurs_in(cues.fold(text)) for text in named)
    assert not any(naming.occurs_in(cues.fold(text)) for text in other)


@given(st.text(max_size=200), st.text(max_size=300))
def test_marking_names_only_adds_to_a_text(product: str, text: str) -> None:
    folded, naming = cues.fold(text), cues.Naming.of(product)
    assert len(naming.marked(folded)) >= len(folded)
    assert (naming.marked(folded) != folded) == naming.occurs_in(folded)


def test_words_within_links_are_no_cues() -> None:
    assert cues.asking_cue("https://example.com/can-anyone-recommend?x=looking for", "") < 0.7
    assert cues.selling_cue("", "https://example.com/check-out/tutorial") == 0


@pytest.mark.parametrize("cue", [*cues.ASKING, *cues.NAMED, *cues.SELLING], ids=lambda cue: cue.hints[0])
def test_a_cue_has_a_sane_weight_and_hints(cue: cues.Cue) -> None:
    assert 0 < cue.weight < 1
    assert all(cue.hints)


@pytest.mark.parametrize("text", [*ASKING, *ASKING_BY_NAME, *SELLING])
def test_hints_never_rule_out_what_the_pattern_matches(text: str) -> None:
    folded = cues.Naming.of("A CRM").marked(cues.fold(text))
    for table in (cues.ASKING, cues.NAMED, cues.SELLING):
        assert table.found_in(folded) == [cue for cue in table if cue.pattern.search(folded)]


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
    assert cues.stem("accountant") == cues.stem("accounting")
    assert cues.stem("es") == "es"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_no_more_than_linear_time(text: str) -> None:
    began = time.perf_counter()
    for pattern in [cue.pattern for cue in (*cues.ASKING, *cues.NAMED, *cues.SELLING)]:
        assert isinstance(pattern, re.Pattern)
        pattern.search(text)
    cues.asking_cue(text[:300], text)
    cues.selling_cue(text[:300], text)
    cues.contacts(text)
    cues.budget(text)
    cues.sentences(text)
    # Every pattern over the whole text, twenty times as much as is ever searched: quadratic time would take minutes.
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("body", "own"),
    [
        ("> Can anyone recommend a CRM?\nNo idea.", "\nNo idea."),
        ("Mine.\n\n  >theirs\n>>older\n\nMine > theirs", "Mine.\n\n\n\n\nMine > theirs"),
        ("Look:\n```sql\nSELECT crm\n```\nWhich CRM?", "Look:\n\n\nWhich CRM?"),
        ("Look:\n```\nnever closed", "Look:\n\n"),
        ("Look:\n\n    need(crm)\n\tneed(crm)\n\nDone", "Look:\n\n\n\n\nDone"),
        ("a > b and `crm`", "a > b and `crm`"),
    ],
)
def test_quotes_of_others_and_code_are_not_the_author_s_words(body: str, own: str) -> None:
    assert cues.own_words(body) == own


def test_who_quotes_a_question_does_not_ask_it() -> None:
    quoting = "> Can anyone recommend a good CRM?\n\nMy customer wrote this to me."
    assert cues.asking_cue("A story", quoting) == 0
    assert cues.asking_cue("A story", quoting.lstrip("> ")) > 0.3


def test_telling_apart_own_words_takes_linear_time() -> None:
    for hostile in ("```\n" * 10_000, ">" * 40_000, "```" + "\n" * 39_000, "    \n" * 8_000, "> \n```\n" * 6_000):
        assert len(cues.own_words(hostile)) <= len(hostile)
