"""What happens in a seed of real processes: what people do, which calls fail, which process is killed when.

Drawn once, from the seed alone. Times are wall seconds after everything runs, those aside in which it is started again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DURATION = 50.0
# So many times what the people of tier one do, in fewer seconds.
LOAD = 9
# Nothing hangs for longer than the route's clients wait, and no late commit comes later than half of what its
# connectors declare as settle time.
LATEST_COMMIT = 6.0
STALE_SECONDS = 8.0
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "timeout_before": {"kind": "timeout_before"},
    "timeout_after_commit": {"kind": "timeout_after_commit"},
    "late_commit": {"kind": "late_commit"},
    "too_many_requests": {"kind": "too_many_requests", "seconds": 1},
    "server_error": {"kind": "server_error"},
    "server_error_after_commit": {"kind": "server_error", "when": "after"},
    "drop_connection": {"kind": "drop_connection"},
    "drop_connection_after_commit": {"kind": "drop_connection", "when": "after"},
    "truncate_body": {"kind": "truncate_body"},
    "maintenance": {"kind": "maintenance", "seconds": 2},
    "stale_read": {"kind": "stale_read"},
}
# What may not last: a read that is stale is so from the rule's beginning.
BRIEF = frozenset({"stale_read"})
# Beside the kills, each at a moment of its own between them: wall seconds that it lasts.
MISHAPS: Mapping[str, tuple[float, ...]] = {
    "ledger_locked": (4.0, 8.0),
    "postgresql_restart": (0.0,),
    "postgresql_gone": (7.0, 10.0),
}
# A restart, or gone for longer than who begins a transaction waits.
OF_POSTGRESQL = ("postgresql_restart", "postgresql_gone")
# What an operator does now and then.
OPERATIONS = ("retry", "edit", "dismiss")
# Everything of the machine, and two more of these.
MACHINE = "machine"
VICTIMS: Mapping[str, int] = {"worker": 6, "fork-server": 2, "daemon": 2, "code-server": 2, "supervisor": 1}


@dataclass(frozen=True)
class Fault:
    """A rule that a sandbox is given at `begin` and that is taken back at `end`."""

    name: str
    system: str
    begin: float
    end: float
    rule: Mapping[str, Any]


@dataclass
class Schedule:
    """Attributes:
    acts: (when, whose side, what people do).
    kills: (when, whom): a service's name, ``worker`` for the process of a run, ``machine`` for everything.
    lag: seconds by which the ERP's search index is behind its writes, for the whole seed.
    mishaps: (when, what of `MISHAPS`, for how long): what the machine itself suffers.
    operator: (when, what): an operator does that with one that is open then, if there is one.
    upgrade: the dead machine comes back with a new version, whose upgrade of the ledger is killed when so many
        migrations are done; 0: it comes back as it was.
    """

    seed: int = 0
    acts: list[tuple[float, str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    kills: list[tuple[float, str]] = field(default_factory=list)
    lag: float = 0.0
    postgres: bool = False
    mishaps: list[tuple[float, str, float]] = field(default_factory=list)
    operator: list[tuple[float, str]] = field(default_factory=list)
    upgrade: int = 0


def draw(
    seed: int, doings: Mapping[str, Mapping[str, int]], endpoints: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> Schedule:
    """The schedule of a seed.

    Arguments:
        doings: what the people of each system do, with how often beside each other.
        endpoints: per system the endpoints that are written (``writes``) and read (``reads``).
    """
    chance = random.Random(f"processes {seed}")
    made = Schedule(seed=seed, postgres=seed % 2 == 0, lag=chance.choice((0.0, 1.5, 3.0)))
    for name, things in doings.items():
        for what, weight in things.items():
            for _ in range(weight * LOAD):
                early = what == "buy" and chance.random() < 0.3
                made.acts.append((0.0 if early else chance.uniform(1, DURATION * 0.9), name, what))
    made.acts.sort()
    kinds = list(FAULTS)
    chance.shuffle(kinds)
    # All kinds, some of them in both systems: not every rule meets a call.
    for kind in [*kinds, *chance.choices(kinds, k=6)]:
        made.faults.append(_fault(chance, kind, endpoints))
    # Three kills of which one takes everything; apart from each other, so that each meets something that works.
    moments = [chance.uniform(0.08, 0.25), chance.uniform(0.38, 0.55), chance.uniform(0.72, 0.9)]
    victims = [MACHINE, *chance.choices(list(VICTIMS), list(VICTIMS.values()), k=2)]
    chance.shuffle(victims)
    made.kills = [(DURATION * moment, victim) for moment, victim in zip(moments, victims, strict=True)]
    _more(made, seed)
    return made


def _more(made: Schedule, seed: int) -> None:
    """What was thought of later, drawn apart: the rest of a seed does not depend on it."""
    chance = random.Random(f"mishaps {seed}")
    # In turn, so that few seeds have all of them.
    kinds = ["ledger_locked", *([OF_POSTGRESQL[seed // 2 % 2]] if made.postgres else [])]
    chance.shuffle(kinds)
    gaps = chance.sample(((0.28, 0.36), (0.58, 0.7)), len(kinds))
    made.mishaps = sorted(
        (DURATION * chance.uniform(*gap), kind, chance.choice(MISHAPS[kind]))
        for gap, kind in zip(gaps, kinds, strict=True)
    )
    made.operator = sorted((chance.uniform(10, DURATION * 1.2), chance.choice(OPERATIONS)) for _ in range(6))
    # Half of the seeds of each database.
    made.upgrade = chance.randint(1, 4) if seed % 4 in (1, 2) else 0


def _fault(chance: random.Random, name: str, endpoints: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Fault:
    system = chance.choice(list(endpoints))
    reads = name == "stale_read" or (
        name in ("too_many_requests", "server_error", "truncate_body") and chance.random() < 0.4
    )
    rule = {**FAULTS[name], "endpoint": chance.choice(endpoints[system]["reads" if reads else "writes"])}
    begin = round(chance.uniform(0, DURATION * 0.65), 1)
    length = chance.choice((15.0, 25.0, 40.0))
    rule |= {"times": chance.choice((1, 2, 3, 5)), "seed": chance.randint(0, 10**6)}
    if name == "late_commit":
        rule["seconds"] = round(chance.uniform(0.2, LATEST_COMMIT), 1)
    if name == "stale_read":
        length = STALE_SECONDS
    return Fault(name, system, begin, round(min(begin + length, DURATION), 1), rule)
