"""A stand-in for Reddit's API: the real asyncpraw talks to it over TCP, and it fails when told to.

Also startable on its own: ``python -m lead_assets_tests.reddit_server --port 8089``.
"""

from lead_assets_tests.stand_ins.reddit_server.corpus import Corpus
from lead_assets_tests.stand_ins.reddit_server.faults import Fault
from lead_assets_tests.stand_ins.reddit_server.server import RedditServer

__all__ = ["Corpus", "Fault", "RedditServer"]
