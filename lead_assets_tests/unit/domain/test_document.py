"""Documents: what becomes of a Reddit object, however odd. Nothing in it is trusted, nothing is guessed."""

import math
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lead_assets.domain.automation import automation_of
from lead_assets.domain.columns import DOCUMENT_COLUMNS
from lead_assets.domain.document import (
    MAX_BODY_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    Document,
    MalformedDocument,
    clean,
    from_reddit,
    fullname_in,
    merge_repeats,
)
from lead_assets.domain.frames import own_texts, to_frame, to_rows, typed

POST: dict[str, Any] = {
    "id": "1abc2d",
    "name": "t3_1abc2d",
    "title": "Which CRM for a bakery?",
    "selftext": "We sell cakes.",
    "subreddit": "smallbusiness",
    "subreddit_id": "t5_2qh33",
    "subreddit_subscribers": 1_500_000,
    "subreddit_hot_posts": 75,
    "author": "ada_bakes",
    "author_fullname": "t2_9xyz",
    "author_karma": 321,
    "score": 12,
    "upvote_ratio": 0.93,
    "over_18": False,
    "num_comments": 4,
    "created_utc": 1_780_000_000,
    "permalink": "/r/smallbusiness/comments/1abc2d/which_crm_for_a_bakery/",
    "url": "https://elsewhere.example/",
}
COMMENT: dict[str, Any] = {
    "id": "n0abcd",
    "name": "t1_n0abcd",
    "link_id": "t3_1abc2d",
    "link_title": "Which CRM for a bakery?",
    "body": "I would like to know, too.",
    "subreddit": "smallbusiness",
    "author": "bob",
    "score": -2,
    "created_utc": 1_780_000_100,
    "permalink": "/r/smallbusiness/comments/1abc2d/which_crm_for_a_bakery/n0abcd/",
}
MEASURES = (
    "score",
    "upvote_ratio",
    "num_comments",
    "subreddit_subscribers",
    "subreddit_hot_posts",
    "author_karma",
)


def post(**changed: Any) -> Document:
    """The post with some fields changed; ``...`` leaves a field out."""
    return from_reddit({key: value for key, value in (POST | changed).items() if value is not ...}, "archive")


def comment(**changed: Any) -> Document:
    return from_reddit({key: value for key, value in (COMMENT | changed).items() if value is not ...}, "archive")


def test_a_post_becomes_a_document() -> None:
    assert post() == Document(
        reddit_id="t3_1abc2d",
        kind="post",
        source="archive",
        subreddit="smallbusiness",
        subreddit_id="t5_2qh33",
        author="ada_bakes",
        author_id="t2_9xyz",
        title="Which CRM for a bakery?",
        body="We sell cakes.",
        url="https://www.reddit.com/r/smallbusiness/comments/1abc2d/which_crm_for_a_bakery/",
        post_id="t3_1abc2d",
        created_at=datetime.fromtimestamp(1_780_000_000, UTC),
        score=12,
        upvote_ratio=0.93,
        over_18=False,
        num_comments=4,
        subreddit_subscribers=1_500_000,
        subreddit_hot_posts=75,
        author_karma=321,
        state_at=datetime.fromtimestamp(1_780_000_000, UTC),
    )


def test_a_comment_becomes_a_document_under_its_posts_title() -> None:
    document = comment()

    assert (document.reddit_id, document.kind, document.post_id) == ("t1_n0abcd", "comment", "t3_1abc2d")
    assert (document.title, document.body) == ("Which CRM for a bakery?", "I would like to know, too.")
    assert document.score == -2
    assert document.url.endswith("/which_crm_for_a_bakery/n0abcd/")
    assert (document.upvote_ratio, document.over_18, document.subreddit_subscribers) == (None, None, None)


def test_a_comments_own_text_is_its_body_and_a_posts_its_title_and_body() -> None:
    assert comment().own_text == "I would like to know, too."
    assert post().own_text == "Which CRM for a bakery?\n\nWe sell cakes."
    assert own_texts(to_frame([comment(), post()])) == [comment().own_text, post().own_text]


