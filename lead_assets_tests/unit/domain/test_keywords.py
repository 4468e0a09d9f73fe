"""The keyword rule of all sources: every word, any case, whole or with a plural more or less; quotes are adjacent."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lead_assets.domain.keywords import Keyword, KeywordMatcher


def found(keyword: str, text: str) -> bool:
    return KeywordMatcher([keyword]).matches(text) == [keyword]


@pytest.mark.parametrize("text", ["crm", "CRM", "Crm", "a cRm!", "(CRM)", "CRM,", "\nCRM\n", "“CRM”", "crm?", "*crm*"])
def test_a_word_is_found_in_any_case_and_between_any_marks(text: str) -> None:
    assert found("crm", text)
    assert found("CRM", text)


@pytest.mark.parametrize("text", ["", "scrm", "crma", "crm2", "crm_old", "_crm", "acrmb", "cr m", "c-r-m", "mrc"])
def test_a_word_is_found_only_whole(text: str) -> None:
    assert not found("crm", text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("client", "two clients"),
        ("clients", "one client"),
        ("clients", "two clients"),
        ("box", "boxes"),
        ("boxes", "a box"),
        ("invoice", "invoices"),
        ("invoices", "an invoice"),
        ("boss", "bosses"),
        ("bosses", "the boss"),
        ("crm", "CRMs"),
        ("CRMs", "a crm"),
        ("app", "apps"),
        ("apps", "an app"),
        ("pc", "PCs"),
        ("track clients", "tracks a client"),
        ('"sales pipelines"', "a sales pipeline"),
        ('"sales pipeline"', "sales pipelines"),
    ],
)
def test_a_plural_more_or_less_is_the_same_word(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(("keyword", "text"), [("ads", "place an ad"), ("PCs", "one pc"), ("TVs", "a TV")])
def test_the_plural_of_a_word_of_two_letters_matches_its_singular_too(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("invoice", "invoicing"),
        ("client", "cliented"),
        ("boss", "bos"),
        ("business", "busines"),
        ("track", "tracking"),
        ("company", "companies"),
        ("client", "clientsss"),
    ],
)
def test_other_endings_are_other_words(keyword: str, text: str) -> None:
    assert not found(keyword, text)


@pytest.mark.parametrize(
    "text",
    [
        "track clients",
        "clients that I track",
        "I track, more or less, all the people who may become a client.",
        "Clients!\n\n" + "filler " * 5_000 + "\n\ntrack",
    ],
)
def test_the_words_of_a_keyword_occur_in_any_order_and_at_any_distance(text: str) -> None:
    assert found("track clients", text)


@pytest.mark.parametrize("text", ["track", "clients", "tracked clients", "track the clientele", ""])
def test_every_word_of_a_keyword_must_occur(text: str) -> None:
    assert not found("track clients", text)


@pytest.mark.parametrize(
    "text",
    [
        "how to follow up with customers",
        "FOLLOW UP with Customers",
        "follow-up with customers",
        "follow up\n\nwith   customer",
        "follow up with: customers",
        "follow, up, with, customers",
    ],
)
def test_words_in_quotes_are_adjacent_and_in_order(text: str) -> None:
    assert found('"follow up with customers"', text)


@pytest.mark.parametrize(
    "text",
    [
        "customers with up follow",
        "follow up with my customers",
        "follow up customers with",
        "follow up with",
        "followup with customers",
    ],
)
def test_words_in_quotes_with_others_between_or_turned_around_do_not_match(text: str) -> None:
    assert not found('"follow up with customers"', text)


def test_quotes_and_single_words_may_stand_in_one_keyword() -> None:
    keyword = '"sales pipeline" crm'

    assert found(keyword, "A CRM with a sales pipeline")
    assert not found(keyword, "a sales pipeline")
    assert not found(keyword, "a crm for the pipeline of my sales")


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("c++", "I write C++."),
        ("c++", "c++"),
        ("c#", "in C#, mostly"),
        ("node.js", "Node.js developer"),
        ("node.js", "we use node.js."),
        ("follow-up", "a follow-up!"),
        ("follow-up", "follow-ups"),
        ("follow up", "a follow-up"),
        ("r&d", "our R&D team"),
        ("don't", "I DON'T know"),
        ("client's", "my client's books"),
        ("client", "my client's books"),
        ("9.99", "only 9.99!"),
        ("crm", "crm/erp"),
        ("crm", "https://example.org/crm?x=1"),
        ("#crm", "crm"),
        ("crm.", "a crm"),
        ("e-mail", "by E-Mail"),
    ],
)
def test_marks_inside_a_word_belong_to_it(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("c++", "c and more"),
        ("c#", "c"),
        ("node.js", "node js"),
        ("node.js", "nodexjs"),
        ("node.js", "node.json"),
        ("follow-up", "follow up"),
        ("r&d", "r and d"),
        ("e-mail", "email"),
    ],
)
def test_a_word_without_its_marks_is_another_word(keyword: str, text: str) -> None:
    assert not found(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("buchführung", "BUCHFÜHRUNG gesucht"),
        ("straße", "in der STRASSE"),
        ("STRASSE", "in der straße"),
        ("café", "a CAFÉ, please"),
        ("ΟΔΟΣ", "οδος"),
        ("клиент", "КЛИЕНТ"),
        ("会計", "「会計」"),
        ("हिन्दी", "मैं हिन्दी में"),
        ("crm", "crm🙂"),
        ("crm", "ｘ crm\u00a0now"),
    ],
)
def test_any_script_is_matched(keyword: str, text: str) -> None:
    assert found(keyword, text)


@pytest.mark.parametrize("text", ["buchführungen", "überbuchführung", "Buchführungç"])
def test_letters_of_any_script_are_part_of_the_word(text: str) -> None:
    assert not found("buchführung", text)


@pytest.mark.parametrize(
    "text",
    ["<b>CRM</b>", "<a href='x'>crm</a>", "&quot;crm&quot;", "&lt;crm&gt;", "[crm](https://example.org)", "**crm**"],
)
def test_markup_around_a_word_does_not_hide_it(text: str) -> None:
    assert found("crm", text)


@pytest.mark.parametrize("keyword", ["a.c", "cr[m]", "c(rm", "c*m", "c+m", "c.*m", "c\\wm", "c|x", "(?i)crm", "a{9}"])
def test_a_keyword_is_no_pattern(keyword: str) -> None:
    assert KeywordMatcher([keyword]).matches("crm abc aaaaaaaaa ccm") == []


@pytest.mark.parametrize(
    ("negative", "text"),
    [
        ("hiring", "CRM? We are HIRING."),
        ("job", "CRM jobs"),
        ("job offer", "an offer of a CRM job"),
        ('"job offer"', "CRM job offer"),
    ],
)
def test_a_negative_keyword_excludes_by_the_same_rule(negative: str, text: str) -> None:
    assert KeywordMatcher(["crm"]).matches(text) == ["crm"]
    assert KeywordMatcher(["crm"], [negative]).matches(text) == []


@pytest.mark.parametrize(("negative", "text"), [("hiring", "hire a CRM"), ('"job offer"', "CRM offer of a job")])
def test_a_negative_keyword_that_does_not_occur_excludes_nothing(negative: str, text: str) -> None:
    assert KeywordMatcher(["crm"], ["never written", negative]).matches(text) == ["crm"]


def test_the_keywords_found_are_given_as_written_and_in_the_campaigns_order() -> None:
    matcher = KeywordMatcher(["Track Clients", '"sales pipeline"', "nothing", "CRM"])

    assert matcher.matches("A crm to track my client and the sales pipeline") == [
        "Track Clients",
        '"sales pipeline"',
        "CRM",
    ]


def test_without_keywords_nothing_matches() -> None:
    assert KeywordMatcher([]).matches("crm") == []


def test_the_terms_of_a_keyword_are_its_words_and_its_quoted_runs() -> None:
    assert Keyword('CRM "Follow up" tool').terms == (("crm",), ("follow", "up"), ("tool",))


@pytest.mark.parametrize("keyword", ["", "  ", '""', "!!", '"?" - .'])
def test_a_keyword_without_a_word_has_no_terms(keyword: str) -> None:
    assert Keyword(keyword).terms == ()


@pytest.mark.parametrize("keyword", ["", '""', "!!"])
def test_a_keyword_without_a_word_occurs_nowhere(keyword: str) -> None:
    assert KeywordMatcher([keyword]).matches("any text!!") == []
    assert KeywordMatcher(["text"], [keyword]).matches("any text!!") == ["text"]


def test_a_keyword_is_searched_and_embedded_without_its_quotes() -> None:
    assert Keyword(' "follow  up"   crm ').plain == "follow up crm"


# --- laws ------------------------------------------------------------------------------------------------------------

words = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)
several_words = st.lists(words, min_size=1, max_size=4)
anything = st.text(max_size=20)


@settings(deadline=None)
@given(several_words, st.lists(anything, min_size=5, max_size=5), st.randoms(use_true_random=False))
def test_a_text_with_all_the_words_matches_whatever_stands_between_them(
    keyword: Sequence[str], between: Sequence[str], random: Random
) -> None:
    shuffled = list(keyword)
    random.shuffle(shuffled)
    text = f"{between[-1]} " + "".join(f"{word} {gap} " for word, gap in zip(shuffled, between, strict=False))

    assert found(" ".join(keyword), text)


@settings(deadline=None)
@given(several_words, st.sampled_from([" ", "\n\n", " - ", ", ", "\t"]), anything, anything)
def test_a_text_with_the_words_side_by_side_matches_them_in_quotes(
    keyword: Sequence[str], gap: str, before: str, after: str
) -> None:
    assert found(f'"{" ".join(keyword)}"', f"{before} {gap.join(keyword)} {after}")


@settings(deadline=None)
@given(several_words, st.sampled_from(["s", "es"]))
def test_a_plural_of_any_word_matches(keyword: Sequence[str], plural: str) -> None:
    assert found(" ".join(keyword), " ".join(word + plural for word in keyword))


@settings(deadline=None)
@given(several_words, anything)
def test_the_case_of_keyword_and_text_does_not_matter(keyword: Sequence[str], text: str) -> None:
    written = " ".join(keyword)

    assert bool(KeywordMatcher([written]).matches(text)) is bool(KeywordMatcher([written.casefold()]).matches(text))
    assert found(written, written.casefold())


@settings(deadline=None)
@given(words, st.text(st.characters(exclude_categories=["L", "N"], exclude_characters="_"), max_size=200))
def test_a_text_without_letters_and_digits_matches_nothing(keyword: str, text: str) -> None:
    assert not found(keyword, text)


@settings(deadline=None)
@given(several_words, several_words, anything)
def test_a_negative_keyword_that_matches_always_excludes(
    keyword: Sequence[str], negative: Sequence[str], text: str
) -> None:
    written, against = " ".join(keyword), " ".join(negative)
    both = f"{written} {text} {against}"

    assert found(written, both)
    assert KeywordMatcher([written], [against]).matches(both) == []


def test_the_curly_apostrophe_of_phones_is_an_apostrophe() -> None:
    assert KeywordMatcher(["don't forget clients"]).matches("I don\u2019t forget a client")


def test_composed_and_decomposed_characters_are_the_same() -> None:
    assert KeywordMatcher(["caf\u00e9 software"]).matches("Which software for a cafe\u0301?")
