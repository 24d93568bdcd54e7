"""Parts that several mappings share."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.address import Address
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING
from erp_sync.systems.netsuite.mapping.identity import order_of
from erp_sync.systems.netsuite.mapping.websites import website_value

OUT = Direction.TO_VENDOR
IN = Direction.TO_CANONICAL

# A reference is written as {"id": "12"} (REST API Browser 2026.1).
reference = rules.chain(rules.text(), rules.wrapped("id"))
WEBSITE = ("connection", "scope", "website", "store_view")  # what setting ``websites`` is looked up by


def plain(number: Decimal) -> Decimal:
    """Without trailing zeros and without exponent: 2.0000 is 2."""
    whole = number.to_integral_value()
    return whole.quantize(Decimal(1)) if number == whole else number.normalize()


amount = Rule("number", lambda value, scope: plain(value))


def given(name: str, words: str) -> Rule:
    """A reference whose id the connector resolved."""

    def apply(_value: Any, scope: Scope) -> Any:
        found = scope.context.values.get(name)
        return MISSING if is_empty(found) else {"id": str(found)}

    return Rule(words, apply, always=True)


def by_website(name: str) -> Rule:
    """A reference from setting ``websites``, else setting `name`; see `website_value`."""

    def apply(_value: Any, scope: Scope) -> Any:
        found = website_setting(scope, name)
        return MISSING if is_empty(found) else {"id": str(found)}

    return Rule(f"setting websites.<store view or website>.{name}, else {name}", apply, reads=WEBSITE, always=True)


def website_setting(scope: Scope, name: str) -> Any:
    return website_value(scope.root, scope.context.connection.settings, name)


def _exchange_rate(value: Any, scope: Scope) -> Any:
    """The store's rate is into the website's base currency: it says nothing about a subsidiary with another one."""
    base = website_setting(scope, "base_currency")
    order = getattr(scope.root, "order", scope.root)
    return amount.apply(value, scope) if is_empty(base) or str(base) == order.base_currency else MISSING


exchange_rate = Rule(
    "number; left out where setting websites.<store view or website>.base_currency is another than the store's: "
    "then NetSuite's own rate of the day holds",
    _exchange_rate,
    reads=("base_currency",),
)


def order_named_by(*path: str) -> tuple[Rule, Rule]:
    """Rules for the store's connection and order id in the external id at `path` of the source record."""

    def find(scope: Scope) -> tuple[str, str]:
        key: Any = scope.root
        for name in path:
            key = key.get(name) if isinstance(key, Mapping) else None
        return ("", "") if is_empty(key) else order_of(str(key), scope.context.values.get("connections", ()))

    return (
        rules.computed("the store's connection in the order's external id", lambda scope: find(scope)[0]),
        rules.computed("the store's order id in the order's external id", lambda scope: find(scope)[1]),
    )


def _street(index: int) -> Rule:
    """One line of the street; the third takes what is left."""

    def apply(_value: Any, scope: Scope) -> Any:
        lines = [line for line in scope.record.street if line.strip()]
        if index < 2:
            return lines[index] if len(lines) > index else MISSING
        return ", ".join(lines[2:]) or MISSING

    return Rule(f"street line {index + 1}" + (" and following" if index == 2 else ""), apply, always=True)


def _attention(scope: Scope) -> Any:
    address: Address = scope.record
    person = " ".join(part for part in (address.first_name, address.last_name) if part)
    return person if address.company and person else MISSING


def _region(value: Any, scope: Scope) -> Any:
    key = f"{scope.record.country}/{value}"
    named = scope.context.lookups.get("regions", key)
    return str(value) if named is None or named == key else named


# Lengths are those of the SuiteTalk Address record as Oracle's schema browser gives them (unconfirmed
# for REST). Longer values are refused: a parcel must not go to half an address.
ADDRESS = RecordMapping(
    "address",
    OUT,
    (
        Field("", "addressee", rules.first_of("company", "addressee"), required=True, validation=(rules.at_most(83),),
              note="the company, else the person"),
        Field("", "attention", rules.computed("the person, where there is a company", _attention,
                                              reads=("first_name", "last_name")), validation=(rules.at_most(83),)),
        Field("street", "addr1", _street(0), required=True, validation=(rules.at_most(150),)),
        Field("street", "addr2", _street(1), validation=(rules.at_most(150),)),
        Field("street", "addr3", _street(2), validation=(rules.at_most(150),)),
        Field("city", "city", rules.text(), required=True, validation=(rules.at_most(50),)),
        Field("region", "state", Rule("lookup(regions) of country/region, else itself", _region),
              validation=(rules.at_most(30),),
              note="code of the state where the country has codes"),
        Field("postcode", "zip", rules.text(), validation=(rules.at_most(36),)),
        Field("country", "country", rules.chain(rules.text(), Rule(
            "as {id}, ISO 3166-1 alpha-2", lambda value, scope: {"id": _country_code(value)})), required=True),
        Field("phone", "addrPhone", rules.text(), validation=(rules.at_most(32),)),
    ),
)  # fmt: skip


def _country_code(value: str) -> str:
    if len(value) != 2 or not value.isalpha() or not value.isupper():
        raise ValueError(f"{value!r} is no ISO 3166-1 alpha-2 country code")
    return value
