"""What becomes of a product attribute's value on its way into its column.

Facts: magento/magento2 `Framework/DB/Adapter/Pdo/Mysql` opens its connection with ``SET SQL_MODE=''``, so that MySQL
cuts what is too long and clips what is too large without an error (issue 30159: a text of 300 characters is trimmed to
255, and nobody is told), and `prepareColumnValue` casts as PHP does; `Catalog/etc/db_schema.xml` has the columns;
`Eav/Model/Entity/Attribute/Backend/Datetime` and `Catalog/Model/Product/Attribute/Backend/Price` check what they do.
Read from the code, unconfirmed end to end but for the cut: a word becomes 0 where a number is kept.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox.errors import LocalizedException

VARCHAR_LENGTH = 255  # catalog_product_entity_varchar.value
TEXT_BYTES = 65_535  # catalog_product_entity_text.value
LARGEST = Decimal("99999999999999.9999")  # decimal(20,6), in the four digits that are kept here
LARGEST_INTEGER = 2_147_483_647

_LEADING_NUMBER = re.compile(r"\s*([-+]?\d+(?:\.\d*)?)")


def kept(kind: str, value: Any) -> Any:
    """The value as its column has it afterwards; None for an empty one. `kind`: backend type of the attribute.

    Raises LocalizedException for a date that is none.
    """
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if value is None or value == "":
        return None
    if kind == "int":
        return max(min(int(_number(value)), LARGEST_INTEGER), -LARGEST_INTEGER - 1)
    if kind == "decimal":
        return max(min(_number(value), LARGEST), -LARGEST)
    if kind == "datetime":
        return _moment(str(value))
    if kind == "varchar":
        return str(value)[:VARCHAR_LENGTH]
    return str(value).encode()[:TEXT_BYTES].decode(errors="ignore")


def check_price(value: Any) -> None:
    """Raises LocalizedException for a price below zero; what is no number counts as zero."""
    if value not in (None, "") and _number(value) < 0:
        raise LocalizedException("Please enter a number 0 or greater in this field.")


def _number(value: Any) -> Decimal:
    """As PHP casts: the number that a text begins with, or 0."""
    if isinstance(value, bool):
        return Decimal(int(value))
    if isinstance(value, int | Decimal):
        return Decimal(value)
    found = _LEADING_NUMBER.match(str(value))
    return Decimal(found.group(1)) if found else Decimal(0)


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise LocalizedException("Invalid date") from None
