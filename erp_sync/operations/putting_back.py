"""What becomes of a document that somebody edited in the system that does not own it: policies of the route.

`put_back` and `hold` make a delivery of the document: as it was sent, with what of it goes back, under the flow's
guarantee; `hold` lets it wait for a person, and with it whatever comes after it of this document. Approved, it puts the
source's values back; rejected, the target's values stand until somebody changes them again. What cannot be put back is
reported with its reason, whatever the policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.ownership import system_of_record
from erp_sync.flows.ownership import ForeignEdits, SystemOfRecord
from erp_sync.ledger import Delivery, NewDelivery, State
from erp_sync.ledger.documents import FINISHED, FORGOTTEN
from erp_sync.model.correction import OrderCorrection
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.model.order import SalesOrder
from erp_sync.operations.reconciliation import Difference, EditedDocument, Reconciliation
from erp_sync.ports.reconciling import Edited

PUT_BACK = "put_back"
EDITED = "edited_at_target"
MOST_NAMED = 5
#: States in which a correction is no answer yet, or was none: the document is compared all the same.
_OPEN = (State.HELD, State.DEAD, State.DISMISSED, State.SUPERSEDED)


def may_be_compared(delivery: Delivery) -> bool:
    """The last delivery of a document says what the target should hold: it was sent, and nothing is on its way."""
    if delivery.payload in (b"", FORGOTTEN):
        return False
    if delivery.operation == PUT_BACK:
        return delivery.state is State.DELIVERED or delivery.state in _OPEN
    return delivery.operation in ("create", "update") and delivery.state is State.DELIVERED and delivery.attempts > 0


def customer_may_be_compared(correction: Delivery | None) -> bool:
    """Nothing of the customer is on its way back."""
    return correction is None or correction.state is State.DELIVERED or correction.state in _OPEN


def correction_key(route: RouteSpec, delivery: Delivery, customer: str) -> EntityKey:
    """Of what is put back of a customer that went with this order: their corrections follow one another."""
    return EntityKey(route.store, delivery.key.scope, Entity.CUSTOMER_CORRECTION, customer)


def customer_number(order: SalesOrder, customer: str) -> str:
    """What people call a customer here; says nothing of the person. `customer`: key of their step, which is one more
    for each subsidiary."""
    email = order.customer.email.strip().lower()
    name = order.customer.native_id or hashlib.sha256(email.encode()).hexdigest()[:12]
    subsidiary = customer.rpartition("_")[2]
    also = f"-{subsidiary}" if subsidiary[:1] == "s" and subsidiary[1:].isdigit() else ""
    return f"{'customer' if order.customer.native_id else 'guest'}-{name}{also}"


def record_of(route: RouteSpec) -> SystemOfRecord:
    kind = FLOWS["orders"]
    return system_of_record(
        kind, route.flows["orders"].system_of_record, getattr(route, kind.source), getattr(route, kind.target)
    )


def owned_by_target(route: RouteSpec) -> Callable[[str], bool]:
    return record_of(route).target_owns


def accepted_edits(here: Installation, keys: Sequence[EntityKey]) -> dict[EntityKey, frozenset[tuple[str, str]]]:
    """Fields and values that a person let stand since the document was last put back."""
    found: dict[EntityKey, frozenset[tuple[str, str]]] = {}
    for one in here.ledger.deliveries.of(keys, [State.DISMISSED, State.DELIVERED]):
        if one.operation != PUT_BACK:
            continue
        if one.state is State.DELIVERED:
            found.pop(one.key, None)
        else:
            edits = frozenset((str(field), str(there)) for field, there in one.facts.get("edits", ()))
            found[one.key] = found.get(one.key, frozenset()) | edits
    return found


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """Differences that a delivery takes care of, and those of them that wait for a person's decision."""

    taken: set[Difference]
    held: set[Difference]


