"""The whole way from Arctic Shift to the store, over TCP to a server that answers as it does."""

import time
from typing import Any

from lead_assets_tests.conftest import World, checks, comment, failure, metadata, post
from lead_assets_tests.faults import fault
from lead_assets_tests.stand_ins.arctic_shift_server import ArcticShiftServer, Fault
from lead_assets_tests.stand_ins.arctic_shift_server.server import subreddit

CRAWL = ("crawled_documents",)
HOUR = 3_600
DAY = 24 * HOUR


def campaign(world: World, **keys: Any) -> str:
    given = {"source": "arctic_shift", "archive": None, "subreddits": {"include": ["smallbusiness"]}}
    return world.campaign(**(given | keys))


def recent(hours: float, **other: Any) -> dict[str, Any]:
    return post(created_utc=int(time.time() - hours * HOUR), **other)


def stored(world: World) -> dict[str, dict[str, Any]]:
    return {row["reddit_id"]: row for row in world.rows("SELECT * FROM lead_assets.documents")}


def test_posts_and_comments_are_found_judged_and_stored(world: World, arctic: ArcticShiftServer) -> None:
    campaign(world)
    asking, old = recent(60), recent(24 * 700)
    answer = comment(created_utc=int(time.time() - 50 * HOUR), link_id=asking["name"])
    elsewhere = recent(60, subreddit="sales")
    arctic.add(asking, old, answer, elsewhere)
    arctic.subreddits.append(subreddit("smallbusiness", subscribers=7_000))

    result = world.run()

    assert set(stored(world)) == {asking["name"], answer["name"]}
    assert stored(world)[answer["name"]]["title"] == asking["title"]
    assert stored(world)[answer["name"]]["subreddit_subscribers"] == 7_000
    assert metadata(result, "crawled_documents")["requests"] == arctic.count()
    assert all(check.passed for check in checks(result).values())


def test_a_second_crawl_reads_only_what_is_new(world: World, arctic: ArcticShiftServer) -> None:
    campaign(world, content=["posts"])
    arctic.add(*(recent(100 + number) for number in range(250)))
    world.run(only=CRAWL)
    first = arctic.count()
    arctic.add(newest := recent(1))

    second = metadata(world.run(only=CRAWL), "crawled_documents")

    assert newest["name"] in stored(world)
    assert second["judged"] == 1
    assert arctic.count() - first < first


def test_scores_that_were_not_final_are_fetched_again_when_they_are(world: World, arctic: ArcticShiftServer) -> None:
    campaign(world, content=["posts"])
    young = recent(2, score=1)
    arctic.add(young)
    world.run(only=CRAWL)
    world.execute("UPDATE lead_assets.documents SET created_at = created_at - interval '2 days'")
    world.execute("UPDATE lead_assets.documents SET updated_at = updated_at - interval '47 hours'")
    world.execute("UPDATE lead_assets.crawl_queries SET newest_at = now()")
    arctic.add(young | {"score": 321})

    result = world.run(only=CRAWL)

    assert stored(world)[young["name"]]["score"] == 321
    assert checks(result)["deduplication"].passed


def test_what_was_deleted_later_is_never_stored_and_goes_when_it_is_refreshed(
    world: World, arctic: ArcticShiftServer
) -> None:
    campaign(world, content=["posts"])
    deleted, kept = recent(60, _meta={"was_deleted_later": True}), recent(61)
    arctic.add(deleted, kept)
    world.run(only=CRAWL)
    assert set(stored(world)) == {kept["name"]}
    world.execute("UPDATE lead_assets.sightings SET seen_at = seen_at - interval '8 days'")
    world.execute("UPDATE lead_assets.crawl_queries SET newest_at = now() + interval '3 days'")
    arctic.add(kept | {"_meta": {"was_deleted_later": True}})

    world.run(only=CRAWL)

    assert stored(world) == {}
    assert world.rows("SELECT reddit_id FROM lead_assets.deleted_documents") == [{"reddit_id": kept["name"]}]


def test_history_is_crawled_as_of_a_day(world: World, arctic: ArcticShiftServer) -> None:
    campaign(world, content=["posts"], settings={"REDDIT_MAX_POST_AGE_MONTHS": 2})
    in_may = post(created_utc=1_747_000_000)  # 11 May 2025
    in_july = post(created_utc=1_752_000_000)
    arctic.add(in_may, in_july)

    world.run(only=CRAWL, config={"as_of": "2025-06-01"})

    assert set(stored(world)) == {in_may["name"]}


@fault(
    "it does not answer",
    service="Arctic Shift",
    seen="the run fails: “Nothing could be read from …”",
    again="each request for `REDDIT_RETRY_SECONDS`; then the next run",
)
def test_a_server_that_is_down_is_a_failed_run(world: World, arctic: ArcticShiftServer) -> None:
    campaign(world)
    arctic.fail(Fault.UNAVAILABLE, times=1_000)

    assert "Nothing could be read from" in failure(world.run(only=CRAWL, ok=False))
    assert world.rows("SELECT * FROM lead_assets.crawl_queries") == []
