"""A warehouse at work in NetSuite: it picks, packs, ships, receives and counts through REST, as software there does.

Open lines come from SuiteQL, fulfillments from the sales order's transform, stock movements from inventory
adjustments. What it decides (how much it ships, in which parcels, by whom) follows from the order's id and the
seed, so that a day can be played again. It signs with the same kind of token as any integration and keeps to the
account's concurrency limit: a 429 is waited out.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.caller import Caller, Refused

AGENT = "warehouse"
CARRIERS = (("UPS", "1Z{:016d}"), ("FedEx", "{:012d}"), ("USPS", "9400{:018d}"), ("DHL", "{:010d}"))
_RECORD = "/services/rest/record/v1"
_SUITEQL = "/services/rest/query/v1/suiteql"
_PAGE = 1000
_ATTEMPTS = 200  # of a call answered 429, with a pause of 50 to 250 ms between


@dataclass(frozen=True)
class Parcel:
    carrier: str
    tracking_number: str
    weight: Decimal  # pounds


@dataclass(frozen=True)
class Shipped:
    """One fulfillment that left. `lines` are order line and quantity."""

    order: int
    fulfillment: int
    lines: tuple[tuple[int, Decimal], ...]
    parcels: tuple[Parcel, ...]
    complete: bool


@dataclass
class Worked:
    """What a warehouse did."""

    shipped: list[Shipped] = field(default_factory=list)
    adjustments: list[str] = field(default_factory=list)  # external ids
    refused: list[str] = field(default_factory=list)  # what NetSuite said no to, in its words


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


class NetSuite:
    """The few calls a warehouse needs. One per thread.

    `credentials` are account, consumer_key, consumer_secret, token_id, token_secret.
    """

    def __init__(self, base_url: str, credentials: Mapping[str, str], ca_certificate: str | None = None) -> None:
        self._caller = Caller(
            base_url,
            AGENT,
            credentials,
            token="token_id",
            token_secret="token_secret",
            realm=credentials["account"],
            ca_certificate=ca_certificate,
        )
        self._pause = random.Random()

    def close(self) -> None:
        self._caller.close()

    def query(self, sql: str) -> list[dict[str, Any]]:
        """All rows of a SuiteQL query, which must order by something unique."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self._send(
                "POST", f"{_SUITEQL}?limit={_PAGE}&offset={len(rows)}", {"q": sql}, {"Prefer": "transient"}
            ).json()
            rows += page["items"]
            if not page["hasMore"]:
                return rows

    def create(self, path: str, body: Mapping[str, Any]) -> int:
        """Post a record; its internal id."""
        answer = self._send("POST", f"{_RECORD}/{path}", body)
        return int(answer.headers["location"].rpartition("/")[2])

    def change(self, path: str, body: Mapping[str, Any]) -> None:
        self._send("PATCH", f"{_RECORD}/{path}", body)

    def remove(self, path: str) -> None:
        """DELETE of a record."""
        self._send("DELETE", f"{_RECORD}/{path}", None)

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        for _ in range(_ATTEMPTS):
            try:
                return self._caller.send(method, path, body, headers=headers)
            except Refused as refused:
                if refused.status != 429:
                    raise
                last = refused
            time.sleep(self._pause.uniform(0.05, 0.25))
        raise last


