"""Credit limits: what a customer owes with one more document, and whether the company goes on.

"Increasing the current balance of the customer by the total [of this document] results in customer balance that is
greater than the value set for the customer": in the client software a question with Yes and No (help.sap.com, message
10000005 "Customer has exceeded credit limit"; AdminInfo.CreditRestriction switches it on). The Service Layer has
nobody to ask; whether it goes on or refuses is unconfirmed, and so are the number of the refusal and what counts
besides the account's balance (open deliveries and orders do here): option `credit_restriction`. An approval template
may look at the same (`approvals`).
"""

from __future__ import annotations

from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.masterdata import balances
from erp_sync.systems.sap_b1.sandbox.values import decimal


def is_exceeded(context: Context, document: Entity, before: Entity | None = None) -> bool:
    """Balance, open deliveries, open orders and this document are more than the limit; a limit of 0 is none.

    `before` is the document as it counts already.
    """
    owner = rows.read(context.store, "BusinessPartners", document["CardCode"]) or {}
    limit = decimal(owner.get("CreditLimit"))
    if not limit:
        return False
    owed = sum((decimal(amount) for amount in balances(context, owner).values()), decimal(document["DocTotal"]))
    if before is not None and before["CardCode"] == document["CardCode"]:
        owed -= decimal(before.get("sandbox_open"))
    return owed > limit


def check(context: Context, document: Entity, before: Entity | None = None) -> None:
    """Raises ServiceLayerError if the company refuses a document over the limit."""
    if context.administrator or context.setting("credit_restriction") != "refused":
        return
    if is_exceeded(context, document, before):
        raise rule("10000005 - Customer has exceeded credit limit")
