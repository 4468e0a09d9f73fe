"""Start the server alone: ``python -m lead_assets_tests.reddit_server --port 8089 [--data FOLDER | --sample]``."""

import argparse
import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer
from lead_assets_tests.stand_ins.reddit_server.defaults import Thing

PROJECT = Path(__file__).resolve().parents[3]
SAMPLE = PROJECT / "lead_assets" / "sample" / "documents.ndjson"
SHARED = PROJECT.parent / "shared" / "data"
# Archives and our own sample have these; Reddit's API does not.
_NOT_REDDITS = ("_meta", "author_karma", "retrieved_on", "subreddit_hot_posts")
_NUMBERS = ("score", "num_comments", "upvote_ratio", "subreddit_subscribers")


def sample_corpus(lines: Iterable[str], now: float) -> Corpus:
    """The made-up posts and comments, moved in time so that the newest is of now.

    The sample has broken lines and odd fields on purpose, as archives have. Reddit does not answer such: they are
    left out.
    """
    things = list(_sound(lines))
    shift = int(now) - max(thing["created_utc"] for thing in things)
    corpus = Corpus()
    for thing in things:
        _add_author(corpus, thing)
        odd = {name for name in _NUMBERS if not isinstance(thing.get(name), int | float)}
        kept = {key: value for key, value in thing.items() if key not in odd.union(_NOT_REDDITS)}
        kept["created_utc"] = float(thing["created_utc"] + shift)
        (corpus.add_comment if thing["name"].startswith("t1_") else corpus.add_post)(kept)
    return corpus


def _sound(lines: Iterable[str]) -> Iterator[Thing]:
    for line in lines:
        with contextlib.suppress(ValueError):
            thing = json.loads(line, strict=False)
            if isinstance(thing.get("created_utc"), int | float) and thing.get("name"):
                yield thing


def _add_author(corpus: Corpus, thing: Thing) -> None:
    author, karma = thing.get("author"), thing.get("author_karma")
    if author in (None, "[deleted]") or karma is None or corpus.redditor(author):
        return
    known_id = {"id": thing["author_fullname"][3:]} if thing.get("author_fullname") else {}
    corpus.add_redditor({"name": author, "link_karma": 0, "comment_karma": karma} | known_id)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C (or SIGTERM), then tell what was asked for."""
    options = _options(arguments)
    corpus, origin = _corpus(options)
    with RedditServer(corpus, port=options.port, limit=options.limit) as server:
        print(f"{len(corpus.posts)} posts and {len(corpus.comments)} comments of {origin}. Stop with Ctrl-C.\n")
        print(f"export REDDIT_URL={server.url}")
        print(f"export REDDIT_CLIENT_ID={server.client_id}")
        print(f"export REDDIT_CLIENT_SECRET={server.client_secret}")
        print('export REDDIT_USER_AGENT="python:lead_assets:0.1 (by /u/someone)"', flush=True)
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        stopped.wait()
    print(f"\n{server.total} requests, at most {server.most_in_window(60)} within a minute")
    for endpoint, count in server.requests.most_common():
        print(f"{count:8} {endpoint}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lead_assets_tests.reddit_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="a free port unless given")
    parser.add_argument("--limit", type=int, default=1000, help="requests in ten minutes (default: 1000)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, help="folder of recorded data (default: ../shared/data if there is one)")
    source.add_argument("--sample", action="store_true", help="the project's small made-up corpus")
    return parser.parse_args(arguments)


def _corpus(options: argparse.Namespace) -> tuple[Corpus, str]:
    folder = options.data or SHARED
    if options.data or (folder.is_dir() and not options.sample):
        return Corpus.from_shared(folder), "recorded API traffic"
    with SAMPLE.open(encoding="utf-8") as lines:
        return sample_corpus(lines, time.time()), "the sample"


if __name__ == "__main__":
    main()
