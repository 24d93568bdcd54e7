"""Checks a value that is written to a field, as the vendor's field serializers do.

Facts: shopware/shopware src/Core/Framework/DataAbstractionLayer/FieldSerializer. Texts are trimmed of markup by the
vendor; that is not reproduced. A text of no letters is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import errors, names
from erp_sync.systems.shopware.sandbox.errors import Error
from erp_sync.systems.shopware.sandbox.schema.fields import Entity, Field

LONGEST = 255
_LONG_TEXTS = frozenset({"description", "customerComment", "keywords", "path", "internalComment", "metaDescription",
                         "name", "url"})  # fmt: skip
_PRICE_PARTS = ("currencyId", "gross", "net", "linked")


class Rejected(Exception):
    """A value that a field does not take; the errors carry pointers."""

    def __init__(self, *found: Error) -> None:
        self.errors = found
        super().__init__(str(found))


def checked(entity: Entity, known: Field, value: Any, pointer: str) -> Any:
    """The value to keep. Raises Rejected, and ShopwareError where the vendor gives up at once (an id that is none)."""
    if value == "" and known.kind == "string":
        value = None
    if value is None:
        return None
    match known.kind:
        case "id" | "version":
            if not names.is_id(value):
                raise errors.invalid_id(value)
            return value
        case "string":
            return _text(known, value, pointer)
        case "int":
            if isinstance(value, bool) or not isinstance(value, int):
                raise Rejected(errors.wrong_type(pointer, "int", value))
            return value
        case "float":
            if isinstance(value, bool) or not _numeric(value):
                raise Rejected(errors.wrong_type(pointer, "numeric", value))
            return Decimal(str(value))
        case "bool":
            return bool(value)
        case "time" | "date":
            return _time(known, value, pointer)
        case "price":
            return prices(value, pointer, default_needed=entity.name != "custom_price")
        case "list":
            if not isinstance(value, list):
                raise Rejected(errors.wrong_type(pointer, "array", value))
        case "json" | "custom":
            if not isinstance(value, Mapping | list):
                raise Rejected(errors.wrong_type(pointer, "array", value))
    return value


def _text(known: Field, value: Any, pointer: str) -> str:
    if isinstance(value, Mapping):  # a text per language; the system's own counts
        value = value.get(names.LANGUAGE) or value.get("en-GB") or next(iter(value.values()), None)
    if isinstance(value, bool) or not isinstance(value, str):
        raise Rejected(errors.wrong_type(pointer, "string", value))
    if len(value) > LONGEST and known.name not in _LONG_TEXTS:
        raise Rejected(errors.too_long(pointer, LONGEST, value))
    return value


def _time(known: Field, value: Any, pointer: str) -> str:
    moment = names.read_time(value) if isinstance(value, str) else None
    if moment is None:
        raise Rejected(errors.wrong_type(pointer, "DateTimeInterface", value))
    stored = names.stored_time(moment)
    return stored if known.kind == "time" else f"{stored[:10]} 00:00:00.000"


def _numeric(value: Any) -> bool:
    if isinstance(value, int | Decimal):
        return True
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except ArithmeticError:
        return False


def prices(value: Any, pointer: str, *, default_needed: bool = True) -> list[dict[str, Any]]:
    """A price per currency: currencyId, gross, net and linked each, and one in the default currency.

    FieldSerializer/PriceFieldSerializer: one row per currency is kept, the last; other properties stay.
    """
    if not isinstance(value, list | dict):
        raise Rejected(errors.wrong_type(pointer, "array", value))
    rows, found = (list(value.values()) if isinstance(value, dict) else value), list[Error]()
    if not rows:
        raise Rejected(errors.blank(pointer))
    for index, row in enumerate(rows):
        found += _price_errors(row, f"{pointer}/{index}")
    if found:
        raise Rejected(*found)
    kept = {row["currencyId"]: _price(row) for row in rows}
    if default_needed and names.CURRENCY not in kept:
        raise Rejected(errors.violation("No price for default currency defined", pointer))
    return list(kept.values())


def _price_errors(row: Any, pointer: str) -> list[Error]:
    if not isinstance(row, Mapping):
        return [errors.wrong_type(pointer, "array", row)]
    found = [errors.missing(f"{pointer}/{name}", name) for name in _PRICE_PARTS if name not in row]
    for name in ("gross", "net"):
        if name in row and (isinstance(row[name], bool) or not _numeric(row[name])):
            found.append(
                errors.blank(f"{pointer}/{name}")
                if row[name] is None
                else errors.wrong_type(f"{pointer}/{name}", "numeric", row[name])
            )
    if "linked" in row and not isinstance(row["linked"], bool):
        found.append(errors.wrong_type(f"{pointer}/linked", "boolean", row["linked"]))
    if "currencyId" in row and not names.is_id(row["currencyId"]):
        found.append(errors.violation(
            f'The string "{row["currencyId"]}" is not a valid uuid.', f"{pointer}/currencyId",
            template='The string "{{ string }}" is not a valid uuid.',
            parameters={"{{ string }}": row["currencyId"]},
        ))  # fmt: skip
    return found


def _price(row: Mapping[str, Any]) -> dict[str, Any]:
    made = {**row, "gross": Decimal(str(row["gross"])), "net": Decimal(str(row["net"]))}
    made.pop("apiAlias", None)
    made.pop("extensions", None)
    for name in ("listPrice", "regulationPrice"):
        if made.get(name) is None:
            made.pop(name, None)
    if "listPrice" not in made:
        made.pop("percentage", None)
    return made
