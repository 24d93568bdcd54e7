"""What NetSuite's refusal of a step of an order means: whether again can help, and what must be there first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from erp_sync.ports.differences import Difference, code_of, words_of
from erp_sync.ports.documents import StepRequest
from erp_sync.ports.outcomes import Again, Ambiguous, Finding, Later, Refused
from erp_sync.systems.netsuite.errors import ALREADY_EXISTS, UNKNOWN_ITEM, line_of
from erp_sync.systems.netsuite.finding import CUSTOMER, kind_of
from erp_sync.systems.netsuite.mapping.order_lines import Discounts, prepared
from erp_sync.transport.errors import Rejected

# Each look comes after twice as long, until all together took longer than a send may: by default 21 minutes, and a send
# may take 15 (`capabilities`).
FIRST_LOOK_SECONDS, LEAST_LOOKS = 5.0, 8


def of_rejected(request: StepRequest, rejected: Rejected, discounts: Discounts) -> Refused:
    """Of a record that was not taken. An unknown item is named by the SKU of the line that asks for it."""
    outcome = rejected.as_outcome()
    assert isinstance(outcome, Refused)
    if rejected.code == UNKNOWN_ITEM:
        index = line_of(rejected)
        lines = prepared(request.document, discounts)
        if index is not None and index < len(lines) and lines[index].sku:
            return msgspec.structs.replace(outcome, requirement=("product", lines[index].sku))
        if index is not None and index < len(lines):
            message = f"{rejected.message} It is the item of setting discount_item."
            return Refused(code="unknown_discount_item", message=message)
        return msgspec.structs.replace(outcome, again=Again.NEVER)
    if rejected.again is Again.AFTER_DEPENDENCY:
        # A customer that we created and that is gone: nothing will bring it back by itself.
        return msgspec.structs.replace(outcome, again=Again.NEVER)
    return outcome


def of_existing(request: StepRequest, rejected: Rejected, finding: Finding, settle_seconds: float) -> Refused:
    """Of a record whose key NetSuite has already, and that was not found to be this one.

    NetSuite says the same of a customer whose external id is there and of one whose name another has. It is another's
    only when no send of ours can be committing any more: until then it is looked for again, and for as long as the
    read itself cannot tell.

    Args:
        settle_seconds: so long a send may take until its record is there or will never be.
    """
    if isinstance(finding, Ambiguous):
        ids = ", ".join(finding.target_ids)
        return Refused(
            code="external_id_taken",
            message=f"External id {request.step.key} belongs to a record that is not this document ({ids}).",
        )
    if isinstance(finding, Later):
        return _looked_for_again(request, rejected, settle_seconds)
    if kind_of(request.step) != CUSTOMER or _may_be_committing(request, settle_seconds):
        return of_unseen(request, rejected, settle_seconds)
    return Refused(
        code="name_taken",
        message=f"{rejected.message} None has external id {request.step.key}: another record has the same "
        "name. Turn on auto-numbering of customers, or link that record.",
    )


def of_unseen(request: StepRequest, rejected: Rejected, settle_seconds: float) -> Refused:
    """Of a record that NetSuite has and no read shows: it is looked for again, until no send of ours can be committing
    any more. `settle_seconds`: so long a send may take."""
    if _may_be_committing(request, settle_seconds):
        return _looked_for_again(request, rejected, settle_seconds)
    message = f"{rejected.message} No record with external id {request.step.key} is to be seen."
    return Refused(code=ALREADY_EXISTS, message=message)


def _may_be_committing(request: StepRequest, settle_seconds: float) -> bool:
    return request.unsettled or request.refusals.get(ALREADY_EXISTS, 0) < _looks(settle_seconds)


def _looks(settle_seconds: float) -> int:
    return max(LEAST_LOOKS, math.ceil(math.log2(settle_seconds / FIRST_LOOK_SECONDS + 1)))


def _looked_for_again(request: StepRequest, rejected: Rejected, settle_seconds: float) -> Refused:
    before = min(request.refusals.get(ALREADY_EXISTS, 0), _looks(settle_seconds) - 1)
    pause = FIRST_LOOK_SECONDS * 2**before
    return Refused(code=ALREADY_EXISTS, message=rejected.message, again=Again.LATER, retry_after_seconds=pause)


def of_tax(order: str, tax: Difference, compared: Sequence[Difference]) -> Refused:
    """Of payments, while somebody has yet to decide about the tax of their order."""
    return Refused(
        code=code_of([tax]),
        message=f"The order is in NetSuite as {order}, its payments are not booked. {words_of([tax])}",
        again=Again.AFTER_DECISION,
        differences=tuple(compared),
    )
