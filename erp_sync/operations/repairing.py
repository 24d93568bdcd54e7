"""The daily reconciliation of a route: both systems compared flow by flow, what a flow may repair is repaired.

A document that its source has and we never received is received: the flow then delivers it. State that differs is
read and planned anew, under the flow's guards and approval. What somebody edited in an order goes back or waits for a
person where the route says so. What is left is told: one notice for each flow and kind of difference, told anew with
the first record (of edits: the first field or value) that people have not heard of, and taken back once a comparison no
longer finds any. A flow in shadow is compared and told of in the run alone.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from erp_sync.components.configuration import Mode, RouteSpec, WrongConfiguration
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.components.run_context import land_records
from erp_sync.model.advice import Alert
from erp_sync.model.keys import Entity
from erp_sync.monitoring.kpis import UNITS_ORDERED, UNITS_SHORT
from erp_sync.operations.choosing import CannotDo, connector
from erp_sync.operations.planning_states import open_plans
from erp_sync.operations.putting_back import Corrected, correct
from erp_sync.operations.reconcile import reconcile
from erp_sync.operations.reconciliation import SHOWN_ONLY, Difference, Reconciliation, flows
from erp_sync.ports.outcomes import CallFailed
from erp_sync.ports.raw import RawRecord, Window
from erp_sync.ports.reconciling import TellsShortage

NOTICE = "reconcile"
ALERTS = (
    Alert(
        cause="reconcile",
        means="The daily comparison of both systems found differences that a person must settle: a document that one "
        "side lacks, another total, one that only one side cancelled. Nothing was changed by itself.",
        look=("erp-sync reconcile ROUTE --flow FLOW", "erp-sync trace NUMBER"),
        do="Look at both records and correct the one that is wrong, in its system. The next comparison settles it. "
        "Another record, field or value that differs is told anew, and named as what came since. "
        "What is edited and held waits for `erp-sync approve NUMBER` (it is put back) or `erp-sync reject NUMBER --why "
        "TEXT`. A customer's record that the ERP had before us may stay other than the store's: give the field to the "
        "ERP in the route's policies, or correct either side; nothing waits for it.",
    ),
)
NAMED = 3
HELD = "edited_and_held"


class FlowReconciled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one flow.

    Attributes:
        found: the comparison; None where a system did not answer: `why`.
        planned: it was planned maintenance that kept it from being compared.
        repaired: keys of differences that the flow now takes care of.
        rest: differences for a person, and those that are shown only (`reconciliation.SHOWN_ONLY`).
    """

    flow: str
    found: Reconciliation | None = None
    why: str = ""
    planned: bool = False
    repaired: list[str] = []
    rest: list[Difference] = []


def reconcile_route(here: Installation, route: RouteSpec, run_id: str) -> list[FlowReconciled]:
    """Compare, repair and tell. One flow's trouble keeps no other from being compared. Safe to run again."""
    done = []
    for name in flows(route):
        try:
            one = _reconcile(here, route, name, run_id)
        except CallFailed as failure:
            one = FlowReconciled(flow=name, why=str(failure), planned=failure.planned)
        except (CannotDo, WrongConfiguration) as problem:
            one = FlowReconciled(flow=name, why=str(problem))
        tell(here, route, one)
        done.append(one)
    here.exchanges.flush()
    return done


def _reconcile(here: Installation, route: RouteSpec, name: str, run_id: str) -> FlowReconciled:
    kind, flow = FLOWS[name], route.flows[name]
    found = reconcile(here, route, name)
    if name == "orders":
        _count_shortage(here, route, found, run_id)
    repaired: list[str] = []
    taken: set[str] = set()
    corrected = Corrected(taken=set(), held=set())
    if (found.differences or found.edited) and flow.mode is Mode.ON:
        from erp_sync.transport.context import call_context

        repair = _receive if kind.delivers else _replan
        with call_context(run_id=run_id, lane="bulk", route=route.name, flow=name):
            taken = repair(here, route, kind, found.differences, run_id)
            if name == "orders":
                corrected = correct(here, route, found, run_id)
        repaired = sorted(taken | {one.key for one in corrected.taken - corrected.held})
    rest = [one for one in found.differences if one.key not in taken and one not in corrected.taken]
    rest += [msgspec.structs.replace(one, kind=HELD) for one in found.differences if one in corrected.held]
    return FlowReconciled(flow=name, found=found, repaired=repaired, rest=rest)


def _count_shortage(here: Installation, route: RouteSpec, found: Reconciliation, run_id: str) -> None:
    """Units that orders of the window wait for without stock, into the ledger's counters: where the ERP can tell."""
    from erp_sync.transport.context import call_context

    try:
        port = connector(here, route, "erp").port(Entity.ORDER_STATUS, "source")
    except KeyError:
        return
    if not isinstance(port, TellsShortage) or found.since is None:
        return
    with call_context(run_id=run_id, lane="bulk", route=route.name, flow="orders"):
        shortage = port.shortage(Window(start=found.since, end=found.until), route.store)
    counted = {UNITS_ORDERED: round(shortage.ordered), UNITS_SHORT: round(shortage.short)}
    here.ledger.metrics.add(route.name, "orders", counted)


