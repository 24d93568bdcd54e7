"""A day as people play it: shoppers, the warehouses' staff, a buyer and an operator, until everything is settled."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from erp_sync.components.configuration import Mode
from erp_sync.components.flow_table import FLOWS
from erp_sync.demo.environment import Ends
from erp_sync.demo.people import Buyer, Operator, no_more_sold
from erp_sync.ledger import State
from erp_sync.ledger.rows import RowState
from erp_sync.model.keys import Entity

DAY = timedelta(hours=24)
# When the buyer is at work, as a share of the day, with articles that nobody buys after the other share.
BUYER_AFTER, SOLD_UNTIL = 0.25, 0.12
# So long nothing moves, and what has not been looked at by then was not there.
QUIET_SECONDS = 8
# Rows of plans that a process has in its hands, or a dead one had.
IN_HAND = {RowState.CLAIMED.value, RowState.SENDING.value}
# What people do in either system until the day closes is read by these.
PEOPLES_FLOWS = ("orders", "order_status", "shipments", "inventory")

Tell = Callable[[str], None]
# Name of a figure, how far it is, and of how many.
Progress = Callable[[str, int, int], None]


class DemoFailed(RuntimeError):
    """The demo could not be played to its end. Says what was missing."""


@dataclass(frozen=True)
class PeoplesDay:
    """What came of a day. `settled`: nothing moved any more when it ended."""

    orders: int
    parcels: int
    settled: bool
    buyer: Buyer
    operator: Operator


def play_people(
    installation: Any,
    states: Mapping[str, Any],
    catalogue: Any,
    day: Any,
    *,
    seconds: float,
    settle: float,
    tell: Tell,
    progress: Progress | None = None,
    threads: int = 6,
    pause: float = 3.0,
) -> PeoplesDay:
    """Play the day in so many wall seconds, and wait until what it left is done.

    Args:
        states: of both sandboxes, which run, as does the installation.
        settle: seconds that the installation may take, once when the shop has closed, once when the warehouses have.
        threads: shoppers at a time.
        pause: seconds between two rounds of a warehouse.
    """
    from erp_sync.sandbox import shoppers

    ends = Ends.of(installation.configuration)
    store, erp = states[ends.store.vendor], states[ends.erp.vendor]
    stop, closing = threading.Event(), threading.Event()
    locations = [place.code for place in catalogue.warehouses]
    staff = Warehouses(erp, locations, closing, pause)
    buyer = Buyer(erp, no_more_sold(catalogue, day, SOLD_UNTIL * DAY), seconds * BUYER_AFTER, closing)
    operator = Operator(installation, closing)
    watching = Watching(installation, len(day.baskets), progress)
    try:
        for one in (staff, buyer, operator, watching):
            one.start()
        played = shoppers.play(
            day,
            shoppers.fronts(store, catalogue),
            seconds=seconds,
            threads=threads,
            stop=stop,
            progress=(lambda done, total, _: progress("orders placed", done, total)) if progress else None,
        )
        tell(f"{len(played.orders)} orders were placed; waiting until everything is settled")
        wait_until_settled(installation, len(played.orders), settle)
        closing.set()
        staff.join()
        buyer.join()
        operator.join()
        tell(f"the warehouses shipped {staff.parcels} parcels and went home; waiting for the last of it")
        done = wait_until_settled(installation, len(played.orders), settle, round_seconds(installation))
    finally:
        closing.set()
        watching.stop()
    return PeoplesDay(len(played.orders), staff.parcels, done, buyer, operator)


class Watching(threading.Thread):
    """Tells now and then how many documents have arrived, from the ledger."""

    def __init__(self, installation: Any, placed: int, progress: Progress | None) -> None:
        super().__init__(name="watching", daemon=True)
        self._ledger, self._placed, self._progress = installation.ledger, placed, progress
        self._stopped = threading.Event()

    def run(self) -> None:
        while self._progress is not None and not self._stopped.wait(2):
            counts: Counter[tuple[str, str]] = Counter()
            for (_, flow, state), count in self._ledger.deliveries.counts().items():
                counts[flow, state] += count
                counts[flow, ""] += count
            refused = sum(count for (_, flow, _), count in self._ledger.quarantine.counts().items() if flow == "orders")
            self._progress("orders in the ERP", counts["orders", State.DELIVERED], self._placed)
            self._progress("shipments in the store", counts["shipments", State.DELIVERED], counts["shipments", ""])
            dead = sum(counts[flow, State.DEAD] + counts[flow, State.HELD] for flow in FLOWS)
            self._progress("need a person", refused + dead, refused + dead)

    def stop(self) -> None:
        self._stopped.set()
        if self.is_alive():
            self.join()


class Warehouses(threading.Thread):
    """The warehouses' staff at work in the ERP until the day closes. `parcels` counts what they shipped."""

    def __init__(self, erp: Any, locations: list[str], closing: threading.Event, pause: float = 3.0) -> None:
        super().__init__(name="warehouses", daemon=True)
        self._erp, self._locations, self._closing, self._pause = erp, locations, closing, pause
        self.parcels = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        from erp_sync.sandbox import warehouse

        try:
            worked = warehouse.work(
                warehouse.software(self._erp),
                self._locations,
                stop=self._closing,
                pause=self._pause,
            )
            self.parcels = sum(len(one.parcels) for house in worked.values() for one in house.shipped)
        except BaseException as error:
            self.failure = error
            raise

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        if self.failure is not None:
            raise DemoFailed(f"a warehouse could not work: {self.failure}") from self.failure


def settled(installation: Any, placed: int) -> bool:
    """Every placed order was seen, and nothing is due, under way or to be looked at again in any flow."""
    ledger = installation.ledger
    moving = sum(
        count
        for (_, _, state), count in ledger.deliveries.counts().items()
        if state in (State.DUE.value, State.CLAIMED.value)
    )
    if moving:
        return False
    for route in installation.configuration.routes.values():
        if ledger.received.count_documents(route.store, Entity.SALES_ORDER) < placed:
            return False
        for name, spec in route.flows.items():
            if spec.mode is Mode.OFF:
                continue
            kind = FLOWS[name]
            source, target = getattr(route, kind.source), getattr(route, kind.target)
            if ledger.any_unhandled(route.name, name, source, kind.source_entity) or ledger.any_due(
                route.name, name, target
            ):
                return False
            # What a dead process has in its hands is due once its lease is over.
            if not kind.delivers and IN_HAND & set(ledger.plans.pending(route.name, name, target)):
                return False
    return True


def round_seconds(installation: Any) -> float:
    """So long it takes until each of `PEOPLES_FLOWS` has looked at its source once, on every route."""
    return max(
        (
            spec.every.total_seconds()
            for route in installation.configuration.routes.values()
            for name, spec in route.flows.items()
            if name in PEOPLES_FLOWS and spec.mode is not Mode.OFF
        ),
        default=0.0,
    )


def wait_until_settled(installation: Any, placed: int, seconds: float, least: float = 0.0) -> bool:
    """Wait until nothing has moved for `QUIET_SECONDS`; False where that takes longer than `seconds`.

    What nobody has looked at yet does not move: where somebody may have changed something just now, those seconds
    begin after `least`, in which every flow has looked (`round_seconds`). What waits for something is looked at again
    now and then; for longer than some seconds nothing is ever quiet.
    """
    began = time.monotonic()
    since = math.inf
    while (now := time.monotonic()) < began + seconds:
        since = min(since, now) if now >= began + least and settled(installation, placed) else math.inf
        if now - since >= QUIET_SECONDS:
            return True
        time.sleep(1)
    return False
