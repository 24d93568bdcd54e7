"""Claims batches of due rows and hands them out to threads, until nothing is due."""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import partial
from typing import Any

from erp_sync.flows.convergence.endings import Endings
from erp_sync.flows.convergence.isolation import Isolation
from erp_sync.flows.convergence.readiness import Readiness
from erp_sync.flows.convergence.report import ConvergenceReport, ConvergenceTask, Sent
from erp_sync.flows.convergence.sending import Sending
from erp_sync.flows.leases import of_rows
from erp_sync.flows.writing_again import claimed_again
from erp_sync.ledger import Ledger
from erp_sync.ledger.errors import AWAY, LeaseLost, is_away
from erp_sync.ledger.rows import RowClaim
from erp_sync.ports.documents import Requirement
from erp_sync.ports.leaving import while_held

log = logging.getLogger(__name__)

#: A thread that has had a batch for so long hangs. Row by row, as after a defect, a large one may take its time.
STUCK_SECONDS = 3600.0


class Convergence:
    """One drain of one flow's due plan rows to one target.

    Args:
        source: connection that rows come from, for what is quarantined.
        senders: batches under way at once.
        ordered: rows go in the order of the plan, one batch after the other, a batch in one call where the target can.
            What could not be written lets all that comes after it wait.
        budget_seconds: no new batch is begun after this long.
        give_up: called when nothing goes on any more, all that is in hand being in threads that hang: to end the
            process, after which others take over. Threads cannot be ended.
    """

    def __init__(
        self,
        ledger: Ledger,
        target: Any,
        *,
        route: str,
        flow: str,
        entity: str,
        connection: str,
        source: str,
        owner: str,
        senders: int = 4,
        ordered: bool = False,
        budget_seconds: float = 45.0,
        lease_seconds: float = 60.0,
        lanes: Sequence[str] = ("now", "normal", "bulk"),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.task = ConvergenceTask(
            ledger=ledger,
            target=target,
            route=route,
            flow=flow,
            entity=entity,
            connection=connection,
            source=source,
            run_id=owner.split(":")[0],
            clock=clock,
        )
        self.owner, self.senders, self.budget, self.give_up = owner, 1 if ordered else senders, budget_seconds, give_up
        self.ordered = ordered
        self._nothing_more = False  # is claimed in this run: the ledger does not answer
        self.leases, self.lanes = of_rows(ledger.plans, lease_seconds, f"heartbeat-{flow}"), tuple(lanes)
        writes = [one for one in target.capabilities.operations if one.name.startswith(f"{entity}.write")]
        self.batch_size = max((operation.batch_size for operation in writes), default=1)
        self.endings = Endings(self.task, self.leases)
        self.report = self.endings.report
        self.readiness = Readiness(self.task, self.endings)
        self.isolation = Isolation(self.task, self.endings)
        self.sending = Sending(self.task, self.endings, lease_seconds=lease_seconds, sleep=sleep)

    def run(self) -> ConvergenceReport:
        """Drain until nothing is due or the budget is spent. Raises nothing for what a target did.

        A defect of ours does not keep the other rows; one whose row is not found yet is raised at the end. So is what
        the ledger raised that was away for longer than is waited for it.
        """
        began = time.monotonic()
        # Rows with which processes died go last, so that nothing waits behind the next death.
        suspected = self.task.ledger.plans.any_suspects(self.task.connection)
        budget = self.budget / 2 if suspected else self.budget
        under_way: dict[Future[None], RowClaim] = {}
        exhausted = False
        with (
            self.leases.kept(),
            ThreadPoolExecutor(max_workers=self.senders, thread_name_prefix=f"write-{self.task.flow}") as pool,
        ):
            while True:
                while (
                    not (exhausted or self._nothing_more)
                    and len(under_way) < self.senders
                    and time.monotonic() - began < budget
                ):
                    claim = self._claim()
                    if claim is None:
                        exhausted = True
                    else:
                        context = contextvars.copy_context()
                        under_way[pool.submit(context.run, self._batch, claim)] = claim
                if not under_way:
                    break
                done, _ = wait(under_way, timeout=self.leases.seconds / 4, return_when=FIRST_COMPLETED)
                for future in done:
                    # Trouble of the machine must be seen, not swallowed.
                    if not self._ended(under_way.pop(future), future.result):
                        exhausted = False  # what it gave back is due
                exhausted |= self.leases.any_stuck(STUCK_SECONDS)
                if self.leases.all_stuck(under_way.values(), STUCK_SECONDS):
                    log.critical("hung", extra={"flow": self.task.flow, "batches": len(under_way)})
                    self.give_up()
            self._suspects(began)
        self.report.seconds = round(time.monotonic() - began, 3)
        self.isolation.raise_first()
        return self.report

    def take_created(self) -> list[str]:
        """Keys created since this was last asked: what waited for them may go."""
        return self.endings.take_created()

    def take_needs(self) -> set[Requirement]:
        """What rows have come to wait for since this was last asked."""
        return self.endings.take_needs()

    def _suspects(self, began: float) -> None:
        """In smaller and smaller batches, nothing beside them: should we die too, it is known with which."""
        if self._nothing_more or not self.task.ledger.plans.any_suspects(self.task.connection):
            return
        while time.monotonic() - began < self.budget and (claim := self._claim(suspects=True)) is not None:
            self._ended(claim, partial(self._batch, claim))

    def _ended(self, claim: RowClaim, result: Callable[[], None]) -> bool:
        """Whether the batch went through. Where the ledger was away under it, what was not sent is due again; what may
        have left is read back after the lease, as after a crash, and the run fails in the end."""
        try:
            result()
        except AWAY as failure:
            if not is_away(failure):
                raise
            if self._given_back(claim):
                log.warning("given back", extra={"flow": self.task.flow, "rows": len(claim.rows), "why": str(failure)})
            else:
                failure.add_note(f"with {len(claim.rows)} rows of {self.task.flow} from {claim.rows[0].key} on")
                self.isolation.remember(failure)
            return False
        return True

    def _given_back(self, claim: RowClaim) -> bool:
        """Another restart may cut that off, too."""
        plans = self.task.ledger.plans

        def released() -> bool:
            plans.release(claim)
            return not plans.in_hand(claim)

        try:
            return claimed_again(released, self.task.flow, "given back again")
        except AWAY as failure:
            if not is_away(failure):
                raise
            self._nothing_more = True
            return False

    def _claim(self, suspects: bool = False) -> RowClaim | None:
        """None: nothing is due, or the ledger is away: what is in hand goes on, and the run fails in the end."""
        try:
            return claimed_again(lambda: self._claimed(suspects), self.task.flow)
        except AWAY as failure:
            if not is_away(failure):
                raise
            self._nothing_more = True
            self.isolation.remember(failure)
            return None

    def _claimed(self, suspects: bool) -> RowClaim | None:
        if self.task.connection in self.task.ledger.unreachable():
            return None  # what is due queues
        asked = time.monotonic()
        claim = self.task.ledger.plans.claim(
            self.task.route,
            self.task.flow,
            self.task.connection,
            lanes=self.lanes,
            limit=self.batch_size,
            owner=self.owner,
            lease_seconds=self.leases.seconds,
            suspects=suspects,
        )
        if claim is not None:
            self.leases.hold([claim], asked)
        return claim

    def _batch(self, claim: RowClaim) -> None:
        # A value that left after its lease could take the place of a newer one that another run has written since.
        try:
            with while_held(lambda: self.leases.holds(claim), everything=True):
                self._held(claim)
        finally:
            self.leases.let_go(claim)

    def _held(self, claim: RowClaim) -> None:
        try:
            self.isolation.work(claim, [row for row in claim.rows if row.handle], self._ask)
            self.isolation.each(claim, [row for row in claim.rows if not row.handle], self._write)
        except LeaseLost:
            # Overtaken by a newer comparison, or our lease ended: the ledger knows what goes on.
            self.task.ledger.plans.release(claim)
            self.endings.count("lost_claims", 1, "lease_lost")

    def _ask(self, claim: RowClaim) -> None:
        """What became of rows that the target took."""
        handed_over = [(self.readiness.decoded(row), row.handle) for row in claim.rows]
        self.sending.keep(claim, self.sending.asked(claim, handed_over))

    def _write(self, claim: RowClaim) -> None:
        rows = self.readiness.ready(claim, claim.rows)
        if not rows:
            return
        operation = self.task.target.capabilities.operation(self.task.target.operation(rows[0].row))
        standing = self.endings.begun(claim, operation.settle_seconds)
        rows = [sent for sent in rows if sent.claimed.id in standing]
        if self.ordered:
            self._in_order(claim, rows)
            return
        # What takes the place of another row goes once that is gone: a store may refuse both beside each other.
        if away := [one for one in rows if one.value is None]:
            self.sending.send(claim, away)
        if put := self.readiness.unhindered(claim, [one for one in rows if one.value is not None]):
            self.sending.send(claim, put)

    def _in_order(self, claim: RowClaim, rows: list[Sent]) -> None:
        """Send a batch as it is planned. Where something of it has to come again, what the plan has after it waits as
        long: a part would be applied without what it rests on."""
        before = self.report.later + self.report.unknown + self.report.lost_claims
        self.sending.send_together(claim, rows)
        if self.report.later + self.report.unknown + self.report.lost_claims > before:
            self._nothing_more = True
            self.task.ledger.plans.postpone(claim)
