"""How a delivery ends for now: done, later, waiting for what it lacks, for a person, or with somebody else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from erp_sync.flows.delivery.report import DrainReport, DrainTask
from erp_sync.flows.leases import Leases
from erp_sync.flows.writing_again import Patience
from erp_sync.ledger.deliveries import DEFECT
from erp_sync.ledger.documents import Claim, State
from erp_sync.ledger.errors import NO_ANSWER, LeaseLost, LedgerBusy, WrongState
from erp_sync.ports.differences import Difference
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import TAKEN_BACK

log = logging.getLogger(__name__)

Written = TypeVar("Written")

# A document that was refused "for now" is tried again after this long, doubling up to the longest.
FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=15)
# What certainly did not arrive is tried again sooner: the target's limiter and breaker keep calls off it.
LONGEST_NOT_SENT = timedelta(minutes=1)
# A document refused for now this many times needs a person. Sends that did not arrive do not count: an outage is over
# some day, and then the first refusal is the first.
MOST_ATTEMPTS = 25
# What a document lacks is looked for again by itself, nobody having announced it: soon at first, then seldom.
FIRST_LOOK_AGAIN = timedelta(seconds=30)
LONGEST_LOOK_AGAIN = timedelta(minutes=10)


class Endings:
    """Writes an ending into the ledger, lets its lease go and counts it."""

    def __init__(self, task: DrainTask, leases: Leases[Claim]) -> None:
        self.task, self.leases = task, leases
        self.report = DrainReport()
        self._lock = threading.Lock()

    def written(self, claims: Sequence[Claim], write: Callable[[], Written]) -> Written:
        """What `write` gives, which writes into the ledger; done again where that is away for a moment (`Patience`). It
        may have been committed before that: to do it twice must change nothing more."""
        patience = Patience(lambda: all(map(self.leases.holds, claims)))
        while True:
            try:
                return write()
            except (LedgerBusy, *NO_ANSWER) as error:
                keys = ", ".join(claim.delivery.number for claim in claims)
                again = {"flow": self.task.flow, "key": keys, "why": str(error)}
                if not patience.lasts(error):
                    raise
                log.warning("written again", extra=again)

    def delivered(self, claims: Sequence[Claim]) -> None:
        """Every step of them is confirmed. One transaction for all of them."""
        problems = self.written(claims, lambda: self.task.ledger.deliveries.complete_all(claims))
        for claim, problem in zip(claims, problems, strict=True):
            if isinstance(problem, LeaseLost):
                self.lost(claim)
            elif problem is not None:
                self.changed(claim, problem)
            else:
                self.leases.let_go(claim)
                with self._lock:
                    self.report.delivered_keys.append(claim.delivery.number)
                    self.report.delivered_ids.append(claim.delivery.id)
                self.count("delivered")

    def changed(self, claim: Claim, problem: WrongState) -> None:
        """What is to be sent changed after a part of it had been sent."""
        with self.unless_lost(claim):
            self.dead(claim, "changed_while_sending", str(problem))

    def adopted(self, claim: Claim) -> None:
        """The target held it already, entered by somebody else."""
        self.task.ledger.deliveries.complete(claim)
        self.leases.let_go(claim)
        self.count("adopted")

    def called(self) -> None:
        """One more step was sent."""
        with self._lock:
            self.report.calls += 1

    def later(self, claim: Claim, due: datetime, why: str, code: str) -> None:
        """Tried again when due."""
        self.task.ledger.deliveries.later(claim, due, why, code)
        self.leases.let_go(claim)
        self.count("later", code)

    def dead(self, claim: Claim, code: str, reason: str) -> None:
        """A person says what becomes of it."""
        self.task.ledger.deliveries.dead(claim, code, reason)
        self.leases.let_go(claim)
        log.warning("dead letter", extra={"flow": self.task.flow, "key": claim.delivery.number, "code": code})
        self.count("dead", code)

    def defect(self, claim: Claim, reason: str, pause: timedelta, most: int) -> State:
        """Tried again after the pause; a dead letter at so many defects."""
        state = self.task.ledger.deliveries.defect(claim, reason, self.task.clock() + pause, most)
        self.leases.let_go(claim)
        self.count("dead" if state is State.DEAD else "later", DEFECT)
        return state

    def held(self, claim: Claim, code: str, reason: str, differences: Sequence[Difference]) -> None:
        """A person may let it pass as it is."""
        self.task.ledger.deliveries.hold(claim, code, reason, differences)
        self.leases.let_go(claim)
        self.count("held", code)

    def withdrawn(self, claim: Claim, code: str, reason: str) -> bool:
        """It is not to go after all; False where something of it has left: then it goes on."""
        if not self.task.ledger.deliveries.withdraw(claim, code, reason):
            return False
        self.leases.let_go(claim)
        self.count("withdrawn", code)
        return True

    def taken_back(self, claim: Claim, reason: str) -> None:
        """Its source has cancelled it and the target has nothing of it: nothing is left to do, nor to cancel."""
        self.task.ledger.deliveries.taken_back(claim, TAKEN_BACK, reason)
        self.leases.let_go(claim)
        self.count("withdrawn", TAKEN_BACK)

    def wait_for(self, claim: Claim, lacking: Sequence[Requirement], code: str) -> None:
        """Until the target has what it lacks, or the deadline is over."""
        now = self.task.clock()
        age = now - claim.delivery.accepted_at
        state = self.task.ledger.deliveries.wait_for(
            claim,
            lacking,
            deadline=claim.delivery.deadline or now + self.task.deadline,
            look_again_at=now + min(max(FIRST_LOOK_AGAIN, age / 4), LONGEST_LOOK_AGAIN),
        )
        self.leases.let_go(claim)
        self.count("dead" if state is State.DEAD else "waiting", code)

    @contextmanager
    def unless_lost(self, claim: Claim) -> Iterator[None]:
        """A claim that may end here without having been sent. Another's lease is no error of ours."""
        try:
            yield
        except LeaseLost:
            self.lost(claim)

    def lost(self, claim: Claim) -> None:
        """Another worker took over after our lease ended; it goes on from the ledger."""
        self.leases.let_go(claim)
        self.count("lost_claims", "lease_lost")

    def backoff(self, claim: Claim) -> timedelta:
        """How long until it is tried again, by its attempts."""
        return min(FIRST_RETRY * 2 ** min(claim.delivery.attempts, 12), LONGEST_RETRY)

    def count(self, what: str, code: str = "") -> None:
        """One more in the report."""
        with self._lock:
            self.report.count(what, code)
