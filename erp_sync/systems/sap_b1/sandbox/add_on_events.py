"""An add-on that posts the keys of what changed: for objects, or installations, without webhooks of the vendor's.

Not SAP's: an optional part of this project, to be installed in the company's database. Its procedure behind
SBO_SP_PostTransactionNotice (which sees "most transactions", fact sheet, section 11) notes object and key of each
change in a table, and a small service posts what is noted. What it posts has the form of the vendor's own webhooks
(section 7): an array of at most 1024 events, ``type`` ``sap.b1.SpecialPrices.Updated.v1``, ``data`` the key's parts,
signed with ``X-B1-Webhook-Signature``, tried again in the same way. So one receiver serves both.

Setting `add_on_events` of the company: {"url", "key", "objects"}; the objects are `OBJECTS` by default. A price list
that is changed is one event, whatever prices it moved: the items' own are not told (mass changes of prices by the
system reach no procedure; section 11, unconfirmed).
"""

from __future__ import annotations

import json

from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.store import dumps

ID = "sandbox add-on"
OBJECTS = ("SpecialPrices", "PriceLists", "Items", "BusinessPartners", "BusinessPartnerGroups", "BlanketAgreements")
_TRANSACTIONS = ("Created", "Updated", "Deleted")


def subscribe(context: Context) -> None:
    """Keep the add-on's queue as the setting says; without one there is none."""
    setting = context.store.state("setting add_on_events")
    if not setting:
        context.store.run("DELETE FROM subscriptions WHERE id = ?", ID)
        return
    found = {
        "WebhookID": ID,
        "WebhookURL": setting["url"],
        "AuthenticationType": "HMAC" if setting.get("key") else "None",
        "AuthenticationCred": json.dumps({"Key": setting.get("key", ""), "Algorithm": "HMACSha256"}),
        "Status": "Active",
        "EventCollection": [
            {"BusinessObject": name, "TransactionType": transaction}
            for name in setting.get("objects", OBJECTS)
            for transaction in _TRANSACTIONS
        ],
    }
    context.store.run("INSERT OR REPLACE INTO subscriptions VALUES (?, ?)", ID, dumps(found))
