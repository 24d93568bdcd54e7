"""Convergence: drains due rows of plans to their target, in batches, one write per key in flight.

Rows are claimed in batches of the target's size. A row is not sent where its key became unsure since it was
planned (a shipment moved it: it is read again and replanned), where its product is not there yet (it
waits), or where the target holds the value already. After an unknown outcome the key is blocked for the
settle time, read back, and planned again if it differs. A batch refused as a whole is bisected until the
poison rows stand alone. What the target took and has not done within the run's minute is handed to the next run:
its handle is in the ledger from the moment it came.

Nothing here knows a vendor or Dagster. Several drains at once are normal, the ledger's claims keep them apart.
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from erp_sync.flows.comparison import value_text
from erp_sync.flows.ownership import AGREED
from erp_sync.ledger import Ledger
from erp_sync.ledger.errors import LeaseLost
from erp_sync.ledger.quarantine import Refusal
from erp_sync.ledger.rows import ClaimedRow, RowClaim
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Accepted, Again, Applied, CallFailed, NotSent, Outcome, Refused, Unknown

log = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=2)
LONGEST_RETRY = timedelta(minutes=15)
# A row whose key must be read again first: the reading replans it, this is only when to look again.
UNSURE_RETRY = timedelta(seconds=30)
# A row whose product the target does not have: its arrival makes a new plan, this is the net beneath.
DEPENDENCY_RETRY = timedelta(hours=1)
# No run waits for a vendor longer than this. Then the handle stays in the ledger, and a later run asks.
LONGEST_WAIT_SECONDS = 60.0
ASK_AGAIN = timedelta(seconds=30)
# What a target has had in work for longer than this is read back instead.
LONGEST_JOB = timedelta(hours=24)


def waiting_code(need: Requirement) -> str:
    """How a row that waits for something says so in the ledger."""
    return f"missing_{need.entity}:{need.key}"


class ConvergenceReport(msgspec.Struct, kw_only=True):
    """What a drain did, by number of rows; `reasons` counts the codes of what was not written."""

    applied: int = 0
    already: int = 0
    waiting: int = 0
    later: int = 0
    refused: int = 0
    unknown: int = 0
    accepted: int = 0
    lost_claims: int = 0
    batches: int = 0
    reasons: dict[str, int] = {}
    applied_keys: list[str] = []
    created: list[str] = []
    seconds: float = 0.0


class Sent(msgspec.Struct):
    """A claimed row with the canonical row that is sent for it and what the target will keep of it.

    `value` is None where the row is taken away. `agreed`: what both sides agreed on, where the write leaves an
    edit at the target as it is.
    """

    claimed: ClaimedRow
    row: Any
    value: str | None
    agreed: str | None = None


class Convergence:
    """One drain of one flow's due plan rows to one target.

    Args:
        source: connection that rows come from, for what is quarantined.
        senders: batches under way at once.
        budget_seconds: no new batch is begun after this long.
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
        budget_seconds: float = 45.0,
        lease_seconds: float = 60.0,
        lanes: Sequence[str] = ("now", "normal", "bulk"),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.ledger, self.target = ledger, target
        self.route, self.flow, self.entity = route, flow, entity
        self.connection, self.source = connection, source
        self.owner, self.senders, self.budget = owner, senders, budget_seconds
        self.lease_seconds, self.lanes = lease_seconds, tuple(lanes)
        self.clock, self.sleep = clock, sleep
        self.run_id = owner.split(":")[0]
        sizes = [operation.batch_size for operation in target.capabilities.operations if operation.name.startswith(
            f"{entity}.write")]  # fmt: skip
        self.batch_size = max(sizes, default=1)
        self.report = ConvergenceReport()
        self._lock = threading.Lock()
        self._created: list[str] = []

    def run(self) -> ConvergenceReport:
        """Drain until nothing is due or the budget is spent. Raises nothing for what a target did."""
        began = time.monotonic()
        under_way: set[Future[None]] = set()
        exhausted = False
        with ThreadPoolExecutor(max_workers=self.senders, thread_name_prefix=f"write-{self.flow}") as pool:
            while True:
                while not exhausted and len(under_way) < self.senders and time.monotonic() - began < self.budget:
                    claim = self.ledger.plans.claim(
                        self.route,
                        self.flow,
                        self.connection,
                        lanes=self.lanes,
                        limit=self.batch_size,
                        owner=self.owner,
                        lease_seconds=self.lease_seconds,
                    )
                    if claim is None:
                        exhausted = True
                    else:
                        context = contextvars.copy_context()
                        under_way.add(pool.submit(context.run, self._batch, claim))
                if not under_way:
                    break
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()  # a defect of ours must be seen, not swallowed
        self.report.seconds = round(time.monotonic() - began, 3)
        return self.report

    def take_created(self) -> list[str]:
        """Keys created since this was last asked: what waited for them may go."""
        with self._lock:
            created, self._created = self._created, []
        return created

    # -- one batch -----------------------------------------------------------------------------

    def _batch(self, claim: RowClaim) -> None:
        try:
            handed_over = [row for row in claim.rows if row.handle]
            if handed_over:
                self._keep(claim, self._asked(claim, [(self._decoded(row), row.handle) for row in handed_over]))
            rows = self._ready(claim, [row for row in claim.rows if not row.handle])
            if not rows:
                return
            first = rows[0]
            operation = self.target.capabilities.operation(self.target.operation(first.row))
            standing = {row.id for row in self.ledger.plans.begin(claim, settle_seconds=operation.settle_seconds)}
            rows = [sent for sent in rows if sent.claimed.id in standing]
            for some in ([one for one in rows if one.value is not None], [one for one in rows if one.value is None]):
                if some:
                    self._send(claim, some)
        except LeaseLost:
            # Overtaken by a newer comparison, or our lease ended: the ledger knows what goes on.
            self.ledger.plans.release(claim)
            self._count("lost_claims", 1, "lease_lost")

    def _ready(self, claim: RowClaim, claimed_rows: Sequence[ClaimedRow]) -> list[Sent]:
        """Rows that are to be sent; the others are put back, with when to look at them again."""
        if not claimed_rows:
            return []
        known = self.ledger.known.get(self.connection, self.entity, [row.key for row in claimed_rows])
        rows: list[Sent] = []
        unsure: list[ClaimedRow] = []
        already: list[Sent] = []
        for claimed in claimed_rows:
            sent = self._decoded(claimed)
            state = known.get((claimed.scope, claimed.key))
            if state is not None and not state.sure:
                unsure.append(claimed)
            elif state is not None and state.value == sent.value:
                already.append(sent)
            else:
                rows.append(sent)
        if unsure:
            self._put_back(claim, unsure, "its state at the target became unknown and is read again", UNSURE_RETRY)
            self._count("later", len(unsure), "unsure")
        if already:
            self._applied(claim, already)
            with self._lock:
                self.report.already += len(already)
                self.report.applied -= len(already)
        return self._with_products(claim, rows)

    def _with_products(self, claim: RowClaim, rows: list[Sent]) -> list[Sent]:
        needs = {sent.claimed.id: list(self.target.requirements(sent.row)) for sent in rows}
        wanted = sorted({need for some in needs.values() for need in some})
        if not wanted:
            return rows
        try:
            there = self.target.resolve(wanted)
        except CallFailed as failure:
            pause = timedelta(seconds=failure.retry_after_seconds or 0) or self._backoff(
                [sent.claimed for sent in rows]
            )
            self._put_back(claim, [sent.claimed for sent in rows], str(failure), pause)
            self._count("later", len(rows), "look_up_failed")
            return []
        lacking = [sent for sent in rows if any(need not in there for need in needs[sent.claimed.id])]
        for sent in lacking:
            self._wait_for(claim, [sent], next(need for need in needs[sent.claimed.id] if need not in there))
        return [sent for sent in rows if sent not in lacking]

    def _decoded(self, claimed: ClaimedRow) -> Sent:
        """The row that a plan's row means. A target that takes rows away gets the row as it is there."""
        if claimed.after is None:
            there = json.loads(claimed.before or "{}")
            if hasattr(self.target, "remove"):
                return Sent(claimed=claimed, row=self.target.row(claimed.key, there), value=None)
            row = self.target.gone(claimed.key, there)
        else:
            after = json.loads(claimed.after)
            row = self.target.row(claimed.key, after)
            if after.get(AGREED):
                values = self.target.values(row)
                agreed = value_text({**values, **after[AGREED]})
                return Sent(claimed=claimed, row=row, value=value_text(values), agreed=agreed)
        return Sent(claimed=claimed, row=row, value=value_text(self.target.values(row)))

    # -- sending -------------------------------------------------------------------------------

    def _send(self, claim: RowClaim, rows: list[Sent]) -> None:
        with self._lock:
            self.report.batches += 1
        send = self.target.submit if rows[0].value is not None else self.target.remove
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
            self._send(claim, poisoned[:middle])
            self._send(claim, poisoned[middle:])
            return
        self._record(claim, list(zip(rows, outcomes, strict=True)))

    def _record(self, claim: RowClaim, pairs: list[tuple[Sent, Outcome]]) -> None:
        accepted = [(sent, outcome.handle) for sent, outcome in pairs if isinstance(outcome, Accepted)]
        done = [sent for sent, outcome in pairs if isinstance(outcome, Applied)]
        if done:
            self._applied(claim, done)
        for sent, outcome in pairs:
            match outcome:
                case Refused():
                    self._refused(claim, sent, outcome)
                case NotSent(why=why, retry_after_seconds=seconds):
                    pause = timedelta(seconds=seconds) if seconds else self._backoff([sent.claimed])
                    self._put_back(claim, [sent.claimed], why, pause)
                    self._count("later", 1, "not_sent")
                case _:
                    pass
        doubtful: dict[str, list[Sent]] = {}
        for sent, outcome in pairs:
            if isinstance(outcome, Unknown):
                doubtful.setdefault(outcome.why, []).append(sent)
        for why, some in doubtful.items():
            self.ledger.plans.unknown(claim, [sent.claimed for sent in some], why)
            self._count("unknown", len(some), "outcome_unknown")
        if accepted:
            self._settle(claim, accepted)

    def _settle(self, claim: RowClaim, accepted: list[tuple[Sent, str]]) -> None:
        """Ask what became of accepted rows, for a minute at most; then a later run does."""
        self.ledger.plans.keep_handles(claim, [(sent.claimed, handle) for sent, handle in accepted])
        began, pause = time.monotonic(), 0.25
        with self._lock:
            self.report.accepted += len(accepted)
        while accepted and time.monotonic() - began < LONGEST_WAIT_SECONDS:
            self.sleep(pause)
            pause = min(pause * 1.5, 5.0)
            claim = self.ledger.plans.heartbeat(claim, self.lease_seconds)
            accepted = self._asked(claim, accepted)
        self._keep(claim, accepted)

    def _asked(self, claim: RowClaim, accepted: list[tuple[Sent, str]]) -> list[tuple[Sent, str]]:
        """Ask once; gives what is still not done. A question that did not get through is asked again."""
        outcomes = self.target.settle([handle for _, handle in accepted])
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

    def _keep(self, claim: RowClaim, accepted: list[tuple[Sent, str]]) -> None:
        """Hand over what is not done to a later run; what has taken too long is read back."""
        now = self.clock()
        endless = [sent.claimed for sent, _ in accepted if now - (sent.claimed.sent_at or now) > LONGEST_JOB]
        if endless:
            why = f"{self.connection} took it and has not said for {LONGEST_JOB} what became of it"
            self.ledger.plans.unknown(claim, endless, why)
            self._count("unknown", len(endless), "never_done")
        kept = [(sent.claimed, handle) for sent, handle in accepted if sent.claimed not in endless]
        if kept:
            self.ledger.plans.accepted(claim, kept, due_at=now + ASK_AGAIN)
            self._count("later", len(kept), "not_done_yet")

    # -- endings -------------------------------------------------------------------------------

    def _applied(self, claim: RowClaim, rows: list[Sent]) -> None:
        self.ledger.plans.applied(
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

    def _refused(self, claim: RowClaim, sent: Sent, refused: Refused) -> None:
        if refused.again is Again.AFTER_DEPENDENCY and refused.requirement:
            self._wait_for(claim, [sent], Requirement(*refused.requirement))
        elif refused.again is Again.LATER:
            seconds = refused.retry_after_seconds
            pause = timedelta(seconds=seconds) if seconds else self._backoff([sent.claimed])
            self._put_back(claim, [sent.claimed], refused.message, pause)
            self._count("later", 1, refused.code)
        else:
            self.ledger.plans.refused(claim, [(sent.claimed, refused.code, refused.message)])
            self.ledger.quarantine.add(
                [
                    Refusal(
                        connection=self.connection,
                        entity=self.entity,
                        native_id=sent.claimed.key,
                        rule=refused.code,
                        problem=refused.message,
                        row=(sent.claimed.after or "null").encode(),
                    )
                ],
                route=self.route,
                flow=self.flow,
                run_id=self.run_id,
            )
            log.warning("refused", extra={"flow": self.flow, "key": sent.claimed.key, "code": refused.code})
            self._count("refused", 1, refused.code)

    def _wait_for(self, claim: RowClaim, rows: list[Sent], need: Requirement) -> None:
        why = f"waits for {need.entity} {need.key} in {self.connection}"
        self._put_back(claim, [sent.claimed for sent in rows], why, DEPENDENCY_RETRY, waiting_code(need))
        self._count("waiting", len(rows), f"missing_{need.entity}")

    def _put_back(self, claim: RowClaim, rows: list[ClaimedRow], why: str, pause: timedelta, code: str = "") -> None:
        self.ledger.plans.not_sent(claim, rows, why, due_at=self.clock() + pause, code=code)

    @staticmethod
    def _backoff(rows: Sequence[ClaimedRow]) -> timedelta:
        attempts = max((row.attempts for row in rows), default=0)
        return min(FIRST_RETRY * 2 ** min(attempts, 12), LONGEST_RETRY)

    def _count(self, what: str, rows: int, code: str) -> None:
        with self._lock:
            setattr(self.report, what, getattr(self.report, what) + rows)
            self.report.reasons[code] = self.report.reasons.get(code, 0) + rows
