"""One seed, played from its beginning until everything is at rest, and judged."""

from __future__ import annotations

import random
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.state_reading import snapshot_position
from erp_sync.flows.state_extraction import compared_entity
from erp_sync.lake import LakeFull
from erp_sync.ledger import State
from erp_sync.ledger.errors import NO_ANSWER, LedgerBusy, is_away
from erp_sync.ports.outcomes import CallFailed
from erp_sync_tests.chaos import company, runs, schedule
from erp_sync_tests.chaos.house import House, Template, in_force, people_of, played
from erp_sync_tests.chaos.judge import Verdict, judge
from erp_sync_tests.chaos.network import System, Trouble
from erp_sync_tests.chaos.schedule import DURATION, LEAST, PERHAPS, POISON, Schedule
from erp_sync_tests.chaos.sensor import Sensor
from erp_sync_tests.chaos.simulation import Ambush, Killed, Process, Simulation, Task
from erp_sync_tests.chaos.thrift import thrifty

WORKERS = 2
# How long after the last fault everything may take to come to rest: retries double up to a quarter of an hour.
SETTLE_SECONDS = 6 * 3600.0
RESTART_SECONDS = (2.0, 45.0)
# Documents that there are to be in the end, those that come after people have gone home, and how long it takes until
# a purchase shows. The rare seed that has too few all the same, because nobody was alive, has some after the faults.
LEAST_DOCUMENTS, DOCUMENTS_TO_COME, BUYERS_PAUSE, LATE_BUYERS = LEAST["documents"], 5, 60.0, 10


@dataclass
class Played:
    """What came of a seed."""

    seed: int
    verdict: Verdict
    faults: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[float, str, str]] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    documents: int = 0
    state_keys: int = 0
    calls: int = 0
    runs: int = 0
    settled_after: float = 0.0


