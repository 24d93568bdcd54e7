"""Software of warehouses and buyers in a company: Service Layer, as an add-on there uses it.

Open rows and stock are read as documents and by stored queries, what leaves is a delivery copied from the order's
rows, what comes in or is counted is a goods receipt or issue. The parcels of one delivery share its TrackingNumber,
a comma between them (a habit of users; unconfirmed). What is recorded stepwise is released and picked on a pick list
before it is delivered; packing has no record of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from erp_sync.sandbox.caller import Refused
from erp_sync.sandbox.warehouse import AGENT, BuyersDesk, Open, Parcel, WarehouseSoftware
from erp_sync.systems.sap_b1.sandbox.service_layer import ServiceLayer, condition, literal

_BASE_LIST = 1
_FEW = 3  # available units below which an article is restocked
_AT_ONCE = 20  # articles asked for in one filter

_STOCK = (
    'SELECT T0."ItemCode", T1."OnHand", T1."IsCommited" FROM OITM T0 '
    'INNER JOIN OITW T1 ON T1."ItemCode" = T0."ItemCode" '
    'WHERE T1."WhsCode" = :place AND T0."InvntItem" = \'Y\' AND T0."validFor" = \'Y\' AND T0."frozenFor" = \'N\' '
    'AND T1."OnHand" - T1."IsCommited" {compared} :units ORDER BY T0."ItemCode"'
)
_ORDER = 17


class CompanySoftware(WarehouseSoftware, BuyersDesk):
    """Both at work. One per thread.

    Articles are ItemCodes, places warehouse codes, orders and shipments DocEntries, lines LineNums.
    `credentials` are company_db, user_name, password.
    """

    def __init__(
        self, base_url: str, credentials: Mapping[str, str], ca_certificate: str | None = None, http: Any = None
    ) -> None:
        self.service_layer = ServiceLayer(base_url, credentials, AGENT, ca_certificate, http)

    def close(self) -> None:
        self.service_layer.close()

    # -- shipping --------------------------------------------------------------------------------------

    def place(self, wanted: str) -> str:
        """A warehouse by its code or name."""
        found = self.service_layer.rows("Warehouses?$select=WarehouseCode,WarehouseName&$orderby=WarehouseCode")
        for row in found:
            if wanted in (row["WarehouseCode"], row.get("WarehouseName")):
                return str(row["WarehouseCode"])
        raise LookupError(f"no warehouse {wanted!r}; known are {', '.join(str(row['WarehouseCode']) for row in found)}")

    def open_orders(self, place: str) -> Open:
        """Open rows, as far as what is on hand reaches: SAP commits stock whether there is any or not.

        Older orders come first. The components of a bundle leave with its own row, in whole bundles.
        """
        wanted = condition("DocumentStatus eq 'bost_Open'")
        orders = self.service_layer.rows(f"Orders?$filter={wanted}&$select=DocEntry,DocumentLines&$orderby=DocEntry")
        lines = [
            (int(order["DocEntry"]), line, parts)
            for order in orders
            for line, parts in _open_lines(order["DocumentLines"])
            if line["WarehouseCode"] == place
        ]
        on_hand = self._on_hand({row["ItemCode"] for _, line, parts in lines for row in (line, *parts)})
        found: dict[int, dict[int, Decimal]] = {}
        for order, line, parts in lines:
            whole = Decimal(line["RemainingOpenQuantity"])
            each = [
                ((row["ItemCode"], row["WarehouseCode"]), Decimal(row["RemainingOpenInventoryQuantity"]) / whole)
                for row in (line, *parts)
            ]
            kept = [(shelf, units) for shelf, units in each if shelf in on_hand]
            reach = [(on_hand[shelf] / units).to_integral_value(ROUND_FLOOR) for shelf, units in kept]
            taken = min([whole, *reach])
            if taken > 0:
                found.setdefault(order, {})[int(line["LineNum"])] = taken
                for shelf, units in kept:
                    on_hand[shelf] -= taken * units
        return found

    def _on_hand(self, articles: set[str]) -> dict[tuple[str, str], Decimal]:
        """Units by article and warehouse, of what is kept in stock."""
        found: dict[tuple[str, str], Decimal] = {}
        names = sorted(articles)
        for first in range(0, len(names), _AT_ONCE):
            some = " or ".join("ItemCode eq '" + one.replace("'", "''") + "'" for one in names[first:][:_AT_ONCE])
            wanted = condition(f"({some}) and InventoryItem eq 'tYES'")
            for item in self.service_layer.rows(
                f"Items?$filter={wanted}&$select=ItemCode,ItemWarehouseInfoCollection&$orderby=ItemCode"
            ):
                for shelf in item["ItemWarehouseInfoCollection"]:
                    found[item["ItemCode"], shelf["WarehouseCode"]] = Decimal(shelf["InStock"])
        return found

    def ship(
        self,
        order: int,
        lines: Mapping[int, Decimal],
        parcels: Iterable[Parcel],
        *,
        place: str,
        key: str,
        stepwise: bool,
    ) -> int:
        whole = self.service_layer.read(f"Orders({order})?$select=CardCode,DocumentLines")
        rows = []
        for line, parts in _open_lines(whole["DocumentLines"]):
            units = lines.get(line["LineNum"])
            if units is not None:
                share = units / Decimal(line["RemainingOpenQuantity"])
                rows.append(_copied(order, line, units))
                rows += [_copied(order, part, share * Decimal(part["RemainingOpenQuantity"])) for part in parts]
        delivery = {
            "CardCode": whole["CardCode"],
            "Comments": key,
            "TrackingNumber": _numbers(parcels),
            "DocumentLines": rows,
        }
        pick_list = self._picked(order, rows, key) if stepwise else None
        try:
            made = self.service_layer.create("DeliveryNotes", delivery)
        except Refused:
            if pick_list is not None:  # what cannot leave is put back, or nobody could pick it again
                self.service_layer.create("PickListsService_Close", {"PickList": {"Absoluteentry": pick_list}})
            raise
        return int(made["DocEntry"])

    def _picked(self, order: int, rows: list[dict[str, Any]], key: str) -> int:
        """The pick list on which these rows of a delivery were released, then picked."""
        lines = [
            {"BaseObjectType": _ORDER, "OrderEntry": order, "OrderRowID": row["BaseLine"],
             "ReleasedQuantity": row["Quantity"]}
            for row in rows
        ]  # fmt: skip
        entry = int(self.service_layer.create("PickLists", {"Remarks": key, "PickListsLines": lines})["Absoluteentry"])
        picked = [{"LineNumber": place, "PickedQuantity": row["Quantity"]} for place, row in enumerate(rows)]
        self.service_layer.change(f"PickLists({entry})", {"PickListsLines": picked})
        return entry

    def add_parcels(self, shipment: int, parcels: Iterable[Parcel]) -> None:
        before = self.service_layer.read(f"DeliveryNotes({shipment})?$select=TrackingNumber")["TrackingNumber"]
        after = ", ".join(one for one in (before, _numbers(parcels)) if one)
        self.service_layer.change(f"DeliveryNotes({shipment})", {"TrackingNumber": after})

    # -- stock -----------------------------------------------------------------------------------------

    def running_out(self, place: str) -> dict[str, Decimal]:
        rows = self.service_layer.query("whse_few", _STOCK.format(compared="<"), place=place, units=_FEW)
        return {row["ItemCode"]: max(Decimal(0), Decimal(row["IsCommited"] - row["OnHand"])) for row in rows}

    def shelves(self, place: str, above: int) -> list[str]:
        rows = self.service_layer.query("whse_more", _STOCK.format(compared=">"), place=place, units=above)
        return [row["ItemCode"] for row in rows]

    def adjust(self, quantities: Mapping[str, Decimal], *, place: str, key: str, why: str) -> None:
        """What is missing first, as it alone can be refused for want of stock."""
        for movement, sign in (("InventoryGenExits", -1), ("InventoryGenEntries", 1)):
            lines = [
                {"ItemCode": article, "Quantity": sign * quantity, "WarehouseCode": place}
                for article, quantity in quantities.items()
                if sign * quantity > 0
            ]
            if lines:
                self.service_layer.create(movement, {"Comments": f"{why}: {key}", "DocumentLines": lines})

    # -- articles --------------------------------------------------------------------------------------

    def articles(self) -> list[str]:
        wanted = condition("InventoryItem eq 'tYES' and SalesItem eq 'tYES' and Valid eq 'tYES' and Frozen eq 'tNO'")
        rows = self.service_layer.rows(f"Items?$filter={wanted}&$select=ItemCode&$orderby=ItemCode")
        return [row["ItemCode"] for row in rows]

    def reprice(self, article: str, price: Decimal) -> None:
        self._change(article, {"ItemPrices": [{"PriceList": _BASE_LIST, "Price": price}]})

    def enter(self, sku: str, name: str, price: Decimal) -> None:
        prices = [{"PriceList": _BASE_LIST, "Price": price}]
        self.service_layer.create(
            "Items", {"ItemCode": sku, "ItemName": name, "SalesUnitWeight": 1, "ItemPrices": prices}
        )

    def rename(self, sku: str, name: str) -> None:
        self._change(sku, {"ItemName": name})

    def end(self, sku: str) -> None:
        self._change(sku, {"Valid": "tNO", "Frozen": "tYES"})

    def _change(self, sku: str, body: Mapping[str, Any]) -> None:
        self.service_layer.change(f"Items({literal(sku)})", body)


# By which the kit finds it.
Software = CompanySoftware


def _open_lines(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Open rows, each with the open rows of its components; a component without its parent stands alone."""
    still = [row for row in rows if row["LineStatus"] == "bost_Open" and row["RemainingOpenQuantity"] > 0]
    numbers = {row["LineNum"] for row in still}
    parts: dict[int, list[dict[str, Any]]] = {}
    for row in still:
        if row.get("ParentLineNum") in numbers:
            parts.setdefault(row["ParentLineNum"], []).append(row)
    return [(row, parts.get(row["LineNum"], [])) for row in still if row.get("ParentLineNum") not in numbers]


def _copied(order: int, row: Mapping[str, Any], quantity: Decimal) -> dict[str, Any]:
    return {"BaseType": _ORDER, "BaseEntry": order, "BaseLine": row["LineNum"], "Quantity": quantity}


def _numbers(parcels: Iterable[Parcel]) -> str:
    return ", ".join(parcel.tracking_number for parcel in parcels)
