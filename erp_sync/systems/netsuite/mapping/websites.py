"""Websites and store views map by rule to what NetSuite keeps them under: setting ``websites``.

    websites:
      default: {subsidiary: "1", location: "7", price_level: "1", base_currency: USD}
      magento_de/base: {subsidiary: "3", location: "9", price_level: "5", base_currency: EUR}

Names: ``subsidiary``, ``location``, ``department``, ``class``, ``price_level``, ``currency`` (the customer's),
``base_currency`` (ISO code, of the subsidiary), ``web_guest_customer``, ``deposit_account``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.ports.mapping import is_empty


def website_value(order: Any, settings: Mapping[str, Any], name: str) -> Any:
    """Of setting ``websites``, the first entry that has the name: by store view, website, store, ``default``; else
    setting `name`.

    Where several stores share an account, their entries are named ``<store connection>/<store view or website>``:
    every store has a website ``base``.
    """
    websites = settings.get("websites") or {}
    named = [one for one in (order.store_view, order.website, order.scope) if one]
    for key in (*(f"{order.connection}/{one}" for one in named), *named, order.connection, "default"):
        value = (websites.get(key) or {}).get(name)
        if not is_empty(value):
            return value
    return settings.get(name)


def every_value(settings: Mapping[str, Any], name: str) -> set[str]:
    """All values that the rules may give."""
    websites = settings.get("websites") or {}
    found = [(entry or {}).get(name) for entry in websites.values()] + [settings.get(name)]
    return {str(value) for value in found if not is_empty(value)}


def other_subsidiary(order: Any, settings: Mapping[str, Any]) -> str:
    """The order's subsidiary where it is not the one that holds by default; "" where it is.

    A customer belongs to one subsidiary, so who buys from two of them is two customers in NetSuite.
    """
    own = website_value(order, settings, "subsidiary")
    default = ((settings.get("websites") or {}).get("default") or {}).get("subsidiary") or settings.get("subsidiary")
    return "" if is_empty(own) or str(own) == str(default or "") else str(own)
