"""A document: one Reddit post or comment, made from a Reddit object of any source.

Everything in a Reddit object is untrusted. What cannot be a value becomes unknown (``None``), never a guess; only an
object without a usable id is malformed.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, cast

from lead_assets.domain.document_text import document_text, text_hash
from lead_assets.domain.plain_text import clean, printable
from lead_assets.domain.reddit_names import bare_name
from lead_assets.domain.removal import author_left, is_placeholder

Kind = Literal["post", "comment"]

MAX_TITLE_CHARACTERS = 300
"""Reddit's own limit of a title."""
MAX_BODY_CHARACTERS = 40_000
"""Reddit's own limit of a self-text; longer texts are cut."""
REDDIT = "https://www.reddit.com"

_FULLNAME = re.compile(r"t[13]_[0-9a-z]{1,13}")
_OTHER_FULLNAME = re.compile(r"t[24568]_[0-9a-z]{1,13}")
_SUBREDDIT_FULLNAME = re.compile(r"t5_[0-9a-z]{1,13}")
_AUTHOR_FULLNAME = re.compile(r"t2_[0-9a-z]{1,13}")
_PERMALINK = re.compile(r"(?:https?://(?:www\.|old\.)?reddit\.com)?(/(?:r|u|user)/[\w./%-]{1,300})")
_ID = re.compile(r"[0-9a-z]{1,13}")
_LINK = re.compile(
    r"redd\.it/(?P<short>[0-9a-z]{1,13})|/comments/(?P<post>[0-9a-z]{1,13})(?:/[^/]*(?:/(?P<comment>[0-9a-z]{1,13}))?)?"
)
_SLUG = re.compile(r"(/comments/\w+/)[^/]+/(?=\w+/?$)")
_EARLIEST, _LATEST = datetime(2005, 1, 1, tzinfo=UTC).timestamp(), datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_LARGEST = 2**53
_MAY_BE_NUMBER = (int, float, str)
_STATE_TIMES = (
    "retrieved_on",
    "retrieved_utc",
    "retrieved_2nd_on",
    "updated_on",
    "updated_utc",
    "edited",
    "created_utc",
    "created",
)
"""Where Reddit (``edited``, ``created_utc``) and archives say since when an object has been as it is."""


class MalformedDocument(ValueError):
    """A Reddit object that cannot be a document; the message says what is missing."""


@dataclass(frozen=True)
class Document:
    """One post or comment. ``None`` means unknown; texts are clean and never ``None``."""

    reddit_id: str
    kind: Kind
    source: str
    subreddit: str
    subreddit_id: str | None
    author: str | None
    author_id: str | None
    title: str
    body: str
    url: str
    post_id: str | None
    created_at: datetime | None
    score: int | None
    upvote_ratio: float | None
    over_18: bool | None
    num_comments: int | None
    subreddit_subscribers: int | None
    subreddit_hot_posts: int | None
    author_karma: int | None
    matched_keywords: tuple[str, ...] = ()
    author_left: bool = False
    """Its author's account is deleted: nobody is there to be answered, so that it is never a lead."""
    state_at: datetime | None = None
    """Since when it has been as it is here, at the earliest: of two states of a document the later one counts."""

    @property
    def own_text(self) -> str:
        """What its author wrote: keywords are matched against this. A comment's title is its post's."""
        return own_text_of(self.kind, self.title, self.body)

    @property
    def own_title(self) -> str:
        """The title that its author wrote: a comment has none."""
        return "" if self.kind == "comment" else self.title

    @property
    def text_hash(self) -> str:
        """Hash of the text that is indexed, embedded and read."""
        return text_hash(document_text(self.title, self.body))


def from_reddit(thing: Mapping[str, object], source: str) -> Document:
    """The document in a Reddit object (a post's or a comment's ``data``).

    Raises:
        MalformedDocument: it has no id from which a fullname follows.
    """
    reddit_id = _fullname(thing)
    kind: Kind = "comment" if reddit_id.startswith("t1_") else "post"
    title = clean(thing.get("title") if kind == "post" else thing.get("link_title"), MAX_TITLE_CHARACTERS)
    body = clean(thing.get("selftext") if kind == "post" else thing.get("body"), MAX_BODY_CHARACTERS)
    author = bare_name(clean(thing.get("author"), 64))
    created_at = read_time(thing.get("created_utc")) or read_time(thing.get("created"))
    return Document(
        reddit_id=reddit_id,
        kind=kind,
        source=source,
        subreddit=bare_name(clean(thing.get("subreddit"), 64)),
        subreddit_id=_match(_SUBREDDIT_FULLNAME, thing.get("subreddit_id")),
        author=None if not author or is_placeholder(author) else author,
        author_id=_match(_AUTHOR_FULLNAME, thing.get("author_fullname")),
        title="" if is_placeholder(title) else title,
        body="" if is_placeholder(body) else body,
        url=_url(thing.get("permalink"), reddit_id, _match(_FULLNAME, thing.get("link_id"))),
        post_id=reddit_id if kind == "post" else _match(_FULLNAME, thing.get("link_id")),
        created_at=created_at,
        score=_integer(thing.get("score")),
        upvote_ratio=_share(thing.get("upvote_ratio")),
        over_18=over_18 if isinstance(over_18 := thing.get("over_18"), bool) else None,
        num_comments=_integer(thing.get("num_comments")),
        subreddit_subscribers=_integer(thing.get("subreddit_subscribers")),
        subreddit_hot_posts=_integer(thing.get("subreddit_hot_posts")),
        author_karma=_integer(thing.get("author_karma")) if author and not is_placeholder(author) else None,
        author_left=author_left(thing),
        state_at=state_time(thing),
    )


