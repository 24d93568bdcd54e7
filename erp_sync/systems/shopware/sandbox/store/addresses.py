"""The addresses of who is logged in.

Facts: shopware/store-api-reference@55d001a (operations createCustomerAddress and listAddress); shopware/shopware
src/Core, Checkout/Customer/SalesChannel/UpsertAddressRoute (names are the customer's where the address has none:
unconfirmed).
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import errors, saving
from erp_sync.systems.shopware.sandbox.criteria import Compare, Criteria
from erp_sync.systems.shopware.sandbox.rendering import Printer
from erp_sync.systems.shopware.sandbox.routing import Call, answer
from erp_sync.systems.shopware.sandbox.store import choices
from erp_sync.systems.shopware.sandbox.store.checkout import not_logged_in
from erp_sync.systems.shopware.sandbox.store.session import Shopper

KEPT = ("street", "city", "zipcode", "countryId", "countryStateId", "company", "phoneNumber", "department",
        "additionalAddressLine1", "additionalAddressLine2")  # fmt: skip


def made(person: dict[str, Any], given: dict[str, Any], identity: str) -> dict[str, Any]:
    """An address to be written, of a person with `firstName` and `lastName`."""
    kept = {name: given[name] for name in KEPT if given.get(name) is not None}
    return {"id": identity, "firstName": given.get("firstName") or person["firstName"],
            "lastName": given.get("lastName") or person["lastName"], **kept}  # fmt: skip


def problems(given: dict[str, Any], pointer: str) -> list[errors.Error]:
    """What an address lacks."""
    return [
        errors.violation("This value should not be blank.", f"{pointer}/{name}", code="VIOLATION::IS_BLANK_ERROR")
        for name in ("street", "city", "countryId")
        if not given.get(name)
    ]


def add(call: Call, shopper: Shopper) -> Response:
    """Another address; the customer's default ones stay."""
    if shopper.customer is None:
        raise not_logged_in()
    shop, body = call.shop, call.fields()
    if found := problems(body, ""):
        raise errors.ShopwareError(found)
    identity = shop.new_id()
    writer = shop.writer(system=True)
    row = {**made(shopper.customer, body, identity), "customerId": shopper.customer["id"]}
    writer.upsert(shop.entity("customer_address"), row, "")
    saving.save(shop, writer)
    kept = shop.reader().one(shop.entity("customer_address"), identity)
    assert kept is not None
    return answer(Printer(shop.entities, Criteria(), call.base_url).plain(shop.entity("customer_address"), kept))


def own(call: Call, shopper: Shopper) -> Response:
    if shopper.customer is None:
        raise not_logged_in()
    return answer(choices.listed(call, "customer_address", Compare("equals", "customerId", shopper.customer["id"])))
