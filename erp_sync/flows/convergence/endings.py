"""How a row ends for now: written, later, waiting for what it lacks, refused, unknown."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta

from erp_sync.flows.convergence.report import ConvergenceReport, ConvergenceTask, Sent, waiting_code
from erp_sync.ledger.quarantine import Refusal
from erp_sync.ledger.rows import ClaimedRow, RowClaim
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Refused

log = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=15)
# A row whose product the target does not have: its arrival makes a new plan, this is the net beneath.
DEPENDENCY_RETRY = timedelta(hours=1)


class Endings:
    """Writes an ending into the ledger and counts it."""

    def __init__(self, task: ConvergenceTask) -> None:
        self.task = task
        self.report = ConvergenceReport()
        self._lock = threading.Lock()
        self._created: list[str] = []

    def take_created(self) -> list[str]:
        """Keys created since this was last asked: what waited for them may go."""
        with self._lock:
            created, self._created = self._created, []
        return created

    def applied(self, claim: RowClaim, rows: list[Sent]) -> None:
        """The target has these values."""
        self.task.ledger.plans.applied(
            claim,
            [sent.claimed for sent in rows],
            values={sent.claimed.id: sent.value for sent in rows},
            agreed={sent.claimed.id: sent.agreed for sent in rows if sent.agreed is not None},
        )
        with self._lock:
            self.report.applied += len(rows)
            self.report.applied_keys += [sent.claimed.key for sent in rows]
            created = [sent.claimed.key for sent in rows if sent.claimed.action == "create"]
            self.report.created += created
            self._created += created

    def already(self, claim: RowClaim, rows: list[Sent]) -> None:
        """The target had these values before: nothing was sent."""
        self.applied(claim, rows)
        with self._lock:
            self.report.already += len(rows)
            self.report.applied -= len(rows)

    def refused(self, claim: RowClaim, sent: Sent, refused: Refused) -> None:
        """A refused row waits, is tried later, or goes to quarantine alone."""
        if refused.again is Again.AFTER_DEPENDENCY and refused.requirement:
            self.wait_for(claim, [sent], Requirement(*refused.requirement))
        elif refused.again is Again.LATER:
            seconds = refused.retry_after_seconds
            pause = timedelta(seconds=seconds) if seconds else self.backoff([sent.claimed])
            self.put_back(claim, [sent.claimed], refused.message, pause)
            self.count("later", 1, refused.code)
        else:
            self.task.ledger.plans.refused(claim, [(sent.claimed, refused.code, refused.message)])
            self.task.ledger.quarantine.add(
                [
                    Refusal(
                        connection=self.task.connection,
                        entity=self.task.entity,
                        native_id=sent.claimed.key,
                        rule=refused.code,
                        problem=refused.message,
                        row=(sent.claimed.after or "null").encode(),
                    )
                ],
                route=self.task.route,
                flow=self.task.flow,
                run_id=self.task.run_id,
            )
            log.warning("refused", extra={"flow": self.task.flow, "key": sent.claimed.key, "code": refused.code})
            self.count("refused", 1, refused.code)

    def wait_for(self, claim: RowClaim, rows: list[Sent], need: Requirement) -> None:
        """Until the target has what they need."""
        why = f"waits for {need.entity} {need.key} in {self.task.connection}"
        self.put_back(claim, [sent.claimed for sent in rows], why, DEPENDENCY_RETRY, waiting_code(need))
        self.count("waiting", len(rows), f"missing_{need.entity}")

    def put_back(self, claim: RowClaim, rows: list[ClaimedRow], why: str, pause: timedelta, code: str = "") -> None:
        """Due again after the pause."""
        self.task.ledger.plans.not_sent(claim, rows, why, due_at=self.task.clock() + pause, code=code)

    @staticmethod
    def backoff(rows: Sequence[ClaimedRow]) -> timedelta:
        """How long until they are tried again, by their attempts."""
        attempts = max((row.attempts for row in rows), default=0)
        return min(FIRST_RETRY * 2 ** min(attempts, 12), LONGEST_RETRY)

    def count(self, what: str, rows: int, code: str) -> None:
        """More in the report."""
        with self._lock:
            setattr(self.report, what, getattr(self.report, what) + rows)
            self.report.reasons[code] = self.report.reasons.get(code, 0) + rows

    def sent(self) -> None:
        """One more batch left."""
        with self._lock:
            self.report.batches += 1

    def accepted(self, rows: int) -> None:
        """The target took them and has not done them yet."""
        with self._lock:
            self.report.accepted += rows
