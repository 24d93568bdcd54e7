"""Values on their way in and out: names and kinds checked against the contract, dates and numbers in one form.

Inside, a date is ``YYYY-MM-DD``, a time ``HH:MM:SS``, an enumeration its member's name, a number a Decimal with at
least one digit after the point. Outside, v1 writes a date as it is and v2 as ``2014-04-01T00:00:00Z`` (fact sheet,
section 1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from erp_sync.systems.sap_b1.sandbox import contract
from erp_sync.systems.sap_b1.sandbox.enum_values import member
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError, Version, malformed, wrong_property
from erp_sync.systems.sap_b1.sandbox.user_fields import UserFields

_DATE = re.compile(r"^(\d{4})-?(\d{2})-?(\d{2})(?:T[\d:.]+Z?|\d{6})?$")
_TIME = re.compile(r"^(?:\d{4}-\d{2}-\d{2}T)?(\d{1,2}):?(\d{2})(?::?(\d{2}))?Z?$")
_NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
ZERO = Decimal(0)


def number(value: Decimal | int | str) -> Decimal:
    """A number as answers print it: ``10`` is 10.0, ``2.50`` is 2.5."""
    if isinstance(value, int):
        return Decimal(f"{value}.0")
    found = Decimal(value).normalize()
    exponent = found.as_tuple().exponent
    assert isinstance(exponent, int)
    return found.quantize(Decimal("0.1")) if exponent > -1 else found


def decimal(value: Any) -> Decimal:
    """A stored number; an empty one is zero."""
    return ZERO if value is None else Decimal(value)


def kind_of(type_name: str, name: str, user_fields: UserFields) -> str | None:
    """The kind of a property, user-defined ones included; None if the type has none of that name."""
    return contract.properties(type_name).get(name) or user_fields.of(type_name).get(name)


def normalised(type_name: str, body: Any, user_fields: UserFields) -> dict[str, Any]:
    """A body with its names checked and its values in the inner form. Raises ServiceLayerError (-1000)."""
    if not isinstance(body, dict):
        raise malformed(f"Invalid JSON for '{type_name}'")
    known, own = contract.properties(type_name), user_fields.of(type_name)
    found = {}
    for name, value in body.items():
        kind = known.get(name) or own.get(name)
        if kind is None:
            if "odata." in name:  # an annotation
                continue
            raise wrong_property(name, type_name)
        found[name] = None if value is None else _value(type_name, name, kind, value, user_fields)
    return found


def _value(type_name: str, name: str, kind: str, value: Any, user_fields: UserFields) -> Any:
    row_type = contract.element(kind)
    if row_type is not None:
        if not isinstance(value, list):
            raise _wrong(name, type_name)
        return [normalised(row_type, row, user_fields) for row in value]
    if kind[0].isupper() and contract.enum(kind) is None:
        return normalised(kind, value, user_fields)
    return simple(type_name, name, kind, value)


def simple(type_name: str, name: str, kind: str, value: Any) -> Any:
    """One value of a simple property or enumeration in the inner form. Raises ServiceLayerError (-1000)."""
    if kind in ("integer", "number"):
        return _number(type_name, name, kind, value)
    if kind == "date" or contract.is_date(name, kind):
        return date_text(value, name, type_name)
    if contract.is_time(name, kind):
        return time_text(value, name, type_name)
    if kind == "string":
        if not isinstance(value, str):
            raise _wrong(name, type_name)
        return value
    if not isinstance(value, str) or (known := member(kind, value)) is None:
        raise malformed(f"Enum value '{value}' is invalid for '{kind}'")
    return known


def _number(type_name: str, name: str, kind: str, value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.match(value):
        value = Decimal(value)  # the manual's own examples quote numbers (v1.29, section 3.10.6)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise _wrong(name, type_name)
    if isinstance(value, int):
        return number(value) if kind == "number" else value
    found = Decimal(str(value))
    if kind == "number":
        return number(found)
    if found != found.to_integral_value():
        raise _wrong(name, type_name)
    return int(found)


def date_text(value: Any, name: str, type_name: str) -> str:
    """``YYYY-MM-DD`` of the forms that Service Layer reads; a time part is dropped. Raises ServiceLayerError."""
    found = _DATE.match(value) if isinstance(value, str) else None
    if found is None or not ("01" <= found[2] <= "12" and "01" <= found[3] <= "31"):
        raise _wrong(name, type_name)
    return f"{found[1]}-{found[2]}-{found[3]}"


def time_text(value: Any, name: str, type_name: str) -> str:
    """``HH:MM:SS`` of the forms that Service Layer reads (manual v1.29, section 3.7.5). Raises ServiceLayerError."""
    found = _TIME.match(value) if isinstance(value, str) else None
    if found is None:
        raise _wrong(name, type_name)
    return f"{int(found[1]):02}:{found[2]}:{found[3] or '00'}"


def _wrong(name: str, type_name: str) -> ServiceLayerError:
    """A value of the wrong kind (the words are unconfirmed)."""
    return malformed(f"Invalid value for property '{name}' of '{type_name}'")


def rendered(type_name: str, data: Mapping[str, Any], version: Version, user_fields: UserFields) -> dict[str, Any]:
    """A stored entity or row as the version writes it, with every user-defined field, empty ones too."""
    ways, own = _ways(type_name, version), user_fields.of(type_name)
    found = {}
    for name, value in data.items():
        way = ways.get(name)
        if way is None and name in own:
            way = _way(name, own[name], version)
        if way is None:
            continue
        if value is None or way is _AS_IT_IS:
            found[name] = value
        elif way is _WITH_TIME:
            found[name] = f"{value}T00:00:00Z"
        elif isinstance(value, list):
            found[name] = [rendered(way, row, version, user_fields) for row in value]
        else:
            found[name] = rendered(way, value, version, user_fields)
    for name in own:
        found.setdefault(name, None)
    return found


_AS_IT_IS, _WITH_TIME = "as it is", "with time"


@cache
def _ways(type_name: str, version: Version) -> dict[str, str]:
    """How each property is written: a type's name for rows of it, or a value of it."""
    return {name: _way(name, kind, version) for name, kind in contract.properties(type_name).items()}


def _way(name: str, kind: str, version: Version) -> str:
    if kind == "date" or contract.is_date(name, kind):
        return _WITH_TIME if version == "v2" else _AS_IT_IS
    row = contract.element(kind)
    if row is not None:
        return row
    return kind if kind[0].isupper() and contract.enum(kind) is None else _AS_IT_IS


def exact(value: Any) -> Decimal:
    """A number from a seed: text, int or Decimal. Raises ValueError."""
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no number") from error
