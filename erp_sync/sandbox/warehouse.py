"""A warehouse at work in an ERP: it picks, packs, ships, receives and counts through whatever software that ERP has.

What it decides (how much it ships, in which parcels, by whom) follows from the order's id and the seed, so that a day
can be played again. The software is the ERP's matter (`WarehouseSoftware`): its sandbox has it, in its module
`warehouse`.
"""

from __future__ import annotations

import importlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from erp_sync.sandbox.caller import Refused

AGENT = "warehouse"
CARRIERS = (("UPS", "1Z{:016d}"), ("FedEx", "{:012d}"), ("USPS", "9400{:018d}"), ("DHL", "{:010d}"))

Id = Any
Open = Mapping[Id, Mapping[Id, Decimal]]
"""Units of each line by order, oldest orders first."""


@dataclass(frozen=True)
class Parcel:
    carrier: str
    tracking_number: str
    weight: Decimal  # pounds


@dataclass(frozen=True)
class Shipped:
    """One fulfillment that left. `lines` are order line and quantity."""

    order: Id
    fulfillment: Id
    lines: tuple[tuple[Id, Decimal], ...]
    parcels: tuple[Parcel, ...]
    complete: bool


@dataclass
class Worked:
    """What a warehouse did."""

    shipped: list[Shipped] = field(default_factory=list)
    adjustments: list[str] = field(default_factory=list)  # their keys
    refused: list[str] = field(default_factory=list)  # what the ERP said no to, in its words


@dataclass(frozen=True)
class Habits:
    """How a warehouse works; shares are of orders or fulfillments.

    Attributes:
        partial: shipped in two goes, first a part.
        stepwise: recorded as picked, then packed, then shipped; the others in one step.
        two_parcels: leave in two parcels.
        late_parcel: get one more parcel after they have left.
        most_orders: fulfilled in one round.
        receive: items restocked in one round, those that orders wait for first.
        count: items counted in one round, of which a few are found to differ.
    """

    partial: float = 0.12
    stepwise: float = 0.25
    two_parcels: float = 0.08
    late_parcel: float = 0.02
    most_orders: int = 25
    receive: int = 8
    count: int = 4


class WarehouseSoftware(Protocol):
    """What people in an ERP use at work. One per thread. Ids are the ERP's own.

    What the ERP says no to is raised as `caller.Refused`.
    """

    def close(self) -> None: ...

    def place(self, wanted: str) -> Id:
        """A warehouse by its name, code or id. Raises LookupError, which names those that are there."""

    def open_orders(self, place: Id) -> Open:
        """What can be shipped from there now: units that are set aside for orders."""

    def ship(
        self, order: Id, lines: Mapping[Id, Decimal], parcels: Iterable[Parcel], *, place: Id, key: str, stepwise: bool
    ) -> Id:
        """Ship so many units of these lines and nothing else; the shipment's id.

        `stepwise`: recorded as picked, then packed, then shipped, where the ERP has these steps.
        """

    def add_parcels(self, shipment: Id, parcels: Iterable[Parcel]) -> None:
        """To what has left before."""

    def running_out(self, place: Id) -> dict[Id, Decimal]:
        """Articles to restock, in a fixed order, with the units that orders wait for."""

    def shelves(self, place: Id, above: int) -> list[Id]:
        """Articles of which more than so many units are to be had, in a fixed order."""

    def adjust(self, quantities: Mapping[Id, Decimal], *, place: Id, key: str, why: str) -> None:
        """Units that came, or were counted more or less than they were, by article."""

    def articles(self) -> list[Id]:
        """Those that are kept in stock and sold, in a fixed order."""

    def reprice(self, article: Id, price: Decimal) -> None:
        """A new list price."""


class BuyersDesk(Protocol):
    """What a buyer does about articles, by SKU."""

    def close(self) -> None: ...

    def enter(self, sku: str, name: str, price: Decimal) -> None: ...

    def rename(self, sku: str, name: str) -> None: ...

    def end(self, sku: str) -> None:
        """It is sold no more."""


def software(status: Mapping[str, Any], http: Any = None) -> Callable[[], Any]:
    """What opens the software of a running sandbox (`supervisor.status`), found by its vendor: both protocols.

    `http` as of a `Caller`.
    """
    made = importlib.import_module(f"erp_sync.systems.{status['vendor']}.sandbox.warehouse").Software
    return lambda: made(status["base_url"], status["credentials"], status.get("ca_certificate"), http)


