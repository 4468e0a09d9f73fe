"""A campaign: what somebody sells, the keywords, and the limits. Its id is the partition key."""

import re
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Annotated, Literal, get_origin

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from lead_assets.domain.document import Document
from lead_assets.domain.gate_catalog import GATES
from lead_assets.domain.keywords import DEFAULT_LANGUAGE, Keyword, KeywordFinder, KeywordMatcher, languages
from lead_assets.domain.notify import Notify
from lead_assets.domain.reddit_names import bare_name

CAMPAIGN_ID = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""Partition keys must also be names of sensors, which allow no hyphen."""
SourceName = Literal["reddit", "arctic_shift", "archive"]

_ANY_DAY = datetime(2026, 1, 1)


def _is_cron(line: str) -> bool:
    """Whether ``line`` is a cron line of five fields that some moment meets."""
    fields = line.split()
    if len(fields) != 5 or line != " ".join(fields):
        return False
    try:
        return next(CronSim(line, _ANY_DAY), None) is not None
    except CronSimError:
        return False


def _is_understood(keyword: str) -> str:
    Keyword(keyword)
    return keyword


def _is_a_language(name: str) -> str:
    if name != DEFAULT_LANGUAGE and name not in languages():
        raise ValueError(
            f"{name!r} is not a language whose word endings are known. Write one of {', '.join(languages())}"
        )
    return name


def _without_prefix(name: object) -> object:
    return bare_name(name) if isinstance(name, str) else name


def _unique(values: list[str]) -> list[str]:
    return list({value.casefold(): value for value in reversed(values)}.values())[::-1]


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
KeywordText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), AfterValidator(_is_understood)
]
RedditName = Annotated[str, BeforeValidator(_without_prefix), StringConstraints(pattern=r"^[\w-]{2,24}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _is_empty_without_a_value(cls, value: object, info: ValidationInfo) -> object:
        """A key without a value, such as ``include:``, is an empty list or mapping where it can be one."""
        if value is not None:
            return value
        kind = cls.model_fields[info.field_name or ""].annotation
        kind = get_origin(kind) or kind
        return [] if kind is list else {} if kind in (dict, Subreddits) else None


class Subreddits(_Part):
    """Where to look; an empty ``include`` means all of Reddit."""

    include: list[RedditName] = []
    exclude: list[RedditName] = []


class Archive(_Part):
    """An archive file, relative to the campaign file, and the day as of which it is judged."""

    path: Text
    as_of: date | None = None


class Campaign(_Part):
    """A validated campaign. ``settings`` are checked when they are laid over the other layers.

    A document must match one of ``keywords`` and each of ``all_of``. ``language`` decides which words are the same but
    for their endings.
    """

    id: Annotated[str, StringConstraints(pattern=rf"^{CAMPAIGN_ID.pattern}$")]
    name: Text
    product: Text
    keywords: Annotated[list[KeywordText], Field(min_length=1, max_length=100), AfterValidator(_unique)]
    all_of: Annotated[list[KeywordText], Field(max_length=100), AfterValidator(_unique)] = []
    negative_keywords: Annotated[list[KeywordText], Field(max_length=100), AfterValidator(_unique)] = []
    language: Annotated[str, StringConstraints(to_lower=True), AfterValidator(_is_a_language)] = DEFAULT_LANGUAGE
    subreddits: Subreddits = Subreddits()
    exclude_authors: list[RedditName] = []
    source: SourceName = "reddit"
    archive: Archive | None = None
    content: Annotated[list[Literal["posts", "comments"]], Field(min_length=1)] = ["posts", "comments"]
    schedule: str | None = None
    timezone: str = "UTC"
    enabled: bool = True
    settings: dict[str, str | bool | int | float] = {}
    unknown: dict[str, Literal["keep", "reject"]] = {}
    notify: Annotated[list[Notify], Field(max_length=20)] = []

    @field_validator("unknown")
    @classmethod
    def _names_gates_with_unknowns(cls, value: dict[str, str]) -> dict[str, str]:
        names = [gate.name for gate in GATES if gate.can_be_unknown]
        for name in value:
            if name not in names:
                raise ValueError(f"no gate {name!r} can meet an unknown value; these can: {', '.join(names)}")
        return value

    @field_validator("timezone")
    @classmethod
    def _is_a_timezone(cls, value: str) -> str:
        try:
            zoneinfo.ZoneInfo(value)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is not a valid time zone. Write one such as Europe/Berlin") from None
        return value

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None and not _is_cron(value):
            raise ValueError(f"{value!r} is not a valid cron line of five fields. Write one such as '0 */6 * * *'")
        return value

    @cached_property
    def keyword_matcher(self) -> KeywordMatcher:
        """Matches texts against the campaign's keywords."""
        return KeywordMatcher(self.keywords, self.negative_keywords, self.all_of, self.language)

    @cached_property
    def included_subreddits(self) -> frozenset[str]:
        """Case-folded names; empty means all."""
        return frozenset(name.casefold() for name in self.subreddits.include)

    @cached_property
    def excluded_subreddits(self) -> frozenset[str]:
        """Case-folded names."""
        return frozenset(name.casefold() for name in self.subreddits.exclude)

    @cached_property
    def excluded_author_names(self) -> frozenset[str]:
        """Case-folded names."""
        return frozenset(name.casefold() for name in self.exclude_authors)

    def keywords_in(self, document: Document, possible: Sequence[KeywordFinder] | None = None) -> tuple[str, ...]:
        """The campaign's keywords in what the document's author wrote; none where ``rules_out`` says so.

        ``possible`` says what ``keyword_matcher`` does of the document's source.
        """
        return tuple(self.keyword_matcher.matches(document.own_text, document.own_title, possible))

    def matched_keywords(self, text: str, title: str = "") -> list[str]:
        """The campaign's keywords in ``text``, of which ``title`` is a part; none where ``rules_out`` says so."""
        return self.keyword_matcher.matches(text, title)

    def wants(self, document: Document) -> bool:
        """Whether kind, subreddit and author are among those the campaign looks at."""
        return self.looks_at(document.kind, document.subreddit, document.author)

    def looks_at(self, kind: str, subreddit: str, author: str | None) -> bool:
        """Whether the campaign looks at documents of this kind, subreddit and author."""
        folded = subreddit.casefold()
        return (
            f"{kind}s" in self.content
            and (not self.included_subreddits or folded in self.included_subreddits)
            and folded not in self.excluded_subreddits
            and (author or "").casefold() not in self.excluded_author_names
        )

    def rules_out(self, text: str, title: str = "") -> bool:
        """Whether a negative keyword occurs in ``text``, or one of ``all_of`` does not."""
        return self.keyword_matcher.rules_out(text, title)


def end_of_day(day: date) -> datetime:
    """The last second of ``day`` in UTC: judging as of a day includes that day."""
    return datetime.combine(day, time(23, 59, 59), UTC)
