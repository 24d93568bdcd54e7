"""Who acts beside the workers of a seed: a second daemon, an operator, and vendors who tell of changes as they do.

Drawn from the seed by a generator of its own, so that the rest of its schedule does not depend on it. Each is counted
among the faults, when it has really come to something.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import sqlalchemy as sa

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.ledger import Ledger, NotInLedger, State, WrongState
from erp_sync.ledger.dead_letters import MAY_HAVE_LEFT
from erp_sync.ledger.errors import AWAY, is_away
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.ledger.plan_values import PlanState
from erp_sync.ledger.schema import deliveries
from erp_sync_tests.chaos.house import House
from erp_sync_tests.chaos.network import Trouble
from erp_sync_tests.chaos.schedule import DURATION, OVERTAKEN_AFTER
from erp_sync_tests.chaos.simulation import Process, Simulation, Task

WHO, WHY = "operator", "looked at it"
# What an operator does with one letter or document, or with what a run has in its hands.
DOINGS = ("retry", "edit", "dismiss", "grasp")
# Whose read another one overtakes.
READER = "reader"
GRASP_SECONDS = 60.0  # until there is something
# In some seeds these wait for a person, who looks so often: all of them, or what goes further than the guards allow.
JUDGED, LOOKS_SECONDS = "prices", (40.0, 90.0)
GUARD = {"max_jump_factor": 2.0}
# Asked over and over until there is one.
_CLAIMED = sa.select(deliveries.c.id).where(deliveries.c.state == State.CLAIMED).limit(1)
# How a vendor tells of a change, with how often beside each other.
MANNERS = {"in time": 3, "twice": 3, "late": 2, "out of order": 2, "never": 2}
LATE_SECONDS = (60.0, 240.0)
# Only these may be dismissed: the store wants nothing of them, so that nothing is missing where they are not booked.
DISMISSED = ("quantity_above_open",)


@dataclass
class Company:
    """Times are virtual seconds after the seed's beginning.

    Attributes:
        twins: (when, flow): two processes more begin a run of the flow at the same moment.
        operator: (when, what): an operator does that with one that is open then, if there is one.
        backfills: (when, flow): everything of the last day is read once more, beside what the others read.
        approval: which plans of prices wait until somebody approves them: "", "all" or "guarded".
    """

    twins: list[tuple[float, str]] = field(default_factory=list)
    operator: list[tuple[float, str]] = field(default_factory=list)
    backfills: list[tuple[float, str]] = field(default_factory=list)
    approval: str = ""


def draw(seed: int, duration: float, flows: Sequence[str]) -> Company:
    chance = random.Random(f"company {seed}")
    made = Company()
    if chance.random() < 0.6:
        made.twins = [(chance.uniform(20, duration * 0.9), chance.choice(flows)) for _ in range(chance.choice((1, 2)))]
    if chance.random() < 0.7:
        # Some come when all is at rest: who was given up is looked at in the end.
        made.operator = [
            (chance.uniform(60, duration * 1.5), chance.choice(DOINGS)) for _ in range(chance.choice((3, 6)))
        ]
    if chance.random() < 0.3:
        documents = [flow for flow in flows if FLOWS[flow].delivers]
        made.backfills = [(chance.uniform(60, duration * 0.9), chance.choice(documents))]
    if chance.random() < 0.3:
        made.approval = chance.choice(("all", "guarded")) if JUDGED in flows else ""
    return made


def judged(route: RouteSpec, approval: str) -> RouteSpec:
    """The route with plans that wait for a person."""
    if not approval:
        return route
    flow = route.flows[JUDGED]
    update = {"approval": "required"} if approval == "all" else {"guards": {**flow.guards, **GUARD}}
    return route.model_copy(update={"flows": {**route.flows, JUDGED: flow.model_copy(update=update)}})


class Operator:
    """A person who works on what is open while runs do."""

    def __init__(self, chance: random.Random, faults: Counter[str]) -> None:
        self._random, self._faults = chance, faults

    def act(self, ledger: Ledger, what: str) -> bool:
        """Whether it was done: somebody else may have been quicker, or the ledger be away; then it is let be."""
        try:
            with suppress(NotInLedger, WrongState):
                if getattr(self, f"_{what}")(ledger):
                    self._faults[f"operator: {what}"] += 1
                    return True
        except AWAY as error:
            if not is_away(error):
                raise
        return False

    def _retry(self, ledger: Ledger) -> bool:
        """Not what is retried only by who has looked whether it is there."""
        letters = sorted(one.id for one in ledger.dead_letters.find() if one.code not in MAY_HAVE_LEFT)
        if letters:
            ledger.dead_letters.retry([self._random.choice(letters)], who=WHO, why=WHY)
        return bool(letters)

    def _dismiss(self, ledger: Ledger) -> bool:
        letters = sorted(one.id for one in ledger.dead_letters.find() if one.code in DISMISSED)
        if letters:
            ledger.dead_letters.dismiss([self._random.choice(letters)], who=WHO, why=WHY)
        return bool(letters)

    def _edit(self, ledger: Ledger) -> bool:
        """Saved as it was, and let go at once."""
        states = (State.DUE, State.WAITING, State.DEAD, State.HELD)
        found = sorted(ledger.deliveries.find(states=states, limit=1000), key=lambda one: one.id)
        if found:
            chosen = self._random.choice(found)
            ledger.dead_letters.edit(chosen.id, chosen.payload, who=WHO, why=WHY, go=True)
        return bool(found)

    def _approve(self, ledger: Ledger) -> bool:
        """Each plan that waits for a person goes."""
        approved = 0
        for plan in ledger.plans.find(states=[PlanState.HELD]):
            with suppress(WrongState):
                ledger.plans.approve(plan.id, WHO, WHY)
                approved += 1
        return bool(approved)

    def _grasp(self, ledger: Ledger) -> bool:
        """What a run has in its hands just now is not to be edited, and none the worse for it."""
        with ledger.database.read() as read:
            if read.scalar(_CLAIMED) is None:
                return False
        found = sorted(ledger.deliveries.find(states=[State.CLAIMED], limit=100), key=lambda one: one.id)
        for one in found:
            with suppress(WrongState):
                ledger.dead_letters.edit(one.id, one.payload, WHO, WHY, go=True)
        return bool(found)


class World(Protocol):
    """The seed that the company is in. `outside`: the installation as somebody has it who looks from outside."""

    seed: int
    here: Simulation
    house: House
    outside: Installation

    def run(self, process: Process, flow: str, *, full: bool = False, keys: Sequence[str] = ()) -> None:
        """One run of a flow by that process."""


class Others:
    """The company of a seed at work."""

    def __init__(self, seed: World, company: Company) -> None:
        self._seed, self._company, self._here = seed, company, seed.here
        self._random = random.Random(f"others {seed.seed}")
        self._faults = seed.house.network.faults
        self._operator = Operator(self._random, self._faults)
        self._told = 0
        self._withheld: list[InboxEvent] = []
        self.tasks: list[Task] = []

    def arrange(self) -> None:
        begin = self._here.now
        for when, flow in self._company.twins:
            self._here.call_at(begin + when, lambda flow=flow: self._twins(flow))
        for when, what in self._company.operator:
            self._here.call_at(begin + when, lambda what=what: self._spawn(WHO, lambda _: self._operate(what)))
        for when, flow in self._company.backfills:
            self._here.call_at(begin + when, lambda flow=flow: self._backfill(flow))
        if self._company.approval:
            self._spawn(WHO, lambda _: self._look())

    # -- an operator, and whoever reads once more what others read ----------------------------------

    def _operate(self, what: str) -> None:
        until = self._here.now + (GRASP_SECONDS if what == "grasp" else 0.0)
        while not self._operator.act(self._seed.outside.ledger, what) and self._here.now < until:
            self._here.sleep(0.5)

    def _look(self) -> None:
        while self._here.now < self._here.start + DURATION:
            self._here.sleep(self._random.uniform(*LOOKS_SECONDS))
            self.approve()

    def approve(self) -> bool:
        """Let everything go that waits for a person; whether there was anything. Until now it was rightly old."""
        if not self._company.approval or not self._operator.act(self._seed.outside.ledger, "approve"):
            return False
        self._here.standstills.append(self._here.now)
        return True

    def _backfill(self, flow: str) -> None:
        self._faults["windows overlap"] += 1
        self._spawn("backfill", lambda process: self._seed.run(process, flow, full=True))

    def overtake(self, flow: str) -> None:
        """Somebody reads all values of a flow by their keys; a moment later another one what has changed."""
        keys = [item.sku for item in self._seed.house.template.goods().items if item.kind == "simple"]
        self._spawn(READER, lambda process: self._seed.run(process, flow, keys=keys))
        self._here.call_at(
            self._here.now + OVERTAKEN_AFTER,
            lambda: self._spawn("other reader", lambda process: self._seed.run(process, flow)),
        )

    def struck(self, trouble: Trouble) -> None:
        """A call was hit: a reader's, which is overtaken then."""
        process = self._here.current.process if self._here.current is not None else None
        if process is not None and process.name == READER and trouble.writes is False:
            self._faults["read overtaken"] += 1

    # -- a second daemon ---------------------------------------------------------------------------

    def _twins(self, flow: str) -> None:
        self._faults["two daemons"] += 1
        for name in ("other daemon 1", "other daemon 2"):
            self._spawn(name, lambda process: self._seed.run(process, flow))

    def _spawn(self, name: str, work: Callable[[Process], None]) -> None:
        process = Process(name)

        def live() -> None:
            try:
                work(process)
            finally:
                self._here.processes.pop(process, None)

        self.tasks.append(self._here.spawn(live, name, process))

    # -- vendors who tell of changes ---------------------------------------------------------------

    def changed(self, connection: str, entity: str, native_id: str) -> None:
        """A record has changed: its vendor tells of it in some manner."""
        (manner,) = self._random.choices(list(MANNERS), list(MANNERS.values()))
        self._told += 1
        event = InboxEvent(
            connection=connection, event_id=f"event {self._told}", topic="changed", entity=entity, native_id=native_id
        )
        self._faults[f"event {manner}"] += 1
        soon = self._here.now + self._random.uniform(0.1, 2.0)
        match manner:
            case "never":
                return
            case "out of order":
                self._withheld.append(event)
                return
            case "late":
                soon += self._random.uniform(*LATE_SECONDS)
            case "twice":
                again = msgspec.structs.replace(event, event_id=f"{event.event_id}, told anew")
                self._here.call_at(soon + 0.5, lambda: self._tell(event, again))
        after, self._withheld = self._withheld, []
        self._here.call_at(soon, lambda: self._tell(event, *reversed(after)))

    def _tell(self, *events: InboxEvent) -> None:
        for event in events:
            self._seed.outside.ledger.inbox.put(event)
