"""How long a vendor takes to answer: declared profiles, drawn per call, slot held throughout.

Medians of `life` for reads and creates are those this project's targets are stated against (NetSuite read
0.25 s, create 1.2 s; Magento read 0.15 s, write 0.30 s; SAP Business One read 0.2 s, create 1.0 s, log-in 1.5 s;
Shopware read 0.15 s, sync of 500 rows 2 s); they are no vendor's promise. A kind of call without a median of its own
takes as long as a read or a write. The spread
(`sigma` of the logarithm) is an assumption: 0.35 puts the 95th percentile at 1.8 times the median.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from erp_sync.sandbox.core import Kind

_LIFE: Mapping[str, Mapping[str, float]] = {
    "netsuite": {"read": 0.25, "write": 1.2},
    "magento": {"read": 0.15, "write": 0.30},
    "sap_b1": {"read": 0.2, "write": 1.0, "auth": 1.5},
    "shopware": {"read": 0.15, "write": 0.30, "bulk": 2.0},
}
_OTHER: Mapping[str, float] = {"read": 0.2, "write": 0.5}
_READS: frozenset[str] = frozenset({"read", "search", "auth"})


@dataclass
class Latency:
    """Draws service times in wall seconds: log-normal around a median per vendor and kind of call.

    With `sigma` 0 every draw is the median. `seed` makes the draws repeatable.
    """

    profile: str
    medians: Mapping[str, float]
    sigma: float = 0.35
    seed: int | None = None
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def median(self, kind: Kind) -> float:
        if kind in self.medians:
            return self.medians[kind]
        return self.medians["read" if kind in _READS else "write"]

    def draw(self, kind: Kind) -> float:
        """Seconds this call takes."""
        median = self.median(kind)
        if not median or not self.sigma:
            return median
        return median * math.exp(self._random.gauss(0.0, self.sigma))

    def declared(self) -> dict[str, Any]:
        """What is printed and reported about this profile."""
        shape = "log-normal" if self.sigma else "constant"
        return {"profile": self.profile, "shape": shape, "sigma": self.sigma, "median_s": dict(self.medians)}


PROFILES = ("life", "demo", "fast", "none")


def latency(profile: str, vendor: str, seed: int | None = None) -> Latency:
    """The latency of a vendor in a profile.

    life: as in `_LIFE`; demo: life divided by 10; fast: 5 ms always; none: no latency.
    Raises ValueError for another name.
    """
    life = _LIFE.get(vendor, _OTHER)
    match profile:
        case "life":
            return Latency(profile, life, seed=seed)
        case "demo":
            return Latency(profile, {kind: median / 10 for kind, median in life.items()}, seed=seed)
        case "fast":
            return Latency(profile, {"read": 0.005, "write": 0.005}, sigma=0.0)
        case "none":
            return Latency(profile, {"read": 0.0, "write": 0.0}, sigma=0.0)
    raise ValueError(f"no latency profile {profile!r}; known are {', '.join(PROFILES)}")
