"""Websites and store views map by rule to what SAP keeps them under: setting ``websites``.

    websites:
      default: {warehouse: "01", branch: 1}
      shopware_de/headless: {warehouse: "03", branch: 2, price_list: 4}

Names: ``branch``, ``customer_group``, ``freight_expense``, ``guest_customer``, ``price_list``, ``sales_employee``,
``warehouse``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.model.order import SalesOrder
from erp_sync.ports.mapping import Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING

WEBSITE = ("connection", "scope", "website", "store_view")  # what setting ``websites`` is looked up by


def website_value(order: SalesOrder, settings: Mapping[str, Any], name: str) -> Any:
    """Of setting ``websites``, the first entry that has the name: by store view, website, store, ``default``; else
    setting `name`. An entry ``<store>/<store view or website>`` goes before one without the store."""
    websites = settings.get("websites") or {}
    named = [one for one in (order.store_view, order.website, order.scope) if one]
    for key in (*(f"{order.connection}/{one}" for one in named), *named, order.connection, "default"):
        value = (websites.get(key) or {}).get(name)
        if not is_empty(value):
            return value
    return settings.get(name)


def by_website(name: str) -> Rule:
    """From setting ``websites``, else setting `name`; see `website_value`. Of an order or of a line of one."""

    def apply(_value: Any, scope: Scope) -> Any:
        found = website_value(scope.root, scope.context.connection.settings, name)
        return MISSING if is_empty(found) else found

    return Rule(f"setting websites.<store view or website>.{name}, else {name}", apply, reads=WEBSITE, always=True)
