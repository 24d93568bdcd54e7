"""Our business keys at SAP Business One: the key of an order in its user-defined field, the card code of a customer."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from erp_sync.model.order import SalesOrder

LONGEST_KEY = 50  # the user-defined field has to take so many characters
LONGEST_CARD_CODE = 15  # OCRD.CardCode (unconfirmed)
CARD_PREFIX = "W"
CUSTOMER_NUMBER = "customer_number"

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]+")
_DIGEST = re.compile(r"_[0-9a-f]{12}$")


def document_key(*parts: str) -> str:
    """The parts joined with ``_``. A key that has to be cleaned or cut gets a digest of its original form, so that two
    keys never become one."""
    raw = "_".join(parts)
    clean = _NOT_ALLOWED.sub("-", raw)
    if clean == raw and len(raw) <= LONGEST_KEY:
        return raw
    return f"{clean[: LONGEST_KEY - 13]}_{hashlib.sha256(raw.encode()).hexdigest()[:12]}"


def order_key(order: SalesOrder) -> str:
    return document_key(order.connection, order.native_id)


def order_of(key: str, connections: Sequence[str]) -> tuple[str, str]:
    """Store's connection and order id in an order's key; ("", "") where it is of none of them or was cleaned or cut.

    Of two connections that fit, the longer one: ``shop_eu_7`` is order 7 of ``shop_eu``, not order eu_7 of ``shop``.
    """
    for connection in sorted(connections, key=len, reverse=True):
        prefix = f"{connection}_"
        if key.startswith(prefix) and not _DIGEST.search(key):
            return connection, key.removeprefix(prefix)
    return "", ""


def card_code(order: SalesOrder, settings: Mapping[str, Any]) -> str:
    """Of a card that we make: a digest of the store's customer id, of a guest of the e-mail address. The same customer
    has the same code for ever, so a second card is refused; 60 bits or more tell customers apart."""
    prefix = str(settings.get("card_prefix") or CARD_PREFIX)
    if len(prefix) > 3:
        raise ValueError(
            f"setting card_prefix: {prefix!r} leaves too little of {LONGEST_CARD_CODE} characters; 3 at most"
        )
    customer = order.customer
    who = f"customer|{customer.native_id}" if customer.native_id else f"guest|{customer.email.strip().lower()}"
    digest = base64.b32encode(hashlib.sha256(f"{order.connection}|{who}".encode()).digest()).decode()
    return prefix + digest[: LONGEST_CARD_CODE - len(prefix)]


def customer_number(order: SalesOrder, settings: Mapping[str, Any]) -> str:
    """By which the store knows an account of SAP: a CardCode, in the order's custom field of setting
    ``customer_number_field``. "" for guests, whose numbers a store makes up."""
    if order.customer.guest:
        return ""
    field = str(settings.get("customer_number_field") or CUSTOMER_NUMBER)
    return str(order.custom.get(field) or "").strip()