def test_the_hash_is_of_the_text_alone() -> None:
    assert post().text_hash == post(id="zz9", name="t3_zz9", score=1, author="eve", subreddit="x").text_hash
    assert post().text_hash != post(selftext="We sell bread.").text_hash
    assert post().text_hash != post(title="Which CRM?").text_hash


# --- ids -------------------------------------------------------------------------------------------------------------


def test_the_id_follows_from_the_name() -> None:
    assert post(id=...).reddit_id == "t3_1abc2d"
    assert post(id="other").reddit_id == "t3_1abc2d"


@pytest.mark.parametrize("name", [..., None, "", "1abc2d", "t3_", "t3_UPPER", "t3_a b", "t3_a\n", 7, []])
def test_without_a_usable_name_the_id_follows_from_id_and_shape(name: Any) -> None:
    assert post(name=name).reddit_id == "t3_1abc2d"
    assert comment(name=name).reddit_id == "t1_n0abcd"


@pytest.mark.parametrize("unusable", [..., None, "", " ", "UPPER", "a b", "a-b", "é", "1" * 14, "a\n", "a\x00", [], {}])
def test_an_object_without_a_usable_id_is_malformed(unusable: Any) -> None:
    with pytest.raises(MalformedDocument, match="no usable id"):
        post(id=unusable, name=unusable)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1.5, True, False, -1])
def test_a_number_that_is_no_id_is_malformed(number: float) -> None:
    with pytest.raises(MalformedDocument):
        post(id=number, name=...)


def test_an_empty_object_is_malformed() -> None:
    with pytest.raises(MalformedDocument):
        from_reddit({}, "archive")


def test_an_id_is_all_that_a_document_needs() -> None:
    document = from_reddit({"id": "a"}, "archive")

    assert (document.reddit_id, document.title, document.body, document.subreddit) == ("t3_a", "", "", "")
    assert document.url == "https://www.reddit.com/comments/a/"


# --- what is not known -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", sorted(set(POST) - {"id", "name"}))
@pytest.mark.parametrize("nothing", [None, ...])
def test_a_field_of_a_post_that_is_null_or_missing_is_unknown_and_the_others_stay(field: str, nothing: Any) -> None:
    named = {"selftext": "body", "author_fullname": "author_id", "created_utc": "created_at", "permalink": "url"}
    known, document = post(), post(**{field: nothing})
    name = named.get(field, field)
    changed = {} if field == "url" else {name: None}
    if name in {"title", "body", "subreddit"}:
        changed = {name: ""}
    if field == "permalink":
        changed = {name: "https://www.reddit.com/comments/1abc2d/"}
    if field == "author":
        changed |= {"author_karma": None, "author_left": nothing is None}  # Reddit empties the name of who left
    if field == "created_utc":
        changed["state_at"] = None

    assert document == replace(known, **changed)


@pytest.mark.parametrize("field", sorted(set(COMMENT) - {"id", "name"}))
def test_a_comment_may_have_null_in_any_field(field: str) -> None:
    assert comment(**{field: None}).reddit_id == "t1_n0abcd"


def test_a_comment_without_post_and_link_still_has_a_url_on_reddit() -> None:
    assert comment(permalink=None).url == "https://www.reddit.com/comments/1abc2d/_/n0abcd/"
    assert comment(permalink=None, link_id=None).url == "https://www.reddit.com/api/info?id=t1_n0abcd"
    assert comment(link_id="javascript:x").post_id is None


@pytest.mark.parametrize("author", ["[deleted]", "[removed]", "[deleted by user]", "", "  ", None, 7, ["ada"], "\x00"])
def test_a_deleted_author_is_kept_as_unknown_and_so_is_the_karma(author: Any) -> None:
    document = post(author=author)

    assert document.author is None
    assert document.author_karma is None
    assert document.title == "Which CRM for a bakery?"


@pytest.mark.parametrize("gone", ["[deleted]", "[removed]", "[deleted by user]", " [removed]\n"])
def test_a_deleted_text_is_empty(gone: str) -> None:
    assert post(selftext=gone).body == ""
    assert post(title=gone).title == ""
    assert comment(body=gone).body == ""


def test_a_text_that_mentions_a_removal_stays() -> None:
    assert post(selftext="My post was [removed]").body == "My post was [removed]"


