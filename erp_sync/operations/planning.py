"""What a run of a flow would change, without changing it: documents that would go, and what each would write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.documents import before_of, before_start, flow_module, judged_facts, suite_of
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation, Offline
from erp_sync.components.own_rules import LEFT_OUT_BY_POLICY, by_policies
from erp_sync.flows.decisions import Decision
from erp_sync.ledger import Delivery, State
from erp_sync.ledger.documents import StepState
from erp_sync.model.keys import EntityKey
from erp_sync.operations.choosing import connector
from erp_sync.ports.differences import code_of, undecided, words_of
from erp_sync.ports.documents import Requirement
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord, Window
from erp_sync.quality.gate import judge

Progress = Callable[[str, int], None]

# Records and documents that are looked at; a plan of more says so.
MOST = 5000
RUN = "plan"


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """One write that the document still needs. `guarantee` is its class, A to D."""

    step: str
    operation: str
    key: str
    guarantee: str


class PlannedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one document.

    Attributes:
        where: ``source`` (not received yet), ``received`` (not transformed yet) or ``ledger``.
        outcome: ``send``, ``wait`` (lacks something), ``hold``, ``later``, ``cancel``, ``drop``, ``reject``.
        lacks: what the target does not have.
    """

    number: str
    document: str
    where: str
    outcome: str
    code: str = ""
    reason: str = ""
    facts: dict[str, Any] = {}
    writes: list[Write] = []
    lacks: list[str] = []


class DocumentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of a document flow would do now.

    Attributes:
        looked: the source was asked for what is new since the cursor, and the target for what is missing.
        outcomes: number of documents by outcome.
        writes: number of writes by operation.
        truncated: there are more than are shown.
    """

    route: str
    flow: str
    mode: str
    source: str
    target: str
    looked: bool
    outcomes: dict[str, int]
    writes: dict[str, int]
    truncated: bool
    documents: list[PlannedDocument]


class _Candidate(msgspec.Struct):
    record: RawRecord
    key: EntityKey
    where: str


def plan_documents(
    here: Installation,
    route: RouteSpec,
    kind: FlowKind,
    flow: FlowSpec,
    *,
    look: bool = True,
    progress: Progress = lambda what, done: None,
) -> DocumentPlan:
    """Read what a run would read and decide what it would decide; nothing is written anywhere but to the
    exchange log.

    Args:
        look: False asks neither source nor target: only what has been received counts.
    Raises the TransportError tree where a system does not answer, CannotDo for wrong settings.
    """
    from erp_sync.transport.context import call_context

    # With its settings right, both systems can be asked.
    source = connector(here, route, kind.source).port(kind.entity, "source")
    target = flow_module(kind.name, "transform").target(connector(here, route, kind.target))
    with call_context(run_id=RUN, lane="bulk", route=route.name, flow=kind.name):
        candidates, more = _candidates(here, route, kind, flow, source if look else None, progress)
        new = _decided(here, route, kind, flow, source, target, candidates)
        waiting, some = _in_ledger(here, route, kind, flow, target)
        planned = [*waiting, *new]
        if look:
            planned = _with_lacks(here, kind, target, planned)
    shown = [told for told, _ in planned]
    return DocumentPlan(
        route=route.name,
        flow=kind.name,
        mode=flow.mode.value,
        source=getattr(route, kind.source),
        target=getattr(route, kind.target),
        looked=look,
        outcomes=dict(Counter(one.outcome for one in shown).most_common()),
        writes=dict(Counter(w.operation for one in shown if one.outcome in _GOES for w in one.writes).most_common()),
        truncated=more or some,
        documents=shown,
    )


_GOES = ("send", "cancel", "later")
Planned = tuple[PlannedDocument, Any]


def _candidates(
    here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec, source: Any, progress: Progress
) -> tuple[list[_Candidate], bool]:
    """Records that a run would transform: received ones, then those that the source has and we have not."""
    name = getattr(route, kind.source)
    rows = here.ledger.unhandled(route.name, kind.name, name, kind.entity, limit=MOST)
    found = [
        _Candidate(row.record(), EntityKey(row.connection, row.scope, row.entity, row.native_id), "received")
        for row in rows
    ]
    progress("records received", len(found))
    if source is None:
        return found, len(rows) == MOST
    now = here.ledger.now()
    for page in source.changed(Window(start=_since(here, name, kind.entity, source, flow, now), end=now)):
        for record in here.ledger.cursors.not_received(name, kind.entity, page):
            key = EntityKey(name, record.scope, kind.entity, record.native_id)
            found.append(_Candidate(record, key, "source"))
        progress("records looked at", len(found))
        if len(found) >= MOST:
            return found[:MOST], True
    return found, False


def _since(here: Installation, name: str, entity: str, source: Any, flow: FlowSpec, now: datetime) -> datetime:
    position = here.ledger.cursors.get(name, entity).position
    if position is None:
        return flow.start or now - timedelta(days=1)
    return position - timedelta(seconds=source.capabilities.reading(entity).lateness_seconds)


def _decided(
    here: Installation,
    route: RouteSpec,
    kind: FlowKind,
    flow: FlowSpec,
    source: Any,
    target: Any,
    candidates: Sequence[_Candidate],
) -> list[Planned]:
    """Map, judge and decide as the transformation does."""
    logic = flow_module(kind.name, "transform")
    lookups = here.lookups(route)
    result: list[Planned] = []
    good: list[tuple[_Candidate, Any]] = []
    for one in candidates:
        try:
            good.append((one, source.to_canonical(one.record, lookups)))
        except BadRecord as problem:
            result.append((_rejected(one, one.record.native_id, "malformed_record", str(problem)), None))
        except MappingProblem as problem:
            result.append((_rejected(one, one.record.native_id, problem.code, str(problem)), None))
        except Offline as problem:
            told = PlannedDocument(
                number=one.record.native_id,
                document=str(one.key),
                where=one.where,
                outcome="later",
                code="not_asked",
                reason=str(problem),
            )
            result.append((told, None))
    facts = [judged_facts(kind.name, document, flow.checks) for _, document in good]
    broken = judge(suite_of(kind.name, flow.checks), facts).by_row()
    previous = here.ledger.deliveries.latest(
        route.name, kind.name, getattr(route, kind.target), [one.key for one, _ in good]
    )
    begun = _begun(here, previous.values())
    latest = {one.key: position for position, (one, _) in enumerate(good)}
    for position, (one, document) in enumerate(good):
        if latest[one.key] != position:
            continue  # of several versions the last one counts
        if position in broken:
            words = "; ".join(rule.told(facts[position]) for rule in broken[position])
            result.append((_rejected(one, document.number, broken[position][0].name, words), None))
            continue
        before = before_of(previous.get(one.key), begun)
        decision = logic.decide(document, flow.start, before, getattr(route, kind.target))
        if decision.action in ("create", "update"):
            decision = _by_policies(kind, flow, document, decision, previous.get(one.key))
        outcome = {"create": "send"}.get(decision.action, decision.action)
        told = PlannedDocument(
            number=document.number,
            document=str(one.key),
            where=one.where,
            outcome=outcome,
            code=decision.code,
            reason=decision.reason,
            facts=logic.facts(document),
        )
        result.append(_with_writes(target, told, document, {}) if outcome in ("send", "cancel") else (told, None))
    return result


def _by_policies(
    kind: FlowKind, flow: FlowSpec, document: Any, decision: Decision, previous: Delivery | None
) -> Decision:
    """The decision as the company's own policies leave it."""
    left_out, asked = by_policies(kind.name, flow.policies, document)
    if left_out is not None:
        return Decision(action="drop", code=LEFT_OUT_BY_POLICY, reason=left_out.why)
    asked = undecided(asked, previous.allowed if previous is not None else ())
    return Decision(action="hold", code=code_of(asked), reason=words_of(asked)) if asked else decision


