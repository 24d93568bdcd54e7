"""Properties of records: between JSON and columns, with NetSuite's refusals.

A `Field` says which column holds a property and of what kind it is. Names are matched without regard to
case on write (Oracle's samples send ``itemreceive`` and ``trandate``; unconfirmed) and answered in the
REST browser's casing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from erp_sync.systems.netsuite.sandbox import contract
from erp_sync.systems.netsuite.sandbox.errors import VendorError, invalid_reference, invalid_value, missing
from erp_sync.systems.netsuite.sandbox.schema import SCALES, tables
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Row, json_number, text_of

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}$")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]+$")

# REST record that a reference into a table links to.
RECORD_OF = {
    "customer": "customer", "item": "inventoryItem", "location": "location", "subsidiary": "subsidiary",
    "currency": "currency", "term": "term", "pricelevel": "priceLevel", "shipitem": "shipItem",
    "paymentmethod": "paymentMethod", "account": "account", "salestaxitem": "salesTaxItem",
    "department": "department", "classification": "classification", "accountingperiod": "accountingPeriod",
    "transaction": "transaction",
}  # fmt: skip
LABELS = {
    "customer": "entityid", "item": "itemid", "shipitem": "itemid", "salestaxitem": "itemid",
    "account": "fullname", "accountingperiod": "periodname", "transaction": "trandisplayname",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A property and its column.

    Attributes:
        kind: text, integer, flag, date, datetime, amount, quantity, rate, percent, reference, enum.
        to: table of a reference.
        length: longest text that NetSuite takes.
        writable: False for what NetSuite computes; such properties are ignored on write.
        choices: ids of an enum.
        label: as NetSuite names it in "Please enter value(s) for".
    """

    name: str
    column: str
    kind: str = "text"
    to: str | None = None
    length: int | None = None
    writable: bool = True
    choices: tuple[str, ...] = ()
    label: str = ""


def canonical(
    session: Session,
    record: str,
    body: Any,
    custom_prefix: str,
    hidden: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset()),
) -> dict[str, Any]:
    """The body with the contract's names, unknown properties treated as the request asks.

    Raises VendorError for a body that is no object, for a sublist without ``items``, and under
    ``X-NetSuite-PropertyNameValidation: Error`` for an unknown property.
    """
    if not isinstance(body, dict):
        raise VendorError("INVALID_CONTENT", "The request body is not a JSON object.")
    published = contract.record(record)
    if published is None:
        return dict(body)
    custom = session.custom_fields()
    names = {name.lower(): name for name in published.properties - hidden[0]}
    clean: dict[str, Any] = {}
    for key, value in body.items():
        name = names.get(key.lower())
        if name is None:
            if key.lower() in custom and key.lower().startswith(custom_prefix):
                clean[key.lower()] = value
            else:
                _unknown(session, key)
        elif name in published.sublists:
            lines = {
                line: kind for line, kind in published.sublists[name].items() if name != "item" or line not in hidden[1]
            }
            clean[name] = _sublist(session, name, lines, value, custom)
        elif name in published.subrecords:
            clean[name] = _subrecord(session, name, published.subrecords[name], value)
        else:
            clean[name] = value
    return clean


def _sublist(session: Session, name: str, known: dict[str, str], value: Any, custom: dict[str, Any]) -> dict[str, Any]:
    if value is None:
        return {"items": []}
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        raise invalid_value(name, name)
    names = {field.lower(): field for field in [*known, *contract.ENVELOPE]}
    lines = []
    for index, line in enumerate(value["items"]):
        path = f"{name}.items[{index}]"
        if not isinstance(line, dict):
            raise invalid_value(name, path)
        clean: dict[str, Any] = {}
        for key, item in line.items():
            field = names.get(key.lower())
            if field is None:
                if key.lower() in custom and key.lower().startswith("custcol"):
                    clean[key.lower()] = item
                else:
                    _unknown(session, f"{path}.{key}")
            elif known.get(field) in ("Address", "InventoryDetail"):
                clean[field] = _subrecord(session, f"{path}.{field}", known[field], item)
            else:
                clean[field] = item
        lines.append(clean)
    return {"items": lines}


