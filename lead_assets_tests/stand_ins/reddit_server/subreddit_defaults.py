"""The fields of a subreddit (t5) that its maker left out."""

from collections.abc import Mapping
from typing import Any

from lead_assets_tests.stand_ins.reddit_server.defaults import Thing, fresh, fullname, identity

_SUBREDDIT: Thing = {
    "accounts_active": None,
    "accounts_active_is_fuzzed": False,
    "active_user_count": None,
    "advertiser_category": "",
    "all_original_content": False,
    "allow_discovery": True,
    "allow_galleries": True,
    "allow_images": True,
    "allow_polls": True,
    "allow_videogifs": True,
    "allow_videos": True,
    "banner_background_color": "",
    "banner_background_image": "",
    "banner_img": "",
    "banner_size": None,
    "can_assign_link_flair": False,
    "can_assign_user_flair": False,
    "collapse_deleted_comments": False,
    "comment_score_hide_mins": 0,
    "community_icon": "",
    "created": 1_300_000_000.0,
    "created_utc": 1_300_000_000.0,
    "description": "",
    "description_html": None,
    "disable_contributor_requests": False,
    "emojis_custom_size": None,
    "emojis_enabled": False,
    "free_form_reports": True,
    "has_menu_widget": False,
    "header_img": None,
    "header_size": None,
    "header_title": None,
    "hide_ads": False,
    "icon_img": "",
    "icon_size": None,
    "is_crosspostable_subreddit": True,
    "is_enrolled_in_new_modmail": None,
    "key_color": "",
    "lang": "en",
    "link_flair_enabled": False,
    "link_flair_position": "",
    "mobile_banner_image": "",
    "notification_level": None,
    "original_content_tag_enabled": False,
    "over18": False,
    "primary_color": "",
    "public_description": "",
    "public_description_html": None,
    "public_traffic": False,
    "quarantine": False,
    "restrict_commenting": False,
    "restrict_posting": True,
    "show_media": True,
    "show_media_preview": True,
    "spoilers_enabled": True,
    "submission_type": "any",
    "submit_link_label": "",
    "submit_text": "",
    "submit_text_html": None,
    "submit_text_label": "",
    "subreddit_type": "public",
    "subscribers": 10_000,
    "suggested_comment_sort": None,
    "user_can_flair_in_sr": None,
    "user_flair_background_color": None,
    "user_flair_css_class": None,
    "user_flair_enabled_in_sr": False,
    "user_flair_position": "right",
    "user_flair_richtext": [],
    "user_flair_template_id": None,
    "user_flair_text": None,
    "user_flair_text_color": None,
    "user_flair_type": "text",
    "user_has_favorited": False,
    "user_is_banned": False,
    "user_is_contributor": False,
    "user_is_moderator": False,
    "user_is_muted": False,
    "user_is_subscriber": False,
    "user_sr_flair_enabled": None,
    "user_sr_theme_enabled": True,
    "whitelist_status": None,
    "wiki_enabled": None,
    "wls": None,
}


def subreddit(given: Mapping[str, Any]) -> Thing:
    """A subreddit with all of its fields; fields given stay as they are, even None."""
    display_name = given.get("display_name") or "test"
    thing_id, name = identity(given, "t5", display_name)
    made = {
        "id": thing_id,
        "name": name,
        "display_name": display_name,
        "display_name_prefixed": f"r/{display_name}",
        "title": display_name,
        "url": f"/r/{display_name}/",
    }
    return fresh(_SUBREDDIT) | made | dict(given)


def subreddit_fullname(display_name: str) -> str:
    """The invented fullname of a subreddit."""
    return fullname("t5", display_name)
