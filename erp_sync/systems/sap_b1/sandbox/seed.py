"""Master data and opening stock, loaded as an administrator's import would.

The neutral form of the kit's generators (items, locations, stock, currency, customers) and, in the vendor's own
words, bodies of entities as Service Layer takes them.
"""

from __future__ import annotations

from typing import Any

from erp_sync.systems.sap_b1.sandbox import rows, seed_prices, seed_terms, stock, user_fields
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.merging import merged
from erp_sync.systems.sap_b1.sandbox.registry import Registry
from erp_sync.systems.sap_b1.sandbox.values import exact, normalised, number

#: Seed words to entity sets; the rows are bodies of that set, and one that exists is changed.
BODIES = {
    "currencies": "Currencies",
    "vat_groups": "VatGroups",
    "payment_terms": "PaymentTermsTypes",
    "partner_groups": "BusinessPartnerGroups",
    "item_groups": "ItemGroups",
    "manufacturers": "Manufacturers",
    "units": "UnitOfMeasurements",
    "unit_groups": "UnitOfMeasurementGroups",
    "warehouses": "Warehouses",
    "price_lists": "PriceLists",
    "raw_items": "Items",
    "product_trees": "ProductTrees",
    "business_partners": "BusinessPartners",
    "special_prices": "SpecialPrices",
    "blanket_agreements": "BlanketAgreements",
    "discount_groups": "EnhancedDiscountGroups",
}
#: Settings that an administrator changes while the system runs.
SETTINGS = ("sick_node", "webhooks", "approval_templates", "approvals_in_di", "add_on", "negative_stock",
            "credit_restriction", "add_on_events")  # fmt: skip
NEUTRAL = ("currency", "items", "locations", "stock", "customers", "user_fields", "item_prices", "exchange_rates",
           "negotiated_prices", "price_terms", "distributor", "restart")  # fmt: skip
_NOT_STOCKED = frozenset(["bundle", "kit", "non_inventory", "virtual", "service", "gift_card"])


class WrongSeed(ValueError):
    """The data to load name something unknown."""


def load(context: Context, registry: Registry, data: dict[str, Any]) -> dict[str, int]:
    """Load what is given and answer counts.

    items: sku, name, price, special_price, cost, weight, category, manufacturer, active, kind, parent_sku, options,
    components (sku, quantity: a sales tree), custom (user-defined fields by name); a configurable item has no
    counterpart and is left out. locations: code, name, address; stock: sku, location (code), quantity; item_prices:
    sku, price_list, price, currency; exchange_rates: currency, rate, date (else from 2000-01-01 on); customers: code,
    name, email and address; negotiated_prices: see `seed_prices`. price_terms: canonical tables
    (`model.price_terms`) as lists of rows; distributor: {"scale", "seed"} of the kit's `Distributor`, whose tables are
    loaded in the same way (`seed_terms`). user_fields are bodies of UserFieldsMD and are usable at once; further keys
    are those of `BODIES` and `SETTINGS`.

    Raises WrongSeed.
    """
    known = {*BODIES, *SETTINGS, *NEUTRAL}
    if unknown := set(data) - known:
        raise WrongSeed(f"seed has {sorted(unknown)[0]!r}; expected some of {', '.join(sorted(known))}")
    loader = _Loader(context, registry)
    for name in SETTINGS:
        if name in data:
            context.store.keep(f"setting {name}", data[name])
    counts = {"user_fields": loader.user_fields(data.get("user_fields", []))}
    currency = data.get("currency")
    if currency and not rows.exists(context.store, "Currencies", currency):
        loader.upsert("Currencies", {"Code": currency, "Name": currency})
    counts["exchange_rates"] = loader.exchange_rates(data.get("exchange_rates", []))
    counts["locations"] = loader.locations(data.get("locations", []))
    early = [name for name in BODIES if name not in ("special_prices", "blanket_agreements", "discount_groups")]
    for name in early:
        counts[name] = loader.bodies(BODIES[name], data.get(name, []))
    counts["items"] = loader.items(data.get("items", []))
    counts["customers"] = loader.customers(data.get("customers", []))
    counts["item_prices"] = loader.item_prices(data.get("item_prices", []))
    counts["stock"] = loader.stock(data.get("stock", []))
    for name in BODIES:
        if name not in early:
            counts[name] = loader.bodies(BODIES[name], data.get(name, []))
    if "price_terms" in data:
        counts |= seed_terms.load(context, loader.upsert, seed_terms.tables_of(data["price_terms"]))
    if "distributor" in data:
        counts |= seed_terms.load(context, loader.upsert, _distributor(**data["distributor"]))
    counts["negotiated_prices"] = seed_prices.load(context.store, data.get("negotiated_prices", []))
    if data.get("restart"):
        user_fields.restart(context.store)
    context.commits.clear()
    context.events.clear()
    return {name: count for name, count in counts.items() if count}