@pytest.mark.parametrize("field", MEASURES)
@pytest.mark.parametrize(
    "odd",
    [
        *(True, False, "many", "", " ", [], [5], {}, {"value": 5}),
        *(math.nan, math.inf, -math.inf, "nan", "inf", "-Infinity", "1e999", 2.0**60),
        pytest.param(10**400, id="401 digits"),
        pytest.param("9" * 5_000, id="5,000 digits as text"),
    ],
)
def test_what_is_no_number_is_an_unknown_measure(field: str, odd: Any) -> None:
    assert getattr(post(**{field: odd}), field) is None


@pytest.mark.parametrize("field", [name for name in MEASURES if name != "upvote_ratio"])
@pytest.mark.parametrize(("given", "number"), [("42", 42), (" 42 ", 42), (42.0, 42), ("-3", -3), (0, 0), ("0", 0)])
def test_a_whole_number_may_be_written_as_text(field: str, given: Any, number: int) -> None:
    found = getattr(post(**{field: given}), field)

    assert found == number
    assert type(found) is int


@pytest.mark.parametrize(("given", "share"), [(0, 0.0), (1, 1.0), (0.5, 0.5), ("0.97", 0.97), ("1", 1.0)])
def test_an_upvote_ratio_is_a_share(given: Any, share: float) -> None:
    assert post(upvote_ratio=given).upvote_ratio == share


@pytest.mark.parametrize("outside", [-0.01, 1.01, 97, "97", -1])
def test_an_upvote_ratio_outside_of_nought_to_one_is_unknown(outside: Any) -> None:
    assert post(upvote_ratio=outside).upvote_ratio is None


@pytest.mark.parametrize("odd", [None, 0, 1, "true", "false", "", [], 1.0])
def test_only_true_and_false_say_whether_a_document_is_for_adults(odd: Any) -> None:
    assert post(over_18=odd).over_18 is None
    assert post(over_18=True).over_18 is True
    assert post(over_18=False).over_18 is False


@pytest.mark.parametrize("seconds", [1_780_000_000, 1_780_000_000.0, "1780000000", "1780000000.0"])
def test_a_date_is_seconds_as_number_or_text(seconds: Any) -> None:
    assert post(created_utc=seconds).created_at == datetime.fromtimestamp(1_780_000_000, UTC)


@pytest.mark.parametrize(
    "odd",
    [
        *(None, True, "2026-05", "28 May", "", 0, -1, 1_104_537_599, 4_102_444_800, 10**14, 10**30),
        *(math.nan, math.inf, -math.inf, "NaN", "inf", [], {}),
        pytest.param(10**400, id="401 digits"),
    ],
)
def test_a_date_that_cannot_be_is_unknown(odd: Any) -> None:
    assert post(created_utc=odd).created_at is None


@pytest.mark.parametrize("seconds", [1_104_537_600, 4_102_444_799])
def test_the_first_and_the_last_possible_date_are_dates(seconds: int) -> None:
    assert post(created_utc=seconds).created_at == datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize("odd", ["t5_", "2qh33", "t2_2qh33", "t5_2QH33", "t5_2qh33 ", 5, None, "t5_" + "a" * 14])
def test_a_fullname_of_another_shape_is_unknown(odd: Any) -> None:
    assert post(subreddit_id=odd).subreddit_id is None


# --- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("a\x00b", "ab"),
        ("a\x1b[31mb", "a[31mb"),
        ("a\x07\x08\x0b\x0c\x7f\x9bb", "ab"),
        ("a\ud800b\udfff", "ab"),
        ("a\nb\tc", "a\nb\tc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("  a  \n", "a"),
        ("&amp; &lt;b&gt; &quot;x&quot; &#39;y&#39;", "& <b> \"x\" 'y'"),
        ("&#0;a&#1;&#27;[0m&#xD800;b", "�a[0m�b"),
        ("&amp;amp;", "&"),  # Reddit escapes what its author wrote, and Markdown shows an entity as its character
        ("fish & chips", "fish & chips"),
        ("👩‍🍳 ñ 漢字 \u202eabc", "👩‍🍳 ñ 漢字 \u202eabc"),
    ],
)
def test_a_text_is_freed_of_what_is_no_text(written: str, cleaned: str) -> None:
    assert post(selftext=written).body == cleaned
    assert post(title=written).title == cleaned
    assert comment(body=written).body == cleaned