def _rejected(one: _Candidate, number: str, code: str, reason: str) -> PlannedDocument:
    return PlannedDocument(
        number=number, document=str(one.key), where=one.where, outcome="reject", code=code, reason=reason
    )


def _begun(here: Installation, deliveries: Iterable[Delivery]) -> set[int]:
    """Ids of those of which something left, and may be at the target."""
    left = (StepState.SENDING, StepState.UNKNOWN, StepState.ACCEPTED, StepState.CONFIRMED)
    steps = here.ledger.steps.of_all([one.id for one in deliveries])
    return {one for one, rows in steps.items() if any(row.state in left for row in rows)}


def _in_ledger(
    here: Installation, route: RouteSpec, kind: FlowKind, flow: FlowSpec, target: Any
) -> tuple[list[Planned], bool]:
    """Documents that are on their way already."""
    decode, now = flow_module(kind.name, "transform").decode, here.ledger.now()
    states = [State.DUE, State.CLAIMED, State.WAITING, State.HELD]
    found = here.ledger.deliveries.find(route=route.name, flow=kind.name, states=states, limit=MOST)
    steps = here.ledger.steps.of_all([delivery.id for delivery in found])
    result: list[Planned] = []
    for delivery in found:
        outcome = {State.WAITING: "wait", State.HELD: "hold"}.get(delivery.state, "send")
        if delivery.state is State.DUE and delivery.due_at is not None and delivery.due_at > now:
            outcome = "later"
        told = PlannedDocument(
            number=delivery.number or delivery.key.native_id,
            document=str(delivery.key),
            where="ledger",
            outcome=outcome,
            code=delivery.code,
            reason=delivery.reason,
            facts={name: value for name, value in delivery.facts.items() if name != "content"},
            lacks=[f"{one.entity} {one.key}" for one in here.ledger.deliveries.requirements(delivery.id)]
            if outcome == "wait"
            else [],
        )
        done = {row.name: row.state for row in steps[delivery.id]}
        document = decode(delivery.payload)
        early = before_start(kind, flow, document, delivery.target) if delivery.sequence == 1 and not done else None
        if early is not None:
            code, reason = early
            result.append((msgspec.structs.replace(told, outcome="drop", code=code, reason=reason), None))
            continue
        result.append(_with_writes(target, told, document, done))
    return result, len(found) == MOST


def _with_writes(
    target: Any, told: PlannedDocument, document: Any, states: dict[str, StepState]
) -> tuple[PlannedDocument, Any]:
    """The writes that are not confirmed yet; a document that cannot be mapped would be a dead letter."""
    try:
        steps = target.steps(document)
    except MappingProblem as problem:
        return msgspec.structs.replace(told, outcome="reject", code=problem.code, reason=str(problem)), None
    writes = [
        Write(
            step=step.name,
            operation=step.operation,
            key=step.key,
            guarantee=target.capabilities.operation(step.operation).guarantee.value,
        )
        for step in steps
        if states.get(step.name) is not StepState.CONFIRMED
    ]
    return msgspec.structs.replace(told, writes=writes), document


def _with_lacks(here: Installation, kind: FlowKind, target: Any, planned: Sequence[Planned]) -> list[Planned]:
    """Those that the target lacks something for would wait: one look for all of them."""
    needs: dict[int, list[Requirement]] = {}
    for position, (told, document) in enumerate(planned):
        if document is not None and told.outcome == "send":
            needs[position] = list(target.requirements(document))
    wanted = sorted({need for some in needs.values() for need in some})
    there = target.resolve(wanted) if wanted else {}
    result = list(planned)
    for position, some in needs.items():
        lacking = [f"{need.entity} {need.key}" for need in some if need not in there]
        if lacking:
            told, document = result[position]
            result[position] = (
                msgspec.structs.replace(
                    told,
                    outcome="wait",
                    code="requirement_missing",
                    reason=f"{kind.title} wait for what the target lacks",
                    lacks=lacking,
                ),
                document,
            )
    return result
