"""Currencies that a customer may be billed in.

NetSuite refuses a transaction in a currency that is not on the customer's record ("Invalid currency reference key 2
for entity 55", as public code matches it). They are lines of sublist ``currencyList`` with a reference ``currency``
(published contract; Oracle NetSuite help, Customer, lists it among what REST may write).
"""

from __future__ import annotations

from enum import StrEnum

from erp_sync.systems.netsuite.client import NetSuiteClient


class CustomerCurrencies(StrEnum):
    """What becomes of an order in a currency that its customer lacks."""

    ADD = "add"  # the currency is added to the customer's record, and the order is sent again
    REFUSE = "refuse"  # it is a dead letter: a person adds the currency


def add_currency(client: NetSuiteClient, customer: str, currency: str, document: str) -> bool:
    """Put a currency on a customer's record; False where it is there already, or the account keeps none there.

    Looked at first: sublists without a key append a line on every write. Raises the TransportError tree.
    """
    operation = "customer.add_currency"
    record = client.get("customer", customer, operation=operation, document=document, expand=True)
    if record is None or "currencyList" not in record:
        return False
    held = {str((line.get("currency") or {}).get("id")) for line in record["currencyList"].get("items") or ()}
    if currency in held:
        return False
    body = {"currencyList": {"items": [{"currency": {"id": currency}}]}}
    client.update("customer", customer, body, operation=operation, document=document)
    return True
