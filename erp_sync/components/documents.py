"""Document flows as runs execute them: received records to deliveries, deliveries to the target."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from erp_sync.components.by_hand import booking_target, recognised, release_bookings, told_already
from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.custom_checks import CustomCheck
from erp_sync.components.custom_checks import columns as custom_columns
from erp_sync.components.flow_modules import flow_module as flow_module
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.giving_up import end_process
from erp_sync.components.installation import Installation
from erp_sync.components.mapping_version import mapping_version
from erp_sync.components.own_rules import LEFT_OUT_BY_POLICY, by_policies
from erp_sync.components.refusals import tell_of_refusals
from erp_sync.components.state_unknown import gave_up
from erp_sync.flows.decisions import Before, Decision
from erp_sync.flows.defects import passes
from erp_sync.flows.defects import words as words_of_defect
from erp_sync.flows.delivery import Drain, DrainReport
from erp_sync.flows.first_look import FirstLook
from erp_sync.flows.orders.first_look import OrdersFirstLook
from erp_sync.ledger import Delivery, NewDelivery, State
from erp_sync.ledger.privacy import is_nobody
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.ports.adoption import Adoption
from erp_sync.ports.differences import Difference, code_of, undecided, words_of
from erp_sync.ports.raw import BadRecord, MappingProblem
from erp_sync.quality.gate import Rule, Suite, judge_apart

log = logging.getLogger(__name__)

# Codes of orders that the store wants nothing of any more and that were never accepted.
GIVEN_UP = ("cancelled_in_store", "nothing_left")
_NEVER = datetime.min.replace(tzinfo=UTC)
# Received records handled in one transaction.
BATCH = 500
# A document that changed longer ago goes after all that changed later. What was missed over a long weekend is younger:
# it goes oldest first, and so does what comes meanwhile.
URGENT_FOR = timedelta(days=4)
# A run begins no new document after so many seconds: what is left is taken by the next one.
BUDGET = 45.0


class Rejected(msgspec.Struct, frozen=True):
    """A record that did not become a document."""

    document: str
    rule: str
    reason: str


class TransformReport(msgspec.Struct, kw_only=True):
    handled: int = 0
    accepted: int = 0
    held: int = 0
    dropped: int = 0
    judged: int = 0
    rules: int = 0
    broken: list[str] = []
    rejected: list[Rejected] = []
    reasons: dict[str, int] = {}


def lane_of_age(changed: datetime | None, now: datetime) -> str:
    """What changed lately is urgent; a past that is caught up with (a migration, a first run) never holds it up."""
    return "bulk" if changed is not None and now - changed > URGENT_FOR else "now"


def suite_of(flow: str, custom: Sequence[CustomCheck] = ()) -> Suite:
    """A flow's rules, with those that its YAML has of custom fields."""
    checks = flow_module(flow, "checks")
    return Suite(
        name=checks.SUITE,
        rules=tuple(
            Rule(name=name, expectation=expectation, arguments=arguments, words=words)
            for name, expectation, arguments, words in checks.RULES
        )
        + tuple(one.rule() for one in custom),
    )


def judged_facts(flow: str, document: Any, custom: Sequence[CustomCheck]) -> dict[str, Any]:
    """The row of a document that `suite_of` judges."""
    facts: dict[str, Any] = flow_module(flow, "checks").facts(document)
    return facts | custom_columns(flow, custom, document) if custom else facts


def transform_documents(
    here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec, *, run_id: str
) -> TransformReport:
    """Handle every received record that the flow has not handled yet, batch by batch.

    A batch becomes deliveries, quarantine rows and handled marks in one transaction: a crash before it
    changes nothing, after it nothing is left to do. Safe to run several times at once.

    A defect of ours that shows with one record quarantines that record as ``defect``; the rest goes, and the defect is
    raised in the end, so that somebody sees it. `erp-sync retry --code defect` brings it back once it is mended.
    """
    report = TransformReport()
    met: list[Exception] = []
    while True:
        rows = here.ledger.unhandled(route.name, kind.name, getattr(route, kind.source), kind.entity, limit=BATCH)
        if not rows:
            break
        _transform_batch(here, route, kind, flow, rows, report, run_id, met)
    if met:
        raise met[0]
    return report


