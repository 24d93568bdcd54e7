"""External ids: our business keys at NetSuite.

Letters, digits, ``_`` and ``-`` only (Oracle NetSuite help, External IDs; ``|`` breaks ``eid:``). A key that
has to be cleaned gets a digest of its original form, so that two keys never become one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from erp_sync.model.order import Payment, SalesOrder
from erp_sync.systems.netsuite.mapping.websites import other_subsidiary

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]+")
_SUBSIDIARY = re.compile(r"_s([0-9A-Za-z-]+)$")
_LONGEST = 100  # unconfirmed; keeps ids readable


def external_id(*parts: str) -> str:
    """The parts joined with ``_``, cleaned."""
    raw = "_".join(parts)
    clean = _NOT_ALLOWED.sub("-", raw)[:_LONGEST]
    return clean if clean == raw else f"{clean[: _LONGEST - 13]}_{_digest(raw)[:12]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def order_key(order: SalesOrder) -> str:
    return external_id(order.connection, order.native_id)


def customer_key(order: SalesOrder, settings: Mapping[str, Any]) -> str:
    """By the store's customer id; a guest by e-mail address, not readable in the id. One per subsidiary."""
    customer = order.customer
    if customer.native_id:
        parts = ["customer", customer.native_id]
    else:
        parts = ["guest", _guest(customer.email)]
    subsidiary = other_subsidiary(order, settings)
    return external_id(order.connection, *parts, *([f"s{subsidiary}"] if subsidiary else []))


def is_customer_key(key: str, email: str, connections: Iterable[str]) -> bool:
    """Whether an external id is one that `customer_key` gives for this person.

    `connections` are the stores' connection names; a guest's key says by itself whose it is.
    """
    if f"_guest_{_guest(email)}" in key:
        return True
    return any(key.startswith(f"{external_id(one)}_customer_") for one in connections)


def _guest(email: str) -> str:
    return _digest(email.strip().lower())[:24]


def subsidiary_of(key: str) -> str:
    """The subsidiary in a customer's key, "" where it is the one that holds by default."""
    found = _SUBSIDIARY.search(key)
    return found[1] if found else ""


def payment_key(order: SalesOrder, payment: Payment) -> str:
    return external_id(order.connection, order.native_id, "payment", payment.payment_id)


def again_key(key: str, gone: str) -> str:
    """Of a record made again because the one with this internal id is gone: the first key may still be taken, by a
    voided record or one that is only deleted in the index."""
    return external_id(key, "after", gone)


def order_of(key: str, connections: Sequence[str]) -> tuple[str, str]:
    """Store's connection and order id in an order's external id; ("", "") where it is of none of them or was cleaned.

    `connections` are the stores' connection names. Of two that fit, the longer one: ``shop_eu_7`` is order 7 of
    ``shop_eu``, not order eu_7 of ``shop``.
    """
    for connection in sorted(connections, key=len, reverse=True):
        prefix = external_id(connection) + "_"
        if key.startswith(prefix):
            return connection, key[len(prefix) :]
    return "", ""
