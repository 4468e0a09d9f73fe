"""The funnel's steps, and rejections as examples: what commands, metadata and pictures show alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from lead_assets.domain.document import short_url
from lead_assets.domain.gate_catalog import RANK_GATES, REJUDGING_GATES
from lead_assets.domain.gates import Gate

MAX_EXAMPLES = 50


def rejection_examples(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The first of some rejections: ids, links and observed values, no texts."""
    shown = ("gate", "observed", "threshold", "reddit_id")
    return [
        {name: row[name] for name in shown} | {"link": short_url(row["reddit_id"], row["url"])}
        for row in rows[:MAX_EXAMPLES]
    ]


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
        ("leads", funnel["leads"], f"{run.get('leads', {}).get('leads_new', 0)} new"),
    ]
    shown = 2 if this_run is None else 3
    return [dict(zip(("step", "stored", "this_run")[:shown], step[:shown], strict=True)) for step in steps]