def _transform_batch(
    here: Installation,
    route: RouteSpec,
    kind: FlowKind,
    flow: FlowSpec,
    rows: list[Any],
    report: TransformReport,
    run_id: str,
    met: list[Exception],
) -> None:
    logic = flow_module(kind.name, "transform")
    mapping = mapping_version(here.configuration, route, kind.name).value
    rows = here.ledger.corrections.applied(rows, route.name, kind.name)
    source, lookups = here.source(route, kind.name), here.lookups(route)
    target = getattr(route, kind.target)
    documents: list[tuple[Any, Any]] = []
    rejected: list[tuple[Any, str, str, str]] = []
    for row in rows:
        if is_nobody(row.payload):
            continue  # its person was erased: it is handled below, and nothing becomes of it
        try:
            documents.append((row, source.to_canonical(row.record(), lookups)))
        except BadRecord as problem:
            rejected.append((row, "malformed_record", problem.field, str(problem)))
        except MappingProblem as problem:
            rejected.append((row, problem.code, problem.field, str(problem)))
        except Exception as defect:
            if passes(defect):
                raise
            _defect(row, kind, defect, rejected, met)
    documents = with_adopted_orders(here, route, kind, documents)
    suite = suite_of(kind.name, flow.checks)
    checks = flow_module(kind.name, "checks")
    documents, facts = _with_facts(documents, kind, flow, rejected, met)
    judgement, apart = judge_apart(suite, facts)
    broken = judgement.by_row()
    for position, failure in apart.items():
        broken.pop(position, None)
        _defect(documents[position][0], kind, failure, rejected, met)
    report.judged += judgement.rows
    report.rules = judgement.rules
    holding: frozenset[str] = getattr(checks, "HOLDING", frozenset())
    doubtful: set[int] = set()
    for position, rules in list(broken.items()):
        row, document = documents[position]
        if all(rule.name in holding for rule in rules):
            doubtful.add(row.id)
            del broken[position]
            continue
        words = "; ".join(rule.told(facts[position]) for rule in rules)
        rejected.append((row, rules[0].name, "", f"{document.number}: {words}"))
        report.broken.append(document.number)
    with here.ledger.handling(route.name, kind.name, run_id=run_id) as work:
        gone = work.erased([row.id for row in rows])
        newest = work.newest({_key(row) for row, _ in documents})
        kept = [
            one
            for position, one in enumerate(documents)
            if position not in broken and position not in apart and one[0].id not in gone
        ]
        good = _latest(kept, newest)
        by_hand = recognised(work, route, kind, good)
        late = {one.late[0] for one in by_hand.values() if one.late is not None}
        previous = work.latest(target, [*(_key(row) for row, _ in good), *late])
        begun = work.begun(previous.values())
        accepted: list[NewDelivery] = []
        given_up: list[tuple[Any, Any]] = []
        for row, document in good:
            key = _key(row)
            before = previous.get(key)
            earlier = before_of(before, begun)
            decision = logic.decide(document, flow.start, earlier, target)
            if (known := by_hand.get(row.id)) is not None and not (earlier is not None and earlier.begun):
                decision = known.decision
                if decision.action == "drop":
                    work.withdraw(target, [key], decision.code, decision.reason)
                work.link(known.links)
                if known.late is not None and not told_already(known.late[1], previous.get(known.late[0])):
                    key, document = known.late
                    decision = Decision(action="create")
            if decision.action == "cancel" and work.withdraw(target, [key], decision.code, decision.reason)[key]:
                # Nothing of it has left: there is nothing to cancel at the target.
                decision = msgspec.structs.replace(decision, action="drop")
            if decision.action == "drop":
                report.dropped += 1
                if kind.entity == Entity.SALES_ORDER and decision.code in GIVEN_UP and earlier is None:
                    given_up.append((row, document))
                _count(report, decision.code)
                work.note(key, decision.code, decision.reason, number=document.number)
                continue
            operation = decision.action if decision.action != "hold" else "create"
            differences: list[Difference] = []
            if row.id in doubtful and decision.action in ("create", "update"):
                differences = checks.differences(document)
                open_ones = undecided(differences, before.allowed if before is not None else ())
                if open_ones:
                    decision = Decision(action="hold", code=code_of(open_ones), reason=words_of(open_ones))
            if decision.action in ("create", "update") and flow.policies:
                left_out, asked = by_policies(kind.name, flow.policies, document)
                if left_out is not None:
                    report.dropped += 1
                    _count(report, LEFT_OUT_BY_POLICY)
                    work.withdraw(target, [key], LEFT_OUT_BY_POLICY, left_out.why)
                    work.note(key, LEFT_OUT_BY_POLICY, left_out.why, number=document.number)
                    continue
                differences += asked
                open_ones = undecided(asked, before.allowed if before is not None else ())
                if open_ones:
                    decision = Decision(action="hold", code=code_of(open_ones), reason=words_of(open_ones))
            report.held += decision.action == "hold"
            accepted.append(
                NewDelivery(
                    key=key,
                    target=target,
                    version=row.version,
                    source_time=row.source_time,
                    arose_at=row.created_time,
                    payload=logic.encode(document),
                    number=document.number,
                    operation=operation,
                    lane=lane_of_age(row.source_time, here.ledger.now()),
                    concerns=logic.concerns(document),
                    held=(decision.code, decision.reason) if decision.action == "hold" else None,
                    facts={"content": logic.content(document), **logic.facts(document)},
                    differences=tuple(differences),
                    received_id=row.id,
                    mapping=mapping,
                )
            )
        results = work.accept(accepted)
        for result in results:
            _count(report, result.change)
        report.accepted += len(results)
        for row, rule, field, words in rejected:
            if row.id in gone:
                continue
            work.quarantine(row, rule=rule, field=field, problem=words)
            report.rejected.append(Rejected(row.native_id, rule, words))
            _count(report, rule)
        work.mark_handled([row.id for row in rows])
    if given_up:
        gave_up(here, route, given_up)
    if good:
        # What was refused before and passed now needs nobody any more.
        here.ledger.quarantine.resolve(
            getattr(route, kind.source),
            kind.entity,
            [row.native_id for row, _ in good],
            f"passed in run {run_id}",
            route=route.name,
            flow=kind.name,
        )
    report.handled += len(rows)


