"""Items: stocked, without stock, kits, assemblies; with their price matrix and members."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, invalid_value, missing, user_error
from erp_sync.systems.netsuite.sandbox.fields import Field, number, refer, reference
from erp_sync.systems.netsuite.sandbox.record_type import NO_REPLACE, RecordType, dependent
from erp_sync.systems.netsuite.sandbox.seed import set_price
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import QUANTITY, Row, json_number, text_of


class Item(RecordType):
    """One item type. `itemId` is the SKU and unique over all items (wording unconfirmed)."""

    table = "item"
    group = "item"
    custom_prefix = "custitem"
    label = "itemid"
    fields = (
        Field("itemId", "itemid", length=60),
        Field("externalId", "externalid"),
        Field("displayName", "displayname", length=60),
        Field("description", "description", length=4000),
        Field("salesDescription", "description", length=4000),
        Field("parent", "parent", "reference", "item"),
        Field("isInactive", "isinactive", "flag"),
        Field("isOnline", "isonline", "flag"),
        Field("cost", "cost", "rate"),
        Field("averageCost", "averagecost", "rate", writable=False),
        Field("lastPurchasePrice", "lastpurchaseprice", "rate", writable=False),
        Field("manufacturer", "manufacturer", length=100),
        Field("mpn", "mpn", length=40),
        Field("upcCode", "upccode", length=20),
        Field("vendorName", "vendorname", length=60),
        Field("weight", "weight", "quantity"),
        Field("weightUnit", "weightunit", "enum", choices=("1", "2", "3", "4")),
        Field("countryOfManufacture", "countryofmanufacture", "enum"),
        Field("stockDescription", "stockdescription", length=21),
        Field("purchaseDescription", "purchasedescription", length=4000),
        Field("storeDisplayName", "storedisplayname", length=60),
        Field("storeDescription", "storedescription", length=4000),
        Field("storeDetailedDescription", "storedetaileddescription"),
        Field("pageTitle", "pagetitle"),
        Field("urlComponent", "urlcomponent"),
        Field("searchKeywords", "searchkeywords"),
        Field("onSpecial", "onspecial", "flag"),
        Field("outOfStockBehavior", "outofstockbehavior", "enum"),
        Field("preferredLocation", "preferredlocation", "reference", "location"),
        Field("taxSchedule", "taxschedule", "reference"),
        Field("isTaxable", "istaxable", "flag"),
        Field("matrixType", "matrixtype", "enum", choices=("PARENT", "CHILD")),
        Field("incomeAccount", "incomeaccount", "reference", "account"),
        Field("assetAccount", "assetaccount", "reference", "account"),
        Field("cogsAccount", "cogsaccount", "reference", "account"),
        Field("costingMethod", "costingmethod", "enum"),
        Field("shippingCost", "shippingcost", "amount"),
        Field("handlingCost", "handlingcost", "amount"),
        Field("minimumquantity", "minimumquantity", "integer"),
        Field("createdDate", "createddate", writable=False),
        Field("lastModifiedDate", "lastmodifieddate", writable=False),
    )
    computed = frozenset(
        {
            *("id", "links", "createdDate", "lastModifiedDate", "averageCost", "lastPurchasePrice", "itemType"),
            *("quantityOnHand", "quantityAvailable", "quantityCommitted", "quantityBackOrdered", "quantityOnOrder"),
            *("totalValue", "locations"),
        }
    )
    sublists: tuple[str, ...] = ("price", "locations")

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        if kind == "Kit":
            self.sublists = ("price", "member")
        elif kind == "NonInvtPart":
            self.sublists = ("price",)

    @property
    def where(self) -> str:  # type: ignore[override]
        return f"itemtype = '{self.kind}'"

    def create(self, session: Session, body: Any) -> int:
        body = self.canonical(session, body)
        columns = self._columns(session, body, None, NO_REPLACE)
        if columns.get("itemid") is None:
            raise missing("Item Name/Number", "itemId")
        self._claim(session, columns["itemid"], None)
        columns = {
            "isinactive": "F", "isonline": "F", "istaxable": "T", "isfulfillable": "T", "costingmethod": "AVG",
            "subtype": "Sale" if self.kind == "NonInvtPart" else None, **columns, "itemtype": self.kind,
            "fullname": columns["itemid"], "createddate": session.now, "lastmodifieddate": session.now,
        }  # fmt: skip
        item = session.store.insert("item", id=session.new_id("item"), **columns)
        self._sublists(session, item, body, NO_REPLACE)
        session.wrote(self.name, columns.get("externalid"), item)
        return item

    def update(self, session: Session, internal_id: int, body: Any, replace: frozenset[str] = NO_REPLACE) -> None:
        stored = self.row(session, internal_id)
        assert stored is not None
        body = self.canonical(session, body)
        columns = self._columns(session, body, stored, replace)
        if "itemid" in columns:
            if columns["itemid"] is None:
                raise missing("Item Name/Number", "itemId")
            self._claim(session, columns["itemid"], internal_id)
        self._sublists(session, internal_id, body, replace)
        session.store.update("item", {"id": internal_id}, **columns, lastmodifieddate=session.now)
        session.wrote(self.name, stored["externalid"], internal_id, "update")

    def delete(self, session: Session, internal_id: int) -> None:
        row = self.row(session, internal_id)
        assert row is not None
        if session.store.value("SELECT 1 FROM transactionline WHERE item = ?", internal_id):
            raise dependent("item")
        for table in ("itemprice", "aggregateitemlocation"):
            session.store.delete(table, item=internal_id)
        session.store.delete("itemmember", parentitem=internal_id)
        self.forget(session, row, self.kind.upper())

    def _columns(
        self, session: Session, body: dict[str, Any], stored: Row | None, replace: frozenset[str]
    ) -> dict[str, Any]:
        columns = self.columns(session, body, stored, replace)
        if columns.get("cost") is not None and Decimal(columns["cost"]) < 0:
            raise invalid_value("cost", "cost")
        return columns

    def _claim(self, session: Session, item_id: str, own: int | None) -> None:
        other = session.store.value("SELECT id FROM item WHERE itemid = ?", item_id)
        if other is not None and other != own:
            raise user_error("Uniqueness error - An item with that name already exists.", "itemId")

    # --- price and members -------------------------------------------------------------------------------

    def _sublists(self, session: Session, item: int, body: dict[str, Any], replace: frozenset[str]) -> None:
        if "price" in body:
            if "price" in replace:
                session.store.delete("itemprice", item=item)
            for index, line in enumerate(body["price"]["items"]):
                self._write_price(session, item, line, f"price.items[{index}]")
        if "member" in body:
            self._write_members(session, item, body, "member" in replace)

    def _write_price(self, session: Session, item: int, line: dict[str, Any], path: str) -> None:
        """Cells are keyed by currency, price level and quantity: what is sent replaces that cell."""
        currency = reference(
            session, "currency", line.get("currencyPage", {"id": "1"}), "currencyPage", f"{path}.currencyPage"
        )
        level = reference(session, "pricelevel", line.get("priceLevel"), "priceLevel", f"{path}.priceLevel")
        if currency is None or level is None:
            raise missing("Price Level", f"{path}.priceLevel")
        quantity = line.get("quantity", 0)
        if isinstance(quantity, dict):
            quantity = quantity.get("value", 0)
        at = number(quantity, "quantity", f"{path}.quantity")
        price = None if line.get("price") is None else number(line["price"], "price", f"{path}.price")
        if at < 0 or (price is not None and price < 0):
            raise invalid_value("price", f"{path}.price")
        breaks = session.store.all("SELECT DISTINCT quantity FROM itemprice WHERE item = ?", item)
        if text_of(at, QUANTITY) not in {row["quantity"] for row in breaks} and len(breaks) >= 5:
            raise user_error("An item has a base price and four quantity breaks at most.", f"{path}.quantity")
        set_price(session, item, level, currency, at, price)

    def _write_members(self, session: Session, item: int, body: dict[str, Any], replace: bool) -> None:
        if replace:
            session.store.delete("itemmember", parentitem=item)
        for index, line in enumerate(body["member"]["items"]):
            path = f"member.items[{index}]"
            member = reference(session, "item", line.get("item"), "item", f"{path}.item")
            if member is None or member == item:
                raise invalid_reference(member, "item", f"{path}.item")
            quantity = number(line.get("quantity", 1), "quantity", f"{path}.quantity")
            last = session.store.value("SELECT COALESCE(MAX(linenumber), 0) FROM itemmember WHERE parentitem = ?", item)
            session.store.delete("itemmember", parentitem=item, item=member)
            session.store.insert(
                "itemmember", parentitem=item, item=member, quantity=text_of(quantity, QUANTITY), linenumber=last + 1
            )

    # --- reading -----------------------------------------------------------------------------------------

    def extra(self, session: Session, row: Row) -> dict[str, Any]:
        out: dict[str, Any] = {"itemType": {"id": row["itemtype"], "refName": row["itemtype"]}}
        if self.kind in ("InvtPart", "Assembly"):
            totals = session.store.all("SELECT * FROM aggregateitemlocation WHERE item = ?", row["id"])
            for name, column in _TOTALS.items():
                total = sum((Decimal(level[column]) for level in totals), Decimal(0))
                out[name] = json_number(text_of(total, QUANTITY))
        return out

    def lines(self, session: Session, row: Row, sublist: str) -> list[dict[str, Any]]:
        if sublist == "price":
            return self._price_lines(session, row)
        if sublist == "member":
            members = session.store.all("SELECT * FROM itemmember WHERE parentitem = ? ORDER BY linenumber", row["id"])
            return [
                {
                    "lineNumber": member["linenumber"],
                    "item": refer(session, "item", member["item"]),
                    "quantity": json_number(member["quantity"]),
                }
                for member in members
            ]
        return [
            {
                "location": refer(session, "location", level["location"]),
                "locationId": str(level["location"]),
                **{name: json_number(level[column]) for name, column in _TOTALS.items()},
            }
            for level in session.store.all(
                "SELECT * FROM aggregateitemlocation WHERE item = ? ORDER BY location", row["id"]
            )
        ]

    def _price_lines(self, session: Session, row: Row) -> list[dict[str, Any]]:
        lines = []
        for price in session.store.all(
            "SELECT * FROM itemprice WHERE item = ? ORDER BY currency, pricelevel, CAST(quantity AS NUMERIC)", row["id"]
        ):
            at = json_number(price["quantity"])
            lines.append(
                {
                    "currencyPage": refer(session, "currency", price["currency"]),
                    "priceLevel": refer(session, "pricelevel", price["pricelevel"]),
                    "priceLevelName": price["pricelevelname"],
                    "quantity": {"value": str(at)},
                    "price": json_number(price["price"]),
                }
            )
        return lines


_TOTALS = {
    "quantityOnHand": "quantityonhand", "quantityAvailable": "quantityavailable",
    "quantityCommitted": "quantitycommitted", "quantityBackOrdered": "quantitybackordered",
}  # fmt: skip


def items() -> list[RecordType]:
    """The item records."""
    kinds = {
        "inventoryItem": "InvtPart",
        "nonInventorySaleItem": "NonInvtPart",
        "kitItem": "Kit",
        "assemblyItem": "Assembly",
    }
    return [Item(name, kind) for name, kind in kinds.items()]
