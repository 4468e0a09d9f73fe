"""Recorded traffic of the real API, to check the server against."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lead_assets_tests.stand_ins.reddit_server.corpus import Corpus
from lead_assets_tests.stand_ins.reddit_server.defaults import Thing


@dataclass(frozen=True)
class Exchange:
    """A request that was sent to Reddit and what it answered."""

    method: str
    path: str
    params: dict[str, str]
    status: int
    headers: dict[str, Any]
    content: Any


def exchanges(file: Path) -> list[Exchange]:
    """The exchanges of a recording, in order."""
    found = []
    for entry in json.loads(file.read_text(encoding="utf-8"))["interactions"]:
        request, response = entry["request"], entry["response"]
        address = urlsplit(request["uri"])
        found.append(
            Exchange(
                request["method"],
                address.path,
                dict(parse_qsl(address.query)),
                response["status"]["code"],
                {name.lower(): value for name, value in response["headers"].items()},
                json.loads(response["body"]["string"]),
            )
        )
    return found


def things(content: Any) -> Iterator[tuple[str, Thing]]:
    """Every thing in an answer with its kind, however deep in listings, outer ones first."""
    if isinstance(content, list):
        for inner in content:
            yield from things(inner)
    elif isinstance(content, dict) and content.get("kind") == "Listing":
        yield from things(content["data"]["children"])
    elif isinstance(content, dict) and "kind" in content:
        yield content["kind"], content["data"]
        yield from things(content["data"].get("replies"))


def corpus_of(content: Any) -> Corpus:
    """A corpus of the things in an answer."""
    found = list(things(content))
    kinds = {kind: [thing for each, thing in found if each == kind] for kind in ("t1", "t2", "t3", "t5")}
    return Corpus(posts=kinds["t3"], comments=kinds["t1"], subreddits=kinds["t5"], redditors=kinds["t2"])
