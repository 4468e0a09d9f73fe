"""What a gate rejects can be judged by people: its text is in the table, the CSV file, the export and on the page."""

import csv
from collections.abc import Mapping
from typing import Any

from lead_assets.storage.corpus import read_rejections
from lead_assets.storage.deletions import purge_deleted, remember_deleted
from lead_assets.storage.rejected import read_rejected
from lead_assets_tests.conftest import World, comment, post

BODY = "I keep my customers in a notebook. " * 30


def csv_rows(world: World) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted((world.folder / "rejections").glob("*/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found |= {row["reddit_id"]: row for row in csv.DictReader(file)}
    return found


def exported(world: World) -> dict[str, Any]:
    with world.database.connect() as connection:
        rows = read_rejections(connection, "crm")
    return dict(zip(rows["reddit_id"], rows["excerpt"], strict=True))


def test_what_a_gate_rejects_can_be_read(world: World) -> None:
    by_crawl = post("A CRM?", BODY, upvote_ratio=0.1)
    answer = comment(f"CRM. {BODY}", score=5, over_18=True, link_title="The title of its post")
    by_rank = post("CRM", "Nothing to do with it: my cat is ill.", score=-3)
    world.archive(by_crawl, answer, by_rank)
    world.campaign()
    world.run()
    texts = {
        by_crawl["name"]: BODY.strip()[:500],
        answer["name"]: f"CRM. {BODY}"[:500],
        by_rank["name"]: by_rank["selftext"],
    }

    assert {name: row["excerpt"] for name, row in csv_rows(world).items()} == texts
    assert exported(world) == texts
    with world.database.connect() as connection:
        page = read_rejected(connection, "crm", limit=9, after=None)
        found = read_rejected(connection, "crm", text="notebook", limit=9, after=None)
    assert {row["reddit_id"]: row["body"] for row in page} == texts
    assert {row["reddit_id"] for row in found} == {by_crawl["name"], answer["name"]}
    assert "The title of its post" not in str(page)


def test_a_deleted_text_is_not_in_a_rejection_either(world: World) -> None:
    rejected = post("A CRM?", "My secret.", upvote_ratio=0.1)
    world.archive(rejected)
    world.campaign()
    world.run()
    with world.database.engine.begin() as connection:
        remember_deleted(connection, [rejected["name"]])
        purge_deleted(connection, "crm")

    assert "secret" not in str(world.rows("SELECT * FROM lead_assets.rejections"))
