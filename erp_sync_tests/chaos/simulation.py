"""Virtual time, and who runs in it: tasks that take turns, processes of tasks that can be killed at named points.

One thread, one task at a time, each a greenlet. Whoever waits (for an answer, a lock, another task, or because it
sleeps) lets the next one run; when all wait, the clock jumps to the first who is due. What decides between equals is
the seed, so that a run is the same run again.
"""

from __future__ import annotations

import heapq
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import greenlet
import time_machine

FAREWELLS = 100
START = datetime(2026, 11, 2, 14, tzinfo=UTC)


class Killed(BaseException):
    """The process is gone. Nothing of it runs any more: whatever it tries from now on raises this again."""


class Stuck(AssertionError):
    """Every task waits for another one."""


@dataclass
class Ambush:
    """Who comes to this point while it works on that flow dies there, or stands still for so long; people of a
    system do something meanwhile, so that what it had in its hands is old."""

    begin: float
    point: str
    flow: str
    passes: int = 0
    seconds: float = 0.0  # 0: it dies
    everybody: bool = False
    then: tuple[str, str] | None = None


class Process:
    """A worker: its tasks share memory, and lose it together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.doing = ""  # the flow that it works on
        self.dead = False
        self.stalled_until = 0.0
        self.tasks: list[Task] = []

    def __repr__(self) -> str:
        return f"{self.name}{' (dead)' if self.dead else ''}"


class Task:
    """One thread of a process; `process` is None for what belongs to the world outside."""

    def __init__(self, simulation: Simulation, work: Callable[[], Any], name: str, process: Process | None) -> None:
        self.simulation, self.work, self.name, self.process = simulation, work, name, process
        self.done = False
        self.result: Any = None
        self.failure: BaseException | None = None
        self.turn = 0  # a wake-up that was meant for an earlier wait does not count
        self.watchers: list[Callable[[], None]] = []
        self.greenlet = greenlet.greenlet(self._run, simulation.hub)

    def _run(self) -> None:
        try:
            self.simulation.alive(self)
            self.result = self.work()
        except Killed as killed:
            self.failure = killed
        except BaseException as failure:  # noqa: BLE001 - whoever waits for the task gets it
            self.failure = failure
        self.done = True
        for watcher in self.watchers:
            watcher()

    def __repr__(self) -> str:
        return f"{self.name} of {self.process}"


class Simulation:
    """The clock and everybody's turns. Only one is in force at a time, in `running()`."""

    def __init__(self, seed: int, start: datetime = START) -> None:
        self.random = random.Random(f"turns {seed}")
        self.start = self.now = start.timestamp()
        self.hub = greenlet.getcurrent()
        self.current: Task | None = None
        self.points: Counter[str] = Counter()
        self.processes: dict[Process, None] = {}
        self._names: dict[str, Process] = {}
        self.kills: list[tuple[float, str, str]] = []
        self.standstills: list[float] = []
        # (point, how many more times it is passed unharmed) at which the process that comes there dies.
        self.traps: dict[str, int] = {}
        self.suspends: list[tuple[int, float]] = []  # after so many transactions a process stands still for so long
        self.ambushes: list[Ambush] = []
        self.ambushed: Callable[[Ambush], None] = lambda ambush: None
        self.takes_all: set[str] = set()  # traps in which every process dies
        self.outages: dict[str, float] = {}  # what is not to be had, and until when
        self.going: list[tuple[str, str, float]] = []  # (point, what, seconds): who comes there finds it gone
        self.suffered: set[tuple[str, float]] = set()  # the same, of those that somebody met
        self._horizon = 0.0  # who sleeps beyond it gives its turn back
        self._due: list[tuple[float, float, int, Callable[[], None]]] = []
        self._count = 0
        self._tasks: list[Task] = []
        self._travel: Any = None

    # -- time ----------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, every clock of the interpreter that the product reads is the simulation's."""
        real = (time.monotonic, time.sleep, uuid.uuid4)
        ids = random.Random(self.random.random())
        traveller = time_machine.travel(datetime.fromtimestamp(self.now, UTC), tick=False)
        self._travel = traveller.start()
        time.monotonic = lambda: self.now - self.start + 1000.0
        time.sleep = self.sleep
        uuid.uuid4 = lambda: uuid.UUID(int=ids.getrandbits(128), version=4)
        state = random.getstate()
        random.seed(ids.random())
        try:
            yield
        finally:
            random.setstate(state)
            time.monotonic, time.sleep, uuid.uuid4 = real
            traveller.stop()
            self._travel = None

    def _turn_clock(self, moment: float) -> None:
        if moment > self.now:
            self.now = moment
            # What `move_to` does in the end; it looks at what kind of moment it was given first, 1,800 times a seed.
            self._travel._destination_timestamp_ns = round(moment * 1_000_000_000)

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    # -- turns ---------------------------------------------------------------------------------

    def spawn(self, work: Callable[[], Any], name: str, process: Process | None = None, after: float = 0.0) -> Task:
        task = Task(self, work, name, process)
        self._tasks.append(task)
        if process is not None:
            process.tasks.append(task)
            self.processes.setdefault(process)
        self._wake_at(task, self.now + after)
        return task

    def call_at(self, moment: float, act: Callable[[], None]) -> None:
        """`act` happens then, whoever is alive. It must not wait."""
        self._count += 1
        heapq.heappush(self._due, (max(moment, self.now), self.random.random(), self._count, act))

    def _wake_at(self, task: Task, moment: float) -> None:
        # No function of its own, which would refer to itself: a thousand of them a seed would stay.
        self.call_at(moment, partial(self._give_turn, task, task.turn))

    def _give_turn(self, task: Task, turn: int) -> None:
        if task.turn != turn or task.done:
            return
        process = task.process
        if process is not None and process.stalled_until > self.now and not process.dead:
            self.call_at(process.stalled_until, partial(self._give_turn, task, turn))
            return
        task.turn += 1
        self.current, before = task, self.current
        task.greenlet.switch()
        self.current = before

    def wake(self, task: Task) -> None:
        self._wake_at(task, self.now)

    def park(self, until: float | None = None) -> None:
        """Let others run until somebody wakes this task, or until then."""
        task = self.current
        assert task is not None, "only a task can wait"
        self.alive(task)
        if until is not None:
            self._wake_at(task, until)
        self.hub.switch()
        self.alive(task)

    def sleep(self, seconds: float) -> None:
        if self.current is None:
            return
        until = self.now + max(0.0, seconds)
        process = self.current.process
        stalled = process is not None and process.stalled_until > self.now
        if stalled or until > self._horizon or (self._due and self._due[0][0] <= until):
            self.park(until)
        else:
            self.alive(self.current)
            self._turn_clock(until)

    def wait(self, ready: Callable[[], bool], watch: Callable[[Callable[[], None]], None], until: float | None) -> bool:
        """Until `ready`; `watch` is told whom to wake when it may be. False where the time came first."""
        task = self.current
        assert task is not None
        while not ready():
            if until is not None and self.now >= until:
                return False
            watch(lambda: self.wake(task))
            self.park(until)
        self.alive(task)
        return True

    def run(self, until: float) -> None:
        """Let everything happen that is due before `until`."""
        self._horizon = until
        while self._due and self._due[0][0] <= until:
            moment, _, _, act = heapq.heappop(self._due)
            self._turn_clock(moment)
            act()
        self._turn_clock(until)

    def run_until(self, task: Task, until: float) -> bool:
        """The same until the task has ended; False where it had not by then."""
        self._horizon = until
        while not task.done and self._due and self._due[0][0] <= until:
            moment, _, _, act = heapq.heappop(self._due)
            self._turn_clock(moment)
            act()
        if not task.done and not self._due:
            raise Stuck(f"{task} waits for ever")
        return task.done

    def end(self) -> None:
        """Nobody goes on any more. A greenlet that is left waiting holds what it has on its stack, which holds it:
        nothing of its simulation would ever be freed."""
        waiting = [task for task in self._tasks if not task.done and task.greenlet]
        for task in waiting:
            if task.process is not None:
                task.process.dead = True
        for task in waiting:
            # What it leaves may wait once more: for a lock, or to be polite.
            for _ in range(FAREWELLS):
                if task.done:
                    break
                self.current = task
                task.greenlet.throw(greenlet.GreenletExit)
        self.current = None
        for task in self._tasks:
            if task.process is not None:
                task.process.tasks.clear()
            vars(task).clear()
        self._tasks.clear()
        self._due.clear()

    # -- death ---------------------------------------------------------------------------------

    def alive(self, task: Task | None) -> None:
        if task is not None and task.process is not None and task.process.dead:
            raise Killed(task.process.name)

    def process_name(self) -> str:
        """The process that asks, by a name that no other ever has."""
        process = self.current.process if self.current is not None else None
        if process is None:
            return "outside"
        for name, one in self._names.items():
            if one is process:
                return name
        name = f"{process.name} {len(self._names)}"
        self._names[name] = process
        return name

    def is_gone(self, name: str) -> bool:
        """Whether the process of that name is dead."""
        return name in self._names and self._names[name].dead

    def stall(self, process: Process, seconds: float) -> None:
        """Nothing of it runs for a while, as with a machine that is suspended; nobody tells it."""
        process.stalled_until = self.now + seconds
        self.standstills += [self.now, self.now + seconds]

    def outage(self, what: str, seconds: float) -> None:
        """For so long every process lacks that."""
        self.outages[what] = self.now + seconds
        self.standstills += [self.now, self.now + seconds]

    def goes(self, point: str) -> bool:
        """Whether something goes away under whoever is at work, at this very point."""
        if self.current is None or self.current.process is None or not self.going or self.going[0][0] != point:
            return False
        _, what, seconds = self.going.pop(0)
        self.outage(what, seconds)
        return self.lacks(what) > 0

    def lacks(self, what: str) -> float:
        """For how many seconds more whoever is at work will lack that; 0 where it is there."""
        until = self.outages.get(what, 0.0)
        if self.current is None or until <= self.now:
            return 0.0
        self.suffered.add((what, until))
        return until - self.now

    def kill(self, process: Process, where: str) -> None:
        """Everything of it ends where it stands; what it had sent is on its way all the same."""
        if process.dead:
            return
        process.dead = True
        self.processes.pop(process, None)
        self.kills.append((self.now, process.name, where))
        for task in process.tasks:
            if not task.done and task is not self.current:
                self.wake(task)

    def point(self, name: str) -> None:
        """A place where a process may die."""
        task = self.current
        if task is None or task.process is None:
            return
        self.alive(task)
        self.points[name] += 1
        if name == "after a transaction" and self.suspends:
            passes, seconds = self.suspends.pop(0)
            if passes > 0:
                self.suspends.insert(0, (passes - 1, seconds))
            else:
                self.stall(task.process, seconds)
                self.park(self.now + seconds)
        if self.ambushes:
            self._ambush(name, task.process)
        left = self.traps.get(name)
        if left is None:
            return
        if left > 0:
            self.traps[name] = left - 1
            return
        del self.traps[name]
        everybody = name in self.takes_all
        self.takes_all.discard(name)
        self._die(task.process, name, everybody)

    def _ambush(self, name: str, process: Process) -> None:
        for one in self.ambushes:
            if (one.point, one.flow) != (name, process.doing) or self.now < one.begin:
                continue
            if one.passes > 0:
                one.passes -= 1
                continue
            self.ambushes.remove(one)
            self.ambushed(one)
            if not one.seconds:
                self._die(process, name, one.everybody)
            self.stall(process, one.seconds)
            self.park(self.now + one.seconds)
            return

    def _die(self, process: Process, where: str, everybody: bool) -> None:
        for one in list(self.processes) if everybody else [process]:
            self.kill(one, where)
        raise Killed(process.name)
