"""Reposts: documents that say the same as an earlier one, by equality of normalised texts."""

import pandas as pd

MIN_SHARED_CHARACTERS = 80
"""Texts of different or unknown authors are one only from so many characters on (about 15 English words; characters,
because not all scripts part words): two people may both ask "What CRM do you use?"."""
MIN_OWN_CHARACTERS = 15
"""Texts of one author are one from so many characters on."""
MIN_BODY_CHARACTERS = 120
"""Posts of one author with different titles are one where they share a body of so many characters."""


def find_reposts(frame: pd.DataFrame) -> pd.Series:
    """For each document the id of the earlier one that it repeats, else None; indexed as ``frame``.

    ``frame`` has ``reddit_id``, ``author`` (None where unknown) and, of the ``text_features``, ``title_key``,
    ``body_key``, ``characters`` and ``body_characters``; the preferred document of a group comes first (the caller
    sorts). Two are the same when they differ only in case, punctuation, white space and cross-post notes and are long
    enough not to agree by accident (shorter ones count for one author); posts of one author are also the same where
    they share a long body.
    """
    columns = ("reddit_id", "author", "title_key", "body_key", "characters", "body_characters")
    first: dict[tuple[str, str, str], str] = {}
    found: list[str | None] = []
    for fullname, author, *text in zip(*(frame[name].tolist() for name in columns), strict=True):
        keys = _identities(author if isinstance(author, str) else "", *text)
        canonical = next((first[key] for key in keys if key in first), fullname)
        for key in keys:
            first.setdefault(key, canonical)
        found.append(None if canonical == fullname else canonical)
    return pd.Series(found, index=frame.index, dtype=object, name="duplicate_of")


def _identities(
    author: str, title: str, body: str, characters: int, body_characters: int
) -> list[tuple[str, str, str]]:
    """What makes a document the same as another: any of these in common."""
    keys: list[tuple[str, str, str]] = []
    if characters >= MIN_SHARED_CHARACTERS:
        keys.append(("", title, body))
    if author and characters >= MIN_OWN_CHARACTERS:
        keys.append((author, title, body))
    if author and body_characters >= MIN_BODY_CHARACTERS:
        keys.append((author, "", body))
    return keys
