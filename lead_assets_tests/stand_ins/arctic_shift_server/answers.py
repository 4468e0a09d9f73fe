"""What the endpoints answer: parameters as documented, full-text search without stemming, the strictest reading."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Thing = dict[str, Any]
Params = Mapping[str, str]

MAX_LIMIT, DEFAULT_LIMIT, MAX_IDS = 100, 25, 500


class BadRequestError(Exception):
    """A parameter that is refused; the message is the answer's ``error``."""


def search(things: Sequence[Thing], params: Params, text_fields: Mapping[str, Sequence[str]], inclusive: bool) -> Any:
    """Things by subreddit, author, dates and text; ``text_fields`` are the searched fields by parameter."""
    _refuse_unknown(params, {"subreddit", "author", "after", "before", "limit", "sort", "fields", *text_fields})
    texts = {name: params[name] for name in text_fields if name in params}
    if texts and not ("subreddit" in params or "author" in params):
        raise BadRequestError(f"{', '.join(texts)} only in use with author or subreddit")
    dates = moment(params.get("after", "0")), moment(params.get("before", "9999999999"))
    found = [thing for thing in things if _within(thing, params, dates, inclusive)]
    for name, query in texts.items():
        matches = text_query(query)
        found = [t for t in found if matches("\n".join(str(t.get(field) or "") for field in text_fields[name]))]
    found.sort(key=lambda thing: thing["created_utc"], reverse=_sort(params) == "desc")
    return _selected(found[: _limit(params)], params)


def by_ids(things: Sequence[Thing], params: Params) -> Any:
    """Things by base-36 ids, with or without the prefix of a post or comment; unknown ones are left out."""
    ids = [re.sub(r"^t[13]_", "", number) for number in params.get("ids", "").split(",")]
    if not ids[0]:
        raise BadRequestError("ids is required")
    if len(ids) > MAX_IDS:
        raise BadRequestError(f"ids: at most {MAX_IDS}")
    if wrong := [number for number in ids if not re.fullmatch("[0-9a-z]+", number)]:
        raise BadRequestError(f"{wrong[0]} is no id")
    return _selected([thing for thing in things if thing["id"] in ids], params)


def subreddits(known: Sequence[Thing], params: Params) -> Any:
    """Subreddits by their exact name, in any case."""
    wanted = params.get("subreddit", "").removeprefix("r/").casefold()
    return [thing for thing in known if thing["display_name"].casefold() == wanted]


def text_query(query: str) -> Callable[[str], bool]:
    """``websearch_to_tsquery`` without stemming: OR between alternatives, in each all words, quoted ones adjacent."""
    alternatives: list[list[tuple[bool, list[str]]]] = [[]]
    for negated, phrase, word in re.findall(r'(-?)(?:"([^"]*)"|(\S+))', query):
        if word.casefold() == "or" and not negated:
            alternatives.append([])
        elif words := _words(phrase or word):
            alternatives[-1].append((bool(negated), words))
    return lambda text: any(
        bool(terms) and all(_adjacent(words, _words(text)) is not negated for negated, words in terms)
        for terms in alternatives
    )


def moment(text: str) -> float:
    """Epoch seconds of a date: epoch seconds or milliseconds, or ISO 8601."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        number = float(text)
        return number / 1_000 if number > 1e11 else number
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"{text} is no date") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _within(thing: Thing, params: Params, dates: tuple[float, float], inclusive: bool) -> bool:
    created = float(thing["created_utc"])
    for name, prefix in (("subreddit", "r/"), ("author", "u/")):
        wanted = params.get(name)
        if wanted is not None and thing[name].casefold() != wanted.removeprefix(prefix).casefold():
            return False
    after, before = dates
    return after <= created <= before if inclusive else after < created < before


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _adjacent(words: Sequence[str], text: Sequence[str]) -> bool:
    return any(list(text[place : place + len(words)]) == list(words) for place in range(len(text)))


def _sort(params: Params) -> str:
    sort = params.get("sort", "desc")
    if sort not in ("asc", "desc"):
        raise BadRequestError("sort: asc or desc")
    return sort


def _limit(params: Params) -> int:
    limit = params.get("limit", str(DEFAULT_LIMIT))
    if limit == "auto":
        return 1_000
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_LIMIT:
        raise BadRequestError(f"limit: 1 to {MAX_LIMIT}, or auto")
    return int(limit)


def _selected(things: Sequence[Thing], params: Params) -> list[Thing]:
    fields = params.get("fields")
    return [{k: v for k, v in thing.items() if fields is None or k in fields.split(",")} for thing in things]


def _refuse_unknown(params: Params, known: set[str]) -> None:
    if unknown := sorted(set(params) - known):
        raise BadRequestError(f"unknown parameter {unknown[0]}")
