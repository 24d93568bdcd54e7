"""A shopper's session: the sales channel by access key, the context token, who is logged in, and what follows.

Facts: fact sheet, section 11; [SW] System/SalesChannel/Context (BaseContextFactory, SalesChannelContextFactory,
SalesChannelContextPersister), Checkout/Cart/Tax/TaxDetector. A client may invent its token; a token lapses a day after
its last use (P1D). Codes of a missing or unknown access key are unconfirmed.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.core import Request
from erp_sync.systems.shopware.sandbox import errors, names
from erp_sync.systems.shopware.sandbox.pricing.answers import PriceContext
from erp_sync.systems.shopware.sandbox.pricing.money import Rounding, TaxState
from erp_sync.systems.shopware.sandbox.pricing.rules import Scope
from erp_sync.systems.shopware.sandbox.schema.fields import structure
from erp_sync.systems.shopware.sandbox.shop import Shop

TOKEN, ACCESS_KEY = "sw-context-token", "sw-access-key"
LIFETIME = timedelta(days=1)
SCHEMA = ("CREATE TABLE sandbox_session (token TEXT PRIMARY KEY, data TEXT, cart TEXT, used TEXT)",)


@dataclass
class Session:
    """What a token stands for. `data` holds ids: customerId, currencyId, countryId, addresses, payment, shipping."""

    token: str
    data: dict[str, Any] = field(default_factory=dict)
    cart: dict[str, Any] = field(default_factory=dict)


def sales_channel(shop: Shop, request: Request) -> dict[str, Any]:
    """The sales channel of the access key. Raises ShopwareError."""
    key = request.headers.get(ACCESS_KEY)
    if not key:
        raise errors.plain(401, 'Header "sw-access-key" is required.')
    found = shop.database.row('SELECT * FROM sales_channel WHERE "accessKey" = ? AND active = 1', [key])
    if found is None:
        raise errors.failure(
            "FRAMEWORK__API_INVALID_ACCESS_KEY", "Access key is invalid and could not be identified.", status=401
        )
    return found


def opened(shop: Shop, request: Request) -> Session:
    """The session of the request's token, or a new one."""
    token = request.headers.get(TOKEN) or secrets.token_urlsafe(24)
    row = shop.database.row("SELECT * FROM sandbox_session WHERE token = ?", [token])
    used = names.read_time(row["used"]) if row else None
    if row is None or used is None or shop.clock.wall() - used > LIFETIME:
        return Session(token)
    return Session(token, json.loads(row["data"]), json.loads(row["cart"]))


def keep(shop: Shop, session: Session) -> None:
    shop.database.run(
        "INSERT OR REPLACE INTO sandbox_session VALUES (?, ?, ?, ?)",
        [session.token, json.dumps(session.data), json.dumps(session.cart), shop.wall()],
    )


def drop(shop: Shop, token: str) -> None:
    shop.database.run("DELETE FROM sandbox_session WHERE token = ?", [token])


