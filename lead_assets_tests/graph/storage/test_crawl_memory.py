"""What live sources remember, on a real server: for how long, for whom, and what is to be looked at again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from lead_assets.domain.columns import DOCUMENT_COLUMNS
from lead_assets.domain.document import Document, from_reddit
from lead_assets.domain.frames import to_frame, to_rows
from lead_assets.domain.progress import QueryProgress, StoredDocument, SubredditFacts, TreeProgress, UnreadTree
from lead_assets.storage.corpus import write_judged
from lead_assets.storage.crawl_state import CrawlState, write_progress
from lead_assets.storage.database import Database

DAY = 86_400
NOW = datetime.now(UTC)


def memory(database: Database, campaign: str = "crm", digest: str = "gates", ttl: int = 7 * DAY) -> CrawlState:
    return CrawlState(database.engine, campaign, digest, ttl)


def document(reddit_id: str, hours_old: float = 1, **other: Any) -> Document:
    created = (NOW - timedelta(hours=hours_old)).timestamp()
    own = {"title": f"Title of {reddit_id}"} if reddit_id.startswith("t3_") else {"body": "x", "link_id": "t3_a"}
    return from_reddit({"name": reddit_id, "subreddit": "x", "created_utc": created} | own | other, "reddit")


def store(
    database: Database, *kept: Document, rejected: Sequence[Document] = (), campaign: str = "crm", digest: str = "gates"
) -> None:
    """Write documents as a crawl does."""

    def rows(documents: Sequence[Document]) -> list[dict[str, Any]]:
        frame = to_frame(documents).assign(campaign_id=campaign, judged_as_of=NOW, run_id="run")
        return to_rows(frame[["campaign_id", *DOCUMENT_COLUMNS, "judged_as_of", "run_id"]])

    rejection = {"stage": "crawl", "gate": "nsfw", "setting": "S", "observed": 1.0, "threshold": 1.0}
    rejection |= {"observed_values": {}, "kind": "post", "source": "reddit", "subreddit": "x", "author": None}
    rejection |= {"title": "", "url": "", "posted_at": None, "run_id": "run", "campaign_id": campaign}
    with database.engine.begin() as connection:
        write_judged(
            connection,
            campaign,
            kept=rows(kept),
            rejected=rows(rejected),
            rejection_rows=[rejection | {"reddit_id": one.reddit_id} for one in rejected],
            gate_digest=digest,
            run_id="run",
        )


def age(database: Database, table: str, column: str, seconds: float, where: str = "true") -> None:
    """Make rows so many seconds older."""
    statement = f"UPDATE lead_assets.{table} SET {column} = {column} - make_interval(secs => :s) WHERE {where}"
    with database.engine.begin() as connection:
        connection.execute(sa.text(statement), {"s": seconds})


def test_what_was_judged_within_the_ttl_is_young(database: Database) -> None:
    store(database, document("t3_a"), document("t3_b"), rejected=[document("t3_c")])
    age(database, "sightings", "seen_at", 7 * DAY + 5, "reddit_id = 't3_b'")
    age(database, "sightings", "seen_at", 7 * DAY - 60, "reddit_id = 't3_c'")

    assert memory(database).young(["t3_a", "t3_b", "t3_c", "t3_d"]) == {"t3_a", "t3_c"}
    assert memory(database).young([]) == set()


def test_young_is_of_a_campaign_and_its_gates(database: Database) -> None:
    store(database, document("t3_a"))

    assert memory(database, digest="other gates").young(["t3_a"]) == set()
    assert memory(database, campaign="other").young(["t3_a"]) == set()


def test_with_no_ttl_nothing_is_young_or_stale(database: Database) -> None:
    store(database, document("t3_a"))
    age(database, "sightings", "seen_at", 700 * DAY)

    assert memory(database, ttl=0).young(["t3_a"]) == set()
    assert memory(database, ttl=0).stale_documents(None, 10) == []


FULL = QueryProgress("q", "label ü 'quoted'\n", "t3_x", NOW, NOW + timedelta(seconds=1), read_to_end=True)


@pytest.mark.parametrize("progress", [FULL, QueryProgress("q", ""), QueryProgress("q", "l", after=None, newest_at=NOW)])
def test_progress_comes_back_as_it_was(database: Database, progress: QueryProgress) -> None:
    with database.engine.begin() as connection:
        write_progress(connection, "crm", [progress])

    assert memory(database).progress("q") == progress
    assert memory(database).progress("other") is None
    assert memory(database, campaign="other").progress("q") is None


def test_the_last_word_on_a_query_counts(database: Database) -> None:
    with database.engine.begin() as connection:
        write_progress(connection, "crm", [FULL])
        write_progress(connection, "crm", [FULL.reached("t3_y"), TreeProgress("t3_a", 1), FULL.finished()])

    assert memory(database).progress("q") == FULL.finished()


def test_stale_documents_come_judged_longest_ago_first(database: Database) -> None:
    store(
        database, *(document(f"t3_{name}", hours_old=hours) for name, hours in zip("abcd", (1, 2, 50, 3), strict=True))
    )
    for name, days in (("a", 8), ("b", 9), ("c", 10), ("d", 6)):
        age(database, "sightings", "seen_at", days * DAY, f"reddit_id = 't3_{name}'")

    found = memory(database)

    assert [stored.reddit_id for stored in found.stale_documents(None, 10)] == ["t3_c", "t3_b", "t3_a"]
    assert [stored.reddit_id for stored in found.stale_documents(NOW - timedelta(hours=48), 10)] == ["t3_b", "t3_a"]
    assert found.stale_documents(None, 1) == [StoredDocument("t3_c", "Title of t3_c")]
    assert found.stale_documents(None, 0) == []
    assert memory(database, campaign="other").stale_documents(None, 10) == []


def test_what_was_never_stored_is_not_stale(database: Database) -> None:
    store(database, rejected=[document("t3_a")])
    age(database, "sightings", "seen_at", 8 * DAY)

    assert memory(database).stale_documents(None, 10) == []


def test_documents_fetched_soon_after_their_posting_are_unsettled_until_fetched_again(database: Database) -> None:
    store(database, document("t3_young", 1), document("t3_early", 50), document("t3_late", 50))
    age(database, "documents", "updated_at", 48 * 3_600, "reddit_id = 't3_early'")

    assert memory(database).unsettled_documents(36) == [StoredDocument("t3_early", "Title of t3_early")]
    store(database, document("t3_early", 50))
    assert memory(database).unsettled_documents(36) == []


def test_unread_trees_are_posts_with_new_comments_most_first(database: Database) -> None:
    store(
        database,
        document("t3_few", num_comments=3),
        document("t3_many", num_comments=30),
        document("t3_grown", num_comments=12),
        document("t3_read", num_comments=7),
        document("t3_none", num_comments=0),
        document("t3_unknown"),
        document("t3_old", hours_old=99, num_comments=50),
        document("t1_c", num_comments=9),
    )
    with database.engine.begin() as connection:
        write_progress(connection, "crm", [TreeProgress("t3_grown", 8), TreeProgress("t3_read", 7)])
        write_progress(connection, "other", [TreeProgress("t3_many", 30)])

    found = memory(database)
    trees = found.unread_trees(NOW - timedelta(hours=48), 10)

    assert trees == [
        UnreadTree("t3_many", "Title of t3_many", 30),
        UnreadTree("t3_grown", "Title of t3_grown", 12),
        UnreadTree("t3_few", "Title of t3_few", 3),
    ]
    assert found.unread_trees(None, 1) == [UnreadTree("t3_old", "Title of t3_old", 50)]
    assert found.unread_trees(None, 0) == []


def test_trees_of_posts_that_the_gates_reject_now_are_not_read(database: Database) -> None:
    store(database, document("t3_a", num_comments=3))
    store(database, rejected=[document("t3_a", num_comments=5)])

    assert memory(database).unread_trees(None, 10) == []


def test_facts_about_subreddits_are_kept_for_a_day_for_all_campaigns(database: Database) -> None:
    facts = [
        SubredditFacts("b", subscribers=5, over_18=False),
        SubredditFacts("a", reachable=False),
        SubredditFacts("c"),
    ]
    memory(database).remember_subreddits(facts)
    age(database, "subreddits", "looked_up_at", DAY + 5, "name = 'c'")

    found = memory(database, campaign="other").subreddits(["a", "b", "c", "d"])

    assert found == {fact.name: fact for fact in facts[:2]}


def test_facts_told_again_are_young_again(database: Database) -> None:
    found = memory(database)
    for facts in (SubredditFacts("a", subscribers=5), SubredditFacts("a", reachable=False)):
        found.remember_subreddits([facts])
        assert found.subreddits(["a"]) == {"a": facts}
        age(database, "subreddits", "looked_up_at", DAY + 5)
    assert found.subreddits(["a"]) == {}


def test_counts_of_hot_posts_are_kept_for_a_day(database: Database) -> None:
    found = memory(database)
    found.remember_hot_posts({"a": 3, "b": 0})
    age(database, "subreddit_activity", "looked_up_at", DAY + 5, "name = 'a'")

    assert found.hot_posts(["a", "b"]) == {"b": 0}
    found.remember_hot_posts({"a": 4})
    assert memory(database, campaign="other").hot_posts(["a", "b"]) == {"a": 4, "b": 0}


def test_karma_is_kept_for_a_week_also_where_reddit_does_not_tell_it(database: Database) -> None:
    found = memory(database)
    found.remember_authors({"t2_a": 5, "t2_b": None, "t2_c": -7})
    age(database, "authors", "looked_up_at", 7 * DAY - 60)
    age(database, "authors", "looked_up_at", 90, "author_id = 't2_c'")

    assert memory(database, campaign="other").authors(["t2_a", "t2_b", "t2_c", "t2_d"]) == {"t2_a": 5, "t2_b": None}


def test_nothing_to_remember_is_no_error(database: Database) -> None:
    found = memory(database)
    found.remember_subreddits([])
    found.remember_hot_posts({})
    found.remember_authors({})

    assert (found.subreddits([]), found.hot_posts([]), found.authors([])) == ({}, {}, {})
