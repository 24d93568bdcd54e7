"""Customer: a person or company that buys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from erp_sync.model.address import Address


class CustomerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the customer's address book."""

    native_id: str = ""
    label: str = ""
    default_billing: bool = False
    default_shipping: bool = False
    address: Address


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """One customer. `guest` customers have no account in the store and are keyed by their e-mail."""

    connection: str
    scope: str
    native_id: str
    version: str = ""
    guest: bool = False
    email: str
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    phone: str = ""
    tax_number: str = ""
    group: str = ""
    price_level: str = ""
    currency: str = ""
    active: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None
    addresses: tuple[CustomerAddress, ...] = ()
    custom: dict[str, Any] = {}
