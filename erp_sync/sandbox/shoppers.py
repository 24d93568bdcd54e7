"""Shoppers: they put a day's baskets through a store's checkout, and think better of some.

How a basket becomes an order is the store's matter: its sandbox has the front (`Storefront`), in its module
`storefront`.
"""

from __future__ import annotations

import importlib
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from erp_sync.sandbox.catalogue import Basket, Catalogue, Line, ShoppingDay

AGENT = "storefront"
CLOSED = timedelta(minutes=10)
"""A gap between baskets longer than this is shortened to it when a day is played: the night takes no time."""


@dataclass(frozen=True)
class Placed:
    """What came of one basket. `order_id` is the store's, None when no order was placed (`why` tells)."""

    basket: Basket
    order_id: Any
    at: float  # wall, Unix seconds when the checkout ended
    left_out: tuple[Line, ...] = ()
    why: str = ""
    cancelled: bool = False


@dataclass
class Played:
    """What came of a day."""

    placed: list[Placed] = field(default_factory=list)

    @property
    def orders(self) -> list[Placed]:
        return [one for one in self.placed if one.order_id is not None]

    @property
    def lost(self) -> list[Placed]:
        return [one for one in self.placed if one.order_id is None]


Progress = Callable[[int, int, Placed], None]


class Storefront(Protocol):
    """A shop's front for one shopper at a time, and its back office. One per thread."""

    def place(self, basket: Basket) -> Placed:
        """Check one basket out. Raises nothing that a shopper could meet: the reason is in the result."""

    def cancel(self, order_id: Any) -> bool:
        """Cancel an order in the back office; False when the shop says it cannot be cancelled any more."""

    def close(self) -> None: ...


def fronts(status: Mapping[str, Any], catalogue: Catalogue, http: Any = None) -> Callable[[], Storefront]:
    """What opens a front of a running sandbox (`supervisor.status`), found by its vendor; `http` as of a `Caller`."""
    module = importlib.import_module(f"erp_sync.systems.{status['vendor']}.sandbox.storefront")
    found: Callable[[], Storefront] = module.fronts(
        status["base_url"], status["credentials"], catalogue, status.get("ca_certificate"), http
    )
    return found


def schedule(baskets: Sequence[Basket], seconds: float) -> list[float]:
    """When each basket is checked out, in seconds after the start: the day's times with its long gaps shortened."""
    at, last = [], timedelta(0)
    for index, basket in enumerate(baskets):
        gap = basket.at - baskets[index - 1].at if index else timedelta(0)
        last += min(gap, CLOSED)
        at.append(last.total_seconds())
    whole = at[-1] if at and at[-1] else 1.0
    return [seconds * moment / whole for moment in at]


def play(
    day: ShoppingDay,
    opened: Callable[[], Storefront],
    *,
    seconds: float = 150.0,
    threads: int = 6,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Played:
    """Play a day in `seconds` of wall time; returns when the last basket is through (later, if the shop is slow).

    `opened` gives a front for each thread, see `fronts`.

    `progress(done, total, placed)` is called after each basket, by one thread at a time; what it raises ends the day.
    `stop` ends the day early. With `seconds` 0 everybody comes at once, `threads` at a time.
    """
    due: queue.PriorityQueue[tuple[float, int, Basket | tuple[int, Placed]]] = queue.PriorityQueue()
    for index, (moment, basket) in enumerate(zip(schedule(day.baskets, seconds), day.baskets, strict=True)):
        due.put((moment, index, basket))
    played, lock = Played(), threading.Lock()
    stop = stop or threading.Event()
    begin, count, open_work = time.monotonic(), len(day.baskets), [len(day.baskets)]
    at_till = {basket.customer.email: threading.Lock() for basket in day.baskets}  # nobody shops twice at a time
    failures: list[BaseException] = []

    def shop() -> None:
        front = opened()
        try:
            while not stop.is_set():
                with lock:
                    if not open_work[0]:
                        return
                try:
                    moment, index, work = due.get(timeout=0.1)
                except queue.Empty:
                    continue
                if stop.wait(max(0.0, begin + moment - time.monotonic())):
                    return
                if isinstance(work, Basket):
                    one(front, index, work)
                else:
                    cancel(front, *work)
                with lock:
                    open_work[0] -= 1
        except BaseException as error:
            failures.append(error)
            stop.set()
            raise
        finally:
            front.close()

    def one(front: Storefront, index: int, basket: Basket) -> None:
        with at_till[basket.customer.email]:
            placed = front.place(basket)
        with lock:
            played.placed.append(placed)
            if placed.order_id is not None and basket.cancelled:
                delay = random.Random(basket.number).uniform(0.02, 0.1) * seconds
                open_work[0] += 1
                due.put((time.monotonic() - begin + delay, count + index, (len(played.placed) - 1, placed)))
            if progress is not None:
                progress(len(played.placed), count, placed)

    def cancel(front: Storefront, position: int, placed: Placed) -> None:
        done = front.cancel(placed.order_id)
        with lock:
            played.placed[position] = replace(placed, cancelled=done)

    workers = [threading.Thread(target=shop, name=f"shopper {number}", daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return played