class Warehouse:
    """One location of the account, given by its name, external id or internal id.

    Nothing here sleeps but for a 429; rounds follow each other as the caller asks. `shift` is part of every external
    id, so that a later shift's differ; by default it is taken from the time. Raises LookupError for an unknown
    location.
    """

    def __init__(
        self, netsuite: NetSuite, location: str, *, habits: Habits | None = None, seed: int = 0, shift: str = ""
    ) -> None:
        self._netsuite, self.habits, self.seed = netsuite, habits or Habits(), seed
        self.shift = shift or f"{time.time_ns() // 1_000_000:x}"
        self.location = self._find_location(location)
        self.worked = Worked()
        self._rounds = 0
        self._partly: set[int] = set()
        self._account: str | None = None

    def round(self) -> int:
        """Ship what can be shipped, then receive and count; returns how many fulfillments left."""
        self._rounds += 1
        left = self.ship()
        self.receive()
        self.count()
        return left

    # -- shipping --------------------------------------------------------------------------------------

    def open_lines(self) -> dict[int, list[dict[str, Any]]]:
        """Lines of approved orders with stock committed to them at this location, by order."""
        rows = self._netsuite.query(
            "SELECT t.id AS salesorder, tl.id AS line, tl.quantitycommitted AS committed, tl.quantity AS ordered, "
            "tl.quantityshiprecv AS shipped FROM transaction t "
            "INNER JOIN transactionline tl ON tl.transaction = t.id "
            f"WHERE t.type = 'SalesOrd' AND tl.mainline = 'F' AND tl.isclosed = 'F' AND tl.location = {self.location} "
            "AND tl.quantitycommitted > 0 ORDER BY t.id, tl.id"
        )
        orders: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            orders.setdefault(int(row["salesorder"]), []).append(row)
        return orders

    def ship(self) -> int:
        """One round of fulfillments, oldest orders first."""
        orders = self.open_lines()
        for order, lines in list(orders.items())[: self.habits.most_orders]:
            try:
                self._fulfil(order, lines)
            except Refused as refused:
                self.worked.refused.append(f"order {order}: {refused.message}")
        return min(len(orders), self.habits.most_orders)

    def _fulfil(self, order: int, lines: Sequence[dict[str, Any]]) -> None:
        chance = random.Random(f"{self.seed} {self.location} order {order} {order in self._partly}")
        wanted = {int(line["line"]): abs(Decimal(str(line["committed"]))) for line in lines}
        taken = dict(wanted)
        if order not in self._partly and chance.random() < self.habits.partial:
            taken = _part(wanted, chance)
            self._partly.add(order)
        parcels = self._parcels(order, chance, sum(taken.values(), Decimal(0)))
        body: dict[str, Any] = {
            "externalId": f"wh-{self.location}-{self.shift}-{order}-{self._rounds}",
            "shipStatus": {"id": "C"},
            "item": {"items": [self._line(line, taken.get(line)) for line in self._all_lines(order)]},
            "package": {"items": [_package(parcel) for parcel in parcels]},
        }
        stepwise = chance.random() < self.habits.stepwise
        if stepwise:
            packages = body.pop("package")
            body["shipStatus"] = {"id": "A"}
        fulfillment = self._netsuite.create(f"salesOrder/{order}/!transform/itemFulfillment", body)
        if stepwise:
            self._netsuite.change(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": "B"}, "package": packages})
            self._netsuite.change(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": "C"}})
        if chance.random() < self.habits.late_parcel:
            late = self._parcels(order, chance, Decimal(1))[:1]
            self._netsuite.change(
                f"itemFulfillment/{fulfillment}", {"package": {"items": [_package(parcel) for parcel in late]}}
            )
            parcels = (*parcels, *late)
        self.worked.shipped.append(Shipped(order, fulfillment, tuple(taken.items()), parcels, taken == wanted))

    def _all_lines(self, order: int) -> list[int]:
        """Lines of the order that could be fulfilled: those that are not sent in a transform would all leave."""
        rows = self._netsuite.query(
            f"SELECT tl.id AS line FROM transactionline tl WHERE tl.transaction = {order} AND tl.mainline = 'F' "
            "AND tl.taxline = 'F' AND tl.fulfillable = 'T' AND tl.isclosed = 'F' ORDER BY tl.id"
        )
        return [int(row["line"]) for row in rows]

    def _line(self, line: int, quantity: Decimal | None) -> dict[str, Any]:
        if quantity is None:
            return {"orderLine": line, "itemReceive": False}
        return {
            "orderLine": line,
            "itemReceive": True,
            "quantity": quantity,
            "location": {"id": str(self.location)},
        }

    def _parcels(self, order: int, chance: random.Random, units: Decimal) -> tuple[Parcel, ...]:
        count = 2 if units > 1 and chance.random() < self.habits.two_parcels else 1
        carrier, form = chance.choice(CARRIERS)
        return tuple(
            Parcel(carrier, form.format(chance.randrange(10**9)), Decimal(chance.randint(5, 400)) / 10)
            for _ in range(count)
        )

    # -- stock -----------------------------------------------------------------------------------------

    def receive(self) -> None:
        """Goods arrive: first what orders wait for, then what is running out."""
        rows = self._netsuite.query(
            "SELECT ail.item AS item, ail.quantitybackordered AS waiting, ail.quantityonhand AS onhand "
            f"FROM aggregateitemlocation ail WHERE ail.location = {self.location} "
            "AND (ail.quantitybackordered > 0 OR ail.quantityavailable < 3) ORDER BY ail.item"
        )
        rows.sort(key=lambda row: (-_number(row.get("waiting")), int(row["item"])))
        chance = random.Random(f"{self.seed} {self.location} receive {self._rounds}")
        arrived = {
            int(row["item"]): _number(row.get("waiting")) + chance.randint(4, 40) for row in rows[: self.habits.receive]
        }
        self._adjust("receipt", arrived)

    def count(self) -> None:
        """Shelves are counted: now and then a unit or two are missing, or too many."""
        chance = random.Random(f"{self.seed} {self.location} count {self._rounds}")
        rows = self._netsuite.query(
            "SELECT ail.item AS item, ail.quantityavailable AS available FROM aggregateitemlocation ail "
            f"WHERE ail.location = {self.location} AND ail.quantityavailable > 5 ORDER BY ail.item"
        )
        found = chance.sample(rows, min(self.habits.count, len(rows)))
        self._adjust("count", {int(row["item"]): Decimal(chance.choice((-2, -1, -1, 1))) for row in found})

    def _adjust(self, why: str, quantities: Mapping[int, Decimal]) -> None:
        if not quantities:
            return
        external_id = f"wh-{self.location}-{self.shift}-{why}-{self._rounds}"
        body = {
            "externalId": external_id,
            "subsidiary": {"id": "1"},
            "account": {"id": self._adjustment_account()},
            "adjLocation": {"id": str(self.location)},
            "memo": why,
            "inventory": {
                "items": [
                    {
                        "item": {"id": str(item)},
                        "location": {"id": str(self.location)},
                        "adjustQtyBy": quantity,
                    }
                    for item, quantity in quantities.items()
                ]
            },
        }
        try:
            self._netsuite.create("inventoryAdjustment", body)
        except Refused as refused:
            self.worked.refused.append(f"{external_id}: {refused.message}")
        else:
            self.worked.adjustments.append(external_id)

    def _adjustment_account(self) -> str:
        if self._account is None:
            rows = self._netsuite.query("SELECT id, accttype FROM account WHERE accttype = 'COGS' ORDER BY id DESC")
            self._account = str(rows[0]["id"])
        return self._account

    def _find_location(self, wanted: str) -> int:
        rows = self._netsuite.query("SELECT id, name, externalid FROM location ORDER BY id")
        for row in rows:
            if wanted in (str(row["id"]), row.get("name"), row.get("externalid")):
                return int(row["id"])
        raise LookupError(f"no location {wanted!r}; known are {', '.join(str(row.get('name')) for row in rows)}")


Progress = Callable[[str, Worked], None]


def work(
    base_url: str,
    credentials: Mapping[str, str],
    locations: Sequence[str],
    *,
    stop: threading.Event,
    pause: float = 3.0,
    habits: Habits | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    ca_certificate: str | None = None,
) -> dict[str, Worked]:
    """Let a warehouse per location work, a thread each, until `stop`; then one last round that ships what is open.

    `pause` seconds lie between rounds. What a warehouse meets that it does not know ends all and is raised.
    """
    worked: dict[str, Worked] = {}
    failures: list[BaseException] = []

    def one(location: str) -> None:
        netsuite = NetSuite(base_url, credentials, ca_certificate)
        try:
            house = Warehouse(netsuite, location, habits=habits, seed=seed)
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
            netsuite.close()

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


def _part(wanted: Mapping[int, Decimal], chance: random.Random) -> dict[int, Decimal]:
    """A part of the lines, or of the only line's quantity; everything when there is nothing to divide."""
    lines = list(wanted)
    if len(lines) > 1:
        chosen = chance.sample(lines, chance.randint(1, len(lines) - 1))
        return {line: wanted[line] for line in sorted(chosen)}
    (line,) = lines
    if wanted[line] >= 2:
        return {line: Decimal(int(wanted[line] / 2))}
    return dict(wanted)


def _package(parcel: Parcel) -> dict[str, Any]:
    return {
        "packageTrackingNumber": parcel.tracking_number,
        "packageWeight": parcel.weight,
        "packageDescr": f"{parcel.carrier} parcel",
    }


def _number(value: Any) -> Decimal:
    return Decimal(0) if value is None else Decimal(str(value))
