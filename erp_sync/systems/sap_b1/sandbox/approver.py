"""A person who decides about orders that wait for approval, and makes orders of those that may go.

Decided is by ``PATCH ApprovalRequests(5)`` as the session's user (obs.), an approved draft is saved to a document
(fact sheet, section 4). Who saves it is the company's habit: its author as a rule, here the same person. Each round
goes by what the requests say, so that a round that was cut off is taken up by the next one.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from erp_sync.sandbox.caller import Refused
from erp_sync.systems.sap_b1.sandbox.service_layer import ServiceLayer, condition, literal

AGENT = "approver"
LONGEST_REMARK = 200
"""Characters of ApprovalRequestDecisions.Remarks."""

_ORDERS = "17"
_WAITING = condition(f"ObjectType eq '{_ORDERS}' and (Status eq 'arsPending' or Status eq 'arsApproved')")

WhyNot = Callable[[Mapping[str, Any]], str | None]
"""Why a draft is refused, or None where it is approved."""


@dataclass(frozen=True)
class Judged:
    """One decision. `order` is the DocEntry of the order that the draft became, None where it was refused."""

    request: int
    draft: int
    approved: bool
    remarks: str
    order: int | None


def at_random(share: float, seed: int = 0) -> WhyNot:
    """Refuse this share of drafts, always the same ones: by the store's number on it, else by its DocEntry."""

    def why_not(draft: Mapping[str, Any]) -> str | None:
        name = draft.get("NumAtCard") or draft["DocEntry"]
        return "Not at these prices" if random.Random(f"{seed} draft {name}").random() < share else None

    return why_not


class Approver:
    """One person, in one thread.

    Attributes:
        judged: decisions, in their order.
        refused: what the company said no to, in its words; the request is looked at again in the next round.
    """

    def __init__(self, service_layer: ServiceLayer, why_not: WhyNot | None = None) -> None:
        self.service_layer, self.why_not = service_layer, why_not or at_random(0.1)
        self.judged: list[Judged] = []
        self.refused: list[str] = []

    @classmethod
    def at(cls, status: Mapping[str, Any], why_not: WhyNot | None = None, http: Any = None) -> Approver:
        """In a running sandbox (`supervisor.status`); `http` as of a `Caller`."""
        ca_certificate = status.get("ca_certificate")
        return cls(ServiceLayer(status["base_url"], status["credentials"], AGENT, ca_certificate, http), why_not)

    def close(self) -> None:
        self.service_layer.close()

    def round(self) -> int:
        """Look at all that waits, oldest first; how many requests there were. Raises httpx errors."""
        waiting = self.service_layer.rows(f"ApprovalRequests?$filter={_WAITING}&$orderby=Code")
        for request in waiting:
            try:
                self.judged.append(self._judge(request))
            except Refused as refused:
                self.refused.append(f"approval request {request['Code']}: {refused.message}")
        return len(waiting)

    def work(self, stop: threading.Event, pause: float = 3.0) -> None:
        """Rounds, `pause` seconds apart, until `stop`; then a last one."""
        while not stop.wait(pause):
            self.round()
        self.round()

    def _judge(self, request: Mapping[str, Any]) -> Judged:
        code, draft, remarks = int(request["Code"]), int(request["DraftEntry"]), request.get("Remarks") or ""
        if request["Status"] == "arsPending":
            why = self.why_not(self.service_layer.read(f"Drafts({draft})"))
            remarks = (why or "Checked")[:LONGEST_REMARK]
            decision = {"Status": "ardApproved" if why is None else "ardNotApproved", "Remarks": remarks}
            self.service_layer.change(f"ApprovalRequests({code})", {"ApprovalRequestDecisions": [decision]})
            if why is not None:
                return Judged(code, draft, False, remarks, None)
        self.service_layer.create("DraftsService_SaveDraftToDocument", {"Document": {"DocEntry": draft}})
        return Judged(code, draft, True, remarks, self._made(draft))

    def _made(self, draft: int) -> int:
        """The answer names nothing, and the request may be gone: the customer's newest order of that reference."""
        named = self.service_layer.read(f"Drafts({draft})?$select=CardCode,NumAtCard")
        wanted = f"CardCode eq {literal(named['CardCode'])}"
        if named.get("NumAtCard"):
            wanted += f" and NumAtCard eq {literal(named['NumAtCard'])}"
        found = self.service_layer.rows(
            f"Orders?$filter={condition(wanted)}&$select=DocEntry&$orderby=DocEntry desc&$top=1"
        )
        return int(found[0]["DocEntry"])
