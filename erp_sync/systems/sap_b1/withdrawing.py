"""Taking back a draft that waits for approval, or was rejected: its order was cancelled in the store, or goes anew.

The draft is deleted (DELETE Drafts, contract 1.27). Where SAP does not allow that, the approval procedure is cancelled
(Drafts(n)/Cancel): such a draft cannot be converted unless a person restores it (SAP help, Canceling Approval
Procedures). That either is allowed while a procedure runs is unconfirmed; what the draft is afterwards decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erp_sync.ports.outcomes import NOT_TAKEN_BACK, TAKEN_BACK, Accepted, Outcome, Refused
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.approvals import ASK_SOON_SECONDS, Approvals
from erp_sync.systems.sap_b1.capabilities import capabilities_of
from erp_sync.systems.sap_b1.client import ServiceLayerClient
from erp_sync.systems.sap_b1.errors import CHANGED
from erp_sync.systems.sap_b1.finding import Handle, is_added
from erp_sync.transport.errors import Rejected, TransportError

OPERATION = "sales_order.withdraw_draft"
#: A person may save the draft between reading and removing it.
MOST_ROUNDS = 5


class Withdrawing:
    """Thread-safe; keeps nothing. Doing it twice changes nothing."""

    def __init__(self, client: ServiceLayerClient, approvals: Approvals) -> None:
        self._client, self._approvals = client, approvals
        self._settle_seconds = capabilities_of(client.connection.settings).operation(OPERATION).settle_seconds

    def take_back(self, handle: str, *, document: str) -> Outcome:
        """See `ports.documents.TakesBack`. Never raises for what SAP or the network did."""
        known = Handle.read(handle)
        try:
            return self._taken_back(known, document)
        except TransportError as error:
            return error.as_outcome()

    def _taken_back(self, known: Handle, document: str) -> Outcome:
        now: Mapping[str, Any] | None = None
        for _ in range(MOST_ROUNDS):
            now = self._approvals.draft(known, document=document)
            if now is None or is_added(now) or self._is_over(now):
                break
            refused = self._remove(known, now, document)
            if refused is None:
                # A read may be behind: that no order was made of it in the same moment is told by a later one.
                made = self._approvals.order_of(known, now)
                return made or Accepted(handle=str(known), ask_after_seconds=self._settle_seconds)
            if refused.code != CHANGED:
                return self._after_refusal(known, refused, document)
        else:
            return Accepted(handle=str(known), ask_after_seconds=ASK_SOON_SECONDS)  # it goes on changing
        made = self._approvals.order_of(known, now)
        if made is not None:
            return made
        if now is not None and is_added(now):
            # The order is not to be seen yet, or it was closed by hand.
            return self._unseen(known)
        return Refused(
            code=TAKEN_BACK, message=f"SAP Business One: draft {known.draft} was taken back, no order came of it."
        )

    def _unseen(self, known: Handle) -> Outcome:
        settled = self._approvals.settle(str(known))
        return (
            settled
            if not isinstance(settled, Accepted)
            else Accepted(handle=str(known), ask_after_seconds=ASK_SOON_SECONDS)
        )

    @staticmethod
    def _is_over(draft: Mapping[str, Any]) -> bool:
        return draft.get("AuthorizationStatus") == "dasCancelled" or draft.get("Cancelled") == "tYES"

    def _remove(self, known: Handle, draft: Mapping[str, Any], document: str) -> Rejected | None:
        """Delete it, else cancel its approval; None where one of both was done."""
        asked = {"operation": OPERATION, "document": document}
        try:
            self._client.remove("Drafts", known.draft, **asked, etag=str(draft.get("@odata.etag") or ""))
        except Rejected as rejected:
            if rejected.code == CHANGED:
                return rejected
            try:
                self._client.act(f"{odata.path('Drafts', known.draft)}/Cancel", {}, **asked, repeatable=True)
            except Rejected:
                return rejected
        return None

    def _after_refusal(self, known: Handle, rejected: Rejected, document: str) -> Outcome:
        now = self._approvals.draft(known, document=document)
        if now is None or is_added(now) or self._is_over(now):
            return self._approvals.order_of(known, now) or Accepted(
                handle=str(known), ask_after_seconds=ASK_SOON_SECONDS
            )
        return Refused(
            code=NOT_TAKEN_BACK,
            message=f"SAP Business One: draft {known.draft} of {document} is to be taken back and cannot be removed "
            f"({rejected.message}). Reject it there, or delete it, before somebody adds it as an order.",
        )

    def clear(self, drafts: list[Mapping[str, Any]], key: str, *, document: str) -> Refused | None:
        """Remove drafts that a person refused, before their order goes once more: one might be approved after all. Why
        not, where SAP does not let us. Raises the TransportError tree."""
        for draft in drafts:
            known = Handle(int(draft["DocEntry"]), key)
            refused = self._remove(known, {}, document)
            if refused is not None:
                return Refused(
                    code=NOT_TAKEN_BACK,
                    message=f"SAP Business One: draft {known.draft} of {document} was refused, might be approved after "
                    f"all, and cannot be removed ({refused.message}). Delete it there, then send the order again.",
                )
        return None
