"""Software of warehouses and buyers in a NetSuite account: REST calls, as software there makes them.

Open lines come from SuiteQL, fulfillments from the sales order's transform, stock movements from inventory
adjustments. It signs with the same kind of token as any integration and keeps to the account's concurrency limit: a
429 is waited out.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.caller import Caller, Refused
from erp_sync.sandbox.warehouse import AGENT, BuyersDesk, Open, Parcel, WarehouseSoftware

_RECORD = "/services/rest/record/v1"
_SUITEQL = "/services/rest/query/v1/suiteql"
_PAGE = 1000
_ATTEMPTS = 200  # of a call answered 429, with a pause of 50 to 250 ms between


class NetSuite(WarehouseSoftware, BuyersDesk):
    """The account as software in it uses it, and the plain calls below that. One per thread.

    `credentials` are account, consumer_key, consumer_secret, token_id, token_secret.
    """

    def __init__(
        self, base_url: str, credentials: Mapping[str, str], ca_certificate: str | None = None, http: Any = None
    ) -> None:
        self._caller = Caller(
            base_url,
            AGENT,
            credentials,
            token="token_id",
            token_secret="token_secret",
            realm=credentials["account"],
            ca_certificate=ca_certificate,
            http=http,
        )
        self._pause = random.Random()
        self._account: str | None = None

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

    # -- shipping --------------------------------------------------------------------------------------

    def place(self, wanted: str) -> int:
        """A location by its name, external id or internal id."""
        rows = self.query("SELECT id, name, externalid FROM location ORDER BY id")
        for row in rows:
            if wanted in (str(row["id"]), row.get("name"), row.get("externalid")):
                return int(row["id"])
        raise LookupError(f"no location {wanted!r}; known are {', '.join(str(row.get('name')) for row in rows)}")

    def open_orders(self, place: int) -> Open:
        """Lines of approved orders with stock committed to them."""
        rows = self.query(
            "SELECT t.id AS salesorder, tl.id AS line, tl.quantitycommitted AS committed, tl.quantity AS ordered, "
            "tl.quantityshiprecv AS shipped FROM transaction t "
            "INNER JOIN transactionline tl ON tl.transaction = t.id "
            f"WHERE t.type = 'SalesOrd' AND tl.mainline = 'F' AND tl.isclosed = 'F' AND tl.location = {place} "
            "AND tl.quantitycommitted > 0 ORDER BY t.id, tl.id"
        )
        orders: dict[int, dict[int, Decimal]] = {}
        for row in rows:
            orders.setdefault(int(row["salesorder"]), {})[int(row["line"])] = abs(Decimal(str(row["committed"])))
        return orders

    def ship(
        self,
        order: int,
        lines: Mapping[int, Decimal],
        parcels: Iterable[Parcel],
        *,
        place: int,
        key: str,
        stepwise: bool,
    ) -> int:
        packages = {"items": [_package(parcel) for parcel in parcels]}
        body: dict[str, Any] = {
            "externalId": key,
            "shipStatus": {"id": "A" if stepwise else "C"},
            "item": {"items": [_line(line, lines.get(line), place) for line in self._all_lines(order)]},
        }
        if not stepwise:
            body["package"] = packages
        fulfillment = self.create(f"salesOrder/{order}/!transform/itemFulfillment", body)
        if stepwise:
            self.change(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": "B"}, "package": packages})
            self.change(f"itemFulfillment/{fulfillment}", {"shipStatus": {"id": "C"}})
        return fulfillment

    def add_parcels(self, shipment: int, parcels: Iterable[Parcel]) -> None:
        self.change(f"itemFulfillment/{shipment}", {"package": {"items": [_package(parcel) for parcel in parcels]}})

    def _all_lines(self, order: int) -> list[int]:
        """Lines of the order that could be fulfilled: those that are not sent in a transform would all leave."""
        rows = self.query(
            f"SELECT tl.id AS line FROM transactionline tl WHERE tl.transaction = {order} AND tl.mainline = 'F' "
            "AND tl.taxline = 'F' AND tl.fulfillable = 'T' AND tl.isclosed = 'F' ORDER BY tl.id"
        )
        return [int(row["line"]) for row in rows]

    # -- stock -----------------------------------------------------------------------------------------

    def running_out(self, place: int) -> dict[int, Decimal]:
        rows = self.query(
            "SELECT ail.item AS item, ail.quantitybackordered AS waiting, ail.quantityonhand AS onhand "
            f"FROM aggregateitemlocation ail WHERE ail.location = {place} "
            "AND (ail.quantitybackordered > 0 OR ail.quantityavailable < 3) ORDER BY ail.item"
        )
        return {int(row["item"]): _number(row.get("waiting")) for row in rows}

    def shelves(self, place: int, above: int) -> list[int]:
        rows = self.query(
            "SELECT ail.item AS item, ail.quantityavailable AS available FROM aggregateitemlocation ail "
            f"WHERE ail.location = {place} AND ail.quantityavailable > {above} ORDER BY ail.item"
        )
        return [int(row["item"]) for row in rows]

    def adjust(self, quantities: Mapping[int, Decimal], *, place: int, key: str, why: str) -> None:
        lines = [
            {"item": {"id": str(item)}, "location": {"id": str(place)}, "adjustQtyBy": quantity}
            for item, quantity in quantities.items()
        ]
        body = {
            "externalId": key,
            "subsidiary": {"id": "1"},
            "account": {"id": self._adjustment_account()},
            "adjLocation": {"id": str(place)},
            "memo": why,
            "inventory": {"items": lines},
        }
        self.create("inventoryAdjustment", body)

    def _adjustment_account(self) -> str:
        if self._account is None:
            rows = self.query("SELECT id, accttype FROM account WHERE accttype = 'COGS' ORDER BY id DESC")
            self._account = str(rows[0]["id"])
        return self._account

    # -- articles --------------------------------------------------------------------------------------

    def articles(self) -> list[int]:
        rows = self.query("SELECT id FROM item WHERE itemtype = 'InvtPart' AND isinactive = 'F' ORDER BY id")
        return [int(row["id"]) for row in rows]

    def reprice(self, article: int, price: Decimal) -> None:
        self.change(f"inventoryItem/{article}", {"price": {"items": [{"priceLevel": {"id": "1"}, "price": price}]}})

    def enter(self, sku: str, name: str, price: Decimal) -> None:
        cell = {
            "currencyPage": {"id": "1"},
            "priceLevel": {"id": "1"},
            "quantity": {"value": 0},
            "price": str(price),
        }
        self.create("inventoryItem", {"itemId": sku, "displayName": name, "weight": 1, "price": {"items": [cell]}})

    def rename(self, sku: str, name: str) -> None:
        self.change(f"inventoryItem/{self._article(sku)}", {"displayName": name})

    def end(self, sku: str) -> None:
        self.change(f"inventoryItem/{self._article(sku)}", {"isInactive": True})

    def _article(self, sku: str) -> int:
        (row,) = self.query(f"SELECT id FROM item WHERE itemid = '{sku}' ORDER BY id")
        return int(row["id"])


# By which the kit finds it.
Software = NetSuite


def _line(line: int, quantity: Decimal | None, place: int) -> dict[str, Any]:
    if quantity is None:
        return {"orderLine": line, "itemReceive": False}
    return {"orderLine": line, "itemReceive": True, "quantity": quantity, "location": {"id": str(place)}}


def _package(parcel: Parcel) -> dict[str, Any]:
    return {
        "packageTrackingNumber": parcel.tracking_number,
        "packageWeight": parcel.weight,
        "packageDescr": f"{parcel.carrier} parcel",
    }


def _number(value: Any) -> Decimal:
    return Decimal(0) if value is None else Decimal(str(value))