def correct(here: Installation, route: RouteSpec, found: Reconciliation, run_id: str) -> Corrected:
    """Put back or hold what the policies say."""
    record = record_of(route)
    taken: set[Difference] = set()
    held: set[Difference] = set()
    deliveries = {one.id: one for one in here.ledger.deliveries.some([one.delivery for one in found.edited])}
    keys = [
        correction_key(route, deliveries[one.delivery], one.customer)
        for one in found.edited
        if one.customer and one.delivery in deliveries
    ]
    corrections = here.ledger.deliveries.latest(route.name, "orders", route.erp, keys)
    with here.ledger.handling(route.name, "orders", run_id=run_id) as work:
        last = work.latest(route.erp, [*keys, *(one.key for one in deliveries.values())])
        for document in found.edited:
            sent = deliveries.get(document.delivery)
            if sent is None:
                continue
            before: Delivery | None = sent
            key = sent.key
            if document.customer:
                key = correction_key(route, sent, document.customer)
                before = corrections.get(key)
            newest = last.get(key)
            if (newest and newest.id) != (before and before.id):
                continue  # the document went on while it was compared: a correction would take the newer one's place
            wanted = [(edit, difference) for edit, difference in document.edits if _goes(record, edit)]
            if not wanted:
                if before is not None and before.operation == PUT_BACK and before.state not in FINISHED:
                    reason = "what was edited is as it was sent again, or stays"
                    work.withdraw(before.target, [before.key], EDITED, reason)
                continue
            new = _delivery(route, sent, before, document, [edit for edit, _ in wanted])
            work.accept([new])
            taken |= {difference for _, difference in wanted}
            held |= {difference for _, difference in wanted if new.held is not None}
            if (
                len(wanted) == len(document.edits) and not document.customer
            ):  # the total follows from what it is made of
                taken |= {one for one in found.differences if (one.kind, one.key) == ("total", sent.number)}
    return Corrected(taken=taken, held=held)


def _goes(record: SystemOfRecord, edit: Edited) -> bool:
    return not edit.stays and record.policy(edit.part) is not ForeignEdits.REPORT


def _delivery(
    route: RouteSpec, sent: Delivery, before: Delivery | None, document: EditedDocument, edits: Sequence[Edited]
) -> NewDelivery:
    """`sent` is what the target was sent, `before` the last delivery of what is put back, if there is one."""
    logic, record = flow_module("orders", "transform"), record_of(route)
    facts = [[one.field, one.there] for one in edits]
    version, _, basis = (before or sent).version.partition("~")
    # An edit that is made again after it was put back, or let stand, is another one.
    if before is None or before.state in FINISHED:
        basis = str((before or sent).id)
    basis = basis.partition("-")[0]
    token = hashlib.sha256(msgspec.json.encode([basis, sorted(facts)])).hexdigest()[:12]
    order: SalesOrder = document.order or logic.decode(sent.payload)
    fields = {name: getattr(order, name) for name in SalesOrder.__struct_fields__}
    words = tuple(dict.fromkeys(one.mend for one in edits))
    held = any(record.policy(one.part) is ForeignEdits.HOLD for one in edits)
    customer = document.customer
    return NewDelivery(
        key=correction_key(route, sent, customer) if customer else sent.key,
        target=sent.target,
        version=f"{version}~{basis}-{token}",
        source_time=(before or sent).source_time,
        payload=logic.encode(OrderCorrection(**fields, put_back=words, token=token)),
        number=customer_number(order, customer) if customer else sent.number,
        operation=PUT_BACK,
        lane="normal",
        concerns=sent.concerns,
        corrects=bool(customer),
        held=(EDITED, reason(document.name, edits)) if held else None,
        facts={**_kept(sent.facts), "edits": facts},
        received_id=sent.received_id,
    )


def _kept(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in facts.items() if name not in ("edits", "mapping")}


def reason(name: str, edits: Sequence[Edited]) -> str:
    """Both values of each field, for an operator."""
    some = [f"{one.field}: {one.sent or 'nothing'} sent, {one.there or 'nothing'} there" for one in edits[:MOST_NAMED]]
    more = f" and {len(edits) - MOST_NAMED} more" if len(edits) > MOST_NAMED else ""
    return f"edited in {name}: {'; '.join(some)}{more}"
