"""What several mappings share: amounts, times, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.address import Address
from erp_sync.model.money import ZERO, BadNumber, decimal_of, round_money
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.addresses import check_address
from erp_sync.ports.mapping import Direction, Field, RecordMapping, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING

# Prices are JSON in the vendor's tables, printed as binary floats: ten digits keep every price and drop the noise.
STORAGE_SCALE = 10

moment = rules.timestamp(None, "UTC")
text = rules.text()


def number(record: Any, name: str, scope: Scope, where: str = "") -> Decimal:
    """A number of a record without its float noise; 0 where it is null. Raises BadRecord."""
    value = record.get(name) if isinstance(record, Mapping) else None
    if value is None or value == "":
        return ZERO
    try:
        return decimal_of(value, STORAGE_SCALE)
    except BadNumber as error:
        raise scope.problem(f"{where}{name}", str(error)) from error


def money(record: Any, name: str, scope: Scope, currency: str, where: str = "") -> Decimal:
    return round_money(number(record, name, scope, where), currency)


def currency_of(order: Mapping[str, Any]) -> str:
    """ISO code of the order's currency, "" where it was not answered."""
    currency = order.get("currency")
    return str(currency.get("isoCode") or "") if isinstance(currency, Mapping) else ""


def state_of(record: Any) -> str:
    """Technical name of the state that the record is in, "" where it was not answered."""
    state = record.get("stateMachineState") if isinstance(record, Mapping) else None
    return str(state.get("technicalName") or "") if isinstance(state, Mapping) else ""


def records(value: Any) -> list[Mapping[str, Any]]:
    """A list of records; anything else is an empty one."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


# Addresses ------------------------------------------------------------------------------------


def _street(scope: Scope) -> Any:
    address = scope.record
    lines = [address.get(name) for name in ("street", "additionalAddressLine1", "additionalAddressLine2")]
    return [str(line).strip() for line in lines if not is_empty(line)]


def _company(scope: Scope) -> Any:
    parts = [scope.record.get(name) for name in ("company", "department")]
    return ", ".join(str(part).strip() for part in parts if not is_empty(part)) or MISSING


def _region(value: Any, scope: Scope) -> str:
    """``US-CA`` is CA: the vendor's short codes are ISO 3166-2."""
    code = str(value).strip()
    country = str(scope.get("country.iso") or "")
    return code.removeprefix(f"{country}-") if country else code


ORDER_ADDRESS = RecordMapping(
    name="sales_order.address",
    direction=Direction.TO_CANONICAL,
    build=Address,
    fields=(
        Field("", "first_name", rules.joined(" ", "title", "firstName")),
        Field("lastName", "last_name", text),
        Field("", "company", rules.computed("company, department", _company, reads=("company", "department"))),
        Field(
            "",
            "street",
            rules.computed(
                "lines that are not empty",
                _street,
                reads=("street", "additionalAddressLine1", "additionalAddressLine2"),
            ),
        ),
        Field("city", "city", text),
        Field("countryState.shortCode", "region", Rule("code without the country's", _region)),
        Field("zipcode", "postcode", text),
        Field("country.iso", "country", text, default="", note="ISO 3166-1 alpha-2; checked after mapping"),
        Field("phoneNumber", "phone", text),
        Field("vatId", "tax_number", text, note="deprecated by the vendor; of the customer since 6.4"),
    ),
)


def order_address(where: str) -> Rule:
    """An address of an order, checked; `where` names it in errors."""

    def build(mapping: RecordMapping) -> Rule:
        def apply(value: Any, scope: Scope) -> Address:
            if not isinstance(value, Mapping):
                raise ValueError(f"{type(value).__name__} is not an address")
            address: Address = mapping.apply_in(scope.nested(value, f"{where}."))
            check_address(address, where)
            return address

        return Rule("address, checked by the country's postal rules", apply, nested=mapping, rebuild=build)

    return build(ORDER_ADDRESS)