class Seed:
    def __init__(self, template: Template, here: Simulation, house: House, plan: Schedule, seed: int) -> None:
        self.template, self.here, self.house, self.plan, self.seed = template, here, house, plan, seed
        self.random = random.Random(f"workers {seed}")
        self.installations: dict[Process, Installation] = {}
        self.finished: list[float] = []
        self._bought_at = 0.0
        self.runs = 0
        self.defects: list[str] = []
        drawn = company.draw(seed, DURATION, played(house.route))
        house.route = company.judged(house.route, drawn.approval)
        self.others = company.Others(self, drawn)
        self._missed: set[tuple[float, str]] = set()

    # -- people and trouble ------------------------------------------------------------------------

    def arrange(self) -> None:
        """Put everything of the schedule onto the clock."""
        begin, here = self.here.now, self.here
        for when, name, what in self.plan.acts:
            here.call_at(begin + when, lambda name=name, what=what: self._act(name, what))
        for trouble in self.plan.troubles:
            system = self.house.network.systems[trouble.system]
            system.troubles.append(trouble)
            if trouble.kind == "stale_read":
                trouble.end = min(trouble.end, trouble.begin + self._lateness(system))
                here.call_at(trouble.begin, lambda trouble=trouble: self.house.freeze(trouble))
        for when, point, passes, everybody in self.plan.traps:
            here.call_at(begin + when, lambda trap=(point, passes, everybody): self._set_trap(*trap))
        self.others.arrange()
        for when, flow in self.plan.overtaken:
            here.call_at(begin + when, lambda flow=flow: self.others.overtake(flow))
        here.ambushes, here.ambushed = list(self.plan.ambushes), self._ambushed
        self.house.network.struck = self._struck
        self.house.network.act = self._act
        for when, passes, length in self.plan.stalls:
            here.call_at(begin + when, lambda stall=(passes, length): self._stall(*stall))
        for when, what, length, point in self.plan.outages:
            here.call_at(begin + when, lambda outage=(what, length, point): self._outage(*outage))

    @staticmethod
    def _lateness(system: System) -> float:
        """A read may be as old as the connector declares; older than that, only the nightly comparison helps."""
        declared = [one.lateness_seconds for one in system.capabilities.readings if one.updated_time]
        return 0.8 * min(declared, default=0.0)

    def _act(self, name: str, what: str) -> None:
        people = self.house.people[name]
        if what == PERHAPS:
            if self.sensor.documents() >= LEAST_DOCUMENTS - DOCUMENTS_TO_COME:
                return
            what = "buy"
        people.do("buy" if what == POISON else what)
        if what == POISON and people.told:
            self.house.poison(name, people.told[-1][1])
        self.house.network.systems[name].changed = self.here.now
        told = getattr(people, "told", [])
        while told:
            self.others.changed(name, *told.pop(0))
        self.sensor.changed[name] = self.here.now
        self.house.network.tick()

    def _react(self, then: tuple[str, str] | None) -> None:
        """People do something at the very moment; not inside of whoever is at work."""
        if then is not None:
            self.here.call_at(self.here.now + 0.5, lambda: self._act(*then))

    def _struck(self, trouble: Trouble) -> None:
        self.others.struck(trouble)
        self._react(trouble.then)

    def _ambushed(self, ambush: Ambush) -> None:
        if ambush.seconds:
            self.house.network.faults["worker suspended"] += 1
        self._react(ambush.then)

    def _set_trap(self, point: str, passes: int, everybody: bool) -> None:
        self.here.traps[point] = passes
        if everybody:
            self.here.takes_all.add(point)

    def _stall(self, passes: int, seconds: float) -> None:
        self.here.suspends.append((passes, seconds))
        self.house.network.faults["worker suspended"] += 1

    def _outage(self, what: str, seconds: float, point: str) -> None:
        if point:
            self.here.going.append((point, what, seconds))
        else:
            self.here.outage(what, seconds)

    # -- workers -----------------------------------------------------------------------------------

    def work(self, number: int) -> None:
        """A worker for the whole time; when it dies another one starts after a while, knowing nothing."""
        here = self.here
        while here.now < here.start + DURATION:
            if isinstance(self._live(Process(f"worker {number}")).failure, Killed):
                here.sleep(self.random.uniform(*RESTART_SECONDS))

    def _live(self, process: Process) -> Task:
        """The whole life of a worker."""
        task = self.here.spawn(lambda: self._tick_for_ever(process), process.name, process)
        self.here.wait(lambda: task.done, task.watchers.append, None)
        return task

    def _tick_for_ever(self, process: Process) -> None:
        here = self.here
        while here.now < here.start + DURATION:
            flow = self._choose()
            if flow is not None:
                self.run(process, flow)
            here.sleep(self.random.choice((1.0, 5.0, 20.0, 40.0)))

    def _choose(self) -> str | None:
        flows = list(played(self.house.route))
        self.random.shuffle(flows)
        try:
            return next(
                (flow for flow in flows if self.sensor.wanted(flow, self.here.now) and not self._skips(flow)), None
            )
        except (LedgerBusy, *NO_ANSWER) as error:
            if not is_away(error):
                raise
            return None  # it looks again later

    def _skips(self, flow: str) -> bool:
        """Whether nobody is to start a run of it now, though there is something for it."""
        passed = self.here.now - self.here.start
        for when, one, seconds in self.plan.skipped:
            if one == flow and when <= passed < when + seconds:
                if (when, flow) not in self._missed:
                    self._missed.add((when, flow))
                    self.house.network.faults["windows skipped"] += 1
                return True
        return False

    def installation(self, process: Process) -> Installation:
        if process not in self.installations:
            self.installations[process] = self.house.installation()
        return self.installations[process]

    def run(self, process: Process, flow: str, *, full: bool = False, keys: Sequence[str] = ()) -> None:
        self.runs += 1
        began = self.here.now
        process.doing = flow
        here = self.installation(process)
        try:
            full = full or (not keys and self._never_compared(here, flow))
            runs.run(here, self.house.route, flow, f"run{self.runs}", full=full, keys=keys)
        except (CallFailed, LakeFull):
            return
        except Killed:
            raise
        except Exception as defect:  # noqa: BLE001 - a finding: the run has failed, the seed goes on
            if is_away(defect):
                return
            place = traceback.extract_tb(defect.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno} {place.name}"
            self.defects.append(f"{flow}: {type(defect).__name__} at {where}: {defect}")
            return
        if not keys:
            self.sensor.read[flow] = began
        self.finished.append(self.here.now)

    def _never_compared(self, here: Installation, flow: str) -> bool:
        """A flow of state whose first comparison of everything did not come to its end: it is due anew, as the
        product's own sensor says (`state_due`)."""
        kind, route = FLOWS[flow], self.house.route
        if kind.delivers:
            return False
        source = getattr(route, kind.source)
        if snapshot_position(here, source, kind) is None:
            return False  # the first run of all reads everything by itself
        compared = compared_entity(route.name, flow, kind.entity, shadow=False)
        return here.ledger.cursors.get(source, compared).position is None

    # -- the whole -----------------------------------------------------------------------------------

    def play(self) -> Played:
        self.outside = self.house.installation()
        self.sensor = Sensor(
            self.outside, self.house.route, self.plan.skews, self.house.network.written, nets=self.house.nets
        )
        try:
            return self._play()
        finally:
            self.sensor.close()

    def _play(self) -> Played:
        here, network = self.here, self.house.network
        self.arrange()
        workers = [
            here.spawn(lambda number=number: self.work(number), f"supervisor {number}") for number in range(WORKERS)
        ]
        here.spawn(self._background, "background")
        here.run(here.start + DURATION)
        for worker in [*workers, *self.others.tasks]:
            if not here.run_until(worker, here.now + 3600):
                self.defects.append("a worker does not come to an end")
        # Nothing goes wrong any more, but what is on its way comes.
        here.traps.clear()
        here.suspends.clear()
        here.ambushes.clear()
        here.going.clear()
        here.outages.clear()
        for system in network.systems.values():
            system.troubles.clear()
        settled = self._settle()
        verdict = judge(
            self.house, self.outside, self.defects if settled is not None else [*self.defects, self._moving()]
        )
        network.faults.update(Counter(what for what, _ in here.suffered))
        counts = self.outside.ledger.deliveries.counts()
        known = sum(
            self.outside.ledger.known.count(getattr(self.house.route, kind.target), kind.entity)
            for kind in FLOWS.values()
            if not kind.delivers
        )
        return Played(
            seed=self.seed,
            verdict=verdict,
            faults=network.faults,
            kills=here.kills,
            recoveries=[
                after - when
                for when, _, _ in here.kills
                if (after := min((moment for moment in self.finished if moment > when), default=None)) is not None
            ],
            documents=sum(counts.values()),
            state_keys=known,
            calls=network.calls,
            runs=self.runs,
            settled_after=settled or 0.0,
        )

    def _background(self) -> None:
        while True:
            self.here.sleep(30.0)
            self._keep_pace()
            self.house.network.tick()

    def _keep_pace(self) -> None:
        """Where what was drawn makes too few documents somebody buys, while there are faults still."""
        passed = (self.here.now - self.here.start) / DURATION
        if not schedule.LATE < passed < schedule.BUSY or self.here.now < self._bought_at + BUYERS_PAUSE:
            return
        if self.sensor.documents() < LEAST_DOCUMENTS - DOCUMENTS_TO_COME:
            self._bought_at = self.here.now
            self._act(self.house.route.store, "buy")

    def _settle(self) -> float | None:
        """Run what is due until nothing moves; gives how long it took, None where it never came to rest."""
        here = self.here
        process = Process("settling")
        began, late_buyers = here.now, LATE_BUYERS
        self.sensor.at_rest()
        while here.now < began + SETTLE_SECONDS:
            quiet = not self._in_task(Process("operator"), self.others.approve)
            for flow in played(self.house.route):
                if self.sensor.wanted(flow, self.here.now):
                    quiet = False
                    self._in_task(process, lambda flow=flow: self.run(process, flow))
            upcoming = self._next()
            if quiet and upcoming is None:
                if late_buyers and (lacking := LEAST_DOCUMENTS - self.sensor.documents()) > 0:
                    late_buyers -= 1
                    for _ in range(lacking):
                        self._act(self.house.route.store, "buy")
                    continue
                return here.now - began
            pause = 60.0 if not quiet or upcoming is None else min(max(upcoming - here.now, 1.0), 1800.0)
            here.run(here.now + pause)
        return None

    def _next(self) -> float | None:
        """When any flow has something to do next; None where all is at rest."""
        times = [self.sensor.upcoming(flow, self.here.now) for flow in played(self.house.route)]
        return min((one for one in times if one is not None), default=None)

    def _in_task(self, process: Process, work: Callable[[], Any]) -> Any:
        task: Task = self.here.spawn(work, "settling", process)
        if not self.here.run_until(task, self.here.now + 3600):
            raise AssertionError("a run does not end")
        if task.failure is not None:
            raise task.failure
        return task.result

    def _moving(self) -> str:
        left = self.outside.ledger.deliveries.find(states=[State.DUE, State.CLAIMED], limit=5)
        return f"not at rest after {SETTLE_SECONDS / 3600:g} hours: " + "; ".join(
            f"{one.flow} {one.number} {one.state} {one.code} {one.reason}" for one in left
        )


def play(template: Template, seed: int) -> Played:
    """Play a seed. The same seed is the same play, call for call."""
    here = Simulation(seed)
    doings = {name: people_of(vendor).DOINGS for name, vendor in template.vendors.items()}
    plan = schedule.draw(seed, here.now, doings, template.route)
    with thrifty(), in_force(here, lambda: House(template, here, seed, plan.skews), template.live) as house:
        return Seed(template, here, house, plan, seed).play()
