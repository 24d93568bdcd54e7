"""What becomes of an order that an approval procedure has made a draft of.

A template that matches keeps the order as a draft with an ApprovalRequest, and the POST is answered -2028 "No matching
records found" (obs., two sites; the HTTP status is unconfirmed; another vendor's document reports success with a
DocEntry that no order has). Once approved, somebody adds the draft as an order under a new DocEntry: its author in SAP,
or erp_sync where setting ``approved_drafts`` says so (`DraftsService_SaveDraftToDocument`).

That call was seen to answer 204 and to name nothing, the draft to be closed afterwards, its approval request deleted,
and a second call for the same draft to be refused (Ngonie69/ShopInventory, SAP credit note approvals, live). The last
is not relied on: drafts that nobody approves may be added again and again. So it is a write of class C, begun in the
ledger like any other (`ports.documents.Proceeds`): after a lost answer the order is searched for, and a draft that was
not added is approved and open still.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from erp_sync.ports.outcomes import (
    APPROVAL_REJECTED,
    CREATED_UNRECOGNISED,
    Accepted,
    Again,
    Ambiguous,
    Applied,
    Found,
    NotSent,
    Outcome,
    Receipt,
    Refused,
    Unknown,
)
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.changes import utc_of
from erp_sync.systems.sap_b1.client import Query, ServiceLayerClient
from erp_sync.systems.sap_b1.finding import DRAFT_FIELDS, Handle, OrderFinder, finding_of, is_added
from erp_sync.systems.sap_b1.likeness import Likeness, noted
from erp_sync.transport.errors import NotSentError, OutcomeUnknown, Rejected, TransportError

ASK_AFTER_SECONDS = 300.0  # a person decides: hours, or days
#: An order whose draft was added is there with it; so long it may not be seen before a person is asked.
SEEN_AFTER = timedelta(minutes=15)
ASK_SOON_SECONDS = 60.0
SAVE = "sales_order.save_approved_draft"
_MADE = ("arsGenerated", "arsGeneratedByAuthorizer")
REQUEST_FIELDS = ("Code", "ObjectEntry", "DraftEntry", "Status", "Remarks", "ApprovalRequestLines")
Draft = Mapping[str, Any]


class ApprovedDrafts(StrEnum):
    """Setting ``approved_drafts``: who adds an approved draft as an order."""

    WAIT = "wait"  # a person in SAP
    POST = "post"  # erp_sync


class Approvals:
    """Thread-safe; keeps nothing."""

    def __init__(
        self,
        client: ServiceLayerClient,
        finder: OrderFinder,
        likeness: Likeness,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises ValueError for a setting with a value that does not exist."""
        self._client, self._finder, self._likeness, self._clock = client, finder, likeness, clock
        settings = client.connection.settings
        self._approved = ApprovedDrafts(settings.get("approved_drafts", ApprovedDrafts.WAIT))
        self._ask_after = float(settings.get("approval_poll_seconds", ASK_AFTER_SECONDS))

    def settle(self, handle: str) -> Outcome:
        """`Accepted` while it waits, with `SAVE` where it waits for us. Never raises for what SAP or the network did;
        ValueError for another's handle."""
        known = Handle.read(handle)
        try:
            return self._settled(known)
        except TransportError as error:
            # A read that failed says nothing about the draft.
            return NotSent(why=str(error), retry_after_seconds=error.retry_after_seconds)

    def _settled(self, known: Handle) -> Outcome:
        draft = self.draft(known)
        if draft is None:
            return self._without_draft(known)
        status = str(draft.get("AuthorizationStatus") or "")
        if status == "dasRejected":
            return self._rejected(known, self._requests(known.draft))
        if status == "dasCancelled" or draft.get("Cancelled") == "tYES":
            return _cancelled(f"draft {known.draft} was cancelled", self._requests(known.draft))
        if is_added(draft):
            return self.order_of(known, draft) or self._unseen(known, draft)
        ours = status == "dasApproved" and self._approved is ApprovedDrafts.POST
        return self._waiting(known, SAVE if ours else "")

    def draft(self, known: Handle, *, document: str = "") -> dict[str, Any] | None:
        """The draft as it is now. Raises the TransportError tree."""
        fields = DRAFT_FIELDS
        return self._client.get("Drafts", known.draft, operation="sales_order.settle", document=document, select=fields)

    def _waiting(self, known: Handle, next_operation: str = "") -> Accepted:
        return Accepted(handle=str(known), ask_after_seconds=self._ask_after, next_operation=next_operation)

    def order_of(self, known: Handle, draft: Draft | None) -> Outcome | None:
        """Applied with the order that the draft has become; Refused where several are it; None where none is to be
        seen. Raises the TransportError tree.

        By our key; else by the approval request, as far as there is one and it names the order; else by number, card
        and total of the draft: never by DocNum, which drafts and orders have of different series.
        """
        finding = finding_of(known.key, self._finder.orders([known.key]).get(known.key, []), [])
        if isinstance(finding, Found):
            return Applied(receipt=finding.receipt)
        if isinstance(finding, Ambiguous):
            several = f"several orders carry {known.key}: {', '.join(finding.target_ids)}"
            return Refused(code=CREATED_UNRECOGNISED, message=f"SAP Business One: {several}")
        for request in self._requests(known.draft):
            entry, made = request.get("ObjectEntry"), request.get("Status") in _MADE
            # The request ties the order to the draft, also where somebody emptied the field of our key.
            receipt = self._finder.order(int(entry), known.key, or_none=made) if entry else None
            if receipt is not None:
                return Applied(receipt=receipt)
        receipt = self._like(draft) if draft is not None else None
        return Applied(receipt=receipt) if receipt is not None else None

    def _like(self, draft: Draft) -> Receipt | None:
        number, card = str(draft.get("NumAtCard") or ""), str(draft.get("CardCode") or "")
        if not number or not card:
            return None
        rows = self._likeness.unmarked("Orders", number, card)
        same = [row for row in rows if row.get("DocTotal") == draft.get("DocTotal") and row.get("Cancelled") != "tYES"]
        receipt: Receipt | None = noted(same[0], self._finder.key_field) if len(rows) == len(same) == 1 else None
        return receipt

    def _unseen(self, known: Handle, draft: Draft) -> Outcome:
        """The draft is closed and no order is to be seen."""
        changed = utc_of(draft.get("UpdateDate"), draft.get("UpdateTime"), self._client.connection.time_zone)
        if changed is None or self._clock() < changed + SEEN_AFTER:
            return Accepted(handle=str(known), ask_after_seconds=ASK_SOON_SECONDS)
        return Refused(
            code=CREATED_UNRECOGNISED,
            message=f"SAP Business One: draft {known.draft} was added as an order, or closed, and no order has "
            f"{self._finder.key_field} {known.key}, nor NumAtCard {draft.get('NumAtCard')} with that card and total: "
            "it is not sent again while that draft is there.",
        )

    def _without_draft(self, known: Handle) -> Outcome:
        """A draft that is added may be gone (unconfirmed), and a person may delete one."""
        made = self.order_of(known, None)
        if made is not None:
            return made
        requests = self._requests(known.draft)
        if requests and requests[-1].get("Status") == "arsNotApproved":
            return self._rejected(known, requests)
        return _cancelled(f"draft {known.draft} is gone", requests)

    def _rejected(self, known: Handle, requests: list[dict[str, Any]]) -> Refused:
        said = _words(requests, self._names(requests))
        return Refused(
            code=APPROVAL_REJECTED,
            message=f"SAP Business One: draft {known.draft} was rejected in the approval procedure. {said}".strip(),
        )

    def _requests(self, draft: int) -> list[dict[str, Any]]:
        where = odata.every(odata.equals("DraftEntry", draft), odata.equals("ObjectType", "17"))
        query = Query(entity_set="ApprovalRequests", key=("Code",), where=where, select=REQUEST_FIELDS)
        return self._client.rows(query, operation="sales_order.settle")

    def _names(self, requests: list[dict[str, Any]]) -> dict[int, str]:
        """Names of those who said no."""
        lines = [line for request in requests for line in request.get("ApprovalRequestLines") or ()]
        users = {int(line["UserID"]) for line in lines if line.get("Status") == "ardNotApproved" and line.get("UserID")}
        return {user: self._name(user) for user in sorted(users)}

    def _name(self, user: int) -> str:
        """A user's name; their number where we may not read users."""
        try:
            found = self._client.get("Users", user, operation="sales_order.settle", select=("UserCode", "UserName"))
        except Rejected:
            found = None
        return str((found or {}).get("UserName") or (found or {}).get("UserCode") or f"user {user}")

    # Adding an approved draft ------------------------------------------------------------------

    def add(self, handle: str, *, document: str) -> Outcome:
        """Add the approved draft as an order, if it is approved still and no order has our key. What is unknown then is
        looked up after its settle time. Never raises for what SAP or the network did."""
        known = Handle.read(handle)
        try:
            now = self._settled(known)
            if not isinstance(now, Accepted) or not now.next_operation:
                return now
            there = self.order_of(known, None)
        except TransportError as error:
            return NotSent(why=str(error), retry_after_seconds=error.retry_after_seconds)
        return there or self._save(known, document)

    def _save(self, known: Handle, document: str) -> Outcome:
        try:
            self._client.act(
                "DraftsService_SaveDraftToDocument",
                {"Document": {"DocEntry": known.draft}},
                operation=SAVE,
                document=document,
                repeatable=False,
            )
        except NotSentError as error:
            return NotSent(why=str(error), retry_after_seconds=error.retry_after_seconds)
        except OutcomeUnknown as error:
            return Unknown(why=str(error))
        except Rejected as rejected:
            return self._not_added(known, rejected)
        except TransportError as error:
            return error.as_outcome()
        try:
            return self._settled(known)
        except TransportError:
            # It is added; the order is looked for when it is asked for next.
            return Accepted(handle=str(known), ask_after_seconds=ASK_SOON_SECONDS)

    def _not_added(self, known: Handle, rejected: Rejected) -> Outcome:
        """A person may have added, or sent back, the draft in the same moment: what it is now decides."""
        outcome = rejected.as_outcome()
        try:
            now = self._settled(known)
        except TransportError:
            now = self._waiting(known)
        approved = isinstance(now, Accepted) and bool(now.next_operation)
        # The draft is there and approved: a person can add it, and then it is found.
        return outcome if approved and isinstance(outcome, Refused) and outcome.again is Again.NEVER else now


def _cancelled(what: str, requests: list[dict[str, Any]]) -> Refused:
    return Refused(
        code="approval_cancelled",
        message=f"SAP Business One: {what}, no order came of it. {_words(requests)}".strip(),
    )


def _words(requests: list[dict[str, Any]], names: Mapping[int, str] | None = None) -> str:
    """Who said no and why, as far as SAP says it."""
    said = []
    for request in requests:
        for line in request.get("ApprovalRequestLines") or ():
            if line.get("Status") == "ardNotApproved":
                who = (names or {}).get(int(line.get("UserID") or 0), f"user {line.get('UserID')}")
                said.append(f"{who}: {line.get('Remarks') or 'no remark'}")
        if request.get("Remarks"):
            said.append(f"Remarks: {request['Remarks']}")
    return "; ".join(dict.fromkeys(said))
