"""What happens in a seed: what people do, what goes wrong, who dies where. Drawn once, from the seed alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.ports.capabilities import Guarantee
from erp_sync.transport.policies import RetryPolicy
from erp_sync_tests.chaos.network import LIST_CHANGES, Trouble
from erp_sync_tests.chaos.simulation import Ambush

# Faults come, people act and workers die within so many virtual seconds; then everything is let settle.
DURATION = 420.0
# A seed of less proves little, and fails.
LEAST = {"documents": 20, "state_keys": 50}
# People act in so much of it; after so much it shows whether they did enough.
BUSY, LATE = 0.85, 0.5
# Of what people do in the time, as much as makes 20 documents a seed, and not many more: seeds are cheap by the dozen.
# Where it does not, `play` has somebody buy.
AMOUNT = 0.5
KINDS: Mapping[str, int] = {
    "timeout": 4,
    "timeout after commit": 5,
    "late_commit": 8,
    "drop_connection": 2,
    "drop_connection after commit": 3,
    "server_error": 2,
    "server_error after commit": 3,
    "bad_gateway": 1,
    "bad_gateway after commit": 2,
    "gateway_timeout": 1,
    "gateway_timeout after commit": 2,
    "truncate_body": 3,
    "half_body": 2,
    "double_body": 2,
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
    "values gathered": 2,
    "parquet half written": 2,
    "parquet written": 2,
    "manifest half written": 2,
}

# What the machine under the product lacks, with how likely that is in a seed; for so many seconds.
OUTAGES: Mapping[str, float] = {"ledger locked": 0.2, "ledger full": 0.2, "lake full": 0.2, "ledger gone": 0.25}
OUTAGE_SECONDS = (5.0, 30.0, 75.0)
# Where in a transaction the ledger goes: before its commit, or when it is done and nobody is told.
GOES = ("in a transaction", "after a transaction")

OFTEN = {point for point in POINTS if point.endswith(("send", "answer", "transaction"))}


@dataclass
class Schedule:
    """Times are virtual seconds after the seed's beginning.

    Attributes:
        acts: (when, whose side, what people do).
        traps: (when, point, how often it is passed unharmed before somebody dies there, whether all die with it).
        outages: (when, which of `OUTAGES`, how long, at which point it begins; "" at that moment).
        ambushes: who is caught in the middle of a flow, where and with what.
        skipped: (when, flow, how long) nobody starts a run of the flow, whatever there is for it.
        overtaken: (when, flow) somebody begins to read values, and another one who begins later is done before.
        stalls: (when, after how many transactions more, how long) nothing of a worker runs, and it does not know.
    """

    skews: dict[str, float] = field(default_factory=dict)
    acts: list[tuple[float, str, str]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    traps: list[tuple[float, str, int, bool]] = field(default_factory=list)
    outages: list[tuple[float, str, float, str]] = field(default_factory=list)
    stalls: list[tuple[float, int, float]] = field(default_factory=list)
    ambushes: list[Ambush] = field(default_factory=list)
    skipped: list[tuple[float, str, float]] = field(default_factory=list)
    overtaken: list[tuple[float, str]] = field(default_factory=list)


def draw(seed: int, start: float, doings: Mapping[str, Mapping[str, int]], route: RouteSpec) -> Schedule:
    """The schedule of a seed. `doings`: what the people of each system do, with how often beside each other."""
    chance = random.Random(f"schedule {seed}")
    made = Schedule()
    if chance.random() < 0.4:
        made.skews = {name: chance.uniform(-170, 170) for name in doings}
    for _ in range(chance.randint(5, 9)):
        made.troubles.append(_trouble(chance, start, list(doings)))
    for _ in range(chance.choice((1, 2, 2, 3))):
        (point,) = chance.choices(list(POINTS), list(POINTS.values()))
        passes = chance.randint(0, 15) if point in OFTEN else chance.randint(0, 2)
        made.traps.append((chance.uniform(0, DURATION * 0.8), point, passes, chance.random() < 0.3))
    for what, likely in OUTAGES.items():
        if chance.random() < likely:
            point = chance.choice(GOES) if what == "ledger gone" else ""
            made.outages.append((chance.uniform(0, DURATION * 0.8), what, chance.choice(OUTAGE_SECONDS), point))
    if chance.random() < 0.5:
        made.stalls.append(
            (chance.uniform(0, DURATION * 0.7), chance.randint(0, 40), chance.choice((20.0, 50.0, 120.0)))
        )
    for aim in chance.sample(AIMS, 3):
        aim(made, chance, start, route)
    _acts(made, chance, doings)
    # A generator of their own: the rest of a seed does not depend on them.
    more = random.Random(f"more {seed}")
    if more.random() < 0.4:
        _skipped_windows(made, more, start, doings, route)
    if more.random() < 0.25:
        made.acts.append((more.uniform(20, DURATION * 0.6), route.store, POISON))
    if more.random() < 0.3:
        _overtaken_read(made, more, start, route)
    made.acts.sort()
    return made


# -- what is aimed at the moments that a guarantee is for -------------------------------------------


def _overtaken_document(made: Schedule, chance: random.Random, start: float, route: RouteSpec) -> None:
    """Everybody dies with a new order in hand, which its buyer then thinks better of: two versions meet."""
    when = chance.uniform(30, DURATION * 0.6)
    then = (route.store, "think_again")
    made.acts += [(when, route.store, "buy")] * 2
    made.ambushes.append(
        Ambush(start + when, "before documents are accepted", "orders", everybody=chance.random() < 0.5, then=then)
    )


def _cancelled_under_way(made: Schedule, chance: random.Random, start: float, route: RouteSpec) -> None:
    """The target does what it is sent, nobody is told, and the buyer thinks better of it before anybody looks."""
    kind = FLOWS["orders"]
    for _ in range(2):
        when = chance.uniform(30, DURATION * 0.7)
        made.acts.append((when, route.store, "buy"))
        what = chance.choice(("timeout", "drop_connection", "server_error"))
        then = (route.store, "think_again")
        # The client asks again by itself; nobody is told all the same.
        hit = {"kind": what, "after": True, "entity": kind.entity}
        _aimed(made, start, when, route, "orders", times=ATTEMPTS - 1, **hit)
        _aimed(made, start, when, route, "orders", times=1, then=then, **hit)


def _overtaken_value(made: Schedule, chance: random.Random, start: float, route: RouteSpec) -> None:
    """A worker stands still with values that it has read, while they change and another one writes the new ones."""
    flow, when = _or_stock(chance.choice(STATES), route), chance.uniform(100, DURATION * 0.7)
    then = (_source(route, flow), "think_again")
    # It needs something in hand.
    made.acts.append((when, *then))
    made.ambushes.append(Ambush(start + when, "values gathered", flow, seconds=chance.uniform(100, 250), then=then))


def _lost_lease(made: Schedule, chance: random.Random, start: float, route: RouteSpec) -> None:
    """A worker stands still for longer than its lease: with a write that it has begun and that has not left, until
    somebody else has taken over, waited and written; later once more, in the middle of its documents."""
    # Comments: the store has no key for them, and one is due soon after each new order.
    when, seconds = chance.uniform(20, DURATION * 0.25), chance.uniform(*TAKEN_OVER_SECONDS)
    made.acts += [(when, route.store, "buy")] * 2
    made.ambushes.append(Ambush(start + when, "write begun", "order_status", seconds=seconds))
    flow, when = chance.choice(("shipments", "order_status")), chance.uniform(DURATION * 0.5, DURATION * 0.8)
    ambush = Ambush(
        start + when, "after a transaction", flow, passes=chance.randint(5, 60), seconds=chance.uniform(70, 200)
    )
    made.ambushes.append(ambush)


def _silent_write(made: Schedule, chance: random.Random, start: float, route: RouteSpec) -> None:
    """Values do not arrive, and nobody is told."""
    flow, begin = _or_stock(chance.choice(STATES), route), chance.uniform(0, DURATION * 0.7)
    kind = chance.choice(("timeout", "drop_connection", "server_error"))
    _aimed(made, start, begin, route, flow, kind=kind, times=chance.choice((1, 2)))


def _late_value(made: Schedule, chance: random.Random, start: float, route: RouteSpec) -> None:
    """Values arrive long after nobody waits for them, when newer ones are due."""
    flow, begin = _or_stock(chance.choice(STATES), route), chance.uniform(60, DURATION * 0.6)
    then = (_source(route, flow), "think_again")
    made.acts.append((begin, *then))
    _aimed(made, start, begin, route, flow, kind="late_commit", times=1, seconds=chance.uniform(25, 40), then=then)


def _no_trace(made: Schedule, chance: random.Random, start: float, route: RouteSpec) -> None:
    """What cannot be searched for is done, and nobody is told. It takes what is told once more: later parcels."""
    made.acts += [(chance.uniform(DURATION * 0.4, DURATION * 0.85), route.erp, "follow_up") for _ in range(5)]
    for system in (route.store, route.erp):
        kind = chance.choice(("timeout", "drop_connection", "server_error", "truncate_body"))
        made.troubles.insert(
            0,
            Trouble(kind=kind, system=system, begin=start, end=start + DURATION, writes=True, after=True,
                    times=chance.choice((1, 2, 3)), guarantee=Guarantee.NONE.value),
        )  # fmt: skip


def _skipped_windows(
    made: Schedule, chance: random.Random, start: float, doings: Mapping[str, Mapping[str, int]], route: RouteSpec
) -> None:
    """For some time nothing is read, then much at once, in a list that changes between its pages."""
    flow = chance.choice(DOCUMENTS)
    when, seconds = chance.uniform(20, DURATION * 0.45), chance.uniform(150, 250)
    made.skipped.append((when, flow, seconds))
    source = _source(route, flow)
    then = (source, chance.choice(list(doings[source])))
    begin = start + when + seconds
    made.troubles.insert(
        0,
        Trouble(kind=LIST_CHANGES, system=source, begin=begin, end=begin + 120, writes=False, flow=flow,
                times=chance.choice((1, 2)), then=then),
    )  # fmt: skip


def _overtaken_read(made: Schedule, chance: random.Random, start: float, route: RouteSpec) -> None:
    """A read hangs while values change: it began before another one, and holds what is newer."""
    # Prices are read in one call: it is the one that hangs.
    flow, when = _or_stock("prices", route), chance.uniform(60, DURATION * 0.7)
    source = _source(route, flow)
    # What the other one reads is new, too, and not yet known.
    made.acts += [(when - 3, source, "think_again"), (when + 20, source, "think_again")]
    made.overtaken.append((when, flow))
    made.troubles.insert(
        0,
        Trouble(kind="timeout", system=source, begin=start + when, end=start + when + OVERTAKEN_AFTER, writes=False,
                flow=flow, times=1),
    )  # fmt: skip


AIMS = (_overtaken_document, _cancelled_under_way, _overtaken_value, _lost_lease, _silent_write, _late_value, _no_trace)
STATES = ("inventory", "prices")
DOCUMENTS = ("orders", "order_status", "shipments")
# Somebody buys, and what the store holds of it cannot be used.
POISON = "poison"
# Somebody buys, unless there are documents enough.
PERHAPS = "perhaps"
# Of one call, by the client itself.
ATTEMPTS = RetryPolicy().attempts
# Lease, settle time of a write that may have left, and the time until the other worker looks again.
TAKEN_OVER_SECONDS = (220, 320)
# Who reads and overtakes another one begins so much later.
OVERTAKEN_AFTER = 3.0


def _or_stock(flow: str, route: RouteSpec) -> str:
    """The flow of state, where the route has it."""
    return flow if flow in route.flows else "inventory"


def _source(route: RouteSpec, flow: str) -> str:
    return str(getattr(route, FLOWS[flow].source))


def _aimed(made: Schedule, start: float, begin: float, route: RouteSpec, flow: str, **what: Any) -> None:
    """First of all troubles: it is not to be left to chance."""
    target = getattr(route, FLOWS[flow].target)
    end = start + DURATION
    made.troubles.insert(0, Trouble(system=target, begin=start + begin, end=end, writes=True, flow=flow, **what))


def _acts(made: Schedule, chance: random.Random, doings: Mapping[str, Mapping[str, int]]) -> None:
    """What people do beside what is aimed, which counts."""
    aimed = Counter((name, what) for _, name, what in made.acts)
    for name, things in doings.items():
        for what, weight in things.items():
            # Some orders are there before anything runs; what a warehouse does needs something to do.
            for _ in range(max(1, round(weight * AMOUNT) - aimed[name, what])):
                early = what == "buy" and chance.random() < 0.4
                when = 0.0 if early else chance.uniform(1, DURATION * BUSY)
                late = what == "buy" and when > DURATION * LATE
                made.acts.append((when, name, PERHAPS if late else what))


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
