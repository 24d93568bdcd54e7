"""Steps of a delivery: each write at the target with its key, its state and its receipt.

`begin` is durable before the request leaves, so that no crash can hide that it may have left. For the
target key that a step concerns it takes a lock that ends with the outcome: with confirmed, refused and
not-sent at once, with unknown after the settle time (for another delivery's step of the same key: when it has
asked the target), with accepted when the target is done. So there are never two in-flight writes of one key,
whoever works. Keys of other state that the step moves are held likewise, see `erp_sync.ledger.moving`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from erp_sync.ledger import codec, cross_references, events, moving
from erp_sync.ledger.documents import Claim, StepPast, StepRow, StepState, receipt_of, step_of
from erp_sync.ledger.errors import KeyBusy, LeaseLost, LedgerError, NotInLedger, WrongState
from erp_sync.ledger.leases import lock_claim
from erp_sync.ledger.schema import attempts, deliveries, delivery_events, key_locks, receipts, steps
from erp_sync.ledger.sending import CHANGE_STEP, OF_STEP, begin_step, receipt_for, step_named, steps_of
from erp_sync.ledger.sql import chunks, insert_into
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


_DROP_STEP = sa.delete(steps).where(OF_STEP)
_ADD_STEP = sa.insert(steps)
_CONCERNS = sa.select(steps.c.delivery_id, steps.c.name, steps.c.concerns).where(
    steps.c.delivery_id.in_(sa.bindparam("of_deliveries", expanding=True))
)
_OF_LOCK = sa.and_(key_locks.c.delivery_id == sa.bindparam("of_delivery"), key_locks.c.step == sa.bindparam("of_step"))
_CHANGE_LOCK = sa.update(key_locks).where(_OF_LOCK)
_FREE = sa.delete(key_locks).where(_OF_LOCK)
_ATTEMPTED = sa.insert(attempts)


@cache
def _keep_receipt(dialect: str) -> Any:
    """A receipt that another delivery takes over as it is stays that of the one that got it."""
    statement = insert_into(dialect, receipts)
    same = receipts.c.receipt == statement.excluded.receipt
    whose = sa.case(
        (same, sa.func.coalesce(receipts.c.delivery_id, statement.excluded.delivery_id)),
        else_=statement.excluded.delivery_id,
    )
    return statement.on_conflict_do_update(
        index_elements=["target", "key", "operation"],
        set_={
            "receipt": statement.excluded.receipt,
            "delivery_id": whose,
            "confirmed_at": statement.excluded.confirmed_at,
        },
    )


class Steps:
    """`ledger.steps`. Methods that take a claim raise LeaseLost, and then wrote nothing to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, claim: Claim, planned: Sequence[Step], reuse: Collection[str] = ()) -> list[StepRow]:
        """Record what the delivery consists of, in order; gives the steps with the states they are in.

        Calling it again (after a crash, with a changed payload) keeps steps of the same name, operation and
        key as they are, adds new ones and drops ones that were never sent.

        Args:
            reuse: operations whose receipt counts whichever delivery got it (`customer.create`): such steps
                come back confirmed.
        Raises:
            WrongState: a step that was sent is missing from the plan, or has another key or operation now.
        """
        names = [step.name for step in planned]
        if len(set(names)) != len(names):
            raise ValueError(f"{claim}: step names are not unique: {names}")
        target = claim.delivery.target
        with self._database.write() as write:
            now = self._database.now()
            lock_claim(write, claim)
            existing = {row.name: row for row in steps_of(write, claim.id)}
            kept = set(existing)
            for name, row in existing.items():
                match = next((step for step in planned if step.name == name), None)
                same = match is not None and (match.operation, match.key) == (row.operation, row.key)
                if same:
                    continue
                by_another = row.state is StepState.UNKNOWN and not row.attempts
                if row.state not in (StepState.PLANNED, StepState.REFUSED) and not by_another:
                    changed = "has another key or operation now" if match is not None else "is not planned any more"
                    raise WrongState(f"step {name} of {claim}", row.state, f"it {changed}; a case for an operator")
                write.execute(_DROP_STEP, {"of_delivery": claim.id, "of_step": name})
                kept.discard(name)
            for position, step in enumerate(planned):
                values: dict[str, Any] = {
                    "position": position,
                    "after": codec.to_text(step.after),
                    "optional": step.optional,
                    "concerns": step.concerns or step.key,
                }
                if step.name in kept:
                    write.execute(CHANGE_STEP, {"of_delivery": claim.id, "of_step": step.name, **values})
                    continue
                values.update(
                    delivery_id=claim.id,
                    name=step.name,
                    operation=step.operation,
                    key=step.key,
                    state=StepState.PLANNED.value,
                    changed_at=now,
                )
                if step.operation in reuse:
                    known = receipt_for(write, target, step.key, step.operation)
                    if known is not None:
                        values.update(state=StepState.CONFIRMED.value, receipt=codec.to_text(known))
                write.execute(_ADD_STEP, values)
            rows = steps_of(write, claim.id)
            if not existing:
                events.append(
                    write,
                    now,
                    claim.id,
                    "planned",
                    actor=claim.owner,
                    run_id=claim.run_id,
                    steps=[row.name for row in rows],
                )
            return rows

    def of(self, delivery_id: int) -> list[StepRow]:
        """The steps of a delivery, in order."""
        with self._database.read() as read:
            return steps_of(read, delivery_id)

    def of_all(self, delivery_ids: Sequence[int]) -> dict[int, list[StepRow]]:
        """The steps of many deliveries, in order, in one look."""
        found: dict[int, list[StepRow]] = {one: [] for one in delivery_ids}
        with self._database.read() as read:
            for some in chunks(sorted(set(delivery_ids))):
                query = sa.select(steps).where(steps.c.delivery_id.in_(some))
                for row in read.execute(query.order_by(steps.c.delivery_id, steps.c.position)):
                    found[row.delivery_id].append(step_of(row))
        return found

    def begin(
        self,
        claim: Claim,
        step: str,
        settle_seconds: float = 0.0,
        once: bool = True,
        moves: moving.Moves = (),
        again: bool = False,
        proceeding: bool = False,
    ) -> int:
        """Persist "sending", durably, before the request leaves. Gives the number of the attempt, from 1.

        Args:
            settle_seconds: how long after this moment the write may still become visible (guarantee class C
                and D); 0 where sending again is safe (A and B).
            once: refuse where another delivery's step of the same operation and key is confirmed already.
            moves: (connection, entity, keys) whose known state the write changes besides its own key: held until
                the outcome is known, then read and planned again.
            again: sending again is safe (classes A and B). Else, where another delivery's send of the same operation
                and key had no answer, the step is `unknown` like that one, until the target was asked.
            proceeding: the target has it in work (`accepted`) and gets one more write for it.
        Raises:
            KeyBusy: another holder has the key, or one that it moves, in flight, or it settles, or is to be looked for
                first: `later(until)`.
            AlreadyConfirmed: use its receipt (`steps.confirm` it where it is another delivery's).
            LeaseLost: also where the lease ended and nobody took it yet.
            WrongState: the target has it in work (`accepted`): ask `settle`.
        """
        result = self.begin_all([(claim, step)], settle_seconds, once, [moves], again, proceeding)[0]
        if isinstance(result, LedgerError):
            raise result
        return result

    def begin_all(
        self,
        work: Sequence[tuple[Claim, str]],
        settle_seconds: float = 0.0,
        once: bool = True,
        moves: Sequence[moving.Moves] = (),
        again: bool = False,
        proceeding: bool = False,
    ) -> list[int | LedgerError]:
        """`begin` for a batch, in one durable transaction: for each its attempt number, or the error (not
        raised) that says why it must not be sent. `moves`: of each, in the order of `work`."""
        with self._database.write(durable=True) as write:
            moving.exclude(self._database, write, [move for some in moves for move in some])
            now = self._database.now()
            results: list[int | LedgerError | None] = [None] * len(work)
            several = sorted({claim.id for claim, _ in work}) if len(work) > 1 else []
            concerns = {
                (row.delivery_id, row.name): row.concerns
                for some in chunks(several)
                for row in write.execute(_CONCERNS, {"of_deliveries": list(some)})
            }
            # One order of keys for everybody, so that two batches cannot lock each other out.
            order = sorted(range(len(work)), key=lambda index: concerns.get((work[index][0].id, work[index][1]), ""))
            for index in order:
                claim, name = work[index]
                try:
                    moved = moves[index] if moves else ()
                    results[index] = begin_step(write, now, claim, name, settle_seconds, once, moved, again, proceeding)
                except LedgerError as error:
                    results[index] = error
            return [result for result in results if result is not None]

    def confirm(
        self,
        claim: Claim,
        step: str,
        receipt: Receipt,
        *,
        references: Sequence[cross_references.Link] = (),
    ) -> None:
        """The target has it (answered, settled, or found). Durable. Idempotent. What the step moved is unsure now.

        Args:
            references: cross references to record in the same transaction.
        """
        with self._database.write(durable=True) as write:
            now = self._database.now()
            row = self._open(write, claim, step)
            if row.state == StepState.CONFIRMED:
                return
            for link in references:
                cross_references.record(write, now, link)
            self._attempted(write, now, claim, row, "confirmed")
            self._keep(write, now, claim, row, receipt)

    def _keep(self, write: sa.Connection, now: datetime, claim: Claim, row: StepRow, receipt: Receipt) -> None:
        """The step is confirmed with this receipt."""
        text = codec.to_text(receipt)
        self._settle(write, now, claim, row, StepState.CONFIRMED, receipt=text, settle_until=None)
        write.execute(
            _keep_receipt(write.dialect.name),
            {
                "target": claim.delivery.target,
                "key": row.key,
                "operation": row.operation,
                "receipt": text,
                "delivery_id": claim.id,
                "confirmed_at": now,
            },
        )
        events.append(
            write,
            now,
            claim.id,
            "confirmed",
            step=row.name,
            actor=claim.owner,
            run_id=claim.run_id,
            target_id=receipt.target_id,
            number=receipt.number,
            existed=receipt.existed,
            **({"values": receipt.values} if receipt.values else {}),
        )

    def implied(self, claim: Claim, done: Mapping[str, Receipt]) -> None:
        """Steps that were never sent and need not be: the receipt of an earlier one shows that they are done.

        One transaction for all of them. What a crash takes of it is found again by the same receipt.
        """
        with self._database.write() as write:
            now = self._database.now()
            for step, receipt in done.items():
                row = self._open(write, claim, step)
                if row.state is not StepState.PLANNED or row.attempts:
                    raise WrongState(f"step {step} of {claim}", row.state, "it was sent: it is confirmed, not implied")
                self._keep(write, now, claim, row, receipt)

    def accepted(self, claim: Claim, step: str, handle: str) -> None:
        """The target took it but is not done: ask with the handle. The key stays locked until then. Idempotent."""
        self._outcome(claim, step, StepState.ACCEPTED, "accepted_by_target", handle=handle, message="")

    def handed_on(self, claim: Claim, step: str, handle: str) -> None:
        """What the target accepted is asked for by another handle from now on. Idempotent. Raises WrongState where it
        is not accepted."""
        with self._database.write() as write:
            now = self._database.now()
            row = self._open(write, claim, step)
            if row.state is not StepState.ACCEPTED:
                raise WrongState(f"step {step} of {claim}", row.state, "it has no handle")
            if row.handle == handle:
                return
            write.execute(CHANGE_STEP, {"of_delivery": claim.id, "of_step": step, "handle": handle, "changed_at": now})
            events.append(
                write, now, claim.id, "handed_on", step=step, actor=claim.owner, run_id=claim.run_id, handle=handle
            )

    def unknown(self, claim: Claim, step: str, why: str, settle_until: datetime | None = None) -> datetime:
        """The request left and no trustworthy answer came. Idempotent.

        Args:
            settle_until: default: now plus the `settle_seconds` given to `begin`. Not from then on: what is read
                or waited for between `begin` and the request may take longer than it settles.
        Returns:
            Until when the key is blocked: ask, or send again, after that.
        """
        with self._database.write(durable=True) as write:
            now = self._database.now()
            row = self._open(write, claim, step)
            same = (row.state, row.message) == (StepState.UNKNOWN, why) and settle_until in (None, row.settle_until)
            if same and row.settle_until is not None and _told(write, row, "unknown"):
                return row.settle_until
            if settle_until is None:
                seconds = write.execute(
                    sa.select(steps.c.settle_seconds).where(steps.c.delivery_id == claim.id, steps.c.name == step)
                ).scalar_one()
                settle_until = now + timedelta(seconds=seconds)
            self._settle(write, now, claim, row, StepState.UNKNOWN, message=why, settle_until=settle_until)
            self._attempted(write, now, claim, row, "unknown", message=why)
            events.append(
                write,
                now,
                claim.id,
                "unknown",
                step=step,
                actor=claim.owner,
                run_id=claim.run_id,
                why=why,
                settle_until=settle_until,
            )
            return settle_until

    def refusals(self, delivery_id: int) -> int:
        """How often the target has refused a step of the delivery since it was accepted, or retried by a person."""
        query = sa.select(sa.func.count()).where(_refused_since_retried(delivery_id))
        with self._database.read() as read:
            return int(read.execute(query).scalar_one())

    def past(self, delivery_id: int, step: str) -> StepPast:
        """What became of the step's attempts until now."""
        refused = (
            sa.select(attempts.c.code, sa.func.count())
            .where(_refused_since_retried(delivery_id), attempts.c.step == step)
            .group_by(attempts.c.code)
        )
        unanswered = sa.select(sa.func.max(attempts.c.ended_at)).where(
            attempts.c.delivery_id == delivery_id, attempts.c.step == step, attempts.c.outcome.in_(["unknown", "lost"])
        )
        with self._database.read() as read:
            return StepPast(
                refusals={code: count for code, count in read.execute(refused)},
                unanswered_at=read.execute(unanswered).scalar_one(),
            )

    def refuse(self, claim: Claim, step: str, code: str, message: str) -> None:
        """The target said no and certainly applied nothing. What follows (dead, later, wait_for) is the flow's.
        Idempotent."""
        self._outcome(claim, step, StepState.REFUSED, "refused", code=code, message=message)

    def not_sent(self, claim: Claim, step: str, why: str) -> None:
        """The request certainly did not reach the target: planned again, free to send at any guarantee class.

        One before it may have: then the step is as unknown as it was, and what is cancelled at the source meanwhile
        is not taken for something that never left. Idempotent.
        """
        self._outcome(claim, step, StepState.PLANNED, "not_sent", message=why)

    def absent(self, claim: Claim, step: str) -> None:
        """Asked after its settle time, the target does not have it: planned again.

        Raises KeyBusy before the settle time is over, when 'not found' proves nothing.
        """
        with self._database.write() as write:
            now = self._database.now()
            row = self._open(write, claim, step)
            if row.settle_until is not None and row.settle_until > now:
                raise KeyBusy(claim.delivery.target, row.key, claim.id, row.settle_until, "in its settle time")
            self._settle(write, now, claim, row, StepState.PLANNED, settle_until=None, message="not found")
            events.append(
                write, now, claim.id, "not_found", step=step, actor=claim.owner, run_id=claim.run_id, key=row.key
            )

    def receipt(self, target: str, key: str, operation: str | None = None) -> Receipt | None:
        """The receipt of a confirmed step with this key, whichever delivery sent it; the latest where several."""
        with self._database.read() as read:
            return receipt_for(read, target, key, operation)

    def receipts(self, target: str, keys: Sequence[str], operation: str) -> dict[str, Receipt]:
        """Receipts of many keys in one look."""
        found: dict[str, Receipt] = {}
        with self._database.read() as read:
            for some in chunks(sorted(set(keys))):
                query = sa.select(receipts.c.key, receipts.c.receipt).where(
                    receipts.c.target == target, receipts.c.operation == operation, receipts.c.key.in_(some)
                )
                found.update((row.key, receipt_of(row.receipt)) for row in read.execute(query))
        return found

    def _open(self, write: sa.Connection, claim: Claim, name: str) -> StepRow:
        if not self._database.sqlite:  # which has one writer at a time
            moving.exclude(self._database, write, moving.held_by(write, claim.id, name))
        try:
            lock_claim(write, claim)
        except LeaseLost:
            known = write.execute(sa.select(deliveries.c.id).where(deliveries.c.id == claim.id)).first()
            if known is None:
                raise NotInLedger(f"delivery {claim.id}") from None
            raise
        return step_named(write, claim, name)

    def _outcome(
        self,
        claim: Claim,
        step: str,
        state: StepState,
        kind: str,
        *,
        code: str = "",
        message: str,
        handle: str = "",
    ) -> None:
        with self._database.write(durable=True) as write:
            now = self._database.now()
            row = self._open(write, claim, step)
            if row.state == StepState.CONFIRMED:
                raise WrongState(f"step {step} of {claim}", row.state, f"it cannot become {state.value}")
            until = None
            if state is StepState.PLANNED and _may_have_left(write, claim.id, row):
                state, until = StepState.UNKNOWN, now
            same = (row.state, row.code, row.message, row.handle) == (state, code, message, handle)
            if same and _told(write, row, kind):
                return
            self._settle(write, now, claim, row, state, code=code, message=message, handle=handle, settle_until=until)
            self._attempted(write, now, claim, row, kind, code=code, message=message)
            given = {
                name: value for name, value in {"code": code, "message": message, "handle": handle}.items() if value
            }
            events.append(write, now, claim.id, kind, step=step, actor=claim.owner, run_id=claim.run_id, **given)

    def _settle(
        self, write: sa.Connection, now: datetime, claim: Claim, row: StepRow, state: StepState, **values: Any
    ) -> None:
        mine = {"of_delivery": claim.id, "of_step": row.name}
        write.execute(CHANGE_STEP, {**mine, "state": state.value, "changed_at": now, **values})
        if state is StepState.UNKNOWN:
            write.execute(_CHANGE_LOCK, {**mine, "state": "unknown", "until": values["settle_until"]})
            moving.unknown(write, claim.id, row.name, values["settle_until"])
        elif state is StepState.ACCEPTED:
            write.execute(_CHANGE_LOCK, {**mine, "state": "accepted", "until": None})
        else:
            write.execute(_FREE, mine)
            # Also what was certainly not sent is read again: its keys are unsure since it began.
            moved = state is StepState.CONFIRMED
            moving.release(write, now, claim.id, row.name, f"{row.operation} {row.key}", moved=moved)

    def _attempted(
        self,
        write: sa.Connection,
        now: datetime,
        claim: Claim,
        row: StepRow,
        outcome: str,
        *,
        code: str = "",
        message: str = "",
    ) -> None:
        write.execute(
            _ATTEMPTED,
            {
                "delivery_id": claim.id,
                "step": row.name,
                "attempt": row.attempts,
                "owner": claim.owner,
                "run_id": claim.run_id,
                "sent_at": row.sent_at,
                "ended_at": now,
                "outcome": outcome,
                "code": code,
                "message": message,
            },
        )


