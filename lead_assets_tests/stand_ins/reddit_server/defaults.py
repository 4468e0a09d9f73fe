"""What a thing says where its maker said nothing: every field that the real API answers, with a plausible value."""

import hashlib
import html
import re
import time
from collections.abc import Mapping
from typing import Any

Thing = dict[str, Any]

_SHARED: Thing = {
    "all_awardings": [],
    "approved_at_utc": None,
    "approved_by": None,
    "archived": False,
    "author_flair_background_color": None,
    "author_flair_css_class": None,
    "author_flair_template_id": None,
    "author_flair_text": None,
    "author_flair_text_color": None,
    "awarders": [],
    "banned_at_utc": None,
    "banned_by": None,
    "can_gild": True,
    "can_mod_post": False,
    "distinguished": None,
    "downs": 0,
    "edited": False,
    "gilded": 0,
    "gildings": {},
    "likes": None,
    "locked": False,
    "mod_note": None,
    "mod_reason_by": None,
    "mod_reason_title": None,
    "mod_reports": [],
    "no_follow": False,
    "num_reports": None,
    "removal_reason": None,
    "report_reasons": None,
    "saved": False,
    "score": 1,
    "send_replies": True,
    "stickied": False,
    "subreddit_type": "public",
    "top_awarded_type": None,
    "total_awards_received": 0,
    "treatment_tags": [],
    "user_reports": [],
}
# Reddit leaves these out where the author is gone.
AUTHOR_FIELDS: Thing = {
    "author_flair_richtext": [],
    "author_flair_type": "text",
    "author_patreon_flair": False,
    "author_premium": False,
}
_POST: Thing = {
    "allow_live_comments": False,
    "category": None,
    "clicked": False,
    "content_categories": None,
    "contest_mode": False,
    "discussion_type": None,
    "hidden": False,
    "hide_score": False,
    "is_crosspostable": True,
    "is_meta": False,
    "is_original_content": False,
    "is_reddit_media_domain": False,
    "is_robot_indexable": True,
    "is_self": True,
    "is_video": False,
    "link_flair_background_color": "",
    "link_flair_css_class": None,
    "link_flair_richtext": [],
    "link_flair_text": None,
    "link_flair_text_color": "dark",
    "link_flair_type": "text",
    "media": None,
    "media_embed": {},
    "media_only": False,
    "num_crossposts": 0,
    "over_18": False,
    "parent_whitelist_status": "all_ads",
    "pinned": False,
    "pwls": 6,
    "quarantine": False,
    "removed_by": None,
    "removed_by_category": None,
    "secure_media": None,
    "secure_media_embed": {},
    "selftext": "",
    "spoiler": False,
    "subreddit_subscribers": 10_000,
    "suggested_sort": None,
    "thumbnail": "self",
    "title": "",
    "upvote_ratio": 0.9,
    "view_count": None,
    "visited": False,
    "whitelist_status": "all_ads",
    "wls": 6,
}
_COMMENT: Thing = {
    "associated_award": None,
    "body": "",
    "collapsed": False,
    "collapsed_because_crowd_control": None,
    "collapsed_reason": None,
    "controversiality": 0,
    "is_submitter": False,
    "score_hidden": False,
}
_EMPTY = ("[deleted]", None)


def fresh(*templates: Thing) -> Thing:
    """The fields of templates, their lists and dicts copied so that no two things share them."""
    made: Thing = {}
    for template in templates:
        made |= template
    return made | {key: value.copy() for key, value in made.items() if isinstance(value, (list, dict))}


def fullname(kind: str, *parts: str) -> str:
    """An invented fullname, always the same for the same parts."""
    digest = hashlib.sha256("/".join(parts).lower().encode()).hexdigest()
    return f"{kind}_z{int(digest[:10], 16):x}"


def identity(thing: Mapping[str, Any], kind: str, *parts: str) -> tuple[str, str]:
    """The id and the fullname of a thing that may have given either, or none."""
    if thing.get("id"):
        return thing["id"], thing.get("name") or f"{kind}_{thing['id']}"
    name = thing.get("name") or fullname(kind, *parts)
    return name.partition("_")[2], name


