"""What a sandbox can be told about its installation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

_KEPT = ("release", "commercial")


@dataclass(frozen=True)
class Options:
    """One installation.

    Attributes:
        release: "6.7", or "6.6" where a cancel passes from any state.
        commercial: the Commercial plugin is there: custom prices, Individual Pricing.
        privileges: of the integration, e.g. ["product:read"]; None: it is admin.
        token_seconds: life of an access token (PT10M).
        index_lag_seconds: wall time until the queue has worked a product's indexer message off.
        admin_worker: webhooks leave inline, without retry (the default of an installation); False: by the queue.
        currency: ISO code of the default currency.
        tax_rate: percent of the tax "Standard".
        display_gross: of the standard customer group.
        item_decimals, total_decimals, item_interval, total_interval, round_for_net: rounding of the default currency.
        shipping_gross: gross price of the shipping method, in the default currency.
        min_password_length: of customers who register.
        shop_url: what the shop calls itself (APP_URL), in webhooks and to apps.
    """

    release: str = "6.7"
    commercial: bool = True
    privileges: tuple[str, ...] | None = None
    token_seconds: int = 600
    index_lag_seconds: float = 0.0
    admin_worker: bool = True
    currency: str = "USD"
    tax_rate: str = "0"
    display_gross: bool = True
    item_decimals: int = 2
    total_decimals: int = 2
    item_interval: str = "0.01"
    total_interval: str = "0.01"
    round_for_net: bool = True
    shipping_gross: str = "0"
    min_password_length: int = 8
    shop_url: str = "https://shopware.sandbox"

    def keep(self, configure: Callable[[str, str], None]) -> None:
        """Leave in the database what decides on prices, for who reads nothing else."""
        for name in _KEPT:
            configure(f"options.{name}", json.dumps(getattr(self, name)))

    @classmethod
    def kept(cls, configured: Mapping[str, str]) -> Options:
        """As `keep` left them, from all that is configured; the others are the default ones."""
        return cls(**{name: json.loads(configured[f"options.{name}"]) for name in _KEPT})

    @classmethod
    def of(cls, data: dict[str, Any]) -> Options:
        """From a sandbox's options. Raises ValueError for an unknown name or a value that cannot be."""
        known = {one.name for one in fields(cls)}
        if unknown := set(data) - known:
            raise ValueError(f"unknown option {sorted(unknown)[0]!r} of the Shopware sandbox; known: {sorted(known)}")
        made = dict(data)
        if made.get("privileges") is not None:
            made["privileges"] = tuple(made["privileges"])
        options = cls(**made)
        if options.release not in ("6.6", "6.7"):
            raise ValueError(f"release is {options.release!r}; expected 6.6 or 6.7")
        for name in ("tax_rate", "item_interval", "total_interval", "shipping_gross"):
            Decimal(str(getattr(options, name)))
        return options
