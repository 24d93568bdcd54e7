"""What comparisons of documents share: batches by created time, what is open in the ledger, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.installation import Installation
from erp_sync.ledger import Delivery
from erp_sync.operations.reconciliation import (
    Difference,
    EditedDocument,
    OpenRecord,
    Progress,
    Reconciliation,
    agree,
    sorted_differences,
)
from erp_sync.ports.raw import Window

RUN = "reconcile"


class Comparison:
    """One comparison of a document flow over a window. A flow says how a batch is compared and what it counts.

    Attributes:
        flow, batch, what: the flow's name, how many documents are compared at once, and their name in progress.
        source: port that lists what was created and reads it.
        counts: figures of the report, in its order.
    """

    flow: str
    batch: int
    what: str

    def __init__(self, here: Installation, route: RouteSpec, window: Window, source: Any, systems: tuple[str, str]):
        self.here, self.route, self.window, self.source = here, route, window, source
        self._systems = systems
        self.lookups = here.lookups(route)
        self.counts: dict[str, int] = {}
        self.open: list[OpenRecord] = []
        self.differences: list[Difference] = []
        self.edited: list[EditedDocument] = []

    def compare(self, ids: Sequence[str]) -> None:
        """One batch."""
        raise NotImplementedError

    def finish(self, ids: Sequence[str]) -> None:
        """After all batches: what is seen of all documents together only."""

    def run(self, progress: Progress) -> Reconciliation:
        """Compare what was created in the window. Raises the TransportError tree."""
        from erp_sync.transport.context import call_context

        name, words = self._systems[0], f"{self.what} of {self._systems[0]}"
        with call_context(run_id=RUN, lane="bulk", route=self.route.name, flow=self.flow):
            ids = list(self.source.created(self.window))
            for start in range(0, len(ids), self.batch):
                progress(words, start, len(ids))
                self.compare(ids[start : start + self.batch])
            progress(words, len(ids), len(ids))
            self.finish(ids)
        self.here.exchanges.flush()
        side = "in_store" if name == self.route.store else "in_erp"
        return Reconciliation(
            route=self.route.name,
            flow=self.flow,
            source=name,
            target=self._systems[1],
            since=self.window.start,
            until=self.window.end,
            counts={side: len(ids), **self.counts},
            open=self.open,
            differences=sorted_differences(self.differences),
            agrees=agree(self.differences),
            edited=self.edited,
        )

    def is_open(self, key: str, state: str, code: str, reason: str) -> None:
        self.open.append(OpenRecord(key=key, state=state, code=code, reason=reason))

    def under_way(self, key: str, delivery: Delivery) -> None:
        self.is_open(key, delivery.state.value, delivery.code, delivery.reason)

    def differs(
        self, kind: str, key: str, store: str = "", erp: str = "", words: str = "", native_id: str = ""
    ) -> Difference:
        difference = Difference(kind=kind, key=key, store=store, erp=erp, words=words, native_id=native_id)
        self.differences.append(difference)
        return difference
