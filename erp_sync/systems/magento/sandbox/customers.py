"""Customers, their addresses and groups."""

from __future__ import annotations

from typing import Any

from erp_sync.systems.magento.sandbox import auth, directory
from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.errors import InputException, LocalizedException, NoSuchEntityException
from erp_sync.systems.magento.sandbox.routing import ANONYMOUS, SELF, Call, route
from erp_sync.systems.magento.sandbox.search_criteria import Column, Listing, SearchCriteria, answer
from erp_sync.systems.magento.sandbox.shop import Shop, from_json, json_text

MANAGE = "Magento_Customer::manage"
VIEW = "Magento_Customer::customer"
_FIELDS = ("group_id", "confirmation", "dob", "email", "firstname", "lastname", "middlename", "prefix", "suffix",
           "gender", "store_id", "taxvat", "website_id", "disable_auto_group_change")  # fmt: skip
_ADDRESS_FIELDS = ("firstname", "lastname", "middlename", "prefix", "suffix", "company", "city", "postcode",
                   "country_id", "telephone", "fax", "vat_id")  # fmt: skip


def row(shop: Shop, identity: int) -> Row:
    found = shop.database.row("SELECT * FROM customer_entity WHERE entity_id = ?", [identity])
    if found is None:
        raise NoSuchEntityException.single("customerId", identity)
    return found


def printed(shop: Shop, customer: Row) -> dict[str, Any]:
    shown = shop.render(
        "customer-data-customer-interface", {**customer, "id": customer["entity_id"], "custom_attributes": None}
    )
    shown["addresses"] = [
        _printed_address(customer, address)
        for address in shop.database.rows(
            "SELECT * FROM customer_address_entity WHERE parent_id = ? ORDER BY entity_id", [customer["entity_id"]]
        )
    ]
    shown["extension_attributes"] = {"is_subscribed": bool(customer["is_subscribed"])}
    custom = from_json(customer["custom_attributes"], {})
    if custom:
        shown["custom_attributes"] = [{"attribute_code": name, "value": value} for name, value in custom.items()]
    return shown


def _printed_address(customer: Row, address: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": address["entity_id"],
        "customer_id": customer["entity_id"],
        "region": {
            "region_code": address["region_code"],
            "region": address["region"],
            "region_id": address["region_id"] or 0,
        },
        "region_id": address["region_id"] or 0,
        "street": from_json(address["street"], []),
    }
    shown |= {name: address[name] for name in _ADDRESS_FIELDS if address[name] is not None}
    for name in ("default_shipping", "default_billing"):
        if customer[name] == address["entity_id"]:
            shown[name] = True
    return shown


def _attribute(code: str) -> Column | None:
    if code.startswith("billing_"):
        name = code.removeprefix("billing_")
        return (
            f"(SELECT {name} FROM customer_address_entity WHERE entity_id = customer_entity.default_billing)",
            "TEXT",
        )
    return None


def _listing(shop: Shop) -> Listing:
    columns = {
        name: (f"customer_entity.{name}", "TIME" if name.endswith("_at") else kind)
        for name, kind in shop.database.columns("customer_entity").items()
        if name not in ("password", "custom_attributes")
    }
    columns["id"] = columns["entity_id"]

    def attribute(code: str) -> Column | None:
        found = _attribute(code) if code.startswith("billing_") else None
        names = ("billing_postcode", "billing_telephone", "billing_city", "billing_country_id", "billing_company")
        return found if code in names else None

    return Listing("customer_entity", columns, "customer_entity.entity_id", attribute, eav=True)


