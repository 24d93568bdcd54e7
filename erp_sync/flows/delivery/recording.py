"""What a step came to, written into the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from erp_sync.flows.delivery.endings import LONGEST_NOT_SENT, MOST_ATTEMPTS, Endings
from erp_sync.flows.delivery.report import DrainTask
from erp_sync.flows.delivery.resolved import Resolved
from erp_sync.ledger import Link
from erp_sync.ledger.documents import Claim, StepRow, StepState
from erp_sync.ledger.errors import CrossReferenceConflict
from erp_sync.ports.capabilities import Guarantee, Operation
from erp_sync.ports.documents import ImpliesSteps, Requirement, Step, StepRequest
from erp_sync.ports.outcomes import (
    MAY_BE_THERE,
    TAKEN_BACK,
    Accepted,
    Again,
    Applied,
    NotSent,
    Outcome,
    Receipt,
    Refused,
    Unknown,
)

# What the target took but has not done is asked for after this long first.
FIRST_POLL = timedelta(seconds=1)


class Recording:
    """Receipts and cross references of what went, and how a delivery ends whose step did not."""

    def __init__(self, task: DrainTask, resolved: Resolved, endings: Endings) -> None:
        self.task, self.resolved, self.endings = task, resolved, endings

    def confirm(self, claim: Claim, step: Step, receipt: Receipt, origin: str = "") -> None:
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
                    connection_b=self.task.connection,
                    id_b=receipt.target_id,
                    origin=origin or ("found" if receipt.existed else "delivered"),
                )
            )
        try:
            self.task.ledger.steps.confirm(claim, step.name, receipt, references=links)
        except CrossReferenceConflict as conflict:
            # It was delivered all the same; which of the two records is the right one, a person says. The notice first:
            # once the step is confirmed nobody meets the conflict again.
            matter = f"cross_reference/{self.task.route}/{key.connection}/{key.scope}/{key.entity}/{key.native_id}"
            self.task.ledger.notices.raise_once(matter, "warning", str(conflict), link=f"trace/{claim.delivery.number}")
            self.task.ledger.steps.confirm(claim, step.name, receipt)

    def implied(
        self,
        claim: Claim,
        document: Any,
        planned: Sequence[Step],
        known: Mapping[str, StepRow],
        receipts: Mapping[str, Receipt],
    ) -> dict[str, StepRow]:
        """Steps that an earlier one has done along with it, confirmed in one transaction; as they are now."""
        if not isinstance(self.task.target, ImpliesSteps):
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
            receipt = self.task.target.implied(request)
            if receipt is not None:
                done[step.name] = receipt
        if done:
            self.task.ledger.steps.implied(claim, done)
        confirmed = StepState.CONFIRMED
        return {
            name: msgspec.structs.replace(known[name], state=confirmed, receipt=receipt)
            for name, receipt in done.items()
        }

    def outcome(self, claim: Claim, step: Step, outcome: Outcome, operation: Operation) -> Receipt | None:
        """The step's receipt, or None where the delivery ends here for now.

        Nothing but this process knows what the target has answered: where the ledger's server is restarted it is
        written once that is back. If that takes longer than the lease, the step is as unknown as after a crash.
        """
        return self.endings.written([claim], lambda: self._outcome(claim, step, outcome, operation))

    def _outcome(self, claim: Claim, step: Step, outcome: Outcome, operation: Operation) -> Receipt | None:
        match outcome:
            case Applied(receipt=receipt):
                self.confirm(claim, step, receipt)
                return receipt
            case Accepted(handle=handle, ask_after_seconds=wanted):
                self.task.ledger.steps.accepted(claim, step.name, handle)
                pause = timedelta(seconds=wanted) if wanted else FIRST_POLL
                self.endings.later(claim, self.task.clock() + pause, "accepted, not done yet", "accepted")
            case NotSent(why=why, retry_after_seconds=wait_seconds):
                self.task.ledger.steps.not_sent(claim, step.name, why)
                pause = (
                    timedelta(seconds=wait_seconds)
                    if wait_seconds
                    else min(self.endings.backoff(claim), LONGEST_NOT_SENT)
                )
                self.endings.later(claim, self.task.clock() + pause, why, "not_sent")
            case Unknown(why=why):
                until = self.task.ledger.steps.unknown(claim, step.name, why)
                again = operation.guarantee in (Guarantee.UNIQUE_KEY, Guarantee.IDEMPOTENCY_TOKEN)
                due = self.task.clock() + self.endings.backoff(claim) if again else until
                self.endings.later(claim, due, why, "outcome_unknown")
            case Refused(code=code, message=message):
                self.task.ledger.steps.refuse(claim, step.name, code, message)
                if step.optional:
                    return Receipt(target_id="", values={"refused": code})
                self._refused(claim, step, outcome, operation)
        return None

    def _refused(self, claim: Claim, step: Step, refused: Refused, operation: Operation) -> None:
        if refused.again is Again.AFTER_DEPENDENCY and refused.requirement:
            need = Requirement(*refused.requirement)
            self.resolved.forget(need)
            self.endings.wait_for(claim, [need], refused.code)
        elif refused.code == TAKEN_BACK or self._was_cancelled(claim, step, refused, operation):
            self.endings.taken_back(claim, refused.message)
        elif refused.again is Again.AFTER_DECISION:
            self.endings.held(claim, refused.code, refused.message, refused.differences)
        elif refused.again is Again.LATER and self.task.ledger.steps.refusals(claim.id) <= MOST_ATTEMPTS:
            pause = refused.retry_after_seconds
            due = self.task.clock() + (timedelta(seconds=pause) if pause else self.endings.backoff(claim))
            self.endings.later(claim, due, refused.message, refused.code)
        else:
            self.endings.dead(claim, refused.code, refused.message)

    def _was_cancelled(self, claim: Claim, step: Step, refused: Refused, operation: Operation) -> bool:
        """The target has nothing of the document, and its cancellation waits: a person is not asked for either. Where
        an earlier send had no answer, only a look proves that (class C: `Resuming.look` comes first)."""
        ledger = self.task.ledger
        if step.name != claim.delivery.key.entity or refused.code in MAY_BE_THERE:
            return False
        if not ledger.deliveries.is_cancelled_after(claim.id):
            return False
        looked = operation.guarantee is Guarantee.SEARCHABLE
        return looked or ledger.steps.past(claim.id, step.name).unanswered_at is None
