"""Orders and customers that the ERP holds without our external id: found by number and e-mail address before the
first send, never created again.

One query for the orders and one for the customers of a chunk. An order is looked for while the route was not
adopted, and where it was placed before that; a customer before it is created for the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from erp_sync.flows.first_look import Looked, Verdict
from erp_sync.ledger import Ledger, Link
from erp_sync.ledger.documents import Claim, StepState
from erp_sync.ledger.errors import CrossReferenceConflict
from erp_sync.model.keys import Entity
from erp_sync.model.order import OrderStatus, SalesOrder
from erp_sync.ports.adoption import DOUBTFUL_CUSTOMER, DOUBTFUL_MATCH, Adoption, Certainty, Match

# auto: as this module's first words say; always: every order; never: neither orders nor customers.
When = Literal["auto", "always", "never"]

# People begin to type orders in once the ERP is back, or was away for long enough.
WAITED = timedelta(minutes=30)
_LEFT = (StepState.SENDING, StepState.UNKNOWN, StepState.ACCEPTED, StepState.CONFIRMED)


class OrdersFirstLook:
    """`flows.first_look.FirstLook` of sales orders.

    Args:
        adopted_until: when the route was adopted; None: never.
        now: an order that waits for longer than `WAITED`, or that a warehouse has on paper, somebody may have typed in
            meanwhile.
    """

    def __init__(
        self,
        ledger: Ledger,
        adoption: Adoption,
        *,
        route: str,
        store: str,
        erp: str,
        adopted_until: datetime | None,
        when: When = "auto",
        now: datetime | None = None,
    ) -> None:
        self._ledger, self._adoption = ledger, adoption
        self._route, self._store, self._erp = route, store, erp
        self._adopted_until, self._when, self._now = adopted_until, when, now or ledger.now()

    def wants(self, claim: Claim, document: SalesOrder) -> bool:
        first = claim.delivery.sequence == 1
        return self._when != "never" and first and document.status is not OrderStatus.CANCELLED

    def look(self, work: Sequence[Looked]) -> list[Verdict]:
        ids = [claim.id for claim, _, _ in work]
        waited = self._waited([claim for claim, _, _ in work])
        states = {
            delivery: [step.state for step in steps if step.name == Entity.SALES_ORDER]
            for delivery, steps in self._ledger.steps.of_all(ids).items()
        }
        # Of an order that waited a send that nobody answered says little: it may never have arrived, and a person may
        # have typed the order in. Where ours is found it goes on.
        unsure = {one for one in waited if states.get(one) == [StepState.UNKNOWN]}
        begun = {one for one, found in states.items() if any(state in _LEFT for state in found)} - unsure
        decided = self._ledger.dead_letters.overruled(ids, (DOUBTFUL_MATCH, DOUBTFUL_CUSTOMER))
        verdicts = [Verdict()] * len(work)
        open_ones = [position for position, (claim, _, _) in enumerate(work) if claim.id not in begun]
        self._orders(
            work,
            [one for one in open_ones if work[one][0].id in waited or self._entered_before(work[one][1])],
            decided,
            unsure,
            verdicts,
        )
        going = [one for one in open_ones if not verdicts[one].there and verdicts[one].doubt is None]
        self._customers(work, going, decided, verdicts)
        return verdicts

    def _waited(self, claims: Sequence[Claim]) -> set[int]:
        if self._when == "never":
            return set()
        handed_out = self._ledger.by_hand.handed_out(self._route, [claim.delivery.key.native_id for claim in claims])
        return {
            claim.id
            for claim in claims
            if claim.delivery.accepted_at < self._now - WAITED or claim.delivery.key.native_id in handed_out
        }

    def _entered_before(self, document: SalesOrder) -> bool:
        """Whether somebody else may have entered it."""
        return self._when == "always" or self._adopted_until is None or document.placed_at < self._adopted_until

    def _orders(
        self,
        work: Sequence[Looked],
        some: Sequence[int],
        decided: set[int],
        unsure: set[int],
        verdicts: list[Verdict],
    ) -> None:
        if not some:
            return
        documents = [work[position][1] for position in some]
        matches = taken(self._ledger, self._adoption.orders(documents), self._store, self._erp)
        certain = []
        for position, match in zip(some, matches, strict=True):
            claim, document, steps = work[position]
            if match.certain and match.ours and claim.id in unsure:
                continue  # it arrived: what is left of it goes
            if match.certain:
                certain.append((position, (document, steps, match)))
            elif match.certainty is Certainty.DOUBTFUL and claim.id not in decided:
                reason = doubt_words(self._route, self._erp, match)
                verdicts[position] = Verdict(doubt=(DOUBTFUL_MATCH, reason))
        holdings = self._adoption.holdings([found for _, found in certain]) if certain else []
        for (position, _), receipts in zip(certain, holdings, strict=True):
            verdicts[position] = Verdict(there=receipts)

    def _customers(
        self, work: Sequence[Looked], some: Sequence[int], decided: set[int], verdicts: list[Verdict]
    ) -> None:
        """Customers that no send of ours has made: those that are there are linked, the step finds its receipt."""
        steps = {
            position: step for position in some for step in work[position][2] if step.name == Entity.CUSTOMER
        }  # fmt: skip
        for operation in sorted({step.operation for step in steps.values()}):
            mine = {position: step for position, step in steps.items() if step.operation == operation}
            known = self._ledger.steps.receipts(self._erp, [step.key for step in mine.values()], operation)
            new = {position: step for position, step in mine.items() if step.key not in known}
            if not new:
                continue
            matches = {one.native_id: one for one in self._adoption.customers([work[one][1] for one in new])}
            for position, step in new.items():
                match = matches[customer_id(work[position][1])]
                if match.certain and match.receipt is not None:
                    link_customer(self._ledger, self._store, self._erp, step.key, step.operation, match)
                elif match.certainty is Certainty.DOUBTFUL and work[position][0].id not in decided:
                    reason = doubt_words(self._route, self._erp, match)
                    verdicts[position] = Verdict(doubt=(DOUBTFUL_CUSTOMER, reason))


def customer_id(document: SalesOrder) -> str:
    """A customer at the store: its id there, a guest's e-mail address."""
    return document.customer.native_id or document.customer.email.strip().lower()


