"""What becomes of an order that an approval procedure has made a draft of.

A template that matches keeps the order as a draft with an ApprovalRequest, and the POST is answered -2028 "No matching
records found" (obs., two sites; the HTTP status is unconfirmed; another vendor's document reports success with a
DocEntry that no order has). Once approved, somebody adds the draft as an order under a new DocEntry: its author in SAP,
or erp_sync where setting ``approved_drafts`` says so (`DraftsService_SaveDraftToDocument`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from erp_sync.ports.outcomes import Accepted, Again, Applied, Found, NotSent, Outcome, Refused, Unknown
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.client import Query, ServiceLayerClient
from erp_sync.systems.sap_b1.finding import DRAFT_FIELDS, Handle, OrderFinder
from erp_sync.transport.errors import NotSentError, OutcomeUnknown, Rejected, TransportError

ASK_AFTER_SECONDS = 300.0  # a person decides: hours, or days
SAVE = "sales_order.save_approved_draft"
_GENERATED = ("arsGenerated", "arsGeneratedByAuthorizer")
REQUEST_FIELDS = ("Code", "ObjectEntry", "DraftEntry", "Status", "Remarks", "ApprovalRequestLines")


class ApprovedDrafts(StrEnum):
    """Setting ``approved_drafts``: who adds an approved draft as an order."""

    WAIT = "wait"  # a person in SAP
    POST = "post"  # erp_sync; not safe yet: no "sending" is durable before, so that a crash can lead to a second save


class Approvals:
    """Thread-safe; keeps nothing."""

    def __init__(self, client: ServiceLayerClient, finder: OrderFinder) -> None:
        """Raises ValueError for a setting with a value that does not exist."""
        self._client, self._finder = client, finder
        settings = client.connection.settings
        self._approved = ApprovedDrafts(settings.get("approved_drafts", ApprovedDrafts.WAIT))
        self._ask_after = float(settings.get("approval_poll_seconds", ASK_AFTER_SECONDS))

    def settle(self, handle: str) -> Outcome:
        """`Accepted` while it waits. Never raises for what SAP or the network did; ValueError for another's handle."""
        known = Handle.read(handle)
        try:
            return self._settled(known)
        except TransportError as error:
            # A read that failed says nothing about the draft.
            return NotSent(why=str(error), retry_after_seconds=error.retry_after_seconds)

    def _settled(self, known: Handle) -> Outcome:
        draft = self._client.get("Drafts", known.draft, operation="sales_order.settle", select=DRAFT_FIELDS)
        if draft is None:
            return self._without_draft(known)
        status = str(draft.get("AuthorizationStatus") or "")
        if status == "dasRejected":
            return self._rejected(known, self._requests(known.draft))
        if status == "dasCancelled":
            return _cancelled(f"draft {known.draft} was cancelled", self._requests(known.draft))
        if status in ("dasGenerated", "dasGeneratedbyAuthorizer"):
            return self._generated(known) or self._waiting(known)
        if status == "dasApproved" and self._approved is ApprovedDrafts.POST:
            return self._save(known)
        return self._waiting(known)

    def _waiting(self, known: Handle) -> Accepted:
        return Accepted(handle=str(known), ask_after_seconds=self._ask_after)

    def _generated(self, known: Handle) -> Outcome | None:
        """Applied with the order that the draft has become; None where it is not to be seen (yet)."""
        finding = self._finder.find([known.key])[known.key]
        if isinstance(finding, Found):
            return Applied(receipt=finding.receipt)
        for request in self._requests(known.draft):
            entry, made = request.get("ObjectEntry"), request.get("Status") in _GENERATED
            # The request ties the order to the draft, also where somebody emptied the field of our key.
            receipt = self._finder.order(int(entry), known.key, or_none=made) if entry else None
            if receipt is not None:
                return Applied(receipt=receipt)
        return None

    def _without_draft(self, known: Handle) -> Outcome:
        """A draft that is added may be gone (unconfirmed), and a person may delete one."""
        generated = self._generated(known)
        if generated is not None:
            return generated
        requests = self._requests(known.draft)
        if requests and requests[-1].get("Status") == "arsNotApproved":
            return self._rejected(known, requests)
        return _cancelled(f"draft {known.draft} is gone", requests)

    def _rejected(self, known: Handle, requests: list[dict[str, Any]]) -> Refused:
        said = _words(requests, self._names(requests))
        return Refused(
            code="approval_rejected",
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

    def _save(self, known: Handle) -> Outcome:
        """Add the approved draft as an order. Not to be sent twice: what is unknown is looked up after its settle time,
        and the draft of one that was not applied is approved still."""
        try:
            self._client.act(
                "DraftsService_SaveDraftToDocument",
                {"Document": {"DocEntry": known.draft}},
                operation=SAVE,
                document=known.key,
                repeatable=False,
            )
        except NotSentError as error:
            return NotSent(why=str(error), retry_after_seconds=error.retry_after_seconds)
        except OutcomeUnknown as error:
            return Unknown(why=str(error))
        except Rejected as rejected:
            outcome = rejected.as_outcome()
            # The draft is there and approved: a person can add it, and then it is found.
            return outcome if isinstance(outcome, Refused) and outcome.again is Again.NEVER else self._waiting(known)
        return self._generated(known) or self._waiting(known)


def _waiting(known: Handle) -> Accepted:
    return Accepted(handle=str(known))


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