class Warehouse:
    """One place of the ERP, given by its name, code or id.

    Nothing here sleeps; rounds follow each other as the caller asks. `shift` is part of every key, so that a later
    shift's differ; by default it is taken from the time. Raises LookupError for an unknown place.
    """

    def __init__(
        self,
        software: WarehouseSoftware,
        location: str,
        *,
        habits: Habits | None = None,
        seed: int = 0,
        shift: str = "",
    ) -> None:
        self.software, self.habits, self.seed = software, habits or Habits(), seed
        self.shift = shift or f"{time.time_ns() // 1_000_000:x}"
        self.location = software.place(location)
        self.worked = Worked()
        self._rounds = 0
        self._partly: set[Id] = set()

    def round(self) -> int:
        """Ship what can be shipped, then receive and count; returns how many fulfillments left."""
        self.begin_round()
        left = self.ship()
        self.receive()
        self.count()
        return left

    def begin_round(self) -> None:
        """What is done next has keys of its own."""
        self._rounds += 1

    # -- shipping --------------------------------------------------------------------------------------

    def open_lines(self) -> Open:
        """What can be shipped from here now, by order and line."""
        return self.software.open_orders(self.location)

    def ship(self) -> int:
        """One round of fulfillments, oldest orders first."""
        orders = self.open_lines()
        for order, lines in list(orders.items())[: self.habits.most_orders]:
            try:
                self._fulfil(order, lines)
            except Refused as refused:
                self.worked.refused.append(f"order {order}: {refused.message}")
        return min(len(orders), self.habits.most_orders)

    def _fulfil(self, order: Id, wanted: Mapping[Id, Decimal]) -> None:
        chance = random.Random(f"{self.seed} {self.location} order {order} {order in self._partly}")
        taken = dict(wanted)
        if order not in self._partly and chance.random() < self.habits.partial:
            taken = _part(wanted, chance)
            self._partly.add(order)
        parcels = self.parcels(chance, sum(taken.values(), Decimal(0)))
        key = f"wh-{self.location}-{self.shift}-{order}-{self._rounds}"
        stepwise = chance.random() < self.habits.stepwise
        shipment = self.software.ship(order, taken, parcels, place=self.location, key=key, stepwise=stepwise)
        if chance.random() < self.habits.late_parcel:
            late = self.parcels(chance, Decimal(1))[:1]
            self.software.add_parcels(shipment, late)
            parcels = (*parcels, *late)
        self.worked.shipped.append(Shipped(order, shipment, tuple(taken.items()), parcels, taken == wanted))

    def parcels(self, chance: random.Random, units: Decimal) -> tuple[Parcel, ...]:
        """One or two, of one carrier."""
        count = 2 if units > 1 and chance.random() < self.habits.two_parcels else 1
        carrier, form = chance.choice(CARRIERS)
        return tuple(
            Parcel(carrier, form.format(chance.randrange(10**9)), Decimal(chance.randint(5, 400)) / 10)
            for _ in range(count)
        )

    # -- stock -----------------------------------------------------------------------------------------

    def receive(self) -> None:
        """Goods arrive: first what orders wait for, then what is running out."""
        waiting = sorted(self.software.running_out(self.location).items(), key=lambda one: -one[1])
        chance = random.Random(f"{self.seed} {self.location} receive {self._rounds}")
        arrived = {item: units + chance.randint(4, 40) for item, units in waiting[: self.habits.receive]}
        self.adjust("receipt", arrived)

    def count(self) -> None:
        """Shelves are counted: now and then a unit or two are missing, or too many."""
        chance = random.Random(f"{self.seed} {self.location} count {self._rounds}")
        full = self.software.shelves(self.location, above=5)
        found = chance.sample(full, min(self.habits.count, len(full)))
        self.adjust("count", {item: Decimal(chance.choice((-2, -1, -1, 1))) for item in found})

    def adjust(self, why: str, quantities: Mapping[Id, Decimal]) -> None:
        """Write down what came or was counted, and what the ERP says to it."""
        if not quantities:
            return
        key = f"wh-{self.location}-{self.shift}-{why}-{self._rounds}"
        try:
            self.software.adjust(quantities, place=self.location, key=key, why=why)
        except Refused as refused:
            self.worked.refused.append(f"{key}: {refused.message}")
        else:
            self.worked.adjustments.append(key)


Progress = Callable[[str, Worked], None]


def work(
    opened: Callable[[], WarehouseSoftware],
    locations: Sequence[str],
    *,
    stop: threading.Event,
    pause: float = 3.0,
    habits: Habits | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Worked]:
    """Let a warehouse per location work, a thread each, until `stop`; then one last round that ships what is open.

    `opened` gives the software for each thread, see `software`. `pause` seconds lie between rounds. What a warehouse
    meets that it does not know ends all and is raised.
    """
    worked: dict[str, Worked] = {}
    failures: list[BaseException] = []

    def one(location: str) -> None:
        desk = opened()
        try:
            house = Warehouse(desk, location, habits=habits, seed=seed)
            worked[location] = house.worked
            while not stop.wait(pause):
                house.round()
                if progress is not None:
                    progress(location, house.worked)
            house.ship()
        except BaseException as error:
            failures.append(error)
            stop.set()
            raise
        finally:
            desk.close()

    threads = [
        threading.Thread(target=one, args=(place,), name=f"warehouse {place}", daemon=True) for place in locations
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return worked


def _part(wanted: Mapping[Id, Decimal], chance: random.Random) -> dict[Id, Decimal]:
    """A part of the lines, or of the only line's quantity; everything when there is nothing to divide."""
    lines = list(wanted)
    if len(lines) > 1:
        chosen = chance.sample(lines, chance.randint(1, len(lines) - 1))
        return {line: wanted[line] for line in sorted(chosen)}
    (line,) = lines
    if wanted[line] >= 2:
        return {line: Decimal(int(wanted[line] / 2))}
    return dict(wanted)
