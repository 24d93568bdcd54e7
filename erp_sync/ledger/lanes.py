"""Lanes: the order in which due work is taken."""

from __future__ import annotations

LANES = ("now", "normal", "bulk")


def lane_rank(lane: str) -> int:
    """0 for the most urgent. Raises ValueError that lists the lanes."""
    try:
        return LANES.index(lane)
    except ValueError:
        raise ValueError(f"no lane {lane!r}; there are {', '.join(LANES)}") from None
