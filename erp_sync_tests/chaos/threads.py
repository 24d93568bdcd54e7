"""What stands for threads, locks and pools of threads in a simulation.

`simulated` puts them in the place of the real ones in every module of the product that is loaded; sandboxes have
neither threads nor locks of their own and stay as they are.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import pkgutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from erp_sync_tests.chaos.simulation import Killed, Simulation

_current: list[Simulation] = []


def simulation() -> Simulation:
    return _current[-1]


class Lock:
    """Both kinds of lock: who has it may take it again where it is `reentrant`."""

    reentrant = False

    def __init__(self) -> None:
        self._holder: Any = None
        self._depth = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        here = simulation()
        me = here.current or here
        if self._holder is me and self.reentrant:
            self._depth += 1
            return True
        if self._holder is not None:
            if not blocking:
                return False
            until = None if timeout is None or timeout < 0 else here.now + timeout
            if not here.wait(lambda: self._holder is None, self._waiting.append, until):
                return False
        self._holder, self._depth = me, 1
        return True

    def release(self) -> None:
        self._depth -= 1
        if self._depth <= 0:
            self._holder = None
            while self._waiting:
                self._waiting.popleft()()

    def locked(self) -> bool:
        return self._holder is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class RLock(Lock):
    reentrant = True


class Event:
    def __init__(self) -> None:
        self._set = False
        self._waiting: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        here = simulation()
        return here.wait(self.is_set, self._waiting.append, None if timeout is None else here.now + timeout)


class Local:
    """A value of its own for each task."""

    def __init__(self) -> None:
        object.__setattr__(self, "_values", {})

    def _mine(self) -> dict[str, Any]:
        return self._values.setdefault(simulation().current, {})  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._mine()[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._mine()[name] = value


class Thread:
    def __init__(
        self, target: Callable[..., Any], args: Iterable[Any] = (), name: str = "", daemon: bool = False
    ) -> None:
        self._work, self.name, self._task = lambda: target(*args), name, None  # type: Any, str, Task | None

    def start(self) -> None:
        here = simulation()
        self._task = here.spawn(self._work, self.name, here.current.process if here.current else None)

    def join(self, timeout: float | None = None) -> None:
        task = self._task
        assert task is not None
        here = simulation()
        here.wait(lambda: task.done, task.watchers.append, None if timeout is None else here.now + timeout)


class SimulatedFuture(Future[Any]):
    """A future that waits by letting others run."""

    def result(self, timeout: float | None = None) -> Any:
        self._await()
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._await()
        return super().exception(0)

    def _await(self) -> None:
        simulation().wait(self.done, lambda wake: self.add_done_callback(lambda _: wake()), None)


class Executor:
    """A pool of tasks of the process that made it."""

    def __init__(self, max_workers: int | None = None, thread_name_prefix: str = "pool", **_: Any) -> None:
        self._free, self._name = max_workers or 4, thread_name_prefix
        self._queue: deque[tuple[SimulatedFuture, Callable[[], Any]]] = deque()
        self._futures: list[SimulatedFuture] = []
        self._process = simulation().current.process if simulation().current else None

    def submit(self, work: Callable[..., Any], *args: Any, **options: Any) -> SimulatedFuture:
        future = SimulatedFuture()
        self._futures.append(future)
        self._queue.append((future, lambda: work(*args, **options)))
        self._fill()
        return future

    def _fill(self) -> None:
        while self._free and self._queue:
            self._free -= 1
            simulation().spawn(self._work, self._name, self._process)

    def _work(self) -> None:
        while self._queue:
            future, work = self._queue.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except Killed:
                raise
            except Exception as failure:  # noqa: BLE001 - whoever asks the future gets it
                future.set_exception(failure)
            else:
                future.set_result(result)
        self._free += 1

    def map(self, work: Callable[..., Any], *items: Iterable[Any], timeout: float | None = None) -> Iterator[Any]:
        futures = [self.submit(work, *one) for one in zip(*items, strict=False)]
        return (future.result() for future in futures)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            for future, _ in self._queue:
                future.cancel()
        if wait:
            for future in self._futures:
                if not future.cancelled():
                    future.exception()

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


def wait(futures: Iterable[Future[Any]], timeout: float | None = None, return_when: str = ALL_COMPLETED) -> Any:
    """`concurrent.futures.wait` in virtual time."""
    some, here = set(futures), simulation()

    def ready() -> bool:
        done = sum(future.done() for future in some)
        return bool(done) if return_when == FIRST_COMPLETED else done == len(some)

    def watch(wake: Callable[[], None]) -> None:
        for future in some:
            if not future.done():
                future.add_done_callback(lambda _: wake())

    here.wait(ready, watch, None if timeout is None else here.now + timeout)
    done = {future for future in some if future.done()}
    return done, some - done


class _Threading(ModuleType):
    """Module `threading` with what waits replaced."""

    Lock, RLock, Event, Thread, local = Lock, RLock, Event, Thread, Local

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


_REPLACED: tuple[tuple[str, Any, Any], ...] = (
    ("ThreadPoolExecutor", concurrent.futures.ThreadPoolExecutor, Executor),
    ("wait", concurrent.futures.wait, wait),
    ("threading", threading, _Threading("threading")),
)


def load_everything(vendors: Iterable[str]) -> None:
    """Load every module of the product: one that is loaded while it is simulated would have real threads."""
    import erp_sync

    for top in ("components", "flows", "lake", "ledger", "model", "operations", "ports", "quality", "transport"):
        _load(f"{erp_sync.__name__}.{top}")
    for vendor in vendors:
        _load(f"{erp_sync.__name__}.systems.{vendor}")


def _load(name: str) -> None:
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
        if not {"migrations", "contract"} & set(found.name.split(".")):
            importlib.import_module(found.name)


_sleep = time.sleep


def _sleepers() -> Iterator[dict[str, Any]]:
    """Defaults of the product's classes that sleep as the machine does where nobody tells them otherwise."""
    seen: set[int] = set()
    for module in _modules():
        for thing in list(vars(module).values()):
            defaults = getattr(getattr(thing, "__init__", None), "__kwdefaults__", None)
            if isinstance(thing, type) and defaults and defaults.get("sleep") is _sleep and id(defaults) not in seen:
                seen.add(id(defaults))
                yield defaults


def _modules() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        if name.startswith("erp_sync.") and "sandbox" not in name.split("."):
            yield module


#: By how many modules are loaded: where real threads stand, what stands for them, and who sleeps.
_places: dict[int, tuple[list[tuple[ModuleType, str, Any, Any]], list[dict[str, Any]]]] = {}


def _found() -> tuple[list[tuple[ModuleType, str, Any, Any]], list[dict[str, Any]]]:
    """Looking through all modules is a hundredth of a seed."""
    if len(sys.modules) not in _places:
        _places.clear()
        _places[len(sys.modules)] = (
            [
                (module, attribute, real, ours)
                for module in _modules()
                for attribute, real, ours in _REPLACED
                if getattr(module, attribute, None) is real
            ],
            list(_sleepers()),
        )
    return _places[len(sys.modules)]


@contextmanager
def simulated(here: Simulation) -> Iterator[None]:
    """The product's modules use these instead of real threads."""
    places, sleepers = _found() if not _current else ([], [])
    for module, attribute, _, ours in places:
        setattr(module, attribute, ours)
    for defaults in sleepers:
        defaults["sleep"] = here.sleep
    _current.append(here)
    try:
        yield
    finally:
        _current.pop()
        for defaults in sleepers:
            defaults["sleep"] = _sleep
        for module, attribute, real, _ in places:
            setattr(module, attribute, real)