def _subrecord(session: Session, path: str, shape: str, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid_value(path.rpartition(".")[2], path)
    names = {name.lower(): name for name in [*contract.subrecord(shape), *contract.ENVELOPE]}
    clean = {}
    for key, item in value.items():
        if key.lower() in names:
            clean[names[key.lower()]] = item
        else:
            _unknown(session, f"{path}.{key}")
    return clean


def _unknown(session: Session, path: str) -> None:
    if session.names == "Error":
        name = path.rpartition(".")[2]
        raise VendorError("INVALID_CONTENT", f"Unknown property '{name}'. Provide a valid property name.", path=path)
    if session.names == "Warning":
        session.warnings.append(path)


def parse(session: Session, fields: Iterable[Field], body: dict[str, Any], at: str = "") -> dict[str, Any]:
    """Columns for the properties that `body` has, read-only ones left out.

    A bad value is refused, or dropped if the request asked so (X-NetSuite-PropertyValueValidation).
    """
    columns: dict[str, Any] = {}
    for field in fields:
        if field.name not in body or not field.writable:
            continue
        path = f"{at}{field.name}"
        try:
            columns[field.column] = parse_value(session, field, body[field.name], path)
        except VendorError as error:
            if session.values == "Error" or error.code != "INVALID_CONTENT":
                raise
            if session.values == "Warning":
                session.warnings.append(path)
    return columns


def parse_value(session: Session, field: Field, value: Any, path: str) -> Any:
    """One property's column value. Raises VendorError (INVALID_CONTENT or USER_ERROR)."""
    if value is None or (field.kind == "reference" and value == {}):
        return None
    if field.kind == "reference":
        return reference(session, field.to, value, field.name, path)
    if field.kind == "enum":
        chosen = str(value.get("id")) if isinstance(value, dict) else str(value)
        if field.choices and chosen not in field.choices:
            raise invalid_reference(chosen, field.name, path)
        return chosen
    if field.kind == "flag":
        if not isinstance(value, bool):
            raise invalid_value(field.name, path)
        return "T" if value else "F"
    if field.kind in SCALES:
        return text_of(number(value, field.name, path), SCALES[field.kind])
    if field.kind == "integer":
        whole = number(value, field.name, path)
        if whole != int(whole):
            raise invalid_value(field.name, path)
        return int(whole)
    if field.kind == "date":
        return day(value, field.name, path)
    if isinstance(value, dict | list | bool):
        raise invalid_value(field.name, path)
    written = str(value)
    if field.length is not None and len(written) > field.length:
        raise user_length(field, path)
    if field.name == "externalId" and not _EXTERNAL_ID.match(written):
        raise invalid_value(field.name, path)
    return written if written != "" else None


def user_length(field: Field, path: str) -> VendorError:
    return VendorError(
        "USER_ERROR",
        f"Error while accessing a resource. The field {field.name} contained more than the maximum number "
        f"( {field.length} ) of characters allowed.",
        path=path,
    )


def number(value: Any, name: str, path: str) -> Decimal:
    """A finite number, given as a JSON number or as its text."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str | float):
        raise invalid_value(name, path)
    try:
        parsed = Decimal(str(value))
    except InvalidOperation as error:
        raise invalid_value(name, path) from error
    if not parsed.is_finite() or abs(parsed) >= Decimal(10) ** 15:
        raise invalid_value(name, path)
    return parsed


def day(value: Any, name: str, path: str) -> str:
    """A date ``2017-07-21``; a date-time's date is not taken."""
    if not isinstance(value, str) or not _DATE.match(value):
        raise invalid_value(name, path)
    try:
        date.fromisoformat(value)
    except ValueError as error:
        raise invalid_value(name, path) from error
    return value


def reference(
    session: Session, table: str | None, value: Any, name: str, path: str, *, active: bool = True
) -> int | None:
    """Internal id of ``{"id": "12"}``, a bare id or ``{"externalId": "x"}`` (the last seen in public code only).

    Raises VendorError when nothing of that table has the id, or what has it is inactive.
    """
    if isinstance(value, dict):
        if "externalId" in value and "id" not in value:
            if table is None:
                raise invalid_reference(value["externalId"], name, path)
            found = session.store.value(f'SELECT id FROM "{table}" WHERE externalid = ?', str(value["externalId"]))
            if found is None:
                raise invalid_reference(value["externalId"], name, path)
            return int(found)
        value = value.get("id")
        if value is None:
            return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise invalid_value(name, path)
    written = str(value).strip()
    if not re.fullmatch(r"-?\d{1,15}", written):
        raise invalid_reference(written, name, path)
    if table is None:
        return int(written)
    inactive = '"isinactive"' if "isinactive" in tables()[table].columns else "'F'"
    row = session.store.one(f'SELECT {inactive} AS isinactive FROM "{table}" WHERE id = ?', int(written))
    if row is None or (active and row["isinactive"] == "T"):
        raise invalid_reference(written, name, path)
    return int(written)


def require(columns: dict[str, Any], column: str, label: str) -> None:
    if columns.get(column) is None:
        raise missing(label)


# --- answering -------------------------------------------------------------------------------------------


def answer(
    session: Session, fields: Iterable[Field], row: Row | dict[str, Any], *, simple_enums: bool
) -> dict[str, Any]:
    """The properties of a row that have a value, as a record GET prints them."""
    out: dict[str, Any] = {}
    for field in fields:
        value = row[field.column]
        if value is not None:
            out[field.name] = print_value(session, field, value, simple_enums=simple_enums)
    return out


def print_value(session: Session, field: Field, value: Any, *, simple_enums: bool = False) -> Any:
    if field.kind == "reference":
        return refer(session, field.to, value)
    if field.kind == "enum":
        return value if simple_enums else {"id": value, "refName": ENUM_LABELS.get((field.name, value), value)}
    if field.kind == "flag":
        return value == "T"
    if field.kind in SCALES:
        return json_number(value)
    return value


def refer(session: Session, table: str | None, internal_id: int | str) -> dict[str, Any]:
    """A reference ``{links, id, refName}``."""
    record = RECORD_OF.get(table or "")
    links = [{"rel": "self", "href": f"{session.base}/{record}/{internal_id}"}] if record else []
    name = None
    if table in tables():
        label = LABELS.get(table or "", "name")
        name = session.store.value(f'SELECT "{label}" FROM "{table}" WHERE id = ?', internal_id)
    out: dict[str, Any] = {"links": links, "id": str(internal_id)}
    if name is not None:
        out["refName"] = name
    return out


ENUM_LABELS = {
    ("orderStatus", "A"): "Pending Approval",
    ("orderStatus", "B"): "Pending Fulfillment",
    ("shipStatus", "A"): "Picked",
    ("shipStatus", "B"): "Packed",
    ("shipStatus", "C"): "Shipped",
    ("commitInventory", "1"): "Available Qty",
    ("commitInventory", "2"): "Complete Qty",
    ("commitInventory", "3"): "Do Not Commit",
}


# --- custom fields, and properties of the contract that nothing here computes with --------------------------


def parse_custom(session: Session, body: dict[str, Any], prefix: str, at: str = "") -> dict[str, Any]:
    """Custom field values by script id, checked against their declared type; None clears."""
    values: dict[str, Any] = {}
    for name, value in body.items():
        if not name.startswith(prefix):
            continue
        declared = session.custom_fields()[name]
        kind = {"number": "rate", "boolean": "flag", "list": "enum"}.get(declared["type"], declared["type"])
        parsed = parse_value(session, Field(name, name, kind, to=declared.get("to")), value, f"{at}{name}")
        values[name] = parsed
    return values


def print_custom(session: Session, stored: str | None) -> dict[str, Any]:
    out = {}
    declared = session.custom_fields() if stored else {}
    for name, value in json.loads(stored or "{}").items():
        if value is None or name not in declared:
            continue
        kind = {"number": "rate", "boolean": "flag", "list": "enum"}.get(declared[name]["type"], declared[name]["type"])
        out[name] = print_value(session, Field(name, name, kind, to=declared[name].get("to")), value)
    return out


def merged(stored: str | None, new: dict[str, Any]) -> str | None:
    """JSON of the stored values with the new ones laid over; None values go."""
    values = {**json.loads(stored or "{}"), **new}
    values = {name: value for name, value in values.items() if value is not None}
    return json.dumps(values, default=str, sort_keys=True) if values else None


def parse_other(
    record: str, body: dict[str, Any], handled: Iterable[str], stored: str | None, replace: frozenset[str]
) -> dict[str, Any]:
    """Properties that the contract allows and nothing here computes with: kept and given back.

    Lines of such sublists have no key here: every write adds its own, unless it replaces the sublist.
    """
    published = contract.record(record)
    if published is None:
        return {}
    known = set(handled) | contract.ENVELOPE
    before = json.loads(stored or "{}")
    found: dict[str, Any] = {}
    for name, value in body.items():
        if name in known:
            continue
        if name in published.sublists:
            earlier = [] if name in replace else before.get(name, {}).get("items", [])
            found[name] = {"items": [*earlier, *value["items"]]}
        elif name in published.fields:
            found[name] = value
    return found