def _distributor(scale: float, seed: int = 84) -> dict[str, Any]:
    from erp_sync.sandbox.distributor import Distributor  # numpy, which nobody else here needs

    return Distributor.scaled(scale, seed).tables()


class _Loader:
    def __init__(self, context: Context, registry: Registry) -> None:
        self.context, self.registry, self.store = context, registry, context.store
        self._groups: dict[tuple[str, str], int] = {}

    def bodies(self, set_name: str, given: list[dict[str, Any]]) -> int:
        for body in given:
            self.upsert(set_name, body)
        return len(given)

    def upsert(self, set_name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make the entity, or change the one that has the key. The key may be given where a POST would number it."""
        kind, entity = self.registry.kinds[set_name], SETS[set_name]
        sent = normalised(entity.type_name, body, self.context.user_fields)
        key = tuple(sent.get(name) for name in entity.keys)
        before = None if None in key else rows.read(self.store, set_name, *key)
        if before is None:
            return self.registry.entities.add(self.context, kind, sent, administrator=True)
        after = kind.changed(self.context, before, merged(entity.type_name, before, sent, replace=False), sent)
        self.registry.entities.save(self.context, kind, after)
        return after

    def user_fields(self, given: list[dict[str, Any]]) -> int:
        for body in given:
            taken = self.store.value(
                "SELECT 1 FROM \"UserFieldsMD\" WHERE k1 = ? AND json_extract(data, '$.Name') = ?",
                body["TableName"].upper(), body["Name"],
            )  # fmt: skip
            if taken is None:
                kind = self.registry.kinds["UserFieldsMD"]
                self.registry.entities.add(self.context, kind, body)
        if given:
            user_fields.restart(self.store)
            self.context.__dict__.pop("user_fields", None)
        return len(given)

    def locations(self, given: list[dict[str, Any]]) -> int:
        for row in given:
            place = row.get("address") or {}
            self.upsert(
                "Warehouses",
                {
                    "WarehouseCode": row["code"], "WarehouseName": row.get("name", row["code"]), "Inactive": "tNO",
                    "Street": ", ".join(place.get("street", [])) or None, "City": place.get("city"),
                    "ZipCode": place.get("postcode"), "Country": place.get("country"), "State": place.get("region"),
                },
            )  # fmt: skip
        return len(given)

    def items(self, given: list[dict[str, Any]]) -> int:
        loaded, trees = 0, []
        for row in given:
            if row.get("kind") == "configurable":
                continue
            self.upsert("Items", self._item(row))
            if row.get("components"):
                lines = [{"ItemCode": one["sku"], "Quantity": exact(one["quantity"])} for one in row["components"]]
                trees.append({"TreeCode": row["sku"], "TreeType": "iSalesTree", "ProductTreeLines": lines})
            if row.get("special_price") is not None:
                self._promotion(row["sku"], row["special_price"])
            loaded += 1
        for tree in trees:
            self.upsert("ProductTrees", tree)
        return loaded

    def _item(self, row: dict[str, Any]) -> dict[str, Any]:
        kind = row.get("kind") or "simple"
        body: dict[str, Any] = {
            "ItemCode": row["sku"],
            "ItemName": row.get("name") or row["sku"],
            "Valid": "tYES" if row.get("active", True) else "tNO",
            "Frozen": "tNO" if row.get("active", True) else "tYES",
            "InventoryItem": "tNO" if kind in _NOT_STOCKED else "tYES",
            "TreeType": "iSalesTree" if kind in ("bundle", "kit") else "iNotATree",
        }
        if row.get("weight") is not None:
            body["SalesUnitWeight"] = exact(row["weight"])
        if row.get("cost") is not None:
            body["AvgStdPrice"] = body["MovingAveragePrice"] = exact(row["cost"])
        if row.get("category"):
            body["ItemsGroupCode"] = self._group("ItemGroups", "Number", "GroupName", row["category"])
        if row.get("manufacturer"):
            body["Manufacturer"] = self._group("Manufacturers", "Code", "ManufacturerName", row["manufacturer"])
        if row.get("price") is not None:
            body["ItemPrices"] = [{"PriceList": 1, "Price": exact(row["price"])}]
        own = self.context.user_fields.of("Item")
        named = {"U_ParentItem": row.get("parent_sku")}
        named |= {f"U_Option_{label}": value for label, value in (row.get("options") or {}).items()}
        body |= {name: value for name, value in named.items() if name in own and value is not None}
        return body | (row.get("custom") or {})

    def _group(self, set_name: str, key: str, label: str, name: str) -> int:
        """The number of a group of this name, made if there is none."""
        known = self._groups.get((set_name, name))
        if known is None:
            found = self.store.value(f"SELECT k1 FROM \"{set_name}\" WHERE json_extract(data, '$.{label}') = ?", name)
            known = int(found) if found is not None else self.upsert(set_name, {label: name})[key]
            self._groups[set_name, name] = known
        return known

    def _promotion(self, sku: str, price: Any) -> None:
        """A promotional price: a period discount of price list 1 from today on."""
        period = {"RowNumber": 0, "DateFrom": self.context.today, "PriceListNo": 1, "SpecialPrice": exact(price)}
        self.upsert(
            "SpecialPrices",
            {"CardCode": "*1", "ItemCode": sku, "PriceListNum": 1, "SpecialPriceDataAreas": [period]},
        )

    def customers(self, given: list[dict[str, Any]]) -> int:
        for row in given:
            body: dict[str, Any] = {
                "CardCode": row["code"],
                "CardName": row.get("name") or f"{row.get('first_name', '')} {row.get('last_name', '')}".strip(),
                "CardType": "cCustomer",
                "EmailAddress": row.get("email"),
                "Phone1": row.get("phone"),
            }
            addresses = []
            for number_, place in enumerate(row.get("addresses", []), 1):
                for kind in ("bo_BillTo", "bo_ShipTo"):
                    addresses.append(
                        {
                            "AddressName": f"Address {number_}", "AddressType": kind,
                            "Street": ", ".join(place.get("street", [])), "City": place.get("city"),
                            "ZipCode": place.get("postcode"), "State": place.get("region"),
                            "Country": place.get("country"),
                        }
                    )  # fmt: skip
            self.upsert("BusinessPartners", body | ({"BPAddresses": addresses} if addresses else {}))
        return len(given)

    def item_prices(self, given: list[dict[str, Any]]) -> int:
        for row in given:
            price = {"PriceList": row["price_list"], "Price": exact(row["price"])}
            if row.get("currency"):
                price["Currency"] = row["currency"]
            self.upsert("Items", {"ItemCode": row["sku"], "ItemPrices": [price]})
        return len(given)

    def exchange_rates(self, given: list[dict[str, Any]]) -> int:
        for row in given:
            if not rows.exists(self.store, "Currencies", row["currency"]):
                self.upsert("Currencies", {"Code": row["currency"], "Name": row["currency"]})
            self.store.run(
                "INSERT OR REPLACE INTO exchange_rates VALUES (?, ?, ?)",
                row["currency"], row.get("date", "2000-01-01"), str(number(exact(row["rate"]))),
            )  # fmt: skip
        return len(given)

    def stock(self, given: list[dict[str, Any]]) -> int:
        warehouses = {code for (code,) in self.store.rows('SELECT k1 FROM "Warehouses"')}
        for row in given:
            if row["location"] not in warehouses:
                raise WrongSeed(f"stock of {row['sku']!r} is at {row['location']!r}; expected a location code")
            if not rows.exists(self.store, "Items", row["sku"]):
                raise WrongSeed(f"stock of {row['sku']!r}: no such item")
            stock.set_on_hand(self.store, row["sku"], row["location"], exact(row["quantity"]))
        return len(given)
