"""One document through its steps, each in the ledger before it leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from erp_sync.flows.delivery.endings import Endings
from erp_sync.flows.delivery.recording import Recording
from erp_sync.flows.delivery.report import DrainTask
from erp_sync.flows.delivery.resolved import Resolved
from erp_sync.flows.delivery.resuming import Resuming
from erp_sync.flows.leases import Leases
from erp_sync.ledger.documents import Claim, StepPast, StepRow, StepState
from erp_sync.ledger.errors import AlreadyConfirmed, KeyBusy, LeaseLost, WrongState
from erp_sync.ports.capabilities import Guarantee, Operation
from erp_sync.ports.differences import TellsDifferences, code_of, undecided, words_of
from erp_sync.ports.documents import MovesState, Proceeds, Step, StepRequest, TakesBack
from erp_sync.ports.leaving import while_held
from erp_sync.ports.outcomes import Accepted, Outcome, Receipt
from erp_sync.ports.raw import MappingProblem


class Sending:
    """Called by the drain's threads, one document each."""

    def __init__(
        self, task: DrainTask, leases: Leases[Claim], *, resolved: Resolved, recording: Recording, endings: Endings
    ) -> None:
        self.task, self.leases = task, leases
        self.resolved, self.recording, self.endings = resolved, recording, endings
        self.resuming = Resuming(task, recording, endings)

    def deliver(self, claim: Claim, document: Any) -> bool:
        """Send the document, from the first step that is not confirmed. True: every step is confirmed, and the claim
        is still to be ended (`Endings.delivered`); else it has ended."""
        # A send that left after its lease could meet another's: its settle time is counted from the lease's end.
        with while_held(lambda: self.leases.holds(claim)):
            return self._held(claim, document)

    def _held(self, claim: Claim, document: Any) -> bool:
        try:
            try:
                if self._differs(claim, document):
                    return False
                planned = self.task.target.steps(document)
            except MappingProblem as problem:
                self.endings.dead(claim, problem.code, str(problem))
                return False
            reuse = {step.operation for step in planned if self._guarantee(step) is Guarantee.UNIQUE_KEY}
            rows = self.endings.written([claim], lambda: self.task.ledger.steps.plan(claim, planned, reuse=reuse))
            known = {row.name: row for row in rows}
            receipts: dict[str, Receipt] = {}
            for step in planned:
                receipt = self._step(claim, document, step, known[step.name], receipts)
                if receipt is None:
                    return False
                receipts[step.name] = receipt
                known |= self.recording.implied(claim, document, planned, known, receipts)
            return True
        except LeaseLost:
            self.endings.lost(claim)
        except WrongState as problem:
            self.endings.changed(claim, problem)
        return False

    def _differs(self, claim: Claim, document: Any) -> bool:
        """Hold a document whose own amounts do not agree, unless a person let that pass."""
        if not isinstance(self.task.target, TellsDifferences):
            return False
        compared = self.task.target.differences(document)
        open_ones = undecided(compared, claim.delivery.allowed)
        if open_ones:
            self.endings.held(claim, code_of(open_ones), words_of(open_ones), compared)
        return bool(open_ones)

    def _guarantee(self, step: Step) -> Guarantee:
        return self.task.target.capabilities.operation(step.operation).guarantee

    def _step(
        self, claim: Claim, document: Any, step: Step, known: StepRow, receipts: dict[str, Receipt]
    ) -> Receipt | None:
        """The step's receipt, or None where the delivery does not go on now."""
        if known.state is StepState.CONFIRMED:
            return known.receipt
        if known.state is StepState.REFUSED and step.optional:
            return Receipt(target_id="", values={"refused": known.code})
        operation = self.task.target.capabilities.operation(step.operation)
        request = self._request(claim, document, step, known, receipts, operation)
        if known.state is StepState.ACCEPTED:
            return self._accepted(claim, request, known, operation)
        again = operation.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)
        unknown = known.state is StepState.UNKNOWN and not again
        if unknown or (operation.guarantee is Guarantee.SEARCHABLE and self.resuming.cancelled(claim, step, known)):
            found = self.resuming.look(claim, step, request, operation, known)
            if found is None or isinstance(found, Receipt):
                return found

        def send() -> Outcome:
            outcome: Outcome = self.task.target.submit([request])[0]
            return outcome

        return self._sent(claim, request, operation, operation, send)

    def _request(
        self,
        claim: Claim,
        document: Any,
        step: Step,
        known: StepRow,
        receipts: dict[str, Receipt],
        operation: Operation,
    ) -> StepRequest:
        past = self.task.ledger.steps.past(claim.id, step.name) if known.attempts else StepPast()
        settle = timedelta(seconds=operation.settle_seconds)
        return StepRequest(
            delivery=str(claim.delivery.id),
            step=step,
            document=document,
            receipts=dict(receipts),
            references=dict(self.resolved.references),
            attempt=known.attempts + 1,
            refusals=past.refusals,
            unsettled=past.unanswered_at is not None and self.task.clock() < past.unanswered_at + settle,
            unanswered=past.unanswered_at is not None,
            target_id=self.resolved.partners.get(claim.id, ""),
            allowed=claim.delivery.allowed,
        )

    def _accepted(self, claim: Claim, request: StepRequest, known: StepRow, operation: Operation) -> Receipt | None:
        """What the target has in work: done, or to be taken back, or in need of one more write of ours, or waiting."""
        target, step = self.task.target, request.step
        declared = target.capabilities.operation
        takes_back = target.take_back_operation if isinstance(target, TakesBack) else ""
        if takes_back and self.resuming.cancelled(claim, step, known):
            taken = known.handle
            return self._sent(
                claim, request, operation, declared(takes_back), lambda: target.take_back(request, taken), True
            )
        accepted = self.resuming.settled(claim, step, known, operation)
        if not isinstance(accepted, Accepted):
            return accepted
        handle = accepted.handle
        if accepted.next_operation and isinstance(target, Proceeds):
            write = declared(accepted.next_operation)
            return self._sent(claim, request, operation, write, lambda: target.proceed(request, handle), True)
        self.resuming.waits(claim, known, accepted)
        return None

    def _sent(
        self,
        claim: Claim,
        request: StepRequest,
        operation: Operation,
        write: Operation,
        send: Callable[[], Outcome],
        proceeding: bool = False,
    ) -> Receipt | None:
        """Durably begin the step, send, and record what it came to. `write`: the operation that is sent, of a step that
        stands for `operation`, by whose class the step is found again."""
        step = request.step
        again = operation.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)
        try:
            # Classes A and B may be sent again at once; the others hold the key for their settle time.
            settle_seconds = 0.0 if again else write.settle_seconds
            self._begin(claim, step, settle_seconds, again, self._moves(request.document, write), proceeding)
        except KeyBusy as busy:
            self.endings.later(claim, busy.until, str(busy), "key_busy")
            return None
        except AlreadyConfirmed as already:
            self.task.ledger.steps.confirm(claim, step.name, already.receipt)
            return already.receipt
        self.endings.called()
        return self.recording.outcome(claim, step, send(), operation)

    def _begin(
        self,
        claim: Claim,
        step: Step,
        settle_seconds: float,
        again: bool,
        moves: list[tuple[str, str, list[str]]],
        proceeding: bool,
    ) -> None:
        steps, tried = self.task.ledger.steps, False

        def write() -> None:
            nonlocal tried
            if tried and any(one.name == step.name and one.state is StepState.SENDING for one in steps.of(claim.id)):
                steps.not_sent(claim, step.name, "the ledger was restarted as this was about to leave")
            tried = True
            steps.begin(
                claim, step.name, settle_seconds=settle_seconds, moves=moves, again=again, proceeding=proceeding
            )

        self.endings.written([claim], write)

    def _moves(self, document: Any, operation: Operation) -> list[tuple[str, str, list[str]]]:
        """Known state that the write changes besides its own key, as the operation declares it."""
        if not operation.moves or not isinstance(self.task.target, MovesState):
            return []
        keys = self.task.target.moves(document)
        return [(self.task.connection, entity, keys) for entity in operation.moves]
