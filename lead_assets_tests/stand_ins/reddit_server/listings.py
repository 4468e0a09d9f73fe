"""Reddit's envelopes: a thing, a Listing of things, and a page of a longer listing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lead_assets_tests.stand_ins.reddit_server import defaults
from lead_assets_tests.stand_ins.reddit_server.defaults import Thing

LONGEST = 1000
LARGEST_PAGE = 100


def wrapped(kind: str, thing: Mapping[str, Any], **extra: Any) -> Thing:
    """A thing in its envelope, with the fields that follow from others."""
    return {"kind": kind, "data": _derived(kind, thing) | dict(thing) | extra}


def _derived(kind: str, thing: Mapping[str, Any]) -> Thing:
    if kind == "t3":
        return {"ups": thing.get("score"), "selftext_html": defaults.post_html(thing.get("selftext"))}
    if kind == "t1":
        return {"ups": thing.get("score"), "body_html": defaults.comment_html(thing.get("body")), "replies": ""}
    return {}


def listing(children: Sequence[Thing], *, dist: int | None = None, after: str | None = None, **extra: Any) -> Thing:
    """A Listing of things in their envelopes."""
    data = {"modhash": "", "dist": dist, "children": list(children), "after": after, "before": None}
    return {"kind": "Listing", "data": data | extra}


def page(
    things: Sequence[Thing],
    wrap: Callable[[Thing], Thing],
    shown: Callable[[Thing], bool],
    params: Mapping[str, str],
    **extra: Any,
) -> Thing:
    """The page of a listing that ``limit``, ``after`` or ``before`` ask for.

    Things that are no longer shown still mark their place, so a page after a thing deleted meanwhile goes on there.
    """
    names = {thing["name"]: at for at, thing in enumerate(things)}
    visible = [at for at, thing in enumerate(things) if shown(thing)][:LONGEST]
    size = page_size(params)
    if (before := names.get(params.get("before", ""))) is not None:
        chosen = [at for at in visible if at < before][-size:]
        more = len(chosen) == size
    else:
        start = names.get(params.get("after", ""), -1)
        rest = [at for at in visible if at > start]
        chosen, more = rest[:size], len(rest) > size
    after = things[chosen[-1]]["name"] if chosen and more else None
    answer = listing([wrap(things[at]) for at in chosen], dist=len(chosen), after=after, **extra)
    if chosen and params.get("count", "0") != "0" and ("after" in params or "before" in params):
        answer["data"]["before"] = things[chosen[0]]["name"]
    return answer


def page_size(params: Mapping[str, str]) -> int:
    """How many items a page holds: 25 unless asked for, and 100 at most."""
    asked = params.get("limit", "")
    return max(1, min(int(asked), LARGEST_PAGE)) if asked.isdigit() else 25
