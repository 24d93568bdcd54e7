"""The customer of an order, canonical `SalesOrder` to NetSuite `customer`. Value: ``external_id``, ``currency``."""

from __future__ import annotations

from typing import Any

from erp_sync.model.order import SalesOrder
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING
from erp_sync.systems.netsuite.mapping.common import ADDRESS, OUT, by_website, given, reference, website_setting

NAME_LENGTH = 32  # of a person's first and last name


def _is_person(order: SalesOrder) -> bool:
    return not order.customer.company


def _person_name(name: str, words: str) -> Rule:
    def find(scope: Scope) -> Any:
        order: SalesOrder = scope.record
        if not _is_person(order):
            return MISSING
        value = getattr(order.customer, name) or getattr(order.billing_address, name)
        if value or name == "first_name":
            return value or MISSING
        # A person must have a last name in NetSuite; mononyms and nameless guests have none. What stands in for it is
        # cut to what NetSuite takes: a long e-mail address is whole in its own field.
        stand_in = order.customer.first_name or order.billing_address.first_name or order.customer.email
        return stand_in[:NAME_LENGTH]

    return rules.computed(words, find, reads=(f"customer.{name}", f"billing_address.{name}"))


def _price_level(scope: Scope) -> Any:
    group = scope.record.customer.group
    found = scope.context.lookups.get("customer_groups", group) if group else None
    found = found or website_setting(scope, "price_level")
    return reference.apply(found, scope) if found else MISSING


def _currency(scope: Scope) -> Any:
    own = website_setting(scope, "currency")
    return given("currency", "").apply(None, scope) if is_empty(own) else {"id": str(own)}


def _addresses(scope: Scope) -> Any:
    order: SalesOrder = scope.record
    billing, shipping = order.billing_address, order.shipping_address
    if shipping is None or shipping == billing:
        return [{"label": "Billing and shipping", "billing": True, "shipping": True, "address": billing}]
    return [
        {"label": "Billing", "billing": True, "shipping": False, "address": billing},
        {"label": "Shipping", "billing": False, "shipping": True, "address": shipping},
    ]


ADDRESS_BOOK = RecordMapping(
    "customer.addressBook",
    OUT,
    (
        Field("label", "label", rules.text()),
        Field("billing", "defaultBilling"),
        Field("shipping", "defaultShipping"),
        Field("address", "addressBookAddress", rules.record(ADDRESS), required=True),
    ),
)


def _book_rule(book: RecordMapping) -> Rule:
    nested = rules.each(book)
    return Rule(
        "billing and shipping address of the order, one entry where they are the same",
        lambda _value, scope: nested.apply(_addresses(scope), scope),
        nested=book,
        many=True,
        always=True,
        rebuild=_book_rule,
    )


CUSTOMER = RecordMapping(
    "customer",
    OUT,
    (
        Field("customer.native_id", "externalId", rules.value_of(
            "external_id", "store connection and customer id; for a guest a digest of the e-mail address"),
              required=True),
        Field("customer.company", "isPerson", rules.computed("true without a company", lambda scope:
              _is_person(scope.record), reads=("customer.company",))),
        Field("customer.company", "companyName", rules.text(), validation=(rules.at_most(83),)),
        Field("", "firstName", _person_name("first_name", "of the customer, else of the billing address"),
              validation=(rules.at_most(NAME_LENGTH),)),
        Field("", "lastName", _person_name("last_name", "of the customer, else of the billing address, else the first "
                                           "name, else the e-mail address"), validation=(rules.at_most(NAME_LENGTH),)),
        Field("customer.email", "email", rules.text(), required=True, validation=(rules.at_most(254),
              rules.matches(r"[^@\s]+@[^@\s]+"))),
        Field("", "phone", rules.first_of("customer.phone", "billing_address.phone", then=rules.text()),
              validation=(rules.at_most(32),)),
        Field("customer.tax_number", "vatRegNumber", rules.text()),
        Field("", "subsidiary", by_website("subsidiary"), note="OneWorld"),
        Field("currency", "currency", rules.computed(
            "setting websites.<store view or website>.currency, else the order's, as {id}", _currency)),
        Field("customer.group", "priceLevel", rules.computed(
            "lookup(customer_groups), else setting websites.<store view or website>.price_level, as {id}; left out "
            "where there is neither", _price_level, reads=("customer.group",))),
        Field("", "addressBook.items", _book_rule(ADDRESS_BOOK), required=True),
    ),
)  # fmt: skip
