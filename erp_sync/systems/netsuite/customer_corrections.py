"""What of a customer is put back in NetSuite, and with which values.

Words of `put_back`: ``customer/ID/FIELD`` for a field of the record, ``customer/ID/isInactive`` for one that is to be
active again, ``customer/ID/address/POSITION/LINE`` for a line of the address book, which is set by its id: a line
without one would be added (Oracle NetSuite help, Sublists).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.model.correction import OrderCorrection
from erp_sync.systems.netsuite.customer_edits import ACTIVE, LINE, PART

# What the address that was sent has not is emptied, too.
_EMPTIED = ("attention", "addr2", "addr3", "addrPhone")


def of_customer(document: OrderCorrection) -> list[list[str]]:
    """The words that are about the customer, taken apart: id, field, and of an address position and line."""
    return [word.split("/")[1:] for word in document.put_back if word.startswith(f"{PART}/")]


def customer_update(document: OrderCorrection, wanted: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Internal id and body of the PATCH. `wanted` is the record as it is sent."""
    words = of_customer(document)
    body: dict[str, Any] = {}
    lines: list[dict[str, Any]] = []
    for _, field, *place in words:
        if field == ACTIVE:
            body[ACTIVE] = False
        elif field == LINE:
            position, line = place
            sent = wanted["addressBook"]["items"][int(position)]
            address = {**dict.fromkeys(_EMPTIED), **sent["addressBookAddress"]}
            lines.append({"id": line, **sent, "addressBookAddress": address})
        elif field in wanted:
            body[field] = wanted[field]
    if lines:
        body["addressBook"] = {"items": lines}
    return words[0][0], body
