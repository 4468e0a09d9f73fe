"""What a gate is; ``gate_catalog`` declares them, and ``judging`` lets documents meet them.

A gate is data plus pure, vectorised functions over a frame. The same declaration sifts rows while an asset computes,
judges stored rows again, becomes an asset check, and explains one document.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lead_assets.domain.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Stage = Literal["crawl", "rank"]
LookUp = Literal["subreddit", "author"]
Threshold = float | bool
UnknownPolicy = Mapping[str, str]
"""Gate name to ``keep`` or ``reject``: what a campaign does with unknown values; ``keep`` where it says nothing."""

EXCLUDED = "excluded"
"""Stands in place of a gate in candidates that the campaign's own lists leave out since they were crawled."""

MAX_EXAMPLES = 50


@dataclass(frozen=True)
class Gate:
    """One rule.

    ``observe`` gives one float a row, NaN where unknown; ``keep`` says for known values whether the row stays.
    ``carries`` tells which rows' source and kind can have the value at all.
    """

    name: str
    stage: Stage
    setting: str
    claim: str
    observe: Callable[["pd.DataFrame"], "pd.Series[float]"]
    keep: Callable[["pd.Series[float]", "pd.DataFrame", Settings], "pd.Series[bool]"]
    threshold: Callable[[Settings], Threshold]
    off: Callable[[Settings], bool]
    can_be_unknown: bool = True
    looks_up: LookUp | None = None
    carries: Callable[["pd.DataFrame"], "pd.Series[bool]"] = lambda frame: frame["kind"].notna()


@dataclass
class GateStats:
    """What one gate did: counts of rows, and up to ``MAX_EXAMPLES`` rejected ones."""

    evaluated: int = 0
    kept: int = 0
    rejected: int = 0
    unknown: int = 0
    carriers: int = 0
    carriers_unknown: int = 0
    examples: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def add(self, other: "GateStats") -> None:
        """Add the counts and examples of another batch."""
        self.evaluated += other.evaluated
        self.kept += other.kept
        self.rejected += other.rejected
        self.unknown += other.unknown
        self.carriers += other.carriers
        self.carriers_unknown += other.carriers_unknown
        self.examples = (self.examples + other.examples)[:MAX_EXAMPLES]

    @property
    def rejection_rate(self) -> float:
        """Share of evaluated rows that were rejected; 0 where none were."""
        return self.rejected / self.evaluated if self.evaluated else 0.0
