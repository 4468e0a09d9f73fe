"""How many leads a gate loses, estimated from a random sample of its rejects that people have marked."""

from dataclasses import dataclass
from math import sqrt

SAMPLE = 30
"""So many rejects of a gate are its sample: the first by the hash of their ids, which nothing about them decides."""
_Z = 1.96
"""Of a normal distribution: 95 % lie within so many standard deviations."""


@dataclass(frozen=True)
class Audit:
    """Of a gate's sample: how many are marked as lead or no lead, and how many of these as leads."""

    marked: int
    leads: int

    @property
    def share(self) -> float:
        """The estimated share of leads among all that the gate rejects; ``marked`` is at least 1."""
        return self.leads / self.marked

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share is with 95 % confidence. Source: Wilson 1927, the score interval."""
        z2 = _Z**2
        centre = (self.leads + z2 / 2) / (self.marked + z2)
        reach = _Z / (self.marked + z2) * sqrt(self.leads * (self.marked - self.leads) / self.marked + z2 / 4)
        return max(0.0, centre - reach), min(1.0, centre + reach)

    def told(self) -> str:
        """In words."""
        low, high = self.interval
        return (
            f"{self.leads} of {self.marked} marked in the sample are leads: about {self.share:.0%} of what is "
            f"rejected here ({low:.0%} to {high:.0%})."
        )
