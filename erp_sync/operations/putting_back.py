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
from erp_sync.model.keys import EntityKey
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
    with here.ledger.handling(route.name, "orders", run_id=run_id) as work:
        for document in found.edited:
            before = deliveries.get(document.delivery)
            if before is None:
                continue
            wanted = [(edit, difference) for edit, difference in document.edits if _goes(record, edit)]
            if not wanted:
                if before.operation == PUT_BACK and before.state not in FINISHED:
                    reason = "what was edited is as it was sent again, or stays"
                    work.withdraw(before.target, [before.key], EDITED, reason)
                continue
            new = _delivery(record, before, document, [edit for edit, _ in wanted])
            work.accept([new])
            taken |= {difference for _, difference in wanted}
            held |= {difference for _, difference in wanted if new.held is not None}
            if len(wanted) == len(document.edits):  # the total follows from what it is made of
                taken |= {one for one in found.differences if (one.kind, one.key) == ("total", before.number)}
    return Corrected(taken=taken, held=held)


def _goes(record: SystemOfRecord, edit: Edited) -> bool:
    return not edit.stays and record.policy(edit.part) is not ForeignEdits.REPORT


def _delivery(
    record: SystemOfRecord, before: Delivery, document: EditedDocument, edits: Sequence[Edited]
) -> NewDelivery:
    logic = flow_module("orders", "transform")
    facts = [[one.field, one.there] for one in edits]
    version, _, basis = before.version.partition("~")
    # An edit that is made again after it was put back, or let stand, is another one.
    basis = str(before.id) if before.state in FINISHED else basis.partition("-")[0]
    token = hashlib.sha256(msgspec.json.encode([basis, sorted(facts)])).hexdigest()[:12]
    sent: SalesOrder = logic.decode(before.payload)
    fields = {name: getattr(sent, name) for name in SalesOrder.__struct_fields__}
    words = tuple(dict.fromkeys(one.mend for one in edits))
    held = any(record.policy(one.part) is ForeignEdits.HOLD for one in edits)
    return NewDelivery(
        key=before.key,
        target=before.target,
        version=f"{version}~{basis}-{token}",
        source_time=before.source_time,
        payload=logic.encode(OrderCorrection(**fields, put_back=words, token=token)),
        number=before.number,
        operation=PUT_BACK,
        lane="normal",
        concerns=before.concerns,
        held=(EDITED, reason(document.name, edits)) if held else None,
        facts={**_kept(before.facts), "edits": facts},
        received_id=before.received_id,
    )


def _kept(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in facts.items() if name not in ("edits", "mapping")}


def reason(name: str, edits: Sequence[Edited]) -> str:
    """Both values of each field, for an operator."""
    some = [f"{one.field}: {one.sent or 'nothing'} sent, {one.there or 'nothing'} there" for one in edits[:MOST_NAMED]]
    more = f" and {len(edits) - MOST_NAMED} more" if len(edits) > MOST_NAMED else ""
    return f"edited in {name}: {'; '.join(some)}{more}"
