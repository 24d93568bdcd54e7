"""A business account: a company that buys on terms the ERP has agreed with it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec


class BusinessAccount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The ERP is its master; its buyers log in at the store.

    Attributes:
        number: the customer number, under which store and ERP know the account.
        name: of the company.
        active: its buyers may order; False while the ERP locks it.
        lock_reason: in the ERP's words.
        group: name of the ERP's group of customers; the store's group, where the flow has looked it up.
        payment_terms: name of the agreed terms.
        currency: of limit and balance; "" is the company's own.
        credit_limit: None or 0 is none.
        open_balance: invoices, deliveries and orders that are not paid; None where the ERP does not tell.
        tax_exempt: pays no tax.
        exemption_certificate, exempt_until: number of the certificate, and its last day.
    """

    connection: str
    scope: str = ""
    native_id: str
    version: str = ""
    number: str
    name: str
    active: bool = True
    lock_reason: str = ""
    group: str = ""
    payment_terms: str = ""
    currency: str = ""
    credit_limit: Decimal | None = None
    open_balance: Decimal | None = None
    tax_number: str = ""
    tax_exempt: bool = False
    exemption_certificate: str = ""
    exempt_until: date | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    custom: dict[str, Any] = {}

    @property
    def sku(self) -> str:
        """What flows of state call the subject of a row."""
        return self.number