def _refused_since_retried(delivery_id: int) -> sa.ColumnElement[bool]:
    """Of attempts: refused since the delivery was accepted, or retried by a person."""
    retried = (
        sa.select(sa.func.max(delivery_events.c.at))
        .where(delivery_events.c.delivery_id == delivery_id, delivery_events.c.kind == "retried")
        .scalar_subquery()
    )
    return sa.and_(
        attempts.c.delivery_id == delivery_id,
        attempts.c.outcome == "refused",
        sa.or_(retried.is_(None), attempts.c.ended_at > retried),
    )


def _told(write: sa.Connection, row: StepRow, outcome: str) -> bool:
    """Whether the step's last attempt has ended so already: its outcome is written once more, after a commit that was
    not answered."""
    query = sa.select(sa.literal(1)).where(
        attempts.c.delivery_id == row.delivery_id,
        attempts.c.step == row.name,
        attempts.c.attempt == row.attempts,
        attempts.c.outcome == outcome,
    )
    return write.execute(query.limit(1)).first() is not None


def _may_have_left(write: sa.Connection, delivery_id: int, row: StepRow) -> bool:
    """Whether an earlier attempt ended unknown, and nobody has found since that the target does not have it."""
    if row.attempts < 2:
        return False
    found_absent = (
        sa.select(sa.func.max(delivery_events.c.at))
        .where(
            delivery_events.c.delivery_id == delivery_id,
            delivery_events.c.kind == "not_found",
            delivery_events.c.step == row.name,
        )
        .scalar_subquery()
    )
    query = sa.select(sa.literal(1)).where(
        attempts.c.delivery_id == delivery_id,
        attempts.c.step == row.name,
        attempts.c.outcome.not_in(["not_sent", "refused"]),
        sa.or_(found_absent.is_(None), attempts.c.ended_at > found_absent),
    )
    return write.execute(query.limit(1)).first() is not None
