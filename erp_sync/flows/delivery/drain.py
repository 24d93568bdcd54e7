"""Claims due documents and hands them out to threads that send, until nothing is due."""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from erp_sync.flows.delivery.defects import Defects
from erp_sync.flows.delivery.endings import Endings
from erp_sync.flows.delivery.preparation import Preparation
from erp_sync.flows.delivery.recording import Recording
from erp_sync.flows.delivery.report import DrainReport, DrainTask
from erp_sync.flows.delivery.resolved import Resolved
from erp_sync.flows.delivery.sending import Sending
from erp_sync.flows.first_look import FirstLook
from erp_sync.flows.leases import of_deliveries
from erp_sync.flows.writing_again import claimed_again
from erp_sync.ledger import Ledger
from erp_sync.ledger.documents import Claim
from erp_sync.ledger.errors import AWAY, is_away
from erp_sync.ports.documents import DEPENDENCY_DEADLINE

log = logging.getLogger(__name__)

#: A thread that has had a document for so long hangs: every call that it makes has a deadline of its own.
STUCK_SECONDS = 900.0


@contextmanager
def _nothing_begun_after_failure(pool: ThreadPoolExecutor) -> Iterator[None]:
    """What no thread has begun when this ends is not begun any more."""
    try:
        yield
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Drain:
    """One drain of one flow's due documents to one target.

    Args:
        decode: canonical document from the delivery's payload.
        owner: run id, process; names who works. The part before a colon is the run's id.
        senders: threads that send; the target's concurrency is a good number.
        budget_seconds: no new document is begun after this long; those under way are finished.
        route: only this route's documents.
        first_look: what the target may hold already, entered by somebody else.
        not_to_go: code and reason where a document that was accepted is not to be sent after all.
        mapping: version of the mapping that it sends by, for the trace.
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
        connection: str,
        decode: Callable[[bytes], Any],
        owner: str,
        senders: int = 5,
        budget_seconds: float = 45.0,
        lease_seconds: float = 30.0,
        lanes: Sequence[str] = ("now", "normal", "bulk"),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        first_look: FirstLook | None = None,
        not_to_go: Callable[[Any], tuple[str, str] | None] = lambda _document: None,
        mapping: str = "",
        give_up: Callable[[], None] = lambda: None,
        deadline: timedelta = DEPENDENCY_DEADLINE,
    ) -> None:
        self.task = DrainTask(
            ledger=ledger,
            target=target,
            route=route,
            flow=flow,
            connection=connection,
            clock=clock,
            deadline=deadline,
        )
        self.owner, self.senders, self.budget, self.lanes = owner, senders, budget_seconds, lanes
        self.mapping, self.give_up = mapping, give_up
        self._nothing_more = False  # is claimed in this run: what was, could not be prepared
        self.leases = of_deliveries(ledger.deliveries, lease_seconds, f"heartbeat-{flow}")
        self.endings = Endings(self.task, self.leases)
        self.report = self.endings.report
        self.defects = Defects(self.task, self.endings)
        resolved = Resolved()
        recording = Recording(self.task, resolved, self.endings)
        self.preparation = Preparation(
            self.task,
            decode=decode,
            resolved=resolved,
            recording=recording,
            endings=self.endings,
            defects=self.defects,
            first_look=first_look,
            not_to_go=not_to_go,
        )
        self.sending = Sending(self.task, self.leases, resolved=resolved, recording=recording, endings=self.endings)

    def run(self) -> DrainReport:
        """Drain until nothing is due or the budget is spent. Raises nothing for what a target did.

        A defect that shows with one document does not keep the others: it is raised at the end. The document is
        tried again, and is a dead letter when it has met a defect `MOST_DEFECTS` times.
        """
        began = time.monotonic()
        under_way: dict[Future[bool], Claim] = {}
        exhausted = False
        with (
            self.leases.kept(),
            ThreadPoolExecutor(max_workers=self.senders, thread_name_prefix=f"send-{self.task.flow}") as pool,
            _nothing_begun_after_failure(pool),
        ):
            self._suspects(began)
            while True:
                spent = time.monotonic() - began
                # Claimed in chunks of a few seconds of the target's work, so that what documents need is looked up for
                # many at once and a crash leaves little behind. The pool has all of them: its threads go on with what
                # is prepared while this one looks up what the next ones need.
                ahead = max(0, len(under_way) - self.senders)
                if spent < self.budget and not exhausted and ahead < self.senders:
                    claims = self._claim(2 * self.senders - ahead)
                    prepared = self._prepared(claims)
                    exhausted = not claims or self._nothing_more
                    for claim, document in prepared:
                        context = contextvars.copy_context()
                        under_way[pool.submit(context.run, self.sending.deliver, claim, document)] = claim
                if not under_way:
                    if exhausted or spent >= self.budget:
                        break
                    continue
                done, _ = wait(under_way, timeout=self.leases.seconds / 4, return_when=FIRST_COMPLETED)
                arrived: list[Claim] = []
                for future in done:
                    claim = under_way.pop(future)
                    with self.defects.kept_to(claim):
                        if future.result():
                            arrived.append(claim)
                            continue
                    self.leases.let_go(claim)
                self._acknowledge(arrived)
                # Its end may have released another. Beside one that hangs nothing new is begun.
                exhausted = self._nothing_more or self.leases.any_stuck(STUCK_SECONDS)
                if self.leases.all_stuck(under_way.values(), STUCK_SECONDS):
                    log.critical("hung", extra={"flow": self.task.flow, "documents": len(under_way)})
                    self.give_up()
            self._suspects(began)  # those that this run has rescued
        self.report.seconds = round(time.monotonic() - began, 3)
        self.defects.raise_first()
        return self.report

    def _prepared(self, claims: Sequence[Claim]) -> list[tuple[Claim, Any]]:
        """Those that may be sent. None where the ledger did not answer: their leases end by themselves. Nothing more is
        claimed in this run then, which could take all that is due and let it lie likewise."""
        try:
            return self.preparation.prepared(claims)
        except AWAY as failure:
            if not is_away(failure):
                raise
            self._nothing_more = True
            self.defects.remember(failure)
            for claim in claims:
                self.leases.let_go(claim)
            return []

    def _suspects(self, began: float) -> None:
        """Documents with which processes died, one after the other: should we die too, it is known with which."""
        task = self.task
        if self._nothing_more or not task.ledger.deliveries.any_suspects(task.route, task.flow, task.connection):
            return
        while time.monotonic() - began < self.budget and (claims := self._claim(1, suspects=True)):
            for claim, document in self.preparation.prepared(claims):
                with self.defects.kept_to(claim):
                    if self.sending.deliver(claim, document):
                        self.endings.delivered([claim])
                self.leases.let_go(claim)

    def _acknowledge(self, claims: Sequence[Claim]) -> None:
        """What has arrived since the last look ends together. Should that not be written, each ends alone."""
        if not claims:
            return
        if len(claims) > 1:
            try:
                self.endings.delivered(claims)
                return
            except Exception:
                # Nothing of it was written: alone, only the one that is to blame shows it again.
                log.exception("defect", extra={"flow": self.task.flow, "documents": len(claims)})
        for claim in claims:
            with self.defects.kept_to(claim):
                self.endings.delivered([claim])

    def _claim(self, limit: int, suspects: bool = False) -> list[Claim]:
        """What may be worked on now. None while the ledger does not answer: the run goes on with what it has in hand,
        and fails in the end."""
        try:
            return claimed_again(lambda: self._claimed(limit, suspects), self.task.flow)
        except AWAY as failure:
            if not is_away(failure):
                raise
            self.defects.remember(failure)
            return []

    def _claimed(self, limit: int, suspects: bool) -> list[Claim]:
        if self.task.connection in self.task.ledger.unreachable():
            return []  # what is due queues: no attempt is spent on a target that is away
        asked = time.monotonic()
        claims = self.task.ledger.deliveries.claim(
            self.task.route,
            self.task.flow,
            self.task.connection,
            lanes=self.lanes,
            limit=limit,
            owner=self.owner,
            lease_seconds=self.leases.seconds,
            run_id=self.owner.split(":")[0],
            mapping=self.mapping,
            suspects=suspects,
        )
        self.leases.hold(claims, asked)
        return claims
