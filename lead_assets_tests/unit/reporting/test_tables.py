"""Tables in Dagster's metadata."""

from pathlib import Path

import dagster as dg

from lead_assets.defs.metadata.tables import MAX_TABLE_ROWS, table
from lead_assets.domain.funnel import rejection_examples


def test_a_table_is_cut_at_fifty_rows() -> None:
    made = table([{"number": number} for number in range(MAX_TABLE_ROWS + 9)])

    assert isinstance(made, dg.TableMetadataValue)
    assert [record.data["number"] for record in made.records] == list(range(50))


def test_a_table_of_nothing_says_none() -> None:
    assert table([]) == dg.MetadataValue.text("none")


def test_columns_have_the_type_of_their_values() -> None:
    made = table(
        [
            {"id": "t3_a", "observed": 1, "share": None, "flag": True},
            {"id": 7, "observed": 0.5, "share": None, "flag": False},
        ]
    )

    assert isinstance(made, dg.TableMetadataValue)
    assert {column.name: column.type for column in made.schema.columns} == {
        "id": "string",
        "observed": "float",
        "share": "string",
        "flag": "string",
    }


def test_a_cell_that_dagster_does_not_know_becomes_text() -> None:
    made = table([{"path": Path("a/b"), "nothing": None}])

    assert isinstance(made, dg.TableMetadataValue)
    assert made.records[0].data == {"path": "a/b", "nothing": None}


def test_rejections_are_shown_without_texts_and_authors() -> None:
    rejected = {
        "gate": "author_karma",
        "observed": 3.0,
        "threshold": 15.0,
        "reddit_id": "t3_a",
        "url": "https://x.example",
    }
    made = table(rejection_examples([rejected | {"title": "A private matter", "author": "ada"}]))

    assert isinstance(made, dg.TableMetadataValue)
    assert list(made.records[0].data) == ["gate", "observed", "threshold", "reddit_id", "link"]
    assert "private" not in str(made.records)