@pytest.mark.parametrize("odd", [None, 7, 7.5, True, [], ["text"], {"text": 1}, b"bytes"])
def test_what_is_no_text_is_empty(odd: Any) -> None:
    assert post(selftext=odd).body == ""
    assert post(title=odd).title == ""
    assert post(subreddit=odd).subreddit == ""
    assert clean(odd, 10) == ""


@pytest.mark.parametrize("unit", ["x", "word ", "&amp;", "&#x27;", "漢", "🙂", "a\x00"])
def test_a_megabyte_of_text_is_cut_to_what_reddit_allows(unit: str) -> None:
    document = post(title=unit * (2**20 // len(unit)), selftext=unit * (2**20 // len(unit)))

    assert MAX_BODY_CHARACTERS == 40_000
    assert MAX_BODY_CHARACTERS - 1 <= len(document.body) <= MAX_BODY_CHARACTERS
    assert MAX_TITLE_CHARACTERS - 1 <= len(document.title) <= MAX_TITLE_CHARACTERS


@pytest.mark.parametrize("length", [39_999, 40_000])
def test_a_text_as_long_as_reddit_allows_stays_whole(length: int) -> None:
    assert post(selftext="x" * length).body == "x" * length


def test_a_cut_text_does_not_end_in_white_space() -> None:
    assert post(title="x" * 299 + "  y").title == "x" * 299


# --- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "permalink",
    [
        "/r/sales/comments/1abc2d/x/",
        "https://www.reddit.com/r/sales/comments/1abc2d/x/",
        "http://reddit.com/r/sales/comments/1abc2d/x/",
        "https://old.reddit.com/r/sales/comments/1abc2d/x/",
    ],
)
def test_a_link_on_reddit_becomes_the_url(permalink: str) -> None:
    assert post(permalink=permalink).url == "https://www.reddit.com/r/sales/comments/1abc2d/x/"


def test_a_link_to_a_profile_post_becomes_the_url() -> None:
    assert post(permalink="/user/ada/comments/1/x/").url == "https://www.reddit.com/user/ada/comments/1/x/"


@pytest.mark.parametrize(
    "permalink",
    [
        "javascript:alert(1)",
        "JavaScript:/r/x/",
        "data:text/html,/r/x/",
        "https://evil.example/r/sales/comments/1abc2d/x/",
        "//evil.example/r/x/",
        "https://reddit.com.evil.example/r/x/",
        "https://www.reddit.com@evil.example/r/x/",
        "https://evil.example/?https://www.reddit.com/r/x/",
        "https://wwwxreddit.com/r/x/",
        "ftp://www.reddit.com/r/x/",
        "@evil.example/r/x/",
        ".evil.example/r/x/",
        '/r/x/" onclick="alert(1)',
        "/r/x/<script>",
        "/r/x/ y",
        "/r/x/\njavascript:alert(1)",
        "/r/x/?next=https://evil.example",
        "/r/x/#fragment",
        "/r/x/\x00",
        "/r/x/\ud800",
        "/settings/",
        "/r/" + "x" * 400,
        "",
        7,
        ["/r/x/"],
    ],
)
def test_a_hostile_link_never_becomes_the_url(permalink: Any) -> None:
    assert post(permalink=permalink).url == "https://www.reddit.com/comments/1abc2d/"
    assert comment(permalink=permalink).url == "https://www.reddit.com/comments/1abc2d/_/n0abcd/"


def test_the_link_that_a_post_is_about_is_not_its_url() -> None:
    assert "elsewhere" not in post().url


# --- several documents -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "name"),
    [("r/sales", "sales"), ("/u/Sales/", "Sales"), ("https://www.reddit.com/user/sales", "sales"), ("u_ada", "u_ada")],
)
def test_names_are_read_without_what_is_written_around_them(written: str, name: str) -> None:
    document = post(subreddit=written, author=written)
    assert (document.subreddit, document.author) == (name, name)


@pytest.mark.parametrize("fullname", ["t3_1abc2d", "t1_1abc2d"])
def test_a_fullname_may_stand_in_place_of_the_id(fullname: str) -> None:
    assert from_reddit({"id": fullname, "title": "CRM"}, "archive").reddit_id == fullname