def post(given: Mapping[str, Any], subreddit_id: str, author_fullname: str) -> Thing:
    """A post with all of its fields; fields given stay as they are, even None."""
    title = given.get("title") or ""
    thing_id, name = identity(given, "t3", "post", title, str(given.get("created_utc")))
    subreddit = given.get("subreddit") or "test"
    permalink = given.get("permalink") or f"/r/{subreddit}/comments/{thing_id}/{slug(title)}/"
    made = {
        "subreddit": subreddit,
        "domain": f"self.{subreddit}",
        "permalink": permalink,
        "url": f"https://www.reddit.com{permalink}",
        "num_comments": 0,
    }
    common = _common(given, thing_id, name, subreddit, subreddit_id, author_fullname)
    return fresh(_SHARED, _POST) | made | common | dict(given)


def comment(given: Mapping[str, Any], parent_post: Mapping[str, Any], subreddit_id: str, author_fullname: str) -> Thing:
    """A comment with all of its fields but ``replies`` and ``depth``, which depend on where it is shown."""
    link_id = given.get("link_id") or parent_post["name"]
    thing_id, name = identity(given, "t1", "comment", link_id, given.get("body") or "", str(given.get("created_utc")))
    subreddit = given.get("subreddit") or parent_post.get("subreddit") or "test"
    thread = parent_post.get("permalink") or f"/r/{subreddit}/comments/{link_id[3:]}/_/"
    made = {
        "subreddit": subreddit,
        "link_id": link_id,
        "parent_id": link_id,
        "permalink": f"{thread}{thing_id}/",
    }
    common = _common(given, thing_id, name, subreddit, subreddit_id, author_fullname)
    thing = fresh(_SHARED, _COMMENT) | made | common | dict(given)
    return {key: value for key, value in thing.items() if key not in ("replies", "depth")}


def _common(
    given: Mapping[str, Any], thing_id: str, name: str, subreddit: str, subreddit_id: str, author_fullname: str
) -> Thing:
    created = given.get("created_utc") or float(int(time.time()))
    author = given.get("author", "somebody")
    made = {
        "id": thing_id,
        "name": name,
        "author": author,
        "created_utc": created,
        "created": float(created),
        "subreddit_id": subreddit_id,
        "subreddit_name_prefixed": f"r/{subreddit}",
    }
    if author in _EMPTY:
        return made
    return made | fresh(AUTHOR_FIELDS) | {"author_fullname": author_fullname}


def redditor(given: Mapping[str, Any]) -> Thing:
    """A redditor as ``/user/x/about`` has it, as far as anything here needs."""
    name = given.get("name") or "somebody"
    made = {
        "id": fullname("t2", name)[3:],
        "name": name,
        "created_utc": 1_500_000_000.0,
        "link_karma": 100,
        "comment_karma": 100,
    }
    return made | dict(given)


def user_data(thing: Mapping[str, Any]) -> Thing:
    """A redditor as ``/api/user_data_by_account_ids`` answers it."""
    made = {
        "name": None,
        "created_utc": None,
        "link_karma": 0,
        "comment_karma": 0,
        "profile_img": "https://www.redditstatic.com/avatars/avatar_default_01_A5A4A4.png",
        "profile_color": "",
        "profile_over_18": False,
    }
    return {key: thing.get(key, value) for key, value in made.items()}


def slug(title: str) -> str:
    """The words of a title as they stand in a permalink."""
    return "_".join(re.findall(r"[a-z0-9]+", title.lower()))[:50].strip("_") or "_"


def post_html(text: str | None) -> str | None:
    """Self-text as Reddit's HTML; None where there is none."""
    return f"<!-- SC_OFF -->{comment_html(text)}<!-- SC_ON -->" if text else None


def comment_html(text: str | None) -> str:
    """A comment's body as Reddit's HTML."""
    paragraphs = (f"<p>{html.escape(part)}</p>\n" for part in (text or "").split("\n\n"))
    return f'<div class="md">{"".join(paragraphs)}</div>'