def _receive(
    here: Installation, route: RouteSpec, kind: FlowKind, differences: Sequence[Difference], run_id: str
) -> set[str]:
    """Documents that were never received; a document that was, and is missing, somebody has removed or refused."""
    from erp_sync.flows.extraction import extract_named

    connection = getattr(route, kind.source)
    absent = {one.native_id: one.key for one in differences if one.kind in ("not_received", "missing")}
    absent.pop("", None)
    unread = here.ledger.cursors.never_received(connection, kind.entity, list(absent))
    if not unread:
        return set()

    def land(records: list[RawRecord]) -> str:
        return land_records(here, connection, kind.entity, run_id, records)

    common: dict[str, Any] = {"connection": connection, "entity": kind.entity, "run_id": run_id}
    _, there = extract_named(here.source(route, kind.name), here.ledger, land, native_ids=list(unread), **common)
    return {absent[native_id] for native_id in there if native_id in absent}


def _replan(
    here: Installation, route: RouteSpec, kind: FlowKind, differences: Sequence[Difference], run_id: str
) -> set[str]:
    """Keys that a plan will write, or a person decide about: a held plan is told by itself."""
    from erp_sync.components.state_reading import read_states
    from erp_sync.components.states import transform_states

    source = getattr(route, kind.source)
    read_states(
        here,
        source,
        kind,
        [route],
        lambda entity, records: land_records(here, source, entity, run_id, records),
        run_id=run_id,
        now=here.ledger.now(),
        full=True,
    )
    report = transform_states(here, route, kind, route.flows[kind.name], run_id=run_id, lane="bulk", full=True)
    plans = {plan for plan, _, _, _ in report.plans} | {plan.plan for plan in open_plans(here, route, kind)}
    planned = {key for plan in plans for key in here.ledger.plans.table(plan).column("key").to_pylist()}
    # What is equal by now was on its way when it was compared.
    differing = {one.key for one in differences}
    settled = differing - planned if report.changed == 0 and not report.unsure else set()
    return (differing & planned) | settled


#: What is said of so many records with a difference of a kind. See `reconciliation.Difference`.
KINDS = {
    "missing": "that one system has and the other has not",
    "not_received": "that erp_sync has never read",
    "unexpected": "in the ERP that erp_sync has not sent",
    "duplicate": "that are there more than once",
    "total": "of which the totals differ",
    "edited": "that somebody changed in the system that does not own them",
    "other_than_store": "that the ERP had before us, with other values than the store's of today",
    "status": "cancelled in one system only",
    "parcels": "of which the parcels differ",
    "quantity": "of which the quantities differ",
    "extra": "that the other system knows nothing of",
    "value": "of which the values differ",
    "refund_missing": "that the store has refunded and the ERP has no credit memo of",
    "refund_extra": "that the ERP has a credit memo of and the store has not refunded",
    "refund_total": "of which store and ERP have refunded different sums",
    "gone": "that the source has no more",
}


def tell(here: Installation, route: RouteSpec, one: FlowReconciled) -> None:
    """Notices of what is for a person, by kind of difference; those of kinds that are found no more are taken back."""
    if one.found is None or route.flows[one.flow].mode is not Mode.ON:
        return
    title = FLOWS[one.flow].title
    kinds: defaultdict[str, list[Difference]] = defaultdict(list)
    for difference in one.rest:
        kinds[difference.kind].append(difference)
    for kind, some in kinds.items():
        key = f"{NOTICE}/{route.name}/{one.flow}/{kind}"
        before = here.ledger.notices.about(key)
        digests = {_digest(difference): difference for difference in some}
        new = [difference for digest, difference in digests.items() if digest not in before] if before else []
        lately = f", since it was told last {_named(new)}" if new else ""
        here.ledger.notices.raise_once(
            key,
            "info" if kind in SHOWN_ONLY else "warning",
            f"{title} on {route.name}: the daily comparison of both systems found {_told(kind, some)}{lately}. "
            f"`erp-sync reconcile {route.name} --flow {one.flow}` shows both sides.",
            link=f"/assets/{route.name}/reconciliation",
            about=digests,
        )
    _clear(here, f"{NOTICE}/{route.name}/{one.flow}/", kinds)


def _told(kind: str, some: Sequence[Difference]) -> str:
    """``3 of which the totals differ: 000000001, 000000002, 000000003 (+0.10 in SO1)``."""
    words = KINDS.get(kind, f"with a difference of kind {kind}")
    return f"{len(some)} {words}: {_named(some)}"


def _named(some: Sequence[Difference]) -> str:
    names = ", ".join(difference.key for difference in some[:NAMED])
    more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
    first = some[0].words or " / ".join(part for part in (some[0].store, some[0].erp) if part)
    return f"{names}{more}{f' ({first})' if first else ''}"


def _digest(one: Difference) -> str:
    """What makes a difference another matter. Of what somebody edits: the record, the field and the value, since each
    edit is a decision of its own; else the record alone, whose values go on moving while it differs."""
    facts = (one.key, one.words, one.erp) if one.kind in ("edited", HELD) else (one.key,)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:10]


def _clear(here: Installation, prefix: str, standing: Collection[str]) -> None:
    for notice in here.ledger.notices.open():
        if notice.key.startswith(prefix) and notice.key.removeprefix(prefix) not in standing:
            here.ledger.notices.clear(notice.key)