@pytest.mark.parametrize("author", ["AutoModerator", "u/AutoModerator", " /user/automoderator"])
def test_automoderator_is_known_with_and_without_a_prefix(author: str) -> None:
    assert automation_of({"author": author}) == "automoderator"


def matched(document: Document, *keywords: str) -> Document:
    return replace(document, matched_keywords=keywords)


@pytest.mark.parametrize("moment", [1_300_000_000_000, "1300000000000", 1_300_000_000_000_000])
def test_a_date_in_smaller_units_is_read(moment: Any) -> None:
    assert post(created_utc=moment).created_at == datetime.fromtimestamp(1_300_000_000, UTC)


@pytest.mark.parametrize(
    "text", ["2011-03-01T10:00:00Z", "2011-03-01 10:00:00", "2011-03-01T12:00:00+02:00", "2011-03-01 10:00:00 UTC"]
)
def test_a_date_as_iso_text_is_read(text: str) -> None:
    assert post(created_utc=text).created_at == datetime(2011, 3, 1, 10, tzinfo=UTC)


def test_what_is_neither_post_nor_comment_is_no_document() -> None:
    with pytest.raises(MalformedDocument):
        post(name="t5_2qh33")


def test_the_newest_state_counts_by_the_times_that_are_told_else_by_order() -> None:
    edited = matched(post(selftext="New text.", edited=1_780_009_999), "crm")
    before = matched(post(), "crm", "bakery")

    assert merge_repeats([edited, before]) == merge_repeats([before, edited]) == [edited]
    assert merge_repeats([before, matched(post(selftext="Another."), "cake")])[0].body == "Another."


def test_repeats_are_merged_into_the_newest_one_with_the_keywords_of_all() -> None:
    first, last = matched(post(score=1), "crm", "bakery"), matched(post(score=9), "crm", "cake")

    assert merge_repeats([first, last]) == [matched(post(score=9), "crm", "bakery", "cake")]


def test_three_repeats_with_others_between_become_one() -> None:
    other = matched(comment(), "know")
    repeats = [matched(post(score=number), f"k{number}") for number in range(3)]

    merged = merge_repeats([repeats[0], other, repeats[1], repeats[2]])

    assert merged == [matched(post(score=2), "k0", "k1", "k2"), other]


def test_a_post_and_a_comment_of_one_number_are_two_documents() -> None:
    documents = [post(id="a", name="t3_a"), comment(id="a", name="t1_a")]

    assert merge_repeats(documents) == documents
    assert merge_repeats([]) == []


def test_a_frame_has_a_column_for_each_field_and_the_text_hash() -> None:
    frame = to_frame([post(), comment()])

    assert tuple(frame.columns) == DOCUMENT_COLUMNS == (*(field.name for field in fields(Document)), "text_hash")
    assert frame["text_hash"].tolist() == [post().text_hash, comment().text_hash]
    assert (frame[[*MEASURES]].dtypes == "float64").all()
    assert frame["upvote_ratio"].isna().tolist() == [False, True]


def test_an_empty_frame_has_the_columns_and_types_of_a_full_one() -> None:
    empty, full = to_frame([]), to_frame([post()])

    assert tuple(empty.columns) == DOCUMENT_COLUMNS
    for column in (*MEASURES, "over_18"):
        assert empty[column].dtype == full[column].dtype
    assert isinstance(empty["created_at"].dtype, pd.DatetimeTZDtype)
    assert to_rows(empty) == []


def test_rows_of_a_frame_are_the_documents_again() -> None:
    documents = [post(), comment(), post(id="b", name="t3_b", score=None, created_utc=None, over_18=None)]
    documents = [matched(document, "crm", "cake") for document in documents]

    rows = to_rows(to_frame(documents))

    assert [Document(**{key: row[key] for key in DOCUMENT_COLUMNS if key != "text_hash"}) for row in rows] == documents


def test_rows_have_integers_and_none() -> None:
    known, unknown = to_rows(to_frame([post(), from_reddit({"id": "b"}, "archive")]))

    for name in set(MEASURES) - {"upvote_ratio"}:
        assert type(known[name]) is int
    assert type(known["upvote_ratio"]) is float
    assert known["over_18"] is False
    for name in (*MEASURES, "over_18", "created_at", "author", "author_id", "subreddit_id"):
        assert unknown[name] is None


