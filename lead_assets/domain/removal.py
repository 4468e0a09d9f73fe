"""Whether a Reddit object was taken down: one rule for every source and for the sweep.

Sources tell it in different ways: Reddit's API by ``removed_by_category`` and placeholder texts, archives also by
``_meta`` (``was_deleted_later``, ``removal_type``), which their maker adds when an object is fetched again.
"""

from collections.abc import Mapping
from typing import cast

from lead_assets.domain.plain_text import unescaped
from lead_assets.domain.reddit_names import bare_name

_PLACEHOLDERS = frozenset({"deleted", "removed", "deleted by user"})
_REMOVED_BY = "removed by "
"""How what stands in the brackets of Reddit's newer placeholders begins: ``[ Removed by moderator ]``."""
_NOT_SEEN = str.maketrans("", "", "\\\u200b\u200c\u200d\u2060\ufeff")
"""What stands around brackets in Markdown, and characters without a width."""
_SAID_AS_NO = frozenset({"", "false", "no", "none", "null", "0"})
_LONGEST_PLACEHOLDER = 200
_TEXTS = ("title", "selftext", "body")


def is_placeholder(text: object) -> bool:
    """Whether ``text`` stands where Reddit has taken a text (or a name) away."""
    if not isinstance(text, str) or len(text) > _LONGEST_PLACEHOLDER or not ("[" in text or "&" in text):
        return False
    plain = unescaped(text).translate(_NOT_SEEN).strip()
    if not (plain.startswith("[") and plain.find("]") == len(plain) - 1):
        return False
    words = " ".join(plain[1:-1].casefold().split())
    return words in _PLACEHOLDERS or words.startswith(_REMOVED_BY)


def _is_said(value: object) -> bool:
    """Whether a flag is set; some archives write flags as text."""
    return bool(value) and not (isinstance(value, str) and value.strip().casefold() in _SAID_AS_NO)


def has_gone_since(thing: Mapping[str, object]) -> bool:
    """Whether an archive has noted that it was taken down after the state that it shows."""
    meta = thing.get("_meta")
    noted: Mapping[str, object] = cast("Mapping[str, object]", meta) if isinstance(meta, Mapping) else {}
    return _is_said(noted.get("was_deleted_later")) or _is_said(noted.get("removal_type"))


def is_gone(thing: Mapping[str, object]) -> bool:
    """Whether its author deleted it, or a moderator or Reddit removed it."""
    if _is_said(thing.get("removed_by_category")) or has_gone_since(thing):
        return True
    for name in _TEXTS:  # noqa: SIM110  asked of every record of an archive: a generator costs as much as the answer
        if is_placeholder(thing.get(name)):
            return True
    return False


def author_left(thing: Mapping[str, object]) -> bool:
    """Whether its author has deleted the account, which empties the name and leaves the text."""
    author = thing.get("author", "")  # one that is not told at all is unknown
    return author is None or (isinstance(author, str) and is_placeholder(bare_name(author)))
