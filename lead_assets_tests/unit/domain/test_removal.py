"""One rule for what was taken down, whichever way a source tells it."""

from typing import Any

import pytest

from lead_assets.domain.removal import author_left, is_gone

ALIVE = {"title": "Which CRM?", "selftext": "I need one.", "author": "ada", "removed_by_category": None}


@pytest.mark.parametrize(
    "told",
    [
        {"removed_by_category": "moderator"},
        {"removed_by_category": "deleted"},
        {"selftext": "[removed]"},
        {"selftext": " [deleted]\n"},
        {"selftext": "[Deleted by user]"},
        {"title": "[ Removed by moderator ]"},
        {"title": "[ Removed by Reddit ]", "selftext": ""},
        {"selftext": "[Removed by Reddit]"},
        {"selftext": "[removed by moderator]"},
        {"selftext": "[ deleted ]"},
        {"selftext": "[ Deleted by user ]"},
        {"selftext": "\\[removed\\]"},
        {"selftext": "[deleted]\u200b"},
        {"selftext": "&amp;#91;removed&amp;#93;"},
        {"_meta": {"was_deleted_later": "true"}},
        {"_meta": {"was_deleted_later": True}},
        {"_meta": {"removal_type": "moderator"}},
        {"title": None, "selftext": None, "body": "[removed]"},
    ],
)
def test_what_was_taken_down_is_gone(told: dict[str, Any]) -> None:
    assert is_gone(ALIVE | told)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"removal_reason": "legal"},
        {"_meta": {"was_deleted_later": False, "removal_type": None}},
        {"_meta": {"was_deleted_later": "false", "removal_type": "None"}},
        {"removed_by_category": "null"},
        {"selftext": "[removed] or [deleted]"},
        {"selftext": "[removed too soon]"},
        {"selftext": "&#91;removed"},
        {"_meta": "removed"},
        {"selftext": ""},
        {"selftext": "My post said [removed] and I do not know why."},
        {"selftext": "[ Removed by ] is how it begins"},
        {"author": "[deleted]"},
    ],
)
def test_what_only_looks_like_it_stays(told: dict[str, Any]) -> None:
    assert not is_gone(ALIVE | told)


@pytest.mark.parametrize("author", ["[deleted]", "[removed]", "u/[deleted]", None])
def test_an_author_who_left_is_known_by_the_placeholder(author: str | None) -> None:
    assert author_left({"author": author})


def test_an_author_with_a_name_is_there() -> None:
    assert not author_left({"author": "ada"})


@pytest.mark.parametrize("thing", [{}, {"author": ""}, {"author": 7}])
def test_an_author_who_is_not_told_is_unknown(thing: dict[str, Any]) -> None:
    assert not author_left(thing)
