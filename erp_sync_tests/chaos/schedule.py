"""What happens in a seed: what people do, what goes wrong, who dies where. Drawn once, from the seed alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from erp_sync_tests.chaos.network import Trouble

# Faults come, people act and workers die within so many virtual seconds; then everything is let settle.
DURATION = 600.0
KINDS: Mapping[str, int] = {
    "timeout": 4,
    "timeout after commit": 5,
    "late_commit": 8,
    "drop_connection": 2,
    "drop_connection after commit": 3,
    "server_error": 2,
    "server_error after commit": 3,
    "truncate_body": 3,
    "half_body": 2,
    "wrong_body": 2,
    "too_many_requests": 3,
    "maintenance": 2,
    "twice": 2,
    "stale_read": 2,
}
POINTS: Mapping[str, int] = {
    "before send": 3,
    "after send": 5,
    "after answer": 5,
    "before a transaction": 3,
    "in a transaction": 4,
    "after a transaction": 4,
    "records received": 4,
    "before documents are accepted": 4,
    "documents accepted": 3,
    "parquet half written": 2,
    "parquet written": 2,
    "manifest half written": 2,
}

OFTEN = {point for point in POINTS if point.endswith(("send", "answer", "transaction"))}


@dataclass
class Schedule:
    """Times are virtual seconds after the seed's beginning.

    Attributes:
        acts: (when, whose side, what people do).
        traps: (when, point, how often it is passed unharmed before somebody dies there, whether all die with it).
        locked: (when, how long) the ledger is somebody else's.
        stalls: (when, after how many transactions more, how long) nothing of a worker runs, and it does not know.
    """

    skews: dict[str, float] = field(default_factory=dict)
    acts: list[tuple[float, str, str]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    traps: list[tuple[float, str, int, bool]] = field(default_factory=list)
    locked: list[tuple[float, float]] = field(default_factory=list)
    stalls: list[tuple[float, int, float]] = field(default_factory=list)


def draw(seed: int, start: float, doings: Mapping[str, Mapping[str, int]]) -> Schedule:
    """The schedule of a seed. `doings`: what the people of each system do, with how often beside each other."""
    chance = random.Random(f"schedule {seed}")
    made = Schedule()
    if chance.random() < 0.4:
        made.skews = {name: chance.uniform(-170, 170) for name in doings}
    _acts(made, chance, doings)
    for _ in range(chance.randint(5, 9)):
        made.troubles.append(_trouble(chance, start, list(doings)))
    for _ in range(chance.choice((1, 2, 2, 3))):
        (point,) = chance.choices(list(POINTS), list(POINTS.values()))
        passes = chance.randint(0, 25) if point in OFTEN else chance.randint(0, 2)
        made.traps.append((chance.uniform(0, DURATION * 0.8), point, passes, chance.random() < 0.3))
    if chance.random() < 0.2:
        made.locked.append((chance.uniform(0, DURATION * 0.8), chance.choice((5.0, 30.0, 75.0))))
    if chance.random() < 0.5:
        made.stalls.append(
            (chance.uniform(0, DURATION * 0.7), chance.randint(0, 40), chance.choice((20.0, 50.0, 120.0)))
        )
    return made


def _acts(made: Schedule, chance: random.Random, doings: Mapping[str, Mapping[str, int]]) -> None:
    for name, things in doings.items():
        for what, weight in things.items():
            # Some orders are there before anything runs; what a warehouse does needs something to do.
            for _ in range(weight):
                early = what == "buy" and chance.random() < 0.4
                made.acts.append((0.0 if early else chance.uniform(1, DURATION * 0.85), name, what))
    made.acts.sort()


def _trouble(chance: random.Random, start: float, systems: list[str]) -> Trouble:
    (drawn,) = chance.choices(list(KINDS), list(KINDS.values()))
    kind, _, after = drawn.partition(" after commit")
    begin = chance.uniform(0, DURATION * 0.8)
    length = chance.choice((20.0, 60.0, 200.0, 600.0))
    writes = None if kind in ("maintenance", "too_many_requests") else chance.random() < 0.75
    if kind == "stale_read":
        writes = False
    return Trouble(
        kind=kind,
        system=chance.choice(systems),
        begin=start + begin,
        end=start + min(begin + length, DURATION),
        writes=writes,
        times=chance.choice((1, 2, 3, 6)),
        chance=1.0 if kind == "stale_read" else chance.choice((1.0, 0.5, 0.3)),
        seconds={
            "late_commit": chance.uniform(0.5, 40),
            "maintenance": 30,
            "too_many_requests": chance.choice((0, 5)),
        }.get(kind, 0.0),
        after=bool(after) or drawn.endswith("after commit"),
    )
