"""Rules and limits of the flow, as a route's YAML gives them.

``rounding``     {currency: {digits: 2, mode: half_up}}, as in flow prices
``cost_list``    price list of the ERP that holds what items cost; "" for none
``map_list``     price list that holds the lowest price that may be advertised; "" for none

Look-ups: ``sku_map`` (the store's SKU to the ERP's) and ``customer_map`` (the store's customer number to the ERP's
account), both turned round here. Without a table a name is the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.ports.pricing import Rounding

#: Limits: of a batch (a plan that breaks one is held whole), and of a row (it is held, the rest goes).
GUARDS = {"max_changed_share": 0.3, "max_vanished_lists": 0, "max_price_change": 0.2}


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flow's rules; see the module."""

    rounding: dict[str, Rounding] = {}
    cost_list: str = ""
    map_list: str = ""


def convert_rules(rules: Mapping[str, Any]) -> Rules:
    """Raises ValueError (msgspec.ValidationError) naming the rule that is wrong."""
    return msgspec.convert(dict(rules), Rules)


def limit(limits: Mapping[str, float], name: str) -> Decimal:
    """The route's limit or the default, as it is written there."""
    return Decimal(str(limits.get(name, GUARDS[name])))
