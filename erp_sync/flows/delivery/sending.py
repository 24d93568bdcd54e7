"""One document through its steps, each in the ledger before it leaves."""

from __future__ import annotations

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
from erp_sync.ports.documents import MovesState, Step, StepRequest
from erp_sync.ports.leaving import while_held
from erp_sync.ports.outcomes import Receipt
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
        if known.state is StepState.ACCEPTED:
            return self.resuming.settled(claim, step, known, operation)
        past = self.task.ledger.steps.past(claim.id, step.name) if known.attempts else StepPast()
        settle = timedelta(seconds=operation.settle_seconds)
        request = StepRequest(
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
        again = operation.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)
        if known.state is StepState.UNKNOWN and not again:
            found = self.resuming.look(claim, step, request, operation, known.settle_until)
            if found is None or isinstance(found, Receipt):
                return found
        try:
            # Classes A and B may be sent again at once; the others hold the key for their settle time.
            self._begin(claim, step, operation, again, self._moves(document, operation))
        except KeyBusy as busy:
            self.endings.later(claim, busy.until, str(busy), "key_busy")
            return None
        except AlreadyConfirmed as already:
            self.task.ledger.steps.confirm(claim, step.name, already.receipt)
            return already.receipt
        self.endings.called()
        return self.recording.outcome(claim, step, self.task.target.submit([request])[0], operation)

    def _begin(
        self, claim: Claim, step: Step, operation: Operation, again: bool, moves: list[tuple[str, str, list[str]]]
    ) -> None:
        settle_seconds = 0.0 if again else operation.settle_seconds
        steps, tried = self.task.ledger.steps, False

        def write() -> None:
            nonlocal tried
            if tried and any(one.name == step.name and one.state is StepState.SENDING for one in steps.of(claim.id)):
                steps.not_sent(claim, step.name, "the ledger was restarted as this was about to leave")
            tried = True
            steps.begin(claim, step.name, settle_seconds=settle_seconds, moves=moves, again=again)

        self.endings.written([claim], write)

    def _moves(self, document: Any, operation: Operation) -> list[tuple[str, str, list[str]]]:
        """Known state that the write changes besides its own key, as the operation declares it."""
        if not operation.moves or not isinstance(self.task.target, MovesState):
            return []
        keys = self.task.target.moves(document)
        return [(self.task.connection, entity, keys) for entity in operation.moves]
