"""What no person wrote to be answered: advertisements, AutoModerator's posts and bots'. One rule for every source."""

import re
from collections.abc import Mapping
from typing import Literal

from lead_assets.domain.reddit_names import bare_name

Automation = Literal["advertisements", "automoderator", "bots"]
AUTOMATIONS: tuple[Automation, ...] = ("advertisements", "automoderator", "bots")

_BOT_TEXT = re.compile(
    # At the beginning of a sentence: "people think I am a bot" is a person's.
    # Possessive and bounded: what is tried at each of many marks costs no more than what stands there.
    r"(?:^|[\n.!?|(\[*^_~>])[ \t*^_~>(\[]{0,80}+(?:hi|hello|beep boop)?[,.!]?[ \t]{0,80}+"
    r"i(?: am|[\'’]m)[ ^]{1,7}(?:just )?a bot"
    r"(?=[ \t*^_~]{0,80}+(?:$|[\n,.;!|)\]]|and\b|that\b|made\b|created\b|bleep\b|beep\b))",
    re.IGNORECASE,
)
_MOST_LOOKED_AT = 2_000
"""Bots introduce themselves in the first lines or in the last."""


def automation_of(thing: Mapping[str, object]) -> Automation | None:
    """Which kind of automation made a Reddit object; None where a person seems to have written it."""
    if any(thing.get(flag) is True for flag in ("promoted", "is_created_from_ads_ui")):
        return "advertisements"
    author = thing.get("author")
    if isinstance(author, str) and bare_name(author).casefold() == "automoderator":
        return "automoderator"
    return "bots" if any(_says_bot(thing.get(name)) for name in ("selftext", "body")) else None


def _says_bot(text: object) -> bool:
    if not isinstance(text, str):
        return False
    is_long = len(text) > 2 * _MOST_LOOKED_AT
    ends = f"{text[:_MOST_LOOKED_AT]}\n{text[-_MOST_LOOKED_AT:]}" if is_long else text
    return "bot" in ends.lower() and _BOT_TEXT.search(ends.replace("&gt;", ">").replace("&#39;", "'")) is not None
