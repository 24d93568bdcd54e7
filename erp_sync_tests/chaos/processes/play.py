"""One seed of real processes, played from its beginning until everything is at rest, and judged."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg
import httpx
import sqlalchemy as sa
from dagster._core.definitions.run_request import InstigatorType

from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.demo import playing
from erp_sync.ledger.schema import known_state
from erp_sync.runtime import services
from erp_sync.runtime.workers import WarmFolder
from erp_sync.sandbox import supervisor
from erp_sync.sandbox.caller import Refused
from erp_sync_tests.chaos.campaign import SeedResult
from erp_sync_tests.chaos.company import Operator
from erp_sync_tests.chaos.house import people_of, played
from erp_sync_tests.chaos.judge import judge
from erp_sync_tests.chaos.processes import machine
from erp_sync_tests.chaos.processes.schedule import BRIEF, DURATION, MACHINE, Fault, Schedule, draw
from erp_sync_tests.chaos.processes.world import World, world
from erp_sync_tests.chaos.staleness import RUN_SECONDS

# Wall seconds: until everything must be at rest (on a quiet machine), for how long it must be, and until a run must be
# there to be killed.
SETTLE_SECONDS = 300.0
QUIET_SECONDS = 4.0
VICTIM_SECONDS = 12.0
# A machine is down so long before somebody starts it.
DOWN_SECONDS = 3.0
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING,
]  # fmt: skip
# Between two looks at a source (`world.EVERY`, and the sensor's own), between two of the operator; how long on a quiet
# machine everything takes to start, and every flow to move then.
LOOK_SECONDS, OPERATOR_SECONDS, START_SECONDS = 4.0, 2.0, 25.0
MOVING_SECONDS = 10.0


def schedule_of(route: str, seed: int) -> Schedule:
    """The schedule of a seed for a route by name."""
    from erp_sync.components.configuration import read_configuration
    from erp_sync_tests.chaos.house import defs

    shipped = read_configuration(defs(), everything=True)
    spec = shipped.route(route)
    modules = {name: people_of(shipped.connection(name).vendor) for name in (spec.store, spec.erp)}
    return draw(
        seed,
        {name: module.DOINGS for name, module in modules.items()},
        {name: module.ENDPOINTS for name, module in modules.items()},
    )


def play(route: str, seed: int, tell: Callable[[str], None] = lambda _: None, mutant: str = "") -> SeedResult:
    """Play a seed; with a mutant in all of the product's processes."""
    plan = schedule_of(route, seed)
    with world(route, plan, mutant) as here:
        return Seed(here, plan, seed, tell).play()


