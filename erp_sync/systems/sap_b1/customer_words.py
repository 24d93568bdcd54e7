"""Why an order is not booked, in words for the store's customer.

Setting ``customer_reasons`` ({code or name of an approval template: words}) changes them; "" tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

BELOW_MINIMUM = "below_minimum_order"
#: By code of a refusal.
WORDS = {
    "credit_limit_exceeded": "the credit limit is exceeded",
    "inactive_customer": "the account is blocked",
    BELOW_MINIMUM: "below the minimum order value",
    "price_difference": "the price is being checked",
}


def customer_reasons(settings: Mapping[str, Any]) -> dict[str, str]:
    """Words by code of a refusal."""
    own = {str(name): str(words or "") for name, words in (settings.get("customer_reasons") or {}).items()}
    return {code: found for code, words in WORDS.items() if (found := own.get(code, words))}


def of_templates(settings: Mapping[str, Any], names: Iterable[str]) -> str:
    """What the customer is told of the approval templates that hold an order: those that the setting names."""
    own = settings.get("customer_reasons") or {}
    return ", ".join(dict.fromkeys(str(own[name]) for name in names if own.get(name)))
