"""What a naive script does, kept naive on purpose: no keys, no memory but a date, every time-out tried again.

Written as such scripts are found: a loop over a list, one call after another. It has nothing of erp_sync; signing is
borrowed from the sandboxes' callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from erp_sync.sandbox.caller import Caller

AGENT = "naive script"
RECORDS = "/services/rest/record/v1"
SUITEQL = "/services/rest/query/v1/suiteql?limit=1000"


class Script:
    """Both systems, as a script calls them."""

    def __init__(
        self, store: str, erp: str, store_keys: Mapping[str, str], erp_keys: Mapping[str, str], wire: httpx.Client
    ) -> None:
        self._store = Caller(store, AGENT, store_keys)
        self._erp = Caller(
            erp, AGENT, erp_keys, token="token_id", token_secret="token_secret", realm=erp_keys["account"]
        )
        for caller in (self._store, self._erp):
            caller._http.close()
            caller._http = wire
        self._wire = wire
        self._customers: dict[str, str] = {}
        self._items: dict[str, str] = {}
        self.since = "2000-01-01 00:00:00"

    # -- orders --------------------------------------------------------------------------------------

    def orders(self, now: datetime) -> int:
        """Orders of the store since the last time, each posted to the ERP."""
        since, self.since = self.since, f"{now:%Y-%m-%d %H:%M:%S}"
        found = self._orders_since(since)
        for order in found:
            self._post_order(order)
        return len(found)

    def _orders_since(self, since: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            criteria = {
                "searchCriteria[filterGroups][0][filters][0][field]": "created_at",
                "searchCriteria[filterGroups][0][filters][0][conditionType]": "gteq",
                "searchCriteria[filterGroups][0][filters][0][value]": since,
                "searchCriteria[sortOrders][0][field]": "entity_id",
                "searchCriteria[sortOrders][0][direction]": "ASC",
                "searchCriteria[pageSize]": "200",
                "searchCriteria[currentPage]": str(len(found) // 200 + 1),
            }
            page = self._store.json("GET", f"/rest/default/V1/orders?{urlencode(criteria)}")
            found += page["items"]
            if len(found) >= page["total_count"]:
                return found

    def _post_order(self, order: Mapping[str, Any]) -> None:
        lines = [
            {"item": {"id": self._item(line["sku"])}, "quantity": line["qty_ordered"], "amount": line["row_total"]}
            for line in order["items"]
        ]
        body = {
            "entity": {"id": self._customer(order)},
            "subsidiary": {"id": "1"},
            "orderStatus": {"id": "B"},
            "otherRefNum": order["increment_id"],
            "item": {"items": lines},
        }
        self._post(f"{RECORDS}/salesOrder", body)

    def _customer(self, order: Mapping[str, Any]) -> str:
        email = order["customer_email"]
        if email not in self._customers:
            body = {
                "isPerson": True,
                "firstName": order["customer_firstname"] or "Guest",
                "lastName": order["customer_lastname"] or email.split("@")[0],
                "email": email,
                "subsidiary": {"id": "1"},
            }
            self._customers[email] = self._post(f"{RECORDS}/customer", body)
        return self._customers[email]

    def _item(self, sku: str) -> str:
        if not self._items:
            self._items = {row["itemid"]: row["id"] for row in self._query("SELECT id, itemid FROM item ORDER BY id")}
        return self._items[sku]

    # -- stock and prices ----------------------------------------------------------------------------

    def stock(self) -> int:
        """All stock of the ERP to the store."""
        rows = self._query(
            "SELECT item.itemid AS sku, location.externalid AS source, ail.quantityonhand AS quantity "
            "FROM aggregateitemlocation ail JOIN item ON item.id = ail.item "
            "JOIN location ON location.id = ail.location ORDER BY item.itemid, ail.location"
        )
        items = [
            {
                "sku": row["sku"],
                "source_code": row["source"],
                "quantity": float(row.get("quantity") or 0),
                "status": 1,
            }
            for row in rows
        ]
        self._store.send("POST", "/rest/all/V1/inventory/source-items", {"sourceItems": items})
        return len(items)

    def prices(self) -> int:
        """All list prices of the ERP to the store."""
        rows = self._query(
            "SELECT item.itemid AS sku, itemprice.price AS price FROM itemprice JOIN item ON item.id = itemprice.item "
            "WHERE itemprice.pricelevel = 1 ORDER BY item.itemid"
        )
        prices = [{"sku": row["sku"], "price": float(row["price"]), "store_id": 0} for row in rows]
        self._store.send("POST", "/rest/all/V1/products/base-prices", {"prices": prices})
        return len(prices)

    # -- calls ---------------------------------------------------------------------------------------

    def _query(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._erp.json("POST", SUITEQL, {"q": sql}, headers={"Prefer": "transient"})[
            "items"
        ]
        return rows

    def _post(self, path: str, body: Any) -> str:
        """The new record's id. What gives no answer is sent again."""
        while True:
            try:
                answer = self._erp.send("POST", path, body)
                return answer.headers["location"].rpartition("/")[2]
            except httpx.TransportError:
                continue
