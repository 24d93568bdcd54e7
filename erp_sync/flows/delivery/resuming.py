"""What became of a step that was sent before, by an earlier attempt or an earlier run."""

from __future__ import annotations

from datetime import timedelta

from erp_sync.flows.delivery.endings import Endings
from erp_sync.flows.delivery.recording import FIRST_POLL, Recording
from erp_sync.flows.delivery.report import DrainTask
from erp_sync.ledger.documents import Claim, StepRow
from erp_sync.ports.capabilities import Guarantee, Operation
from erp_sync.ports.documents import Step, StepRequest
from erp_sync.ports.outcomes import Absent, Accepted, Ambiguous, CallFailed, Found, Later, NotSent, Receipt, Untraceable

# The longest interval at which the target is asked for what it took and has not done.
LONGEST_POLL = timedelta(minutes=1)


class SendAgain:
    """The last send certainly is not at the target: it may be sent once more."""


SEND_AGAIN = SendAgain()


class Resuming:
    """Asks the target about accepted steps and about those with an unknown outcome."""

    def __init__(self, task: DrainTask, recording: Recording, endings: Endings) -> None:
        self.task, self.recording, self.endings = task, recording, endings

    def settled(self, claim: Claim, step: Step, known: StepRow, operation: Operation) -> Receipt | Accepted | None:
        """What became of a step that the target took earlier; `Accepted` where it has it in work still. Where it cannot
        be asked now, the handle stays."""
        try:
            outcome = self.task.target.settle([known.handle])[0]
        except CallFailed as failure:
            outcome = NotSent(why=str(failure), retry_after_seconds=failure.retry_after_seconds)
        if isinstance(outcome, Accepted):
            if outcome.handle != known.handle:
                # What is known by now is not found out anew each time.
                self.task.ledger.steps.handed_on(claim, step.name, outcome.handle)
            return outcome
        if isinstance(outcome, NotSent):
            self._ask_later(claim, known, outcome.retry_after_seconds, outcome.why)
            return None
        return self.recording.outcome(claim, step, outcome, operation)

    def waits(self, claim: Claim, known: StepRow, accepted: Accepted) -> None:
        """The target has it in work, and nothing is to be done about it but to ask again."""
        self._ask_later(claim, known, accepted.ask_after_seconds, "accepted, not done yet")

    def _ask_later(self, claim: Claim, known: StepRow, wanted: float | None, why: str) -> None:
        waited = self.task.clock() - (known.sent_at or self.task.clock())
        pause = min(max(FIRST_POLL, waited / 4), LONGEST_POLL)
        pause = timedelta(seconds=wanted) if wanted else pause
        self.endings.later(claim, self.task.clock() + pause, why, "accepted")

    def cancelled(self, claim: Claim, step: Step, known: StepRow) -> bool:
        """Whether this step stands for a document that has left and whose cancellation waits for it: then it is taken
        back or found, and never sent again."""
        own = step.name == claim.delivery.key.entity
        return own and bool(known.attempts) and self.task.ledger.deliveries.is_cancelled_after(claim.id)

    def look(
        self, claim: Claim, step: Step, request: StepRequest, operation: Operation, known: StepRow
    ) -> Receipt | SendAgain | None:
        """After an unknown outcome of class C or D, or before what was cancelled meanwhile goes once more: the receipt,
        None (not now), or that it may be sent."""
        if known.settle_until is not None and self.task.clock() < known.settle_until:
            self.endings.later(claim, known.settle_until, "the last send may still become visible", "settling")
            return None
        try:
            finding = self.task.target.find([request])[0]
        except CallFailed as failure:
            pause = timedelta(seconds=failure.retry_after_seconds or 0) or self.endings.backoff(claim)
            self.endings.later(claim, self.task.clock() + pause, str(failure), "look_up_failed")
            return None
        match finding:
            case Found(receipt=receipt):
                self.recording.confirm(claim, step, receipt)
                return receipt
            case Accepted():
                self.recording.outcome(claim, step, finding, operation)
            case Later(seconds=seconds, why=why):
                self.endings.later(claim, self.task.clock() + timedelta(seconds=seconds), why, "settling")
            case Ambiguous(target_ids=ids, why=why):
                several = f"several records of {self.task.connection} carry {step.key}: {', '.join(ids)}"
                self.endings.dead(claim, "ambiguous", why or several)
            case Untraceable(why=why):
                self.endings.dead(claim, "no_trace", why)
            case Absent() if operation.guarantee is Guarantee.SEARCHABLE:
                self.task.ledger.steps.absent(claim, step.name)
                if not self.cancelled(claim, step, known):
                    return SEND_AGAIN
                self.endings.taken_back(claim, "cancelled at its source before it arrived at the target")
            case _:
                self.endings.dead(
                    claim,
                    "outcome_unknown",
                    f"{step.name} was sent once, no answer came and {self.task.connection} cannot be searched for it: "
                    "look it up there, then retry (it is not there) or dismiss (it is).",
                )
        return None