class Shopper:
    """The sales channel context of one request: everything that prices and orders depend on."""

    def __init__(self, shop: Shop, channel: dict[str, Any], session: Session) -> None:
        self.shop, self.channel, self.session = shop, channel, session
        self.customer = self._customer()
        self.currency_id: str = session.data.get("currencyId") or channel["currencyId"]
        self.billing = self._address("billingAddressId", "defaultBillingAddressId")
        self.shipping = self._address("shippingAddressId", "defaultShippingAddressId")
        country = self.shipping["countryId"] if self.shipping else session.data.get("countryId")
        self.country_id: str = country or channel["countryId"]
        self.group_id: str = self.customer["groupId"] if self.customer else channel["customerGroupId"]
        self.payment_id: str = session.data.get("paymentMethodId") or channel["paymentMethodId"]
        self.shipping_id: str = session.data.get("shippingMethodId") or channel["shippingMethodId"]
        self.country = self._row("country", self.country_id)
        self.group = self._row("customer_group", self.group_id)
        self.currency = self._row("currency", self.currency_id)
        self.item, self.total = self._roundings()

    def _row(self, entity: str, identity: str) -> dict[str, Any]:
        row = self.shop.raw(entity, identity)
        if row is None:
            raise errors.not_found(entity, identity)
        return row

    def _customer(self) -> dict[str, Any] | None:
        identity = self.session.data.get("customerId")
        row = self.shop.raw("customer", identity) if identity else None
        return row if row and row["active"] else None

    def _address(self, chosen: str, default: str) -> dict[str, Any] | None:
        if self.customer is None:
            return None
        identity = self.session.data.get(chosen) or self.customer[default]
        return self.shop.raw("customer_address", identity)

    def _roundings(self) -> tuple[Rounding, Rounding]:
        """BaseContextFactory::getCashRounding: a rounding of currency and country goes before the currency's."""
        row = self.shop.database.row(
            'SELECT * FROM currency_country_rounding WHERE "currencyId" = ? AND "countryId" = ?',
            [self.currency_id, self.country_id],
        )
        config = row or self.currency
        return Rounding.of(structure(config["itemRounding"])), Rounding.of(structure(config["totalRounding"]))

    # -- taxes ---------------------------------------------------------------------------------------------------

    @property
    def tax_state(self) -> TaxState:
        """TaxDetector::getTaxState: of product pages, and of a cart before its amount is known."""
        if self._enabled("customerTax") or self.company_tax_free():
            return "tax-free"
        return "gross" if self.group["displayGross"] else "net"

    def _enabled(self, field_name: str) -> bool:
        return bool(self._tax_config(field_name).get("enabled"))

    def _tax_config(self, field_name: str) -> dict[str, Any]:
        kept = self.country[field_name]
        found: dict[str, Any] = structure(kept) if kept else {}
        return found

    def company_tax_free(self) -> bool:
        """TaxDetector::isCompanyTaxFree: a company with VAT ids, all of which fit where the country checks them."""
        if not self._enabled("companyTax") or self.customer is None or not self.customer["company"]:
            return False
        ids = [one for one in structure(self.customer["vatIds"] or "[]") if one]
        pattern = self.country["vatIdPattern"]
        if pattern and self.country["checkVatIdPattern"]:
            flags = 0 if self.shop.options.release == "6.7" else re.IGNORECASE
            return bool(ids) and all(re.fullmatch(pattern, one, flags) for one in ids)
        return bool(ids)

    def tax_state_of(self, net: Decimal) -> TaxState:
        """CartRuleLoader::detectTaxType: of a cart by its net amount."""
        free_from = Decimal(self.currency["taxFreeFrom"] or 0)
        if free_from > 0 and net >= free_from:
            return "tax-free"
        if self._enabled("customerTax") and self._reached("customerTax", net):
            return "tax-free"
        if self.company_tax_free() and self._reached("companyTax", net):
            return "tax-free"
        return "gross" if self.group["displayGross"] else "net"

    def _reached(self, field_name: str, net: Decimal) -> bool:
        """CartRuleLoader::isReachedCountryTaxFreeAmount: only where the currency has no amount of its own."""
        config = self._tax_config(field_name)
        limit = Decimal(str(config.get("amount") or 0)) / self._factor(config.get("currencyId"))
        return Decimal(self.currency["taxFreeFrom"] or 0) == 0 and net / self.factor >= limit

    def _factor(self, currency: Any) -> Decimal:
        row = self.shop.raw("currency", currency) if currency else None
        return Decimal(row["factor"]) if row else Decimal(1)

    @property
    def factor(self) -> Decimal:
        return Decimal(self.currency["factor"])

    # -- prices --------------------------------------------------------------------------------------------------

    def scope(self) -> Scope:
        tags = structure(self.customer["tagIds"] or "[]") if self.customer else []
        return Scope(
            group=self.group_id, currency=self.currency_id, sales_channel=self.channel["id"], country=self.country_id,
            now=self.shop.clock.now(), customer=self.customer["id"] if self.customer else None,
            number=self.customer["customerNumber"] if self.customer else None, tags=frozenset(tags),
        )  # fmt: skip

    def prices(self, state: TaxState | None = None, among: Container[str] | None = None) -> PriceContext:
        """What prices depend on, in a tax state (default: that of product pages); of the rules those `among` which
        are asked for (default: all)."""
        scope = self.scope()
        return PriceContext(
            scope, self.shop.rules.matching(scope, among), self.factor, state or self.tax_state, self.item,
            self.total, self.shop.options.commercial, self.channel["taxCalculationType"] == "vertical",
        )  # fmt: skip
