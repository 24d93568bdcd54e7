"""How a row ends for now: written, later, waiting for what it lacks, refused, unknown."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from erp_sync.flows.convergence.report import ConvergenceReport, ConvergenceTask, Sent, waiting_code
from erp_sync.flows.leases import Leases
from erp_sync.flows.writing_again import Patience
from erp_sync.ledger.deliveries import DEFECT
from erp_sync.ledger.errors import NO_ANSWER, LeaseLost, LedgerBusy
from erp_sync.ledger.quarantine import Refusal
from erp_sync.ledger.rows import ClaimedRow, PutBack, RowClaim, RowState
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Refused

log = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=15)
# A row whose product the target does not have: its arrival makes a new plan, this is the net beneath.
DEPENDENCY_RETRY = timedelta(hours=1)


class Endings:
    """Writes an ending into the ledger and counts it."""

    def __init__(self, task: ConvergenceTask, leases: Leases[RowClaim]) -> None:
        self.task, self.leases = task, leases
        self.report = ConvergenceReport()
        self._lock = threading.Lock()
        self._created: list[str] = []
        self._needs: set[Requirement] = set()

    def written(
        self, claim: RowClaim, rows: Sequence[ClaimedRow], ended: RowState, write: Callable[[], object]
    ) -> None:
        """`write`, which ends these rows so; done again where the ledger is away for a moment (`Patience`). What was
        committed before that is found ended. Raises LeaseLost where somebody else has taken them."""
        patience, tried = Patience(lambda: self.leases.holds(claim)), False
        while True:
            try:
                write()
                return
            except LeaseLost:
                if tried and self.task.ledger.plans.have_ended(rows, ended):
                    return
                raise
            except (LedgerBusy, *NO_ANSWER) as error:
                if not patience.lasts(error):
                    raise
                tried = True
                log.warning("written again", extra={"flow": self.task.flow, "rows": len(rows), "why": str(error)})

    def begun(self, claim: RowClaim, settle_seconds: float) -> set[int]:
        """Ids of the rows that are to be sent, with that in the ledger; begun again as `written`."""
        patience, again = Patience(lambda: self.leases.holds(claim)), False
        while True:
            try:
                rows = self.task.ledger.plans.begin(claim, settle_seconds=settle_seconds, again=again)
                return {row.id for row in rows}
            except (LedgerBusy, *NO_ANSWER) as error:
                if not patience.lasts(error):
                    raise
                again = True
                log.warning("begun again", extra={"flow": self.task.flow, "why": str(error)})

    def unknown(self, claim: RowClaim, rows: Sequence[ClaimedRow], why: str, code: str = "", **more: Any) -> None:
        """No trustworthy answer: their keys are read back. In the report as `code`."""
        plans = self.task.ledger.plans
        self.written(claim, rows, RowState.UNKNOWN, lambda: plans.unknown(claim, rows, why, code=code, **more))

    def taken(self, claim: RowClaim, some: Sequence[tuple[ClaimedRow, str]], due_at: datetime) -> None:
        """(row, handle): the target took these; it is asked again from then on."""
        plans, rows = self.task.ledger.plans, [row for row, _ in some]
        self.written(claim, rows, RowState.ACCEPTED, lambda: plans.accepted(claim, some, due_at=due_at))

    def in_work(self, claim: RowClaim, some: Sequence[tuple[ClaimedRow, str]]) -> None:
        """(row, handle): the target took these while we wait for them."""
        plans, rows = self.task.ledger.plans, [row for row, _ in some]
        self.written(claim, rows, RowState.SENDING, lambda: plans.keep_handles(claim, some))

    def take_created(self) -> list[str]:
        """Keys created since this was last asked: what waited for them may go."""
        with self._lock:
            created, self._created = self._created, []
        return created

    def take_needs(self) -> set[Requirement]:
        """What rows have come to wait for since this was last asked."""
        with self._lock:
            needs, self._needs = self._needs, set()
        return needs

    def applied(self, claim: RowClaim, rows: list[Sent]) -> None:
        """The target has these values."""
        claimed = [sent.claimed for sent in rows]
        values = {sent.claimed.id: sent.value for sent in rows}
        agreed = {sent.claimed.id: sent.agreed for sent in rows if sent.agreed is not None}
        plans = self.task.ledger.plans
        self.written(
            claim, claimed, RowState.APPLIED, lambda: plans.applied(claim, claimed, values=values, agreed=agreed)
        )
        with self._lock:
            self.report.applied += len(rows)
            self.report.applied_keys += [sent.claimed.key for sent in rows]
        self._are_there(rows)

    def partly(self, claim: RowClaim, pairs: Sequence[tuple[Sent, Requirement]]) -> None:
        """The target has made them, without what has to wait for something else: that goes once it is there."""
        self.wait_for(claim, pairs)
        self.task.ledger.quarantine.resolve(
            self.task.connection,
            self.task.entity,
            [sent.claimed.key for sent, _ in pairs],
            f"written in run {self.task.run_id}",
            claim.route,
            claim.flow,
        )
        self._are_there([sent for sent, _ in pairs])

    def _are_there(self, rows: Sequence[Sent]) -> None:
        created = [sent.claimed.key for sent in rows if sent.claimed.action == "create"]
        with self._lock:
            self.report.created += created
            self._created += created

    def already(self, claim: RowClaim, rows: list[Sent]) -> None:
        """The target had these values before: nothing was sent."""
        self.applied(claim, rows)
        with self._lock:
            self.report.already += len(rows)
            self.report.applied -= len(rows)

    def refused(self, claim: RowClaim, pairs: Sequence[tuple[Sent, Refused]]) -> None:
        """Refused rows wait, are tried later, or go to quarantine."""
        waiting = [(sent, Requirement(*one.requirement)) for sent, one in pairs if _waits(one) and one.requirement]
        later = [(sent, one) for sent, one in pairs if not _waits(one) and one.again is Again.LATER]
        never = [(sent, one) for sent, one in pairs if not _waits(one) and one.again is not Again.LATER]
        self.wait_for(claim, waiting)
        self.later(claim, [(sent, one.message, one.retry_after_seconds, one.code) for sent, one in later])
        if not never:
            return
        refusals = [self._refusal(sent.claimed, one.code, one.message) for sent, one in never]
        refused = [(sent.claimed, one.code, one.message) for sent, one in never]
        plans, claimed = self.task.ledger.plans, [sent.claimed for sent, _ in never]
        self.written(
            claim, claimed, RowState.REFUSED, lambda: plans.refused(claim, refused, refusals, self.task.run_id)
        )
        for sent, one in never:
            log.warning("refused", extra={"flow": self.task.flow, "key": sent.claimed.key, "code": one.code})
            self.count("refused", 1, one.code)

    def defective(self, claim: RowClaim, row: ClaimedRow, why: str) -> None:
        """Our own code fails with this row."""
        plans, refusals = self.task.ledger.plans, [self._refusal(row, DEFECT, why)]
        self.written(
            claim, [row], RowState.REFUSED, lambda: plans.defective(claim, row, why, refusals, self.task.run_id)
        )
        self.count("refused", 1, DEFECT)

    def _refusal(self, row: ClaimedRow, code: str, problem: str) -> Refusal:
        return Refusal(
            connection=self.task.connection,
            entity=self.task.entity,
            native_id=row.key,
            scope=row.scope,
            rule=code,
            problem=problem,
            row=(row.after or "null").encode(),
        )

    def wait_for(self, claim: RowClaim, pairs: Sequence[tuple[Sent, Requirement]]) -> None:
        """Each until the target has what it needs; one transaction for all."""
        by_need: dict[Requirement, list[ClaimedRow]] = {}
        for sent, need in pairs:
            by_need.setdefault(need, []).append(sent.claimed)
        due_at = self.task.clock() + DEPENDENCY_RETRY
        self._put_back(
            claim,
            [
                PutBack(
                    rows=tuple(rows),
                    why=f"waits for {need.entity} {need.key} in {self.task.connection}",
                    due_at=due_at,
                    code=waiting_code(need),
                )
                for need, rows in by_need.items()
            ],
        )
        for need, rows in by_need.items():
            self.count("waiting", len(rows), f"missing_{need.entity}")
        with self._lock:
            self._needs.update(by_need)

    def later(self, claim: RowClaim, some: Sequence[tuple[Sent, str, float | None, str]]) -> None:
        """(row, why, seconds that the target asked for, code): due again after that or after a pause of ours."""
        now = self.task.clock()
        groups: dict[tuple[str, timedelta, str], list[ClaimedRow]] = {}
        for sent, why, seconds, code in some:
            pause = timedelta(seconds=seconds) if seconds else self.backoff([sent.claimed])
            groups.setdefault((why, pause, code), []).append(sent.claimed)
            self.count("later", 1, code)
        self._put_back(
            claim,
            [
                PutBack(rows=tuple(rows), why=why, due_at=now + pause, code=code)
                for (why, pause, code), rows in groups.items()
            ],
        )

    def put_back(self, claim: RowClaim, rows: list[ClaimedRow], why: str, pause: timedelta, code: str = "") -> None:
        """Due again after the pause."""
        self._put_back(claim, [PutBack(rows=tuple(rows), why=why, due_at=self.task.clock() + pause, code=code)])

    def _put_back(self, claim: RowClaim, some: Sequence[PutBack]) -> None:
        if some:
            rows = [row for one in some for row in one.rows]
            self.written(claim, rows, RowState.DUE, lambda: self.task.ledger.plans.put_back(claim, some))

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


def _waits(refused: Refused) -> bool:
    return refused.again is Again.AFTER_DEPENDENCY and bool(refused.requirement)
