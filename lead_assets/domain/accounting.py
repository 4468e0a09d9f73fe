"""What became of everything that a crawl met: an equality that holds to the document.

    records read = matched + matched nothing
    matched = stored + rejected + duplicates + repeats + deleted + expired + left out, by kind + malformed + postponed

Each side is counted where it happens: records by the source, duplicates by the gates, what is stored and rejected by
PostgreSQL.
"""

from collections.abc import Mapping
from typing import NamedTuple

from lead_assets.domain.automation import AUTOMATIONS

ENDS: Mapping[str, tuple[str, ...]] = {
    "stored": ("stored",),
    "rejected": ("rejected",),
    "duplicates": ("duplicates",),
    "repeats": ("repeated", "outdated"),
    "deleted": ("records_deleted", "withheld"),
    "expired": ("expired",),
    **{kind: (f"records_{kind}",) for kind in AUTOMATIONS},
    "excluded": ("records_excluded",),
    "malformed": ("records_malformed",),
    "postponed": ("postponed",),
}
"""How a record that matched can end, and the counts of a crawl that say how often. Repeats are the same state of a
document again, or an older one; deleted are what was taken down, and what is on the list of what was; expired is older
than RETENTION_DAYS; excluded is what the campaign's lists leave out; postponed is what the next crawl meets again,
because a look-up failed."""
UNMATCHED = "records_unmatched"


class Accounts(NamedTuple):
    """A crawl's records: how many matched, and how many of them ended in each way."""

    matched: int
    ends: dict[str, int]

    @property
    def missing(self) -> int:
        """Records whose end is not known; below 0 where some were counted twice."""
        return self.matched - sum(self.ends.values())


def accounts(counts: Mapping[str, int]) -> Accounts:
    """The accounts of a crawl's counts."""
    ends = {end: sum(counts[name] for name in names) for end, names in ENDS.items()}
    return Accounts(counts["records_read"] - counts[UNMATCHED], ends)


def told(counts: Mapping[str, int]) -> str:
    """The equality in numbers: ``12 matched = 9 stored + 3 rejected. 20 records matched nothing.``"""
    matched, ends = accounts(counts)
    summed = " + ".join(f"{count} {end}" for end, count in ends.items() if count) or "0"
    return (
        f"{matched} matched {'=' if matched == sum(ends.values()) else '≠'} {summed}. {counts[UNMATCHED]} records "
        "matched nothing."
    )
