"""Delivery: drains due documents of a flow to their target, exactly once in effect.

A delivery is a list of steps, each with its own key and receipt, resumed at the first unconfirmed one.
Every send is in the ledger before it leaves. What follows an unknown outcome is said by the operation's
guarantee class:

- A, B: the same request again; the target refuses or recognises a second one.
- C: wait the settle time, search by our key, then send once.
- D: search by content; never again by itself.

Nothing here knows a vendor or Dagster. One drain uses `senders` threads; several drains at once are
normal, the ledger's claims keep them apart.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from erp_sync.flows.first_look import FirstLook
from erp_sync.ledger import Ledger, Link
from erp_sync.ledger.documents import Claim, State, StepRow, StepState
from erp_sync.ledger.errors import (
    AlreadyConfirmed,
    CrossReferenceConflict,
    KeyBusy,
    LeaseLost,
    LedgerBusy,
    WrongState,
)
from erp_sync.ports.capabilities import Guarantee, Operation
from erp_sync.ports.documents import ImpliesSteps, MovesState, Requirement, Step, StepRequest
from erp_sync.ports.leaving import while_held
from erp_sync.ports.outcomes import (
    Absent,
    Accepted,
    Again,
    Ambiguous,
    Applied,
    CallFailed,
    Found,
    Later,
    NotSent,
    Outcome,
    Receipt,
    Refused,
    Unknown,
)
from erp_sync.ports.raw import MappingProblem

log = logging.getLogger(__name__)

# A document that was refused "for now" is tried again after this long, doubling up to the longest.
FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=15)
# What certainly did not arrive is tried again sooner: the target's limiter and breaker keep calls off it.
LONGEST_NOT_SENT = timedelta(minutes=1)
# A document refused for now this many times needs a person.
MOST_ATTEMPTS = 25
# What the target took but has not done is asked for after this long, then at ever longer intervals.
FIRST_POLL = timedelta(seconds=1)
LONGEST_POLL = timedelta(minutes=1)
# What a document lacks is looked for again by itself, nobody having announced it: soon at first, then seldom.
FIRST_LOOK_AGAIN = timedelta(seconds=30)
LONGEST_LOOK_AGAIN = timedelta(minutes=10)
# How long a document may wait for what it depends on before it becomes a dead letter.
DEPENDENCY_DEADLINE = timedelta(days=3)


class SendAgain:
    """The last send certainly is not at the target: it may be sent once more."""


SEND_AGAIN = SendAgain()


class DrainReport(msgspec.Struct, kw_only=True):
    """What a drain did, by number of documents; `reasons` counts the codes of what did not go. `adopted` were at
    the target already, entered by somebody else."""

    delivered: int = 0
    adopted: int = 0
    waiting: int = 0
    later: int = 0
    dead: int = 0
    lost_claims: int = 0
    calls: int = 0
    reasons: dict[str, int] = {}
    seconds: float = 0.0
    delivered_keys: list[str] = []
    delivered_ids: list[int] = []

    def count(self, what: str, code: str = "") -> None:
        setattr(self, what, getattr(self, what) + 1)
        if code:
            self.reasons[code] = self.reasons.get(code, 0) + 1


class Drain:
    """One drain of one flow's due documents to one target.

    Args:
        decode: canonical document from the delivery's payload.
        owner: run id, process; names who works. The part before a colon is the run's id.
        senders: threads that send; the target's concurrency is a good number.
        budget_seconds: no new document is begun after this long; those under way are finished.
        route: only this route's documents.
        first_look: what the target may hold already, entered by somebody else.
    """

    def __init__(
        self,
        ledger: Ledger,
        target: Any,
        *,
        route: str,
        flow: str,
        connection: str,
        decode: Callable[[bytes], Any],
        owner: str,
        senders: int = 5,
        budget_seconds: float = 45.0,
        lease_seconds: float = 30.0,
        lanes: Sequence[str] = ("now", "normal", "bulk"),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        first_look: FirstLook | None = None,
    ) -> None:
        self.ledger, self.target, self.first_look = ledger, target, first_look
        self.route, self.flow, self.connection = route, flow, connection
        self.decode, self.owner, self.senders = decode, owner, senders
        self.budget, self.lease_seconds, self.lanes = budget_seconds, lease_seconds, lanes
        self.run_id = owner.split(":")[0]
        self.clock = clock
        self.report = DrainReport()
        self._references: dict[Requirement, str] = {}
        self._partners: dict[int, str] = {}
        self._lock = threading.Lock()
        self._held: dict[int, Claim] = {}
        self._until: dict[int, float] = {}  # time.monotonic() at which the lease of a claim certainly still holds

    def run(self) -> DrainReport:
        """Drain until nothing is due or the budget is spent. Raises nothing for what a target did.

        A defect that shows with one document does not keep the others: it is raised at the end. That
        document's lease ends by itself, and what it may have sent is then unknown.
        """
        began = time.monotonic()
        under_way: dict[Future[None], Claim] = {}
        queue: deque[tuple[Claim, Any]] = deque()
        exhausted = False
        defect: Exception | None = None
        with (
            self._heartbeat(),
            ThreadPoolExecutor(max_workers=self.senders, thread_name_prefix=f"send-{self.flow}") as pool,
        ):
            while True:
                spent = time.monotonic() - began
                # Claimed in chunks of a few seconds of the target's work, so that what documents need is
                # looked up for many at once and a crash leaves little behind.
                if spent < self.budget and not exhausted and len(queue) < self.senders:
                    asked = time.monotonic()
                    claims = self.ledger.deliveries.claim(
                        self.route,
                        self.flow,
                        self.connection,
                        lanes=self.lanes,
                        limit=2 * self.senders - len(queue),
                        owner=self.owner,
                        lease_seconds=self.lease_seconds,
                        run_id=self.run_id,
                    )
                    exhausted = not claims
                    with self._lock:
                        self._held.update((claim.id, claim) for claim in claims)
                        self._until.update((claim.id, asked + self.lease_seconds) for claim in claims)
                    queue.extend(self._prepare(claims))
                while queue and len(under_way) < self.senders:
                    claim, document = queue.popleft()
                    context = contextvars.copy_context()
                    under_way[pool.submit(context.run, self._deliver, claim, document)] = claim
                if not under_way:
                    if not queue and (exhausted or spent >= self.budget):
                        break
                    continue
                done, _ = wait(under_way, timeout=self.lease_seconds / 4, return_when=FIRST_COMPLETED)
                for future in done:
                    self._let_go(under_way.pop(future))
                    failure = future.exception()
                    if isinstance(failure, Exception):
                        log.error("defect", extra={"flow": self.flow}, exc_info=failure)
                        defect = defect or failure
                    elif failure is not None:
                        raise failure
                    exhausted = False  # its end may have released another
        self.report.seconds = round(time.monotonic() - began, 3)
        if defect is not None:
            raise defect
        return self.report

    @contextmanager
    def _heartbeat(self) -> Iterator[None]:
        """Renew the leases of everything claimed, whatever the other threads wait for."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(self.lease_seconds / 4):
                with self._lock:
                    claims = list(self._held.values())
                if claims:
                    # A ledger that is busy for once leaves three more beats before a lease ends.
                    with suppress(LedgerBusy):
                        self._renew(claims)

        thread = threading.Thread(target=beat, name=f"heartbeat-{self.flow}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _renew(self, claims: Sequence[Claim]) -> None:
        asked = time.monotonic()
        renewed = {claim.id for claim in self.ledger.deliveries.heartbeat(claims, self.lease_seconds)}
        with self._lock:
            for claim in claims:
                if claim.id in self._until:
                    self._until[claim.id] = asked + self.lease_seconds if claim.id in renewed else 0.0

    def _holds(self, claim: Claim) -> bool:
        return time.monotonic() < self._until.get(claim.id, 0.0)

    def _let_go(self, claim: Claim) -> None:
        with self._lock:
            self._held.pop(claim.id, None)
            self._until.pop(claim.id, None)

    # -- before sending ------------------------------------------------------------------------

    def _prepare(self, claims: Sequence[Claim]) -> list[tuple[Claim, Any]]:
        """Decode, and resolve what the documents need: one query for many documents."""
        documents: list[tuple[Claim, Any, list[Requirement]]] = []
        for claim in claims:
            with self._ending(claim):
                try:
                    document = self.decode(claim.delivery.payload)
                    documents.append((claim, document, self.target.requirements(document)))
                except msgspec.DecodeError as problem:
                    self._dead(claim, "unreadable_payload", f"the payload is no document of this flow: {problem}")
                except MappingProblem as problem:
                    self._dead(claim, problem.code, str(problem))
        missing = sorted({need for _, _, needs in documents for need in needs} - set(self._references))
        failure: CallFailed | None = None
        if missing:
            try:
                self._references.update(self.target.resolve(missing))
            except CallFailed as error:
                failure = error
        ready = []
        for claim, document, needs in documents:
            lacking = [need for need in needs if need not in self._references]
            if not lacking:
                ready.append((claim, document))
                continue
            with self._ending(claim):
                if failure is None:
                    self._wait_for(claim, lacking, f"missing_{lacking[0].entity}")
                else:
                    # Nothing was sent, and nobody knows whether it is there: tried again.
                    self._not_looked_up(claim, failure)
        self._find_partners(ready)
        return self._looked_first(ready)

    def _not_looked_up(self, claim: Claim, failure: CallFailed) -> None:
        pause = timedelta(seconds=failure.retry_after_seconds or 0) or self._backoff(claim)
        self._later(claim, self.clock() + pause, str(failure), "look_up_failed")

    def _find_partners(self, ready: Sequence[tuple[Claim, Any]]) -> None:
        """Ids at the target of documents that were delivered, or adopted, before."""
        follow_ups = [claim for claim, _ in ready if claim.delivery.sequence > 1]
        by_source: dict[tuple[str, str, str], list[Claim]] = {}
        for claim in follow_ups:
            key = claim.delivery.key
            by_source.setdefault((key.entity, key.connection, key.scope), []).append(claim)
        for (entity, connection, scope), claims in by_source.items():
            ids = [claim.delivery.key.native_id for claim in claims]
            found = self.ledger.cross_references.find(entity, connection, ids, self.connection, scope)
            with self._lock:
                self._partners.update((one.id, found.get(one.delivery.key.native_id, "")) for one in claims)

    def _looked_first(self, ready: list[tuple[Claim, Any]]) -> list[tuple[Claim, Any]]:
        """Without those that the target holds already (they end here) and those that may be there (a person says)."""
        look = self.first_look
        if look is None or not any(look.wants(*one) for one in ready):
            return ready
        going = [one for one in ready if not look.wants(*one)]
        asked: list[tuple[Claim, Any, list[Step]]] = []
        for claim, document in ready:
            if look.wants(claim, document):
                try:
                    asked.append((claim, document, self.target.steps(document)))
                except MappingProblem:
                    going.append((claim, document))  # it ends when it is about to be sent
        try:
            verdicts = look.look(asked)
        except CallFailed as failure:
            for claim, _, _ in asked:
                with self._ending(claim):
                    self._not_looked_up(claim, failure)
            return going
        for (claim, document, steps), verdict in zip(asked, verdicts, strict=True):
            with self._ending(claim):
                if verdict.doubt is not None:
                    self._dead(claim, *verdict.doubt)
                elif verdict.there:
                    self._adopt(claim, document, steps, verdict.there)
                else:
                    going.append((claim, document))
        return going

    def _adopt(self, claim: Claim, document: Any, steps: Sequence[Step], receipts: dict[str, Receipt]) -> None:
        """The target holds it: recorded as delivered, nothing of it is sent."""
        there = [step for step in steps if step.name in receipts]
        self.ledger.steps.plan(claim, there)
        for step in there:
            self._confirm(claim, step, receipts[step.name], origin="adopted")
        self.ledger.deliveries.complete(claim)
        self._let_go(claim)
        self._count("adopted")

    @contextmanager
    def _ending(self, claim: Claim) -> Iterator[None]:
        """A claim that may end here without having been sent. Another's lease is no error of ours."""
        try:
            yield
        except LeaseLost:
            self._lost(claim)

    def _lost(self, claim: Claim) -> None:
        """Another worker took over after our lease ended; it goes on from the ledger."""
        self._let_go(claim)
        self._count("lost_claims", "lease_lost")

    def _wait_for(self, claim: Claim, lacking: Sequence[Requirement], code: str) -> None:
        now = self.clock()
        age = now - claim.delivery.accepted_at
        state = self.ledger.deliveries.wait_for(
            claim,
            lacking,
            deadline=claim.delivery.deadline or now + DEPENDENCY_DEADLINE,
            look_again_at=now + min(max(FIRST_LOOK_AGAIN, age / 4), LONGEST_LOOK_AGAIN),
        )
        self._let_go(claim)
        self._count("dead" if state is State.DEAD else "waiting", code)

    # -- sending -------------------------------------------------------------------------------

    def _deliver(self, claim: Claim, document: Any) -> None:
        # A send that left after its lease could meet another's: its settle time is counted from the lease's end.
        with while_held(lambda: self._holds(claim)):
            self._deliver_held(claim, document)

    def _deliver_held(self, claim: Claim, document: Any) -> None:
        try:
            try:
                planned = self.target.steps(document)
            except MappingProblem as problem:
                self._dead(claim, problem.code, str(problem))
                return
            reuse = {step.operation for step in planned if self._guarantee(step) is Guarantee.UNIQUE_KEY}
            known = {row.name: row for row in self.ledger.steps.plan(claim, planned, reuse=reuse)}
            receipts: dict[str, Receipt] = {}
            for step in planned:
                receipt = self._step(claim, document, step, known[step.name], receipts)
                if receipt is None:
                    return
                receipts[step.name] = receipt
                known |= self._implied(claim, document, planned, known, receipts)
            self.ledger.deliveries.complete(claim)
            with self._lock:
                self.report.delivered_keys.append(claim.delivery.number)
                self.report.delivered_ids.append(claim.delivery.id)
            self._count("delivered")
        except LeaseLost:
            self._lost(claim)
        except WrongState as problem:
            # What is to be sent changed after a part of it had been sent.
            with self._ending(claim):
                self._dead(claim, "changed_while_sending", str(problem))

    def _implied(
        self,
        claim: Claim,
        document: Any,
        planned: Sequence[Step],
        known: Mapping[str, StepRow],
        receipts: Mapping[str, Receipt],
    ) -> dict[str, StepRow]:
        """Steps that an earlier one has done along with it, confirmed in one transaction; as they are now."""
        if not isinstance(self.target, ImpliesSteps):
            return {}
        done: dict[str, Receipt] = {}
        for step in planned:
            row = known[step.name]
            if step.name in receipts or row.state is not StepState.PLANNED or row.attempts:
                continue
            request = StepRequest(
                delivery=str(claim.delivery.id),
                step=step,
                document=document,
                receipts={**receipts, **done},
                references={},
            )
            receipt = self.target.implied(request)
            if receipt is not None:
                done[step.name] = receipt
        if done:
            self.ledger.steps.implied(claim, done)
        confirmed = StepState.CONFIRMED
        return {
            name: msgspec.structs.replace(known[name], state=confirmed, receipt=receipt)
            for name, receipt in done.items()
        }

    def _guarantee(self, step: Step) -> Guarantee:
        return self.target.capabilities.operation(step.operation).guarantee

    def _step(
        self, claim: Claim, document: Any, step: Step, known: StepRow, receipts: dict[str, Receipt]
    ) -> Receipt | None:
        """The step's receipt, or None where the delivery does not go on now."""
        if known.state is StepState.CONFIRMED:
            return known.receipt
        if known.state is StepState.REFUSED and step.optional:
            return Receipt(target_id="", values={"refused": known.code})
        operation = self.target.capabilities.operation(step.operation)
        request = StepRequest(
            delivery=str(claim.delivery.id),
            step=step,
            document=document,
            receipts=dict(receipts),
            references=dict(self._references),
            attempt=known.attempts + 1,
            target_id=self._partners.get(claim.id, ""),
        )
        if known.state is StepState.ACCEPTED:
            return self._settled(claim, step, known, operation)
        again = operation.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)
        if known.state is StepState.UNKNOWN and not again:
            found = self._look(claim, step, request, operation, known.settle_until)
            if found is None or isinstance(found, Receipt):
                return found
        try:
            # Classes A and B may be sent again at once; the others hold the key for their settle time.
            self.ledger.steps.begin(
                claim,
                step.name,
                settle_seconds=0.0 if again else operation.settle_seconds,
                moves=self._moves(document, operation),
            )
        except KeyBusy as busy:
            self._later(claim, busy.until, str(busy), "key_busy")
            return None
        except AlreadyConfirmed as already:
            self.ledger.steps.confirm(claim, step.name, already.receipt)
            return already.receipt
        with self._lock:
            self.report.calls += 1
        return self._after(claim, step, self.target.submit([request])[0], operation)

    def _settled(self, claim: Claim, step: Step, known: StepRow, operation: Operation) -> Receipt | None:
        """What became of a step that the target took earlier. Where it cannot be asked now, the handle stays."""
        try:
            outcome = self.target.settle([known.handle])[0]
        except CallFailed as failure:
            outcome = NotSent(why=str(failure), retry_after_seconds=failure.retry_after_seconds)
        if isinstance(outcome, Accepted | NotSent):
            waited = self.clock() - (known.sent_at or self.clock())
            pause = min(max(FIRST_POLL, waited / 4), LONGEST_POLL)
            if isinstance(outcome, NotSent) and outcome.retry_after_seconds:
                pause = timedelta(seconds=outcome.retry_after_seconds)
            why = outcome.why if isinstance(outcome, NotSent) else "accepted, not done yet"
            self._later(claim, self.clock() + pause, why, "accepted")
            return None
        return self._after(claim, step, outcome, operation)

    def _look(
        self, claim: Claim, step: Step, request: StepRequest, operation: Operation, settle_until: datetime | None
    ) -> Receipt | SendAgain | None:
        """After an unknown outcome of class C or D: the receipt, None (not now), or that it may be sent."""
        if settle_until is not None and self.clock() < settle_until:
            self._later(claim, settle_until, "the last send may still become visible", "settling")
            return None
        match self.target.find([request])[0]:
            case Found(receipt=receipt):
                self._confirm(claim, step, receipt)
                return receipt
            case Later(seconds=seconds, why=why):
                self._later(claim, self.clock() + timedelta(seconds=seconds), why, "settling")
            case Ambiguous(target_ids=ids):
                self._dead(
                    claim, "ambiguous", f"several records of {self.connection} carry {step.key}: {', '.join(ids)}"
                )
            case Absent() if operation.guarantee is Guarantee.SEARCHABLE:
                self.ledger.steps.absent(claim, step.name)
                return SEND_AGAIN
            case _:
                self._dead(
                    claim,
                    "outcome_unknown",
                    f"{step.name} was sent once, no answer came and {self.connection} cannot be searched for it: "
                    "look it up there, then retry (it is not there) or dismiss (it is).",
                )
        return None

    def _confirm(self, claim: Claim, step: Step, receipt: Receipt, origin: str = "") -> None:
        """Receipt and cross reference in one transaction. The step that is named like the document's entity is
        the one that stands for the document at the target."""
        key = claim.delivery.key
        links = []
        if step.name == key.entity:
            links.append(
                Link(
                    entity=key.entity,
                    connection_a=key.connection,
                    scope_a=key.scope,
                    id_a=key.native_id,
                    connection_b=self.connection,
                    id_b=receipt.target_id,
                    origin=origin or ("found" if receipt.existed else "delivered"),
                )
            )
        try:
            self.ledger.steps.confirm(claim, step.name, receipt, references=links)
        except CrossReferenceConflict as conflict:
            # It was delivered all the same; which of the two records is the right one, a person says.
            self.ledger.steps.confirm(claim, step.name, receipt)
            matter = f"cross_reference/{self.route}/{key.connection}/{key.scope}/{key.entity}/{key.native_id}"
            self.ledger.notices.raise_once(matter, "warning", str(conflict), link=f"trace/{claim.delivery.number}")

    def _moves(self, document: Any, operation: Operation) -> list[tuple[str, str, list[str]]]:
        """Known state that the write changes besides its own key, as the operation declares it."""
        if not operation.moves or not isinstance(self.target, MovesState):
            return []
        keys = self.target.moves(document)
        return [(self.connection, entity, keys) for entity in operation.moves]

    def _after(self, claim: Claim, step: Step, outcome: Outcome, operation: Operation) -> Receipt | None:
        match outcome:
            case Applied(receipt=receipt):
                self._confirm(claim, step, receipt)
                return receipt
            case Accepted(handle=handle):
                self.ledger.steps.accepted(claim, step.name, handle)
                self._later(claim, self.clock() + FIRST_POLL, "accepted, not done yet", "accepted")
            case NotSent(why=why, retry_after_seconds=wait_seconds):
                self.ledger.steps.not_sent(claim, step.name, why)
                pause = timedelta(seconds=wait_seconds) if wait_seconds else min(self._backoff(claim), LONGEST_NOT_SENT)
                self._later(claim, self.clock() + pause, why, "not_sent")
            case Unknown(why=why):
                until = self.ledger.steps.unknown(claim, step.name, why)
                again = operation.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)
                due = self.clock() + self._backoff(claim) if again else until
                self._later(claim, due, why, "outcome_unknown")
            case Refused(code=code, message=message):
                self.ledger.steps.refuse(claim, step.name, code, message)
                if step.optional:
                    return Receipt(target_id="", values={"refused": code})
                self._refused(claim, outcome)
        return None

    def _refused(self, claim: Claim, refused: Refused) -> None:
        if refused.again is Again.AFTER_DEPENDENCY and refused.requirement:
            need = Requirement(*refused.requirement)
            with self._lock:
                self._references.pop(need, None)
            self._wait_for(claim, [need], refused.code)
        elif refused.again is Again.LATER and claim.delivery.attempts < MOST_ATTEMPTS:
            pause = refused.retry_after_seconds
            due = self.clock() + (timedelta(seconds=pause) if pause else self._backoff(claim))
            self._later(claim, due, refused.message, refused.code)
        else:
            self._dead(claim, refused.code, refused.message)

    # -- endings -------------------------------------------------------------------------------

    def _backoff(self, claim: Claim) -> timedelta:
        return min(FIRST_RETRY * 2 ** min(claim.delivery.attempts, 12), LONGEST_RETRY)

    def _later(self, claim: Claim, due: datetime, why: str, code: str) -> None:
        self.ledger.deliveries.later(claim, due, why, code)
        self._let_go(claim)
        self._count("later", code)

    def _dead(self, claim: Claim, code: str, reason: str) -> None:
        self.ledger.deliveries.dead(claim, code, reason)
        self._let_go(claim)
        log.warning("dead letter", extra={"flow": self.flow, "key": claim.delivery.number, "code": code})
        self._count("dead", code)

    def _count(self, what: str, code: str = "") -> None:
        with self._lock:
            self.report.count(what, code)
