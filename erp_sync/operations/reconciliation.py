"""What every reconciliation answers: counts, what is open and known, and what does not agree. Values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from erp_sync.components.configuration import Mode, RouteSpec
from erp_sync.model.order import SalesOrder
from erp_sync.ports.reconciling import Edited

Progress = Callable[[str, int, int], None]
# Status has no records of its own: it is compared with the orders.
RECONCILED = ("orders", "shipments", "inventory", "products", "prices")
#: Kinds of differences that are shown, and that nobody has to settle.
SHOWN_ONLY = frozenset({"other_than_store"})


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What does not agree.

    Attributes:
        kind: of documents: ``not_received`` (the source has it, we never read it), ``missing`` (it should be at the
            target, and is not), ``unexpected`` (the ledger says not delivered, it is there), ``duplicate``, ``total``,
            ``edited`` (somebody changed in the ERP what the store owns, of an order or its customer),
            ``other_than_store`` (so it stands in a customer's record that was there before us), ``status``,
            ``parcels``, ``quantity``, ``extra`` (the ERP has one of ours that the store has not, or the store a
            shipment that no fulfillment stands behind), ``refund_missing``, ``refund_extra``, ``refund_total`` (what
            was given back for an order: by one side alone, or not the same). Of state: ``missing``, ``value``, ``gone``
            (the source has it no more).
        key: number of the document, or key of the row.
        store, erp: both values, as text; empty where there is none.
        native_id: of a document that is missing, at its source.
    """

    kind: str
    key: str
    store: str = ""
    erp: str = ""
    words: str = ""
    native_id: str = ""


class EditedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody edited of one document: of the delivery by whose payload it was compared.

    Attributes:
        name: of its record at the target.
        edits: with what stands for each among the differences.
        customer: key of the customer's step, where it is the customer of the delivery's order that was edited.
        order: that is put back from; None: as it was sent.
    """

    delivery: int
    name: str
    edits: list[tuple[Edited, Difference]]
    customer: str = ""
    order: SalesOrder | None = None


class OpenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is not at the target, and why: the ledger knows. `state` is the delivery's, the plan's or quarantine."""

    key: str
    state: str
    code: str
    reason: str


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """One flow of one route, both systems read now. UTC.

    Attributes:
        since, until: documents created in this window; state has no past: `since` is None.
        counts: what was compared, name to number.
        open: held, waiting, refused: told, no difference.
        edited: documents that somebody edited in the system that does not own them, as policies are kept of them.
        only_in_store: state that the ERP says nothing of: nobody's to judge.
        agrees: nothing differs that is somebody's to settle: `SHOWN_ONLY` is not.
    """

    route: str
    flow: str
    source: str
    target: str
    since: datetime | None
    until: datetime
    counts: dict[str, int]
    open: list[OpenRecord]
    differences: list[Difference]
    only_in_store: list[str] = []
    agrees: bool
    edited: list[EditedDocument] = []


def agree(differences: Sequence[Difference]) -> bool:
    """Nothing is among them that somebody has to settle."""
    return all(one.kind in SHOWN_ONLY for one in differences)


def sorted_differences(differences: Sequence[Difference]) -> list[Difference]:
    """The most frequent kind first."""
    counts = Counter(one.kind for one in differences)
    return sorted(differences, key=lambda one: (-counts[one.kind], one.kind, one.key))


def flows(route: RouteSpec, flow: str | None = None) -> list[str]:
    """The flows of the route that can be compared and are not off; only `flow` where one is named."""
    return [
        name
        for name in RECONCILED
        if name in route.flows and route.flows[name].mode is not Mode.OFF and flow in (None, name)
    ]
