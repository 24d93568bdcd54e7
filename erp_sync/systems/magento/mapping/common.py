"""What several mappings share: amounts at the vendor's storage scale, times, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.address import Address
from erp_sync.model.money import ZERO, BadNumber, decimal_of, round_money
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.addresses import check_address
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope, is_empty
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
