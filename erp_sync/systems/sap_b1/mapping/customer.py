"""The customer of an order, canonical `SalesOrder` to `BusinessPartner`. Value: ``card_code``.

Only of customers who have no account in SAP: an account's card is SAP's own, and is left alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from erp_sync.model.address import Address
from erp_sync.model.order import SalesOrder
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope
from erp_sync.ports.paths import MISSING
from erp_sync.systems.sap_b1.mapping.common import OUT, address_fields, given
from erp_sync.systems.sap_b1.mapping.identity import LONGEST_CARD_CODE
from erp_sync.systems.sap_b1.mapping.websites import by_website, website_value

ALL_CURRENCIES = "##"  # Currency of a card that buys in any (unconfirmed by the sources at hand)
_PHONE = 20


class BookEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of BPAddresses. `kind` is bo_BillTo or bo_ShipTo."""

    label: str
    kind: str
    address: Address


def _name(scope: Scope) -> Any:
    order: SalesOrder = scope.record
    customer, billing = order.customer, order.billing_address
    person = " ".join(part for part in (customer.first_name, customer.last_name) if part)
    return customer.company or billing.company or person or billing.addressee or customer.email


def _kind(scope: Scope) -> str:
    order: SalesOrder = scope.record
    return "cCompany" if order.customer.company or order.billing_address.company else "cPrivate"


def _phone(scope: Scope) -> Any:
    order: SalesOrder = scope.record
    phone = order.customer.phone or order.billing_address.phone
    if len(phone) > _PHONE:
        phone = "".join(letter for letter in phone if letter.isalnum() or letter == "+")
    return phone or MISSING


def _group(scope: Scope) -> Any:
    order: SalesOrder = scope.record
    group = order.customer.group
    found = scope.context.lookups.get("customer_groups", group) if group else None
    found = found or website_value(order, scope.context.connection.settings, "customer_group")
    return rules.integer().apply(found, scope) if found else MISSING


def entries(order: SalesOrder) -> list[BookEntry]:
    """Both addresses, also where they are the same: SAP keeps billing and shipping addresses apart."""
    return [
        BookEntry(label="Billing", kind="bo_BillTo", address=order.billing_address),
        BookEntry(label="Shipping", kind="bo_ShipTo", address=order.shipping_address or order.billing_address),
    ]


BOOK = RecordMapping(
    "customer.BPAddresses",
    OUT,
    (
        Field("label", "AddressName", rules.text(), required=True),
        Field("kind", "AddressType", rules.text(), required=True),
        *address_fields("address", None),
    ),
)


def _book_rule(book: RecordMapping) -> Rule:
    nested = rules.each(book)
    return Rule(
        "billing and shipping address of the order",
        lambda _value, scope: nested.apply(entries(scope.record), scope),
        nested=book,
        many=True,
        always=True,
        reads=("billing_address", "shipping_address"),
        rebuild=_book_rule,
    )


CUSTOMER = RecordMapping(
    "customer",
    OUT,
    (
        Field("customer.native_id", "CardCode", given(
            "card_code", "a digest of store connection and customer id, of a guest of the e-mail address"),
              required=True, validation=(rules.at_most(LONGEST_CARD_CODE),)),
        Field("", "CardType", rules.constant("cCustomer")),
        Field("", "CardName", rules.computed("company, else person, else e-mail address", _name, reads=(
            "customer.company", "customer.first_name", "customer.last_name")), required=True,
              validation=(rules.at_most(100),), note="length unconfirmed"),
        Field("", "CompanyPrivate", rules.computed("cCompany with a company, else cPrivate", _kind,
                                                   reads=("customer.company", "billing_address.company"))),
        Field("customer.email", "EmailAddress", rules.text(), required=True, validation=(rules.at_most(100),
              rules.matches(r"[^@\s]+@[^@\s]+")), note="length unconfirmed"),
        Field("", "Phone1", rules.computed("of the customer, else of the billing address; longer than 20 characters "
              "without blanks and signs", _phone, reads=("customer.phone", "billing_address.phone")),
              validation=(rules.at_most(_PHONE),), note="length unconfirmed"),
        Field("customer.tax_number", "FederalTaxID", rules.text(), validation=(rules.at_most(32),)),
        Field("", "Currency", rules.setting("customer_currency", ALL_CURRENCIES), note="## buys in any currency"),
        Field("", "GroupCode", rules.computed("lookup(customer_groups), else setting customer_group", _group,
                                              reads=("customer.group",))),
        Field("", "PriceListNum", rules.chain(by_website("price_list"), rules.integer())),
        Field("", "Series", rules.chain(rules.setting("customer_series"), rules.integer()),
              note="a manual series, where the default one numbers cards by itself"),
        Field("", "BPAddresses", _book_rule(BOOK), required=True),
    ),
)  # fmt: skip
