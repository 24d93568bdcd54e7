"""What a comparison of state is about and what it reports; shared by the rooms that do it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime

import msgspec

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.documents import flow_module
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.ownership import system_of_record
from erp_sync.flows.ownership import Edit
from erp_sync.ledger.plans import PlanState, Verdict


class StateReport(msgspec.Struct, kw_only=True):
    """What a comparison did, by number of rows; `plans` are (id, state, rows, why it is held), `keys` what the
    target should hold by this comparison, `edits` what somebody edited at the target without owning it, `parts` what of
    it each guard is about."""

    read: int = 0
    compared: int = 0
    same: int = 0
    changed: int = 0
    overtaken: int = 0
    unsure: int = 0
    missing: int = 0
    held_already: int = 0
    refused_before: int = 0
    left_out: dict[str, int] = {}
    rules: int = 0
    rejected: list[tuple[str, str, str]] = []
    plans: list[tuple[int, str, int, str]] = []
    verdicts: list[Verdict] = []
    samples: list[tuple[str, str, str]] = []
    keys: list[str] = []
    edits: list[Edit] = []
    parts: dict[str, int] = {}

    @property
    def held(self) -> bool:
        return any(state == PlanState.HELD for _, state, _, _ in self.plans)


def count_reasons(report: StateReport) -> dict[str, int]:
    """Rejected rows by rule."""
    return dict(Counter(rule for _, rule, _ in report.rejected).most_common())


class StateTask:
    """One comparison of one flow of a route: what it is about, and what it has found so far."""

    def __init__(
        self,
        here: Installation,
        route: RouteSpec,
        kind: FlowKind,
        flow: FlowSpec,
        *,
        run_id: str,
        lane: str,
        full: bool,
        keys: Collection[str],
    ) -> None:
        self.here, self.route, self.kind, self.flow = here, route, kind, flow
        self.run_id, self.lane, self.full, self.keys = run_id, lane, full, keys
        self.logic = flow_module(kind.name, "transform")
        self.source, self.target_name = getattr(route, kind.source), getattr(route, kind.target)
        self.target = here.connector_for(route, kind.target).port(kind.entity, "target")
        self.record = system_of_record(kind, flow.system_of_record, self.source, self.target_name)
        self.report = StateReport()
        self.now = datetime.now(UTC)
        # Run that read the snapshot which is compared; "" where only changes are.
        self.snapshot = ""
        # What moves, is written or is read at the target from here on is not in what is compared.
        self.seen_at = here.ledger.now()
        # Where the oldest compared row stands in the order of values.
        self.order = 0
        # Where each compared key does.
        self.orders: dict[str, int] = {}
