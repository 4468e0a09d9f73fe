"""A corpus from the recorded API traffic in shared/data."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from lead_assets_tests.stand_ins.reddit_server.defaults import Thing

if TYPE_CHECKING:
    from lead_assets_tests.stand_ins.reddit_server.corpus import Corpus


def read(kind: "type[Corpus]", folder: Path) -> "Corpus":
    """A corpus of the recorded posts, comments, subreddits and redditors; other authors are made up."""
    reddit = folder / "reddit"
    corpus = kind()
    for things, add in (
        (_compressed(reddit / "subreddits.ndjson.zst"), corpus.add_subreddit),
        (_lines(reddit / "redditors.ndjson"), corpus.add_redditor),
        (_compressed(reddit / "submissions_api_recordings.ndjson.zst"), corpus.add_post),
        (_compressed(reddit / "comments_api_recordings.ndjson.zst"), corpus.add_comment),
    ):
        for thing in things:
            add(thing)
    return corpus


def _lines(path: Path) -> Iterator[Thing]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _compressed(path: Path) -> Iterator[Thing]:
    # The archives use a long window.
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
    with path.open("rb") as file, decompressor.stream_reader(file) as stream:
        yield from map(json.loads, io.TextIOWrapper(stream, encoding="utf-8"))
