"""After a sweep no table of ours or Dagster's, no index and no file of the state holds a deleted text or its slug."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from lead_assets import servers as embedded
from lead_assets.search.typesense import ALIAS, SearchIndex
from lead_assets_tests.conftest import comment, post
from lead_assets_tests.process.test_cli import ASK, open_shell
from lead_assets_tests.stand_ins.reddit_server import Corpus, RedditServer

MARKS = ("zyxwtitle", "zyxwbody", "zyxwslug", "zyxwauthor", "zyxwnote")
MARK = re.compile("zyxw[a-z]+")


def texts(number: int, **other: object) -> dict[str, object]:
    """A post whose texts, author and link can be told from all others."""
    given = {"name": f"t3_1zy{number}", "id": f"1zy{number}", "author": f"zyxwauthor{number}"}
    link = {"permalink": f"/r/smallbusiness/comments/1zy{number}/zyxwslug_of_it/"}
    return post(f"{ASK} zyxwtitle {number}.", f"Mail zyxwbody{number}@b.example, please.", **(given | link | other))


def held_in_tables(url: str) -> dict[str, set[str]]:
    """The marks in each table of each schema, ours and Dagster's."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = connection.execute(
            sa.text("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('lead_assets', 'dagster')")
        ).all()
        assert {schema for schema, _ in names} == {"lead_assets", "dagster"}
        found = {
            f"{schema}.{table}": {
                mark
                for row in connection.execute(sa.text(f'SELECT t::text FROM "{schema}"."{table}" t')).scalars()
                for mark in MARK.findall(row)
            }
            for schema, table in names
        }
    engine.dispose()
    return {table: marks for table, marks in found.items() if marks}


def held_in_files(folder: Path) -> dict[str, set[str]]:
    """The marks in each file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {str(path): set(MARK.findall(path.read_bytes().decode("latin-1"))) for path in files}
    return {path: marks for path, marks in found.items() if marks}


def test_a_sweep_leaves_ids_only(
    tmp_path: Path, database_url: str, servers: embedded.Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = open_shell(tmp_path, database_url, servers, monkeypatch)
    shell.archive(
        texts(1),
        texts(2, upvote_ratio=0.1),
        texts(3, score=-5),
        texts(4, selftext="zyxwbody, no question"),
        comment(
            f"{ASK} zyxwbody again.",
            name="t1_1zy5",
            id="1zy5",
            author="zyxwauthor5",
            link_title="zyxwtitle of the post",
            permalink="/r/smallbusiness/comments/1abc/zyxwslug_of_it/1zy5/",
        ),
    )
    shell("run", "shop_crm")
    shell("inbox", "note", "shop_crm", "t3_1zy1", "zyxwnote of mine")
    shell("run", "shop_crm", "--set", "REDDIT_DEDUP_TTL_SECONDS=0")
    before = held_in_tables(database_url)
    assert {mark for marks in before.values() for mark in marks} >= set(MARKS), "the test sees what is there"
    assert held_in_files(tmp_path / "home")
    assert not {table for table in before if table.startswith("dagster.")}, "metadata holds ids only"

    with RedditServer(Corpus()) as reddit:
        for name, value in reddit.variables.items():
            monkeypatch.setenv(name, value)
        assert "5 are gone" in shell("sweep").output

    assert held_in_tables(database_url) == {}
    assert held_in_files(tmp_path / "home") == {}
    index = SearchIndex(servers.typesense_url, servers.typesense_api_key, alias=ALIAS)
    try:
        assert index.held("shop_crm") == {}
    finally:
        index.close()