def test_a_row_has_no_nan_whatever_it_was_read_from() -> None:
    frame = pd.DataFrame({"score": [1.0, math.nan], "keyword_hits": [2.0, math.nan], "gate": ["nsfw", None]})
    frame["posted_at"] = pd.to_datetime([None, "2026-01-01"], utc=True)

    rows = to_rows(frame)

    assert rows[0] == {"score": 1, "keyword_hits": 2, "gate": "nsfw", "posted_at": None}
    assert rows[1] == {
        "score": None,
        "keyword_hits": None,
        "gate": None,
        "posted_at": pd.Timestamp("2026-01-01", tz="UTC"),
    }


def test_a_frame_read_back_from_a_table_gets_the_types_that_gates_expect() -> None:
    read = pd.DataFrame({"score": [3, None], "over_18": [None, True], "created_at": [datetime(2026, 1, 1), None]})

    frame = typed(read.astype(object))

    assert frame["score"].dtype == "float64"
    assert frame["over_18"].dtype == "boolean"
    assert frame["created_at"].dt.tz is not None


# --- laws ------------------------------------------------------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(st.characters(categories=["Cs"]))
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
field_names = sorted({*POST, *COMMENT})
likely = st.sampled_from(["t3_a", "t1_b", "a", "b1", "[deleted]", "/r/x/", "&#0;", "\x00", "&amp;", "1e5", "١٢"])
reddit_objects = st.dictionaries(st.sampled_from(field_names) | st.text(), json_values | likely, max_size=12)


@given(reddit_objects)
def test_any_object_is_a_document_or_malformed_and_nothing_else(thing: dict[str, Any]) -> None:
    try:
        document = from_reddit(thing, "archive")
    except MalformedDocument:
        return

    for text in (document.reddit_id, document.title, document.body, document.subreddit, document.url):
        assert "\x00" not in text
        text.encode("utf-8")
    for text in (document.author, document.author_id, document.subreddit_id, document.post_id):
        assert text is None or (text and "\x00" not in text and text.encode("utf-8"))
    assert document.url.startswith("https://www.reddit.com/")
    assert len(document.title) <= MAX_TITLE_CHARACTERS
    assert len(document.body) <= MAX_BODY_CHARACTERS
    assert document.kind == {"t1_": "comment", "t3_": "post"}[document.reddit_id[:3]]
    assert document.upvote_ratio is None or 0 <= document.upvote_ratio <= 1


@given(st.lists(reddit_objects.map(lambda thing: thing | {"name": "t3_a"}), max_size=3))
def test_any_documents_survive_the_way_through_a_frame(things: list[dict[str, Any]]) -> None:
    documents = [from_reddit(thing, "archive") for thing in things]

    rows = to_rows(to_frame(documents))

    assert [Document(**{key: row[key] for key in DOCUMENT_COLUMNS if key != "text_hash"}) for row in rows] == documents


@given(st.text() | st.text(st.characters(categories=["Cs", "Cc", "L"])))
def test_cleaning_a_clean_text_changes_nothing_but_entities(text: str) -> None:
    once = clean(text.replace("&", ""), 100)

    assert clean(once, 100) == once


@pytest.mark.parametrize(
    ("text", "fullname"),
    [
        ("t3_1abc", "t3_1abc"),
        ("t1_xyz", "t1_xyz"),
        ("1abc", "t3_1abc"),
        ("https://redd.it/1abc", "t3_1abc"),
        ("https://www.reddit.com/r/sales/comments/1abc/a_title/", "t3_1abc"),
        ("https://www.reddit.com/r/sales/comments/1abc", "t3_1abc"),
        ("https://old.reddit.com/comments/1abc/_/xyz/?context=3", "t1_xyz"),
        ("/r/sales/comments/1abc/a_title/xyz", "t1_xyz"),
        ("no such thing!", "no such thing!"),
        ("", ""),
    ],
)
def test_a_fullname_is_found_in_what_people_paste(text: str, fullname: str) -> None:
    assert fullname_in(text) == fullname
