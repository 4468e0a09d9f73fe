"""Campaigns: what validates, what it is normalised to, and which documents it wants."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from lead_assets.domain.campaign import CAMPAIGN_ID, Campaign, end_of_day
from lead_assets.domain.document import Document, from_reddit

SMALLEST: dict[str, Any] = {"id": "shop", "name": "Shop", "product": "A shop.", "keywords": ["shop"]}


def campaign(**changed: Any) -> Campaign:
    return Campaign.model_validate(SMALLEST | changed)


def refusal(**changed: Any) -> tuple[tuple[str | int, ...], str]:
    """Where and why a campaign is refused."""
    with pytest.raises(ValidationError) as refused:
        campaign(**changed)
    (error, *_) = refused.value.errors()
    return error["loc"], error["msg"]


def document(kind: str = "post", **changed: Any) -> Document:
    thing = {"name": "t3_a", "title": "shop"} if kind == "post" else {"name": "t1_a", "body": "shop"}
    return replace(from_reddit({**thing, "subreddit": "SmallBusiness", "author": "Ada"}, "archive"), **changed)


def test_name_product_and_keywords_are_all_that_a_campaign_needs() -> None:
    smallest = campaign()

    assert (smallest.source, smallest.content, smallest.enabled) == ("reddit", ["posts", "comments"], True)
    assert (smallest.schedule, smallest.timezone, smallest.archive) == (None, "UTC", None)
    assert (smallest.settings, smallest.unknown, smallest.negative_keywords) == ({}, {}, [])
    assert (smallest.subreddits.include, smallest.subreddits.exclude, smallest.exclude_authors) == ([], [], [])


@pytest.mark.parametrize("field", ["id", "name", "product", "keywords"])
def test_what_a_campaign_needs_must_be_there(field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Campaign.model_validate({key: value for key, value in SMALLEST.items() if key != field})

    assert [(error["loc"], error["type"]) for error in refused.value.errors()] == [((field,), "missing")]


@pytest.mark.parametrize("field", ["name", "product"])
@pytest.mark.parametrize("text", ["", "   ", "\n", None, 7, True, ["x"], "x" * 2001])
def test_name_and_product_are_texts(field: str, text: Any) -> None:
    assert refusal(**{field: text})[0] == (field,)


def test_a_text_is_stripped() -> None:
    assert campaign(name="  Shop \n").name == "Shop"


@pytest.mark.parametrize("name", ["a", "a1", "sample_crm", "a" * 63, "z_"])
def test_an_id_that_may_name_a_sensor_is_fine(name: str) -> None:
    assert campaign(id=name).id == name
    assert CAMPAIGN_ID.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "_a", "a-b", "a b", "a.b", "../a", "a/b", "ä", "a\n", "a" * 64, None, 7, "a\x00"]
)
def test_an_id_that_may_not_name_a_sensor_is_refused(name: Any) -> None:
    assert refusal(id=name)[0] == ("id",)


# --- keywords --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keywords", [[], "shop", None, {}, ["x"] * 0])
def test_keywords_are_a_list_with_something_in_it(keywords: Any) -> None:
    assert refusal(keywords=keywords)[0] == ("keywords",)


@pytest.mark.parametrize("keyword", ["", "  ", "!!", '""', '" "', "x" * 121, 7, None, ["shop"]])
def test_a_keyword_has_a_word(keyword: Any) -> None:
    assert refusal(keywords=["fine", keyword])[0] == ("keywords", 1)
    assert refusal(negative_keywords=[keyword])[0] == ("negative_keywords", 0)


@pytest.mark.parametrize("keyword", ['"shop', 'shop"', '"a" "b', 'a " b'])
def test_a_quote_that_is_not_closed_is_refused_with_the_fix(keyword: str) -> None:
    where, why = refusal(keywords=[keyword])

    assert where == ("keywords", 0)
    assert "has an unclosed double quote. Close it or take it out" in why


def test_a_keyword_without_a_word_is_refused_with_the_fix() -> None:
    assert "'!!' has no word in it. Write at least one letter or digit" in refusal(keywords=["!!"])[1]


def test_at_most_a_hundred_keywords() -> None:
    assert len(campaign(keywords=[f"k{number}" for number in range(100)]).keywords) == 100
    assert refusal(keywords=[f"k{number}" for number in range(101)])[0] == ("keywords",)


def test_a_keyword_written_twice_counts_once_in_its_first_place() -> None:
    assert campaign(keywords=["CRM", "shop", "crm", " Shop "]).keywords == ["CRM", "shop"]


@pytest.mark.parametrize("keyword", ["crm*", "crm AND erp", "-crm", "author:ada", "crm or erp"])
def test_an_operator_that_is_not_understood_is_refused_in_every_list(keyword: str) -> None:
    for field in ("keywords", "negative_keywords", "all_of"):
        where, why = refusal(**{field: [keyword]})
        assert where == (field, 0)
        assert repr(keyword) in why


def test_required_words_and_a_language_are_part_of_the_rule() -> None:
    found = campaign(keywords=["Versicherung"], all_of=["Laden"], language="German")

    assert found.language == "german"
    assert found.matched_keywords("Versicherungen für den Laden") == ["Versicherung"]
    assert found.rules_out("Versicherungen")
    assert not found.rules_out("ein Laden")
    assert campaign().language == "english"
    assert campaign().all_of == []


@pytest.mark.parametrize("language", ["de", "klingon", "", "porter"])
def test_a_language_without_known_endings_is_refused_with_those_that_have_some(language: str) -> None:
    where, why = refusal(language=language)

    assert where == ("language",)
    assert "Write one of arabic" in why
    assert "german" in why


def test_a_comment_is_matched_without_its_post_s_title() -> None:
    found = campaign(keywords=["shop", "title:corner"])

    assert found.keywords_in(document(title="A shop on the corner")) == ("shop", "title:corner")
    assert found.keywords_in(document("comment", title="A shop on the corner", body="a shop on the corner")) == (
        "shop",
    )


def test_keywords_match_by_the_rule_of_all_sources() -> None:
    found = campaign(keywords=["shop", '"corner shop"'], negative_keywords=["hiring"])

    assert found.matched_keywords("The Corner-Shops") == ["shop", '"corner shop"']
    assert found.matched_keywords("a shop is hiring") == []


# --- the other keys --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["keyword", "Name", "subreddit", "", "extra", "settings_"])
def test_an_unknown_key_is_refused(key: str) -> None:
    assert refusal(**{key: "x"})[0] == (key,)


@pytest.mark.parametrize("part", [{"subreddits": {"includes": []}}, {"archive": {"path": "a", "asof": "2026-01-01"}}])
def test_an_unknown_key_in_a_part_is_refused(part: dict[str, Any]) -> None:
    (name,) = part

    assert refusal(**part)[0][0] == name
    assert len(refusal(**part)[0]) == 2


@pytest.mark.parametrize("source", ["reddit", "arctic_shift", "archive"])
def test_there_are_three_sources(source: str) -> None:
    assert campaign(source=source).source == source
    assert refusal(source=source.upper())[0] == ("source",)


@pytest.mark.parametrize("content", [[], ["post"], "posts", ["posts", "wiki"], None])
def test_content_is_posts_or_comments_or_both(content: Any) -> None:
    assert campaign(content=["comments"]).content == ["comments"]
    assert refusal(content=content)[0][0] == "content"


@pytest.mark.parametrize("schedule", ["0 */6 * * *", "* * * * *", "0,30 9-17 * * MON-FRI", "15 4 1 JAN *"])
def test_a_cron_line_of_five_fields_is_a_schedule(schedule: str) -> None:
    assert campaign(schedule=schedule).schedule == schedule


@pytest.mark.parametrize("schedule", ["hourly", "@daily", "", "* * * *", "* * * * * *", "0 0 * *  *", "0 0 * * *\n", 5])
def test_anything_else_is_no_schedule(schedule: Any) -> None:
    assert refusal(schedule=schedule)[0] == ("schedule",)


@pytest.mark.parametrize("schedule", ["60 * * * *", "* 24 * * *", "* * 32 * *", "* * * 13 *", "* * * F *", "- - - - -"])
def test_a_cron_line_that_never_comes_due_is_no_schedule(schedule: str) -> None:
    assert refusal(schedule=schedule)[0] == ("schedule",)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_a_time_zone_has_a_name_of_the_tz_database(zone: str) -> None:
    assert campaign(timezone=zone).timezone == zone


@pytest.mark.parametrize(
    "zone", ["", "Mars", "Europe", "../UTC", "/etc/localtime", "UTC\x00", "Europe/Berlin ", None, 2]
)
def test_anything_else_is_no_time_zone(zone: Any) -> None:
    assert refusal(timezone=zone)[0] == ("timezone",)


def test_an_archive_has_a_path_and_may_have_a_day() -> None:
    with_day = campaign(archive={"path": "a.zst", "as_of": "2026-01-31"}).archive

    assert with_day is not None
    assert (with_day.path, with_day.as_of) == ("a.zst", date(2026, 1, 31))
    assert refusal(archive={"as_of": "2026-01-31"})[0] == ("archive", "path")
    assert refusal(archive={"path": ""})[0] == ("archive", "path")
    assert refusal(archive={"path": "a", "as_of": "yesterday"})[0] == ("archive", "as_of")
    assert refusal(archive="a.zst")[0] == ("archive",)


def test_judging_as_of_a_day_includes_the_day() -> None:
    assert end_of_day(date(2026, 1, 31)) == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "gate",
    [
        "post_age",
        "upvote_ratio",
        "nsfw",
        "subreddit_subscribers",
        "subreddit_activity",
        "author_karma",
        "engagement",
    ],
)
def test_a_gate_that_can_meet_unknown_values_may_be_told_what_to_do_with_them(gate: str) -> None:
    assert campaign(unknown={gate: "reject"}).unknown == {gate: "reject"}
    assert refusal(unknown={gate: "drop"})[0] == ("unknown", gate)


@pytest.mark.parametrize("gate", ["deduplication", "cosine_similarity", "keyword_hits", "fused_score", "karma", ""])
def test_other_gates_may_not(gate: str) -> None:
    where, why = refusal(unknown={gate: "reject"})

    assert where == ("unknown",)
    assert f"no gate {gate!r} can meet an unknown value; these can: post_age, upvote_ratio, nsfw" in why


def test_settings_keep_the_type_they_were_written_in() -> None:
    written: dict[str, Any] = {"A": True, "B": 1, "C": 0.5, "D": "x"}

    found = campaign(settings=written).settings

    assert found == written
    assert [type(value) for value in found.values()] == [bool, int, float, str]


@pytest.mark.parametrize("settings", ["x", [], 7, {"A": [1]}, {"A": {"b": 1}}])
def test_settings_are_names_and_plain_values(settings: Any) -> None:
    assert refusal(settings=settings)[0][0] == "settings"


def test_a_campaign_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        campaign().name = "Other"  # type: ignore[misc]


# --- wants -----------------------------------------------------------------------------------------------------------


def test_a_campaign_without_lists_wants_everything() -> None:
    assert campaign().wants(document())
    assert campaign().wants(document("comment"))
    assert campaign().wants(document(subreddit="", author=None))


@pytest.mark.parametrize(
    "name",
    [
        "smallbusiness",
        "SMALLBUSINESS",
        "SmallBusiness",
        "r/SmallBusiness",
        "/r/smallbusiness",
        " r/smallbusiness ",
        "R/smallbusiness/",
        "smallbusiness/",
        "reddit.com/r/smallbusiness",
        "https://www.reddit.com/r/SmallBusiness/",
    ],
)
def test_subreddits_are_named_in_any_case_with_or_without_prefix(name: str) -> None:
    included, excluded = campaign(subreddits={"include": [name]}), campaign(subreddits={"exclude": [name]})

    assert included.wants(document())
    assert included.wants(document(subreddit="smallBUSINESS"))
    assert not included.wants(document(subreddit="sales"))
    assert not excluded.wants(document())
    assert excluded.wants(document(subreddit="sales"))


def test_exclude_wins_over_include() -> None:
    both = campaign(subreddits={"include": ["sales", "smallbusiness"], "exclude": ["SmallBusiness"]})

    assert not both.wants(document())
    assert both.wants(document(subreddit="Sales"))


def test_a_document_of_no_known_subreddit_is_in_none_of_the_included() -> None:
    assert not campaign(subreddits={"include": ["sales"]}).wants(document(subreddit=""))
    assert campaign(subreddits={"exclude": ["sales"]}).wants(document(subreddit=""))


@pytest.mark.parametrize("name", ["a", "", "two words", "sm/all", "a" * 25, "ünïcode!", None, 7])
def test_a_name_that_no_subreddit_or_author_has_is_refused(name: Any) -> None:
    assert refusal(subreddits={"include": [name]})[0] == ("subreddits", "include", 0)
    assert refusal(subreddits={"exclude": [name]})[0] == ("subreddits", "exclude", 0)
    assert refusal(exclude_authors=[name])[0] == ("exclude_authors", 0)


@pytest.mark.parametrize("kind", ["post", "comment"])
def test_only_the_content_that_the_campaign_reads_is_wanted(kind: str) -> None:
    other = {"post": "comment", "comment": "post"}[kind]

    assert campaign(content=[f"{kind}s"]).wants(document(kind))
    assert not campaign(content=[f"{kind}s"]).wants(document(other))


@pytest.mark.parametrize(
    "name",
    [
        "Ada",
        "ada",
        "ADA",
        "u/Ada",
        "/u/ada",
        "user/ada",
        "U/ada/",
        "https://old.reddit.com/user/Ada",
        "www.reddit.com/u/Ada/",
    ],
)
def test_excluded_authors_are_named_in_any_case_with_or_without_prefix(name: str) -> None:
    without = campaign(exclude_authors=[name])

    assert not without.wants(document())
    assert without.wants(document(author="Adam"))
    assert without.wants(document(author=None))
