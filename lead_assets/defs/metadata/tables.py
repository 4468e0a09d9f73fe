"""Tables in Dagster's metadata, and the funnel's steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from lead_assets.domain.document import short_url
from lead_assets.domain.gates import RANK_GATES, REJUDGING_GATES, Gate

MAX_TABLE_ROWS = 50


def table(records: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """``records`` as a metadata table, cut at ``MAX_TABLE_ROWS``; all have the same keys."""
    rows = [{key: _cell(value) for key, value in record.items()} for record in records[:MAX_TABLE_ROWS]]
    if not rows:
        return dg.MetadataValue.text("none")
    columns = [dg.TableColumn(name, _column_type(rows, name)) for name in rows[0]]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def rejection_table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Rejections as examples: ids, links and observed values, no texts."""
    shown = ("gate", "observed", "threshold", "reddit_id")
    return table(
        [{name: row[name] for name in shown} | {"link": short_url(row["reddit_id"], row["url"])} for row in rows]
    )


def funnel_steps(
    funnel: Mapping[str, Any], this_run: Mapping[str, Mapping[str, int]] | None = None
) -> list[dict[str, Any]]:
    """The funnel in the order in which documents go through it: ``step``, ``stored`` and, if given, ``this_run``.

    ``funnel`` is counted from what is stored; ``this_run`` has the counts of a run by asset.
    """
    run = this_run or {}
    crawl, rank = run.get("crawled_documents", {}), run.get("ranked_candidates", {})
    known = f", {crawl['duplicates']} known" if crawl.get("duplicates") else ""

    def rejected(gate: Gate, counts: Mapping[str, int]) -> tuple[str, int, str]:
        count = funnel["rejected"].get(gate.name, 0)
        return f"  rejected by {gate.name}", count, str(counts.get(f"rejected_{gate.name}", 0))

    steps = [
        ("crawled", funnel["crawled"], f"{crawl.get('judged', 0)} judged{known}"),
        *(rejected(gate, crawl) for gate in REJUDGING_GATES),
        ("ranked", funnel["ranked"], str(rank.get("ranked", 0))),
        *(rejected(gate, rank) for gate in RANK_GATES),
        ("  excluded by the campaign's lists", funnel["excluded"], str(rank.get("excluded", 0))),
        ("  near-duplicates", funnel["near_duplicates"], str(rank.get("near_duplicates", 0))),
        ("extracted", funnel["extracted"], str(run.get("extracted_leads", {}).get("extracted", 0))),
        *[("  of them stale", funnel["stale"], "")][: bool(funnel["stale"])],
        *[("  could not be read", funnel["failed"], str(run.get("extracted_leads", {}).get("failed", 0)))][
            : bool(funnel["failed"])
        ],
        ("leads", funnel["leads"], f"{run.get('leads', {}).get('leads', 0)} written"),
    ]
    shown = 2 if this_run is None else 3
    return [dict(zip(("step", "stored", "this_run")[:shown], step[:shown], strict=True)) for step in steps]


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _column_type(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    types = {type(row[name]) for row in rows if row[name] is not None}
    return "float" if types and types <= {int, float} else "string"
