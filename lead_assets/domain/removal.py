"""Whether a Reddit object was taken down: one rule for every source and for the sweep.

Sources tell it in different ways: Reddit's API by ``removed_by_category`` and placeholder texts, archives also by
``_meta`` (``was_deleted_later``, ``removal_type``), which their maker adds when an object is fetched again.
"""

from collections.abc import Mapping
from typing import cast

_PLACEHOLDERS = frozenset({"[deleted]", "[removed]", "[deleted by user]"})
_REMOVED_BY = "[ removed by "
"""How Reddit's newer placeholders begin: ``[ Removed by moderator ]``, ``[ Removed by Reddit ]``."""
_LONGEST_PLACEHOLDER = 200
_TEXTS = ("title", "selftext", "body")


def is_placeholder(text: object) -> bool:
    """Whether ``text`` stands where Reddit has taken a text (or a name) away."""
    if not isinstance(text, str) or len(text) > _LONGEST_PLACEHOLDER:
        return False
    folded = text.strip().casefold()
    return folded in _PLACEHOLDERS or (folded.startswith(_REMOVED_BY) and folded.endswith("]"))


def has_gone_since(thing: Mapping[str, object]) -> bool:
    """Whether an archive has noted that it was taken down after the state that it shows."""
    meta = thing.get("_meta")
    noted: Mapping[str, object] = cast("Mapping[str, object]", meta) if isinstance(meta, Mapping) else {}
    return bool(noted.get("was_deleted_later") or noted.get("removal_type"))


def is_gone(thing: Mapping[str, object]) -> bool:
    """Whether its author deleted it, or a moderator or Reddit removed it."""
    return (
        has_gone_since(thing)
        or bool(thing.get("removed_by_category"))
        or any(is_placeholder(thing.get(name)) for name in _TEXTS)
    )


def author_left(thing: Mapping[str, object]) -> bool:
    """Whether its author has deleted the account, which empties the name and leaves the text."""
    author = thing.get("author")
    return author is None or is_placeholder(author)