def _with_facts(
    documents: list[tuple[Any, Any]],
    kind: FlowKind,
    flow: FlowSpec,
    rejected: list[tuple[Any, str, str, str]],
    met: list[Exception],
) -> tuple[list[tuple[Any, Any]], list[dict[str, Any]]]:
    """The documents whose facts could be worked out, and these facts."""
    kept, facts = [], []
    for row, document in documents:
        try:
            facts.append(judged_facts(kind.name, document, flow.checks))
        except Exception as defect:
            if passes(defect):
                raise
            _defect(row, kind, defect, rejected, met)
        else:
            kept.append((row, document))
    return kept, facts


def _defect(
    row: Any, kind: FlowKind, defect: Exception, rejected: list[tuple[Any, str, str, str]], met: list[Exception]
) -> None:
    """A defect of ours that shows with one record: it goes to quarantine, the others go on."""
    log.error("defect", exc_info=defect, extra={"flow": kind.name, "record": row.native_id})
    defect.add_note(f"with {kind.entity} {row.native_id}")
    met.append(defect)
    rejected.append((row, "defect", "", words_of_defect(defect)))


def _latest(documents: list[tuple[Any, Any]], newest: Mapping[EntityKey, datetime]) -> list[tuple[Any, Any]]:
    """Of several versions of one document the last one, by the source's time of change: an order that was cancelled
    before anybody handled it must not go first.

    Extractions that run side by side may receive an older version after a newer one, which may be handled already:
    what was overtaken so is left out.
    """
    last: dict[EntityKey, tuple[datetime, int]] = {}
    for row, _ in documents:
        key = _key(row)
        last[key] = max(last.get(key, (_NEVER, 0)), (row.source_time or newest.get(key, _NEVER), row.id))
    return [
        (row, document)
        for row, document in documents
        if last[_key(row)][1] == row.id
        and (row.source_time is None or row.source_time >= newest.get(_key(row), row.source_time))
    ]


def with_adopted_orders(
    here: Installation, route: RouteSpec, kind: FlowKind, documents: list[tuple[Any, Any]]
) -> list[tuple[Any, Any]]:
    """An adopted order carries no key of ours at the ERP: the cross references know which of the store's it is."""
    logic = flow_module(kind.name, "transform")
    if not hasattr(logic, "erp_order"):
        return documents
    unnamed = {order for _, document in documents if (order := logic.erp_order(document))}
    if not unnamed:
        return documents
    links = here.ledger.cross_references.find(Entity.SALES_ORDER, route.erp, sorted(unnamed), route.store)
    return [
        (row, logic.of_order(document, route.store, links[order]) if order in links else document)
        for row, document in documents
        for order in (logic.erp_order(document),)
    ]


def before_of(delivery: Delivery | None, begun: set[int]) -> Before | None:
    """What a decision looks at of the last delivery of a document; `begun` has the ids of which something left."""
    if delivery is None:
        return None
    first = delivery.sequence == 1
    if first and delivery.state is State.SUPERSEDED:
        return None  # it was taken back before anything of it left
    waits = delivery.state in (State.WAITING, State.DUE, State.DEAD, State.HELD) and delivery.id not in begun
    return Before(
        content=delivery.facts.get("content", ""),
        held=first and waits and delivery.state is State.HELD,
        begun=not (first and waits),
        case=not first and delivery.state is State.HELD,
    )