def link_customer(
    ledger: Ledger, store: str, erp: str, key: str, operation: str, match: Match, *, replace: bool = False
) -> int:
    """The customer's step comes back confirmed for every order of theirs. Gives how many are new: 0 or 1.

    A customer that is linked to another record keeps that link, unless a person says that it is this one: `replace`.
    """
    assert match.receipt is not None
    link = Link(
        entity=Entity.CUSTOMER,
        connection_a=store,
        id_a=match.native_id,
        connection_b=erp,
        id_b=match.target_ids[0],
        origin="manual" if replace else "adopted",
    )
    try:
        return ledger.adopting.receipts(erp, [(key, operation, match.receipt)], [link], replace=replace)
    except CrossReferenceConflict:
        return ledger.adopting.receipts(erp, [(key, operation, match.receipt)])


def taken(ledger: Ledger, matches: Sequence[Match], store: str, erp: str) -> list[Match]:
    """The matches; one whose record is another order's already is a doubt."""
    ids = [one for match in matches if match.certain for one in match.target_ids]
    partners = ledger.cross_references.find(Entity.SALES_ORDER, erp, ids, store)
    result = []
    for match in matches:
        partner = partners.get(match.target_ids[0]) if match.certain else None
        if partner is not None and partner != match.native_id:
            why = f"it is linked to the store's order with id {partner}"
            match = msgspec.structs.replace(match, certainty=Certainty.DOUBTFUL, why=why, receipt=None)
        result.append(match)
    return result


def doubt_words(route: str, erp: str, match: Match) -> str:
    """Why it waits, and what a person does."""
    ids = ", ".join(match.target_ids)
    what = "this number" if match.entity == Entity.SALES_ORDER else f"the address {match.natural_key}"
    next_step = f"link it (erp-sync adopt {route} --apply --link {match.natural_key}=ID)"
    if match.entity == Entity.SALES_ORDER:
        return f"{erp} has {ids} with {what}, but {match.why}: {next_step}, retry or dismiss"
    return f"{erp} has {ids} with {what}, but {match.why}: {next_step}, then retry; retry alone makes a new one"
