"""A lead as people see it: the quote in its context, reasons in words, links to Reddit only."""

import pytest

from lead_assets.config.lead_models import lead_model_for
from lead_assets.domain.score_components import COMPONENTS
from lead_assets.domain.settings import Settings
from lead_assets.inbox.cards import REASONS, Excerpt, excerpt_of, reddit_link, shown, strongest_reasons

TEXT = "One. Two! Three?\nWe lose track of\n everybody. Four. Five. Six."


def test_a_quote_has_two_sentences_before_and_after_it() -> None:
    assert excerpt_of(TEXT, ["we lose track of everybody"]) == Excerpt(
        "…Two! Three?\n", "We lose track of\n everybody", ". Four. Five.…"
    )
    assert excerpt_of("Which CRM?", ["which crm?"]) == Excerpt("", "Which CRM?", "")
    assert excerpt_of("I need **a CRM tool** now.", ["need a CRM tool now"]).quote == "need **a CRM tool** now"


def test_without_the_quote_a_text_is_shown_from_its_beginning() -> None:
    assert excerpt_of(TEXT, ["nothing of it"]).quote == ""
    assert excerpt_of(TEXT, ["nothing of it"]).after.startswith("One. Two!")
    assert excerpt_of("", []) == Excerpt("", "", "")


@pytest.mark.parametrize("text", ["a" * 40_000, "a. " * 13_000, "(a+)+$ " * 5_000, "\n" * 40_000])
def test_an_excerpt_of_a_long_text_is_short(text: str) -> None:
    for quote in (text[100:150], text[-50:], "zzz"):
        assert sum(map(len, excerpt_of(text, [quote]))) < 1_000


def test_a_pattern_in_a_quote_is_no_pattern() -> None:
    assert excerpt_of("price (now) $5+ .* x", ["(now) $5+ .*"]).quote == "(now) $5+ .*"


def test_every_component_of_the_score_has_its_words() -> None:
    assert set(REASONS) == {component.name for component in COMPONENTS}


def test_the_strongest_reasons_come_first_and_what_lowers_the_score_is_none() -> None:
    row = dict.fromkeys((component.name for component in COMPONENTS), 0.0) | {"lexical": 1.0, "cosine_similarity": 0.0}
    (found,) = strongest_reasons([row | {"selling_cue": 1.0, "intent_similarity": -1.0}], Settings())
    assert found[0] == "uses your keywords"
    assert "sounds like somebody selling" not in found
    assert strongest_reasons([{}], Settings()) == [[]]


def test_the_reasons_are_of_the_probability_where_that_decides() -> None:
    model = lead_model_for(Settings(), "all-MiniLM-L6-v2-int8-256")
    parts = {"selling_cue": 0.9, "cosine_similarity": 0.2, "hits_ask": 0.5, "length": -1.0, "thanks": 0.1}
    row = {"lead_parts": parts, "lead_model": model.digest, "model": "all-MiniLM-L6-v2-int8-256", "lexical": 1.0}
    reasons = [
        "several keywords, and words of asking",
        "near the keywords in meaning",
        "thanks in advance or appreciation",
    ]
    assert strongest_reasons([row, {}], Settings()) == [reasons, []]
    assert strongest_reasons([row], Settings(RELEVANCE="fused")) == [["uses your keywords"]]
    gone = Settings(LEAD_MODEL="/nowhere/model.json")
    assert strongest_reasons([row], gone)[0][0] == "words of selling, showing or teaching"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)//reddit.com",
        "https://evil.example/reddit.com",
        "https://reddit.com.evil.example/",
        "https://reddit.com@evil.example/",
        "https://user@reddit.com/",
        "//reddit.com/x",
        "ftp://reddit.com/x",
        "https://[/",
        "",
        None,
    ],
)
def test_what_does_not_lead_to_reddit_is_no_link(url: str | None) -> None:
    assert reddit_link(url) is None


@pytest.mark.parametrize(
    "url", ["https://www.reddit.com/r/a/comments/b/", "http://redd.it/abc", "https://reddit.com/x"]
)
def test_what_leads_to_reddit_is(url: str) -> None:
    assert reddit_link(url) == url


def test_text_cannot_turn_what_surrounds_it() -> None:
    assert shown("a\u202eb\u2066c") == "abc"
    assert shown("مرحبا") == "مرحبا"
    assert shown(None) == ""