def _key(row: Any) -> EntityKey:
    return EntityKey(connection=row.connection, scope=row.scope, entity=row.entity, native_id=row.native_id)


def _count(report: TransformReport, code: str) -> None:
    report.reasons = dict(Counter(report.reasons) + Counter([str(code)]))


def before_start(kind: FlowKind, flow: FlowSpec, document: Any, target: str) -> tuple[str, str] | None:
    """Code and reason where the flow's start is after the document, whatever it was when the document was accepted:
    a flow that was in shadow is switched on with the start of that day."""
    decision = flow_module(kind.name, "transform").decide(document, flow.start, None, target)
    return (decision.code, decision.reason) if decision.code == "before_start" else None


def drain_documents(
    here: Installation, route: RouteSpec, kind: FlowKind, *, owner: str, lane: str, budget_seconds: float = BUDGET
) -> DrainReport:
    """Deliver whatever is due for the flow's target, with as many senders as the target takes calls at once."""
    from erp_sync.transport.context import call_context

    target = flow_module(kind.name, "transform").target(here.connector_for(route, kind.target))
    connection = getattr(route, kind.target)
    senders = here.concurrency(connection)
    run_id = owner.split(":")[0]
    with call_context(run_id=run_id, lane="now" if lane == "normal" else lane, route=route.name, flow=kind.name):
        report = Drain(
            here.ledger,
            target,
            route=route.name,
            flow=kind.name,
            connection=connection,
            decode=flow_module(kind.name, "transform").decode,
            owner=owner,
            senders=senders,
            clock=here.ledger.now,
            first_look=first_look(here, route, kind),
            not_to_go=lambda document: before_start(kind, route.flows[kind.name], document, connection),
            budget_seconds=budget_seconds,
            mapping=mapping_version(here.configuration, route, kind.name).value,
            give_up=end_process,
            deadline=route.flows[kind.name].deadline,
        ).run()
    if report.adopted:
        tell_of_adopted(here, route)
    if kind.entity == Entity.SALES_ORDER and (report.adopted or report.delivered):
        release_bookings(here, route)
    if kind.entity == Entity.SALES_ORDER:
        tell_of_refusals(here, route, kind.name, target, run_id=run_id)
    return report


def drain_bookings(here: Installation, route: RouteSpec, kind: FlowKind, *, owner: str) -> DrainReport | None:
    """Book in the ERP what was shipped by hand; None where nothing of it is due."""
    from erp_sync.transport.context import call_context

    if kind.entity != Entity.SHIPMENT or not here.ledger.deliveries.any_due(kind.name, route.erp, route.name):
        return None
    target = booking_target(here, route)
    if target is None:
        return None
    with call_context(run_id=owner.split(":")[0], lane="now", route=route.name, flow=kind.name):
        return Drain(
            here.ledger,
            target,
            route=route.name,
            flow=kind.name,
            connection=route.erp,
            decode=flow_module(kind.name, "transform").decode,
            owner=owner,
            senders=here.concurrency(route.erp),
            clock=here.ledger.now,
            mapping=mapping_version(here.configuration, route, kind.name).value,
            give_up=end_process,
            deadline=route.flows[kind.name].deadline,
        ).run()


def adoption_of(here: Installation, route: RouteSpec) -> Adoption | None:
    """The search by natural keys of the route's ERP; None where it offers none."""
    erp: Any = here.connector_for(route, "erp")
    if not hasattr(erp, "adoption"):
        return None
    stores = sorted({one.store for one in here.configuration.routes.values()})
    return cast("Adoption", erp.adoption(stores))


def first_look(here: Installation, route: RouteSpec, kind: FlowKind) -> FirstLook | None:
    """What the flow asks of its target before a first send; None for flows that ask nothing."""
    when = route.flows[kind.name].look_first
    if kind.name != "orders" or when == "never":
        return None
    adoption = adoption_of(here, route)
    if adoption is None:
        return None
    return OrdersFirstLook(
        here.ledger,
        adoption,
        route=route.name,
        store=route.store,
        erp=route.erp,
        adopted_until=here.ledger.adopting.finished_until(route.name, route.erp),
        when=when,
    )


def tell_of_adopted(here: Installation, route: RouteSpec) -> int:
    """Status and shipments of orders that nobody knew yet are transformed again. Gives how many records."""
    count = 0
    for kind in FLOWS.values():
        logic = flow_module(kind.name, "transform") if kind.delivers and kind.name in route.flows else None
        if logic is None or not hasattr(logic, "erp_order"):
            continue
        ids = here.ledger.adopting.left_out(route.name, kind.name, route.erp, kind.entity, "not_from_the_store")
        count += here.ledger.received.rewind(route.name, kind.name, ids)
    return count
