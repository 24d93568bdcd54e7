"""Writes rows to the target, and asks what became of what it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import groupby

from erp_sync.flows.convergence.endings import Endings
from erp_sync.flows.convergence.report import ConvergenceTask, Sent
from erp_sync.ledger.rows import RowClaim
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Accepted, Applied, NotSent, Outcome, Refused, Unknown

# No run waits for a vendor longer than this. Then the handle stays in the ledger, and a later run asks.
LONGEST_WAIT_SECONDS = 60.0
ASK_AGAIN = timedelta(seconds=30)
# What a target has had in work for longer than this is read back instead.
LONGEST_JOB = timedelta(hours=24)


class Sending:
    """Called by the drain's threads, one batch each."""

    def __init__(
        self, task: ConvergenceTask, endings: Endings, *, lease_seconds: float, sleep: Callable[[float], None]
    ) -> None:
        self.task, self.endings = task, endings
        self.lease_seconds, self.sleep = lease_seconds, sleep

    def send(self, claim: RowClaim, rows: list[Sent]) -> None:
        """Write them, by halves where the target refuses them as a whole, and record what each came to."""
        self.endings.sent()
        send = self.task.target.submit if rows[0].value is not None else self.task.target.remove
        outcomes = send([sent.row for sent in rows])
        poisoned = [
            sent
            for sent, outcome in zip(rows, outcomes, strict=True)
            if isinstance(outcome, Refused) and outcome.whole_batch
        ]
        if len(poisoned) > 1:
            # Refused as a whole: which row it was is found by halves.
            others = [(sent, outcome) for sent, outcome in zip(rows, outcomes, strict=True) if sent not in poisoned]
            self._record(claim, others)
            middle = len(poisoned) // 2
            self.send(claim, poisoned[:middle])
            self.send(claim, poisoned[middle:])
            return
        self._record(claim, list(zip(rows, outcomes, strict=True)))

    def send_together(self, claim: RowClaim, rows: list[Sent]) -> None:
        """Write them in their order, in one call where the target has `submit_together`: what is to be there, then what
        is to go. Refused as a whole, they go by halves."""
        together = getattr(self.task.target, "submit_together", None)
        if together is None:
            for taken, some in groupby(rows, key=lambda sent: sent.value is None):
                del taken
                self.send(claim, list(some))
            return
        if not rows:
            return
        self.endings.sent()
        puts = [sent for sent in rows if sent.value is not None]
        takes = [sent for sent in rows if sent.value is None]
        pairs = list(zip([*puts, *takes], together([one.row for one in puts], [one.row for one in takes]), strict=True))
        poisoned = {id(sent) for sent, one in pairs if isinstance(one, Refused) and one.whole_batch}
        if len(poisoned) > 1:
            self._record(claim, [(sent, one) for sent, one in pairs if id(sent) not in poisoned])
            left = [sent for sent in rows if id(sent) in poisoned]
            middle = len(left) // 2
            self.send_together(claim, left[:middle])
            self.send_together(claim, left[middle:])
            return
        self._record(claim, pairs)

    def _record(self, claim: RowClaim, pairs: list[tuple[Sent, Outcome]]) -> None:
        accepted = [(sent, outcome.handle) for sent, outcome in pairs if isinstance(outcome, Accepted)]
        done = [sent for sent, outcome in pairs if isinstance(outcome, Applied) and outcome.lacks is None]
        if done:
            self.endings.applied(claim, done)
        partly = [(sent, outcome) for sent, outcome in pairs if isinstance(outcome, Applied) and outcome.lacks]
        if partly:
            self.endings.partly(claim, [(sent, Requirement(*one.lacks)) for sent, one in partly if one.lacks])
        self.endings.refused(claim, [(sent, outcome) for sent, outcome in pairs if isinstance(outcome, Refused)])
        not_sent = [(sent, outcome) for sent, outcome in pairs if isinstance(outcome, NotSent)]
        self.endings.later(claim, [(sent, one.why, one.retry_after_seconds, "not_sent") for sent, one in not_sent])
        doubtful: dict[str, list[Sent]] = {}
        for sent, outcome in pairs:
            if isinstance(outcome, Unknown):
                doubtful.setdefault(outcome.why, []).append(sent)
        for why, some in doubtful.items():
            self.endings.unknown(claim, [sent.claimed for sent in some], why)
            self.endings.count("unknown", len(some), "outcome_unknown")
        if accepted:
            self._settle(claim, accepted)

    def _settle(self, claim: RowClaim, accepted: list[tuple[Sent, str]]) -> None:
        """Ask what became of accepted rows, for a minute at most; then a later run does."""
        self.endings.in_work(claim, [(sent.claimed, handle) for sent, handle in accepted])
        began, pause = time.monotonic(), 0.25
        self.endings.accepted(len(accepted))
        while accepted and time.monotonic() - began < LONGEST_WAIT_SECONDS:
            self.sleep(pause)
            pause = min(pause * 1.5, 5.0)
            claim = self.task.ledger.plans.heartbeat(claim, self.lease_seconds)
            accepted = self.asked(claim, accepted)
        self.keep(claim, accepted)

    def asked(self, claim: RowClaim, accepted: list[tuple[Sent, str]]) -> list[tuple[Sent, str]]:
        """Ask once; gives what is still not done. A question that did not get through is asked again."""
        outcomes = self.task.target.settle([handle for _, handle in accepted])
        still: list[tuple[Sent, str]] = []
        ended: list[tuple[Sent, Outcome]] = []
        for (sent, handle), outcome in zip(accepted, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                still.append((sent, outcome.handle or handle))
            elif isinstance(outcome, NotSent):
                still.append((sent, handle))
            else:
                ended.append((sent, outcome))
        if ended:
            self._record(claim, ended)
        return still

    def keep(self, claim: RowClaim, accepted: list[tuple[Sent, str]]) -> None:
        """Hand over what is not done to a later run; what has taken too long is read back."""
        now = self.task.clock()
        endless = [sent.claimed for sent, _ in accepted if now - (sent.claimed.sent_at or now) > LONGEST_JOB]
        if endless:
            why = f"{self.task.connection} took it and has not said for {LONGEST_JOB} what became of it"
            self.endings.unknown(claim, endless, why, settle_until=now)
            self.endings.count("unknown", len(endless), "never_done")
        kept = [(sent.claimed, handle) for sent, handle in accepted if sent.claimed not in endless]
        if kept:
            self.endings.taken(claim, kept, now + ASK_AGAIN)
            self.endings.count("later", len(kept), "not_done_yet")
