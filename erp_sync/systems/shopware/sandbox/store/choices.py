"""What a shopper chooses from: countries and their states, ways to pay and to ship.

Facts: shopware/store-api-reference@55d001a (operations readCountry, readCountryState, readPaymentMethod and
readShippingMethod); what is listed is active and assigned to the sales channel (shopware/shopware src/Core,
CountryRoute, PaymentMethodRoute, ShippingMethodRoute). Rules of availability are not reproduced.
"""

from __future__ import annotations

from typing import Any

from erp_sync.sandbox.core import Response
from erp_sync.systems.shopware.sandbox import errors, names
from erp_sync.systems.shopware.sandbox.criteria import Compare, Filter, parse
from erp_sync.systems.shopware.sandbox.rendering import Printer
from erp_sync.systems.shopware.sandbox.routing import Call, answer
from erp_sync.systems.shopware.sandbox.store.products import MAX_LIMIT
from erp_sync.systems.shopware.sandbox.store.session import Shopper

_ASSIGNED = {
    "country": ("sales_channel_country", "countryId"),
    "payment_method": ("sales_channel_payment_method", "paymentMethodId"),
    "shipping_method": ("sales_channel_shipping_method", "shippingMethodId"),
}


def countries(call: Call, shopper: Shopper) -> Response:
    return answer(_of_channel(call, shopper, "country"))


def payment_methods(call: Call, shopper: Shopper) -> Response:
    return answer(_of_channel(call, shopper, "payment_method"))


def shipping_methods(call: Call, shopper: Shopper) -> Response:
    return answer(_of_channel(call, shopper, "shipping_method"))


def country_states(call: Call, shopper: Shopper) -> Response:
    identity = call.path["id"]
    if not names.is_id(identity):
        raise errors.invalid_id(identity)
    active = (Compare("equals", "countryId", identity), Compare("equals", "active", True))
    return answer(listed(call, "country_state", *active))


def _of_channel(call: Call, shopper: Shopper, entity: str) -> dict[str, Any]:
    table, field = _ASSIGNED[entity]
    ids = call.shop.database.column(
        f'SELECT "{field}" FROM "{table}" WHERE "salesChannelId" = ?', [shopper.channel["id"]]
    )
    return listed(call, entity, Compare("any", "id", ids), Compare("equals", "active", True))


def listed(call: Call, name: str, *filters: Filter) -> dict[str, Any]:
    """The entities that pass these filters and the criteria of the request's body, as an EntitySearchResult."""
    shop, entity = call.shop, call.shop.entity(name)
    criteria = parse(call.fields(), entity, shop.entities, max_limit=MAX_LIMIT, default_limit=MAX_LIMIT)
    criteria.filters += filters
    found = shop.reader().search(entity, criteria)
    printer = Printer(shop.entities, criteria, call.base_url)
    return {
        "elements": [printer.plain(entity, row) for row in found.rows], "total": found.total, "aggregations": [],
        "page": criteria.offset // (criteria.limit or 1) + 1, "limit": criteria.limit, "entity": name, "states": [],
        "extensions": [], "apiAlias": "entity_search_result",
    }  # fmt: skip