def own_text_of(kind: str, title: str, body: str) -> str:
    """What the author of a document wrote: a comment's title is its post's."""
    return body if kind == "comment" else document_text(title, body)


def state_time(thing: Mapping[str, object]) -> datetime | None:
    """When the state that a Reddit object shows was seen or made: fetched, edited or posted, whichever is latest."""
    meta = thing.get("_meta")
    noted: Mapping[str, object] = cast("Mapping[str, object]", meta) if isinstance(meta, Mapping) else {}
    told = [each[name] for each in (thing, noted) if each for name in _STATE_TIMES if name in each]
    return max((moment for value in told if (moment := read_time(value))), default=None)


def is_older(state_at: datetime | None, other: datetime | None) -> bool:
    """Whether a state is known to be older than another; of two that do not say, the one that was met last counts."""
    return state_at is not None and other is not None and state_at < other


def merge_repeats(documents: Sequence[Document]) -> list[Document]:
    """``documents`` with each id once, in its newest state; the same text has the matched keywords of all."""
    merged: dict[str, Document] = {}
    for document in documents:
        known = merged.get(document.reddit_id)
        if known is None:
            merged[document.reddit_id] = document
            continue
        newest = known if is_older(document.state_at, known.state_at) else document
        if known.text_hash == document.text_hash:
            united = dict.fromkeys((*known.matched_keywords, *document.matched_keywords))
            newest = replace(newest, matched_keywords=tuple(united))
        merged[document.reddit_id] = newest
    return list(merged.values())


def fullname_of(thing: Mapping[str, object]) -> str | None:
    """The fullname of a post or comment; None where an object has none."""
    name = _match(_FULLNAME, thing.get("name"))
    if name or _match(_OTHER_FULLNAME, thing.get("name")):
        return name
    number = thing.get("id")
    if not isinstance(number, str):
        return None
    if _FULLNAME.fullmatch(number):
        return number
    prefix = "t1_" if "body" in thing and "title" not in thing else "t3_"
    return _match(_FULLNAME, f"{prefix}{number}")


def _fullname(thing: Mapping[str, object]) -> str:
    name = fullname_of(thing)
    if name is None:
        raise MalformedDocument("no usable id or name")
    return name


def _match(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, _MAY_BE_NUMBER):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < _LARGEST else None


def _integer(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _share(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def read_time(value: object) -> datetime | None:
    """A moment since Reddit's beginning: in seconds, in milliseconds, or as ISO text (UTC where it names no zone)."""
    number = _number(value)
    if number is None:
        return _iso_time(value) if isinstance(value, str) else None
    for seconds in (number, number / 1_000, number / 1_000_000):
        if _EARLIEST <= seconds < _LATEST:
            return datetime.fromtimestamp(seconds, UTC)
    return None


def _iso_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip()[:40].removesuffix(" UTC"))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _EARLIEST <= moment.timestamp() < _LATEST else None


def short_url(reddit_id: str, url: str) -> str:
    """A link without the post's title in it: Reddit's own short one of a post, or a comment's without the slug."""
    return f"https://redd.it/{reddit_id[3:]}" if reddit_id.startswith("t3_") else _SLUG.sub(r"\1_/", url)


def is_fullname(text: str) -> bool:
    """Whether it can be the id of a stored document. What cannot is not asked of a database, which may choke on it."""
    return _FULLNAME.fullmatch(text) is not None


def fullname_in(text: str) -> str:
    """The fullname that ``text`` names: a fullname, a post's id, or a link to a post or comment.

    Anything else is ``text`` as it can be shown.
    """
    if match := _LINK.search(text):
        return f"t1_{match['comment']}" if match["comment"] else f"t3_{match['post'] or match['short']}"
    return f"t3_{text}" if _ID.fullmatch(text) else printable(text)


def _url(permalink: object, reddit_id: str, post_id: str | None) -> str:
    """A link that leads to Reddit, whatever the object says."""
    match = _PERMALINK.fullmatch(permalink) if isinstance(permalink, str) else None
    if match:
        return REDDIT + match.group(1)
    if reddit_id.startswith("t3_"):
        return f"{REDDIT}/comments/{reddit_id[3:]}/"
    return f"{REDDIT}/comments/{post_id[3:]}/_/{reddit_id[3:]}/" if post_id else f"{REDDIT}/api/info?id={reddit_id}"
