"""The grammar of keywords: what is understood, how, and what is refused with the fix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_assets.domain.keywords import Keyword, KeywordMatcher, KeywordRefusedError, searches_of


def found(keyword: str, text: str, title: str = "") -> bool:
    return KeywordMatcher([keyword]).matches(f"{title}\n\n{text}", title) == [keyword]


def refusal(keyword: str) -> str:
    with pytest.raises(KeywordRefusedError) as refused:
        Keyword(keyword)
    return str(refused.value)


# --- what is understood ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["“lead tracking”", "„lead tracking“", "«lead tracking»", "＂lead tracking＂"])
def test_curly_quotes_are_quotes(keyword: str) -> None:
    assert found(keyword, "software for lead tracking")
    assert not found(keyword, "tracking each lead")


@pytest.mark.parametrize(
    "keyword", ["crm -salesforce", "-salesforce crm", 'crm -"sales force" -salesforce', "crm –salesforce"]
)
def test_a_word_with_a_minus_must_not_occur(keyword: str) -> None:
    assert found(keyword, "Which CRM?")
    assert not found(keyword, "Which CRM instead of Salesforce?")
    assert not found(keyword, "Salesforce")


def test_an_excluded_phrase_is_excluded_where_its_words_are_adjacent() -> None:
    assert not found('crm -"sales force"', "A CRM for my sales force")
    assert found('crm -"sales force"', "A CRM for sales, by force")


def test_an_excluded_word_is_excluded_in_all_its_forms() -> None:
    assert not found("crm -agency", "A CRM for agencies")


def test_a_minus_within_a_word_is_a_hyphen_and_one_alone_is_nothing() -> None:
    assert found("crm-salesforce", "a CRM, Salesforce")
    assert found("crm - salesforce", "Salesforce is a CRM")


def test_or_parts_alternatives() -> None:
    assert found("crm OR erp", "Which ERP?")
    assert found("crm OR erp", "Which CRM?")
    assert not found("crm OR erp", "Which one?")


def test_words_side_by_side_bind_closer_than_or() -> None:
    assert found('simple crm OR "erp system" -sap', "an ERP system")
    assert found('simple crm OR "erp system" -sap', "a simple CRM, not SAP")
    assert not found('simple crm OR "erp system" -sap', "an ERP system such as SAP")
    assert not found('simple crm OR "erp system" -sap', "a CRM")


@pytest.mark.parametrize(
    "keyword", ["title:invoicing", "Title:invoicing", 'title:"invoicing tool"', "title:invoicing tool"]
)
def test_title_looks_in_the_title_alone(keyword: str) -> None:
    assert found(keyword, "Which?", title="An invoicing tool")
    assert not found(keyword, "An invoicing tool", title="Which?")


def test_a_word_can_be_excluded_from_the_title() -> None:
    assert found("crm -title:hiring", "We are hiring. Which CRM?", title="Which?")
    assert not found("crm -title:hiring", "Which CRM?", title="Hiring")


def test_in_quotes_nothing_is_an_operator() -> None:
    assert found('"this or that"', "this or that")
    assert found('"title:x"', "a title: x")
    assert found('"-crm"', "crm")
    assert found('"a AND b"', "a and b")


def test_lower_case_and_and_not_are_words() -> None:
    assert found("time and attendance", "attendance and time")
    assert not found("time and attendance", "time, attendance")
    assert found("not working", "it is not working")


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["", "  ", '""', "!!", '"?" - .', "title:", '" "', "...", "-"])
def test_a_keyword_without_a_word_is_refused(keyword: str) -> None:
    assert "Write" in refusal(keyword)


@pytest.mark.parametrize(
    ("keyword", "fix"),
    [
        ('crm "lead tracking', "Close it or take it out"),
        ("“lead tracking", "Close it or take it out"),
        ("-crm", "list it under `negative_keywords`"),
        ("crm OR -erp", "Add a word that must"),
        ("crm OR", "Write one there, or take it out"),
        ("OR crm", "Write one there, or take it out"),
        ("crm OR OR erp", "Write one there, or take it out"),
        ("OR", "Write one there, or take it out"),
        ("crm or erp", "Write OR in capitals for alternatives, or put the words in quotes"),
        ("crm | erp", "Write OR in capitals for alternatives"),
        ("crm||erp", "Write OR in capitals for alternatives"),
        ("crm AND erp", "Leave it out: all words of a keyword must occur anyway"),
        ("crm && erp", "Leave it out: all words of a keyword must occur anyway"),
        ("+crm", "Leave the + out: all words of a keyword must occur anyway"),
        ("crm NOT erp", "Write -word for a word that must not occur"),
        ("crm !erp", "Write -word, or -title:word, for a word that must not occur"),
        ("crm title:-erp", "Write -word, or -title:word, for a word that must not occur"),
        ("crm --erp", "Write -word, or -title:word, for a word that must not occur"),
        ("crm*", "Write whole words: plurals and other endings are found anyway"),
        ("invoic*", "Write whole words: plurals and other endings are found anyway"),
        ("cl?ent", "Write whole words: plurals and other endings are found anyway"),
        ("(crm OR erp) software", "Write each combination as a keyword of its own, without brackets"),
        ("[crm]", "Write each combination as a keyword of its own, without brackets"),
        ('"lead tracking"~5', "put the words in quotes to find them side by side"),
        ("crm~", "put the words in quotes to find them side by side"),
        ("crm^2", "put the words in quotes to find them side by side"),
        ("author:ada", "use `subreddits` or `exclude_authors` of the campaign"),
        ("crm subreddit:sales", "use `subreddits` or `exclude_authors` of the campaign"),
        ("selftext:crm", "use `subreddits` or `exclude_authors` of the campaign"),
        ("crm since:2020", "use `subreddits` or `exclude_authors` of the campaign"),
        ("https://monday.com", "Write only the name, as in example.com"),
        ("www.monday.com", "Write only the name, as in example.com"),
        ("crm NEAR/3 erp", "Put words in quotes that are to stand side by side"),
        ("<crm>", "Write each combination as a keyword of its own, without brackets"),
        ("^crm$", "put the words in quotes to find them side by side"),
        ("C\\#", "Leave the backslash out"),
        ('\\"crm\\"', "Leave the backslash out"),
        ("title: invoicing", "Write it without a space, as in title:word"),
    ],
)
def test_what_is_not_understood_is_refused_in_two_sentences_of_which_the_second_is_the_fix(
    keyword: str, fix: str
) -> None:
    problem, _, told = refusal(keyword).rpartition(". ")
    assert repr(keyword) in problem
    assert fix in told


@given(st.text(max_size=60) | st.text(alphabet='ab"-:*|()ORtile “”', max_size=60))
def test_any_text_is_understood_or_refused(keyword: str) -> None:
    try:
        understood = Keyword(keyword)
    except KeywordRefusedError:
        return
    assert all(alternative.required for alternative in understood.alternatives)
    assert len(KeywordMatcher([keyword]).matches(keyword)) <= 1


# --- what is searched for and embedded -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "searches"),
    [
        (' "follow  up"   crm ', ["follow up crm"]),
        ("crm OR ERP software", ["crm", "ERP software"]),
        ("crm OR CRM -x OR crm -y", ["crm", "CRM"]),
        ('crm -salesforce -"hub spot"', ["crm"]),
        ('title:invoicing title:"two words"', ["invoicing two words"]),
        ("C++ developer", ["C++ developer"]),
        ("“Lead Tracking”", ["Lead Tracking"]),
        ("客户管理", ["客户管理"]),
    ],
)
def test_searches_are_the_alternatives_without_operators_and_what_is_excluded(
    keyword: str, searches: list[str]
) -> None:
    assert Keyword(keyword).searches == searches
    assert Keyword(keyword).plain == ", ".join(searches)


def test_the_same_search_of_two_keywords_is_one() -> None:
    assert searches_of(["crm OR erp", "title:crm", '"erp"']) == ["crm", "erp"]