@route("GET", "/V1/customers/search", resource=VIEW, listing=True)
def search(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    keys, total = _listing(call.shop).keys(call.shop.database, criteria)
    return answer([printed(call.shop, row(call.shop, key)) for key in keys], criteria, total)


@route("GET", "/V1/customers/{customerId}", resource=VIEW)
def get(call: Call) -> Any:
    return printed(call.shop, row(call.shop, call.number("customerId")))


@route("GET", "/V1/customers/me", resource=SELF)
def me(call: Call) -> Any:
    return printed(call.shop, auth.current_customer(call))


@route("POST", "/V1/customers/isEmailAvailable", resource=ANONYMOUS, kind="read")
def is_email_available(call: Call) -> Any:
    website = call.body.get("websiteId") or call.shop.store(call.store_id)["website_id"]
    found = call.shop.database.row(
        "SELECT 1 AS one FROM customer_entity WHERE email = ? AND website_id = ?", [call.body["customerEmail"], website]
    )
    return found is None


@route("POST", "/V1/customers", resource=ANONYMOUS, document="customer.email")
def create(call: Call) -> Any:
    """Anybody may register; only who manages customers may set group, website and store."""
    shop, given = call.shop, call.body["customer"]
    store = shop.store(int(given.get("store_id") or call.store_id))
    fields = {name: given[name] for name in _FIELDS if given.get(name) is not None}
    if call.user.kind not in ("integration", "admin"):
        fields = {name: value for name, value in fields.items() if name not in ("group_id", "website_id", "store_id")}
    fields.setdefault("website_id", store["website_id"])
    fields |= {"store_id": store["store_id"], "created_in": store["name"]}
    fields.setdefault("group_id", 1)
    _validate(shop, fields, None)
    password = call.body.get("password")
    if password is not None and len(password) < 8:
        raise InputException("The password needs at least %1 characters. Create a new password and try again.", ["8"])
    now = shop.now()
    identity = shop.database.insert(
        "customer_entity",
        {
            **fields,
            "created_at": now,
            "updated_at": now,
            "password": auth.password_hash(password, shop.token()) if password else None,
            "is_subscribed": int(bool((given.get("extension_attributes") or {}).get("is_subscribed"))),
            "custom_attributes": json_text(_custom(given)),
        },
    )
    _save_addresses(shop, identity, given.get("addresses") or [])
    shop.wrote("customer", fields["email"])
    return printed(shop, row(shop, identity))


@route("PUT", "/V1/customers/{customerId}", resource=MANAGE)
def update(call: Call) -> Any:
    """Fields that are given replace the kept ones; `addresses`, when given, replace the whole set (unconfirmed)."""
    shop, given = call.shop, call.body["customer"]
    customer = row(shop, call.number("customerId"))
    fields = {name: given[name] for name in _FIELDS if given.get(name) is not None}
    _validate(shop, {**customer, **fields}, customer["entity_id"])
    custom = {**from_json(customer["custom_attributes"], {}), **_custom(given)}
    subscribed = (given.get("extension_attributes") or {}).get("is_subscribed")
    if subscribed is not None:
        fields["is_subscribed"] = int(subscribed)
    fields |= {"updated_at": shop.now(), "custom_attributes": json_text(custom)}
    shop.database.update("customer_entity", {"entity_id": customer["entity_id"]}, fields)
    if "addresses" in given:
        _save_addresses(shop, customer["entity_id"], given["addresses"])
    kept = row(shop, customer["entity_id"])
    shop.wrote("customer", kept["email"], "update")
    call.document = kept["email"]
    return printed(shop, kept)


@route("DELETE", "/V1/customers/{customerId}", resource="Magento_Customer::delete")
def delete(call: Call) -> Any:
    customer = row(call.shop, call.number("customerId"))
    # Orders stay, without their customer: foreign key ON DELETE SET NULL (magento2 module-sales, db_schema.xml).
    call.shop.database.run("UPDATE sales_order SET customer_id = NULL WHERE customer_id = ?", [customer["entity_id"]])
    call.shop.database.run("DELETE FROM customer_entity WHERE entity_id = ?", [customer["entity_id"]])
    call.shop.wrote("customer", customer["email"], "delete")
    return True


def _custom(given: dict[str, Any]) -> dict[str, Any]:
    return {entry["attribute_code"]: entry.get("value") for entry in given.get("custom_attributes") or ()}


def _validate(shop: Shop, fields: dict[str, Any], identity: int | None) -> None:
    missing = [name for name in ("firstname", "lastname", "email") if not str(fields.get(name) or "").strip()]
    if missing:
        raise InputException.required(missing)
    if "@" not in fields["email"] or " " in fields["email"]:
        raise InputException('"Email" is not a valid email address.')
    same = shop.database.value(
        "SELECT entity_id FROM customer_entity WHERE email = ? AND website_id = ?",
        [fields["email"], fields["website_id"]],
    )
    if same is not None and same != identity:
        raise LocalizedException("A customer with the same email address already exists in an associated website.")
    group = fields.get("group_id")
    if not shop.database.row("SELECT 1 AS one FROM customer_group WHERE customer_group_id = ?", [group]):
        raise LocalizedException("The specified customer group id does not exist.")


def _save_addresses(shop: Shop, customer_id: int, addresses: list[dict[str, Any]]) -> None:
    kept: list[int] = []
    defaults: dict[str, int] = {}
    for address in addresses:
        missing = [name for name in ("firstname", "lastname", "street", "city", "telephone", "country_id")
                   if not address.get(name)]  # fmt: skip
        if missing:
            raise InputException.required(missing)
        region = address.get("region") or {}
        found = directory.region(
            shop,
            address["country_id"],
            code=str(region.get("region_code") or ""),
            name=str(region.get("region") or ""),
            region_id=int(address.get("region_id") or region.get("region_id") or 0),
        )
        fields = {name: address.get(name) for name in _ADDRESS_FIELDS}
        fields |= {**found, "street": json_text(address["street"]), "parent_id": customer_id}
        known = address.get("id") and shop.database.update(
            "customer_address_entity", {"entity_id": address["id"], "parent_id": customer_id}, fields
        )
        identity = int(address["id"]) if known else shop.database.insert("customer_address_entity", fields)
        kept.append(identity)
        for name in ("default_billing", "default_shipping"):
            if address.get(name):
                defaults[name] = identity
    marks = ", ".join("?" for _ in kept) or "0"
    shop.database.run(
        f"DELETE FROM customer_address_entity WHERE parent_id = ? AND entity_id NOT IN ({marks})", [customer_id, *kept]
    )
    if defaults:
        shop.database.update("customer_entity", {"entity_id": customer_id}, defaults)


@route("GET", "/V1/customerGroups/search", resource="Magento_Customer::group", listing=True)
def search_groups(call: Call) -> Any:
    criteria = SearchCriteria.parse(call.query, input_limits=call.shop.options.input_limits)
    columns = {
        "id": ("customer_group_id", "INTEGER"),
        "customer_group_id": ("customer_group_id", "INTEGER"),
        "code": ("customer_group_code", "TEXT"),
        "customer_group_code": ("customer_group_code", "TEXT"),
        "tax_class_id": ("tax_class_id", "INTEGER"),
    }
    keys, total = Listing("customer_group", columns, "customer_group_id").keys(call.shop.database, criteria)
    return answer([_group(call.shop, key) for key in keys], criteria, total)


@route("GET", "/V1/customerGroups/{id}", resource="Magento_Customer::group")
def get_group(call: Call) -> Any:
    return _group(call.shop, call.number("id"))


def _group(shop: Shop, identity: int) -> dict[str, Any]:
    found = shop.database.row("SELECT * FROM customer_group WHERE customer_group_id = ?", [identity])
    if found is None:
        raise NoSuchEntityException.single("id", identity)
    return {
        "id": found["customer_group_id"],
        "code": found["customer_group_code"],
        "tax_class_id": found["tax_class_id"],
        "tax_class_name": "Retail Customer" if found["tax_class_id"] == directory.CUSTOMER_TAX_CLASS else "None",
    }


@route("POST", "/V1/customerGroups", resource="Magento_Customer::group")
def create_group(call: Call) -> Any:
    given = call.body["group"]
    if call.shop.database.row("SELECT 1 AS one FROM customer_group WHERE customer_group_code = ?", [given["code"]]):
        raise LocalizedException("Customer Group already exists.")
    identity = call.shop.database.insert(
        "customer_group", {"customer_group_code": given["code"], "tax_class_id": given.get("tax_class_id") or 3}
    )
    return _group(call.shop, identity)