class Seed:
    def __init__(self, here: World, plan: Schedule, seed: int, tell: Callable[[str], None]) -> None:
        self.here, self.plan, self.seed, self._tell = here, plan, seed, tell
        self.random = random.Random(f"victims {seed}")
        self.faults = here.faults
        self.kills: list[str] = []
        self.recoveries: list[float] = []
        self.hit_people: Counter[str] = Counter()
        self.defects: list[str] = []
        self._began = 0.0
        self._slowness = 1.0
        self._over = threading.Event()
        self._stands, self._clock = False, threading.Lock()

    def tell(self, words: str) -> None:
        self._tell(f"seed {self.seed} {time.monotonic() - self._made:5.0f} s: {words}")

    # -- people and trouble ------------------------------------------------------------------------

    def _at(self, when: float) -> None:
        """Sleep until then. The schedule's clock stands while everything is started again: on a slow machine, too,
        what is left of the schedule meets a product that works."""
        while True:
            with self._clock:
                left = 1.0 if self._stands else self._began + when - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.2))

    def _work(self, name: str) -> None:
        """The people of one system, who act when it is time; what fails for them they let be."""
        people = self.here.people[name]
        for when, whose, what in self.plan.acts:
            if whose != name:
                continue
            self._at(when)
            try:
                people.do(what)
            except (Refused, httpx.HTTPError, ValueError, KeyError, AssertionError) as trouble:
                self.hit_people[f"{what}: {type(trouble).__name__}"] += 1

    def _trouble(self) -> None:
        """Rules go in and out at their times; one that has met no call stays in until people are done."""
        moments: list[tuple[float, bool, int]] = []
        for index, fault in enumerate(self.plan.faults):
            moments += [(fault.begin, True, index), (fault.end, False, index)]
            if fault.name not in BRIEF:
                moments.append((DURATION, False, index))
        rules: dict[int, int] = {}
        for when, begins, index in sorted(moments):
            self._at(when)
            fault = self.plan.faults[index]
            if begins:
                rules[index] = supervisor.fault(self.here.settings.sandboxes, fault.system, fault.rule)["id"]
            elif index in rules and self._lift(fault, rules[index], when):
                del rules[index]

    def _lift(self, fault: Fault, rule: int, when: float) -> bool:
        """Take the rule out, unless it may stay for having met nothing."""
        found = supervisor.faults(self.here.settings.sandboxes, fault.system)
        made = next(one["made"] for one in found if one["id"] == rule)
        if not made and when < DURATION and fault.name not in BRIEF:
            return False
        self.faults[fault.name] += made
        supervisor.clear_faults(self.here.settings.sandboxes, fault.system, rule)
        return True

    # -- death -------------------------------------------------------------------------------------

    def _kill(self, whom: str) -> None:
        self.here.interruptions.append(time.time())
        if whom == MACHINE:
            killed = bool(services.kill_everything(self.here.settings))
        elif whom == "worker":
            whom, killed = self._kill_a_worker()
        else:
            killed = self._kill_service(whom)
        self.here.interruptions.append(time.time())
        if killed:
            self.kills.append(whom)
            self.tell(f"killed {whom}")
        else:
            self.defects.append(f"there was no process of {whom} to kill for {VICTIM_SECONDS * self._slowness:g} s")
        if whom in (MACHINE, "supervisor"):
            time.sleep(DOWN_SECONDS)
            if whom == MACHINE and self.plan.upgrade:
                self._upgrade()
            again, began = time.monotonic(), datetime.now(UTC)
            self._up()
            self._recovered(again, began)
            self.here.interruptions.append(time.time())

    def _upgrade(self) -> None:
        """The new version's first start is killed in the middle of its migrations."""
        settings, folder = self.here.settings, self.here.settings.home.parent / "upgrade"
        with self._standing():
            self._installation.ledger.database.close()
            machine.set_back(settings)
            found = machine.upgrade_killed(settings, self.here.starting(), folder, self.plan.upgrade, self.here.log)
        if found != machine.BEFORE:
            self.defects.append(f"killed in a migration the ledger is of version {found}, not {machine.BEFORE}")
        self.kills.append("upgrade")
        self.faults["killed_in_migration"] += 1
        self.tell(f"an upgrade of the ledger was killed after {self.plan.upgrade} migrations")

    def _kill_a_worker(self) -> tuple[str, bool]:
        """The process of a run, or that of the fork server where no run comes in time; whether one was killed."""
        folder = WarmFolder(self.here.settings.dagster_home)
        end = time.monotonic() + VICTIM_SECONDS
        while time.monotonic() < end:
            workers = folder.workers()
            if workers:
                time.sleep(self.random.uniform(0, 0.4))
                try:
                    os.kill(self.random.choice(workers).process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                return "worker", True
            time.sleep(0.01)
        return "fork-server", self._kill_service("fork-server")

    def _kill_service(self, name: str) -> bool:
        """Kill its process, which may be about to be started again; False where none comes in time."""
        end = time.monotonic() + VICTIM_SECONDS * self._slowness
        while time.monotonic() < end:
            found = services.status(self.here.settings)
            process = found.supervisor if name == "supervisor" else found.services[name].process
            if process is not None and process.signal(signal.SIGKILL):
                return True
            time.sleep(0.05)
        return False

    def _suffer(self, what: str, seconds: float) -> None:
        """Something of the machine's is not there for a while; what runs goes on by itself, then and after."""
        settings, postgres = self.here.settings, self.here.postgres
        self.here.interruptions.append(time.time())
        if what == "postgresql_restart":
            assert postgres is not None
            postgres.restart()
        elif what == "postgresql_gone":
            assert postgres is not None
            postgres.stop()
            time.sleep(seconds)
            postgres.start()
        else:
            with machine.ledger_locked(settings.ledger_url, self.random.choice(machine.LOCKED_TABLES)):
                time.sleep(seconds)
        self.here.interruptions.append(time.time())
        self.faults[what] += 1
        self.tell(f"suffered {what} for {seconds:g} s")

    def _operate(self) -> None:
        """An operator, until everything is at rest."""
        operator, left = Operator(random.Random(f"operator {self.seed}"), self.faults), list(self.plan.operator)
        while not self._over.wait(OPERATOR_SECONDS):
            while left and not self._stands and time.monotonic() >= self._began + left[0][0]:
                operator.act(self._installation.ledger, left.pop(0)[1])

    @contextmanager
    def _standing(self) -> Iterator[None]:
        """The schedule's clock stands."""
        stood, self._stands = time.monotonic(), True
        try:
            yield
        finally:
            with self._clock:
                self._began += time.monotonic() - stood
                self._stands = False

    @property
    def _patience(self) -> float:
        """Seconds until everything must move, or be at rest: how long starting took tells how slow this machine is."""
        return SETTLE_SECONDS * self._slowness

    def _up(self) -> None:
        began = time.monotonic()
        with self._standing():
            try:
                self.here.up()
            except subprocess.SubprocessError as error:
                # Without the services there is nothing to kill and nothing that comes to rest.
                why = self.here.log.read_text(errors="replace")[-600:]
                raise RuntimeError(f"erp-sync up fails: {why}") from error
        self._slowness = max(self._slowness, (time.monotonic() - began) / START_SECONDS)

    def _recovered(self, again: float, began: datetime) -> None:
        """Wait until every flow moves: since the restart its source has answered, and what that started has ended. The
        schedule's clock stands from when that takes longer than on a quiet machine."""
        if missing := self._missing(began, time.monotonic() + MOVING_SECONDS):
            with self._standing():
                missing = self._missing(began, again + self._patience)
        if missing:
            self.defects.append(f"flows that do not move {self._patience:.0f} s after a restart: {', '.join(missing)}")
            return
        self.recoveries.append(time.monotonic() - again)
        self.tell(f"every flow moves again {self.recoveries[-1]:.0f} s after the restart")

    def _missing(self, began: datetime, end: float) -> list[str]:
        """Wait for flows that do not move, until then; gives those that do not all the same."""
        while (missing := self._not_moved_since(began)) and time.monotonic() < end:
            time.sleep(0.3)
        return missing

    def _not_moved_since(self, moment: datetime) -> list[str]:
        """Flows without a run that was begun since and succeeded, which were not looked at since either, or whose look
        started a run that has not ended."""
        done = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], updated_after=moment)
        succeeded = {
            record.dagster_run.tags.get("erp_sync/flow")
            for record in self.instance.get_run_records(done, limit=500)
            if record.start_time is not None and record.start_time >= moment.timestamp()
        }
        looked = self._looked_since(moment) - self._under_way()
        return [flow for flow in played(self.here.route) if flow not in succeeded | looked]

    def _under_way(self) -> set[str | None]:
        """Flows with a run that has not ended."""
        runs = self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        return {run.tags.get("erp_sync/flow") for run in runs}

    def _looked_since(self, moment: datetime) -> set[str | None]:
        """Flows of which the sensor has looked at the source since, which answered."""
        found: set[str | None] = set()
        for state in self.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
            cursor = json.loads(getattr(state.instigator_data, "cursor", None) or "{}")
            for flow in played(self.here.route):
                name = f"{self.here.route.name}/{flow}"
                polled = cursor.get(f"{name}/polled")
                if polled and f"{name}/silent" not in cursor and datetime.fromisoformat(polled) >= moment:
                    found.add(flow)
        return found

    # -- the whole -----------------------------------------------------------------------------------

    def play(self) -> SeedResult:
        self._made = time.monotonic()
        for people in self.here.people.values():
            people.begin(self.seed)
        self._up()
        installation = self._installation = self.here.installation()
        operator = threading.Thread(target=self._operate, daemon=True)
        try:
            with dg.DagsterInstance.from_config(str(self.here.settings.dagster_home)) as self.instance:
                return self._play(installation, operator)
        finally:
            self._over.set()
            if operator.ident is not None:
                operator.join()
            installation.close()

    def _play(self, installation: Installation, operator: threading.Thread) -> SeedResult:
        self.tell("everything runs")
        self._began = time.monotonic()
        operator.start()
        threads = [threading.Thread(target=self._work, args=(name,), daemon=True) for name in self.here.vendors]
        threads.append(threading.Thread(target=self._trouble, daemon=True))
        for thread in threads:
            thread.start()
        moments: list[tuple[float, Callable[[], None]]] = [
            *((when, partial(self._kill, whom)) for when, whom in self.plan.kills),
            *((when, partial(self._suffer, what, seconds)) for when, what, seconds in self.plan.mishaps),
        ]
        for when, happen in sorted(moments, key=lambda one: one[0]):
            self._at(when)
            happen()
        for thread in threads:
            thread.join()
        if self.plan.lag:
            self.faults["search_index_lag"] += 1
        self.tell(f"all is done: {dict(self.faults)}, people: {dict(self.hit_people)}")
        settled = self._settle(installation)
        self.tell(f"at rest after {settled} s")
        self._over.set()
        operator.join()
        return self._judged(installation)

    def _settle(self, installation: Installation) -> float | None:
        """Wait until nothing moves and every flow has looked at its source after the last that happened there."""
        began = time.monotonic()
        time.sleep(self.plan.lag)
        moment = datetime.now(UTC)
        quiet_since: float | None = None
        while time.monotonic() < began + self._patience:
            time.sleep(0.5)
            why = self._moving(installation, moment)
            if why:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > QUIET_SECONDS:
                return round(time.monotonic() - began, 1)
        self.defects.append(f"not at rest after {self._patience:.0f} s: {why}")
        return None

    def _moving(self, installation: Installation, moment: datetime) -> str:
        """What still moves, in words; empty where nothing does."""
        if self.here.teller is not None and self.here.teller.waiting():
            return "events on their way"
        missing = {*played(self.here.route)} - self._looked_since(moment)
        if missing:
            return f"{', '.join(sorted(missing))} were not looked at"
        # A document that waits for something else starts a run now and then; nothing of it moves by itself.
        under_way = self._under_way() - {"orders"}
        if under_way:
            return f"runs of {', '.join(sorted(map(str, under_way)))}"
        if not playing.settled(installation, 0):
            return "work in the ledger"
        doubts = self._doubts(installation)
        return f"{doubts} state keys in doubt" if doubts else ""

    @staticmethod
    def _doubts(installation: Installation) -> int:
        """State keys of which nobody is sure what the target holds."""
        with installation.ledger.database.read() as read:
            return int(read.execute(sa.select(sa.func.count()).where(sa.not_(known_state.c.sure))).scalar_one())

    def _judged(self, installation: Installation) -> SeedResult:
        services.stop(self.here.settings)
        # A run takes longer, too, where starting did.
        slower = RUN_SECONDS * (self._slowness - 1)
        self.here.pauses.update({flow: LOOK_SECONDS + slower for flow in self.here.pauses})
        if self.plan.upgrade:
            self.defects += [f"after the upgrade: {one}" for one in machine.schema_differences(self.here.settings)]
        verdict = judge(self.here, installation, self.defects)
        ledger, route = installation.ledger, self.here.route
        return SeedResult(
            seed=self.seed,
            words=verdict.words(),
            counts={
                "documents": sum(ledger.deliveries.counts().values()),
                "state_keys": sum(
                    ledger.known.count(getattr(route, kind.target), kind.entity)
                    for kind in map(FLOWS.__getitem__, played(route))
                    if not kind.delivers
                ),
                "lost": len(verdict.lost),
                "duplicated": len(verdict.duplicated),
                "stale": len(verdict.stale),
                "unexplained": len(verdict.unexplained),
            },
            cases=dict(verdict.cases),
            faults={name: count for name, count in self.faults.items() if count},
            kills=self.kills,
            recoveries=self.recoveries,
            stale_seconds=verdict.stale_seconds,
            cpu_seconds=time.process_time(),
        )


def calls_of(system: Any) -> dict[tuple[str, str], int]:
    """Calls of a system by agent and endpoint, for whoever chooses where faults are made."""
    with sqlite3.connect(f"file:{system.journal.path}?mode=ro", uri=True) as journal:
        rows = journal.execute("SELECT agent, endpoint, count(*) FROM calls GROUP BY 1, 2").fetchall()
    journal.close()
    return {(agent, endpoint): count for agent, endpoint, count in rows}
