"""Deliveries: the queue of documents on their way to a target. States: `erp_sync.ledger.documents.State`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import accepting
from erp_sync.ledger.deciding import decide
from erp_sync.ledger.documents import FINISHED, Claim, Delivery, State, delivery_of
from erp_sync.ledger.ending import defects_so_far, end_claim, end_claims, refuse_in_flight
from erp_sync.ledger.errors import LeaseLost, NotInLedger, WrongState
from erp_sync.ledger.finding import Finding, filters
from erp_sync.ledger.lanes import LANES
from erp_sync.ledger.leases import HELD, MOST_DEATHS, claim_due, doubt, holder, lock_claim, lock_claims, rescue
from erp_sync.ledger.releasing import release_followers, release_waiting
from erp_sync.ledger.schema import deliveries, requirements, steps
from erp_sync.ledger.sql import chunks
from erp_sync.ledger.taking_back import TakingBack
from erp_sync.model.keys import EntityKey
from erp_sync.ports.differences import Difference
from erp_sync.ports.documents import Requirement

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


_RENEW = sa.update(deliveries).where(HELD)
_OF_IDS: sa.BindParameter[list[int]] = sa.bindparam("of_ids", expanding=True)
#: The first of each delivery that is not done comes last.
_OPEN_STEPS = (
    sa.select(steps.c.delivery_id, steps.c.name, steps.c.state)
    .where(
        steps.c.delivery_id.in_(_OF_IDS),
        steps.c.state != "confirmed",
        ~(steps.c.optional & (steps.c.state == "refused")),
    )
    .order_by(steps.c.delivery_id, steps.c.position.desc())
)
_FORGET_REQUIREMENTS = sa.delete(requirements).where(requirements.c.delivery_id.in_(_OF_IDS))

#: Dead because of a defect of ours, not of the document or the target.
DEFECT = "defect"


class DueCount(msgspec.Struct, frozen=True, kw_only=True):
    """Work that is due now. `oldest` is since when the oldest of it is due, UTC."""

    route: str
    flow: str
    target: str
    lane: str
    count: int
    oldest: datetime


class Deliveries(Finding, TakingBack):
    """`ledger.deliveries`. Each method is one transaction.

    Attributes:
        most_deaths: a delivery that so many owners in a row did not come back from is a dead letter.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.most_deaths = MOST_DEATHS

    # Looking

    def get(self, delivery_id: int) -> Delivery:
        """Raises NotInLedger."""
        with self._database.read() as read:
            row = read.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id)).first()
        if row is None:
            raise NotInLedger(f"delivery {delivery_id}")
        return delivery_of(row)

    def latest(self, route: str, flow: str, target: str, keys: Iterable[EntityKey]) -> dict[EntityKey, Delivery]:
        """The last delivery of each document, whatever its state."""
        with self._database.read() as read:
            return accepting.latest(read, route, flow, target, keys)

    def find(
        self,
        *,
        route: str | None = None,
        flow: str | None = None,
        states: Sequence[State] = (),
        code: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Delivery]:
        """Deliveries, newest change first."""
        query = sa.select(deliveries).order_by(deliveries.c.changed_at.desc(), deliveries.c.id.desc())
        query = query.where(*filters(route, flow, states, code)).limit(limit).offset(offset)
        with self._database.read() as read:
            return [delivery_of(row) for row in read.execute(query)]

    def first_versions(
        self, route: str, flow: str, *, after: int, since: datetime, limit: int
    ) -> Iterator[tuple[int, bytes]]:
        """Id and document of each document's first delivery made since then, of those with a higher id than `after`:
        the latest, at most so many, newest first. Read bit by bit: the caller may stop.
        """
        query = (
            sa.select(deliveries.c.id, sa.func.coalesce(deliveries.c.corrected, deliveries.c.payload))
            .where(
                deliveries.c.id > after,
                deliveries.c.route == route,
                deliveries.c.flow == flow,
                deliveries.c.sequence == 1,
                deliveries.c.accepted_at >= since,
            )
            .order_by(deliveries.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as read:
            for row in read.execution_options(yield_per=500).execute(query):
                yield row[0], row[1]

    def some(self, ids: Sequence[int]) -> list[Delivery]:
        """These deliveries, by id; what does not exist is left out."""
        found: list[Delivery] = []
        with self._database.read() as read:
            for few in chunks(sorted(set(ids))):
                query = sa.select(deliveries).where(deliveries.c.id.in_(few)).order_by(deliveries.c.id)
                found.extend(delivery_of(row) for row in read.execute(query))
        return found

    def counts(self, route: str | None = None, flow: str | None = None) -> dict[tuple[str, str, str], int]:
        """How many deliveries by (route, flow, state)."""
        query = (
            sa.select(deliveries.c.route, deliveries.c.flow, deliveries.c.state, sa.func.count())
            .where(*filters(route, flow, (), None))
            .group_by(deliveries.c.route, deliveries.c.flow, deliveries.c.state)
        )
        with self._database.read() as read:
            return {(row[0], row[1], row[2]): row[3] for row in read.execute(query)}

    def any_due(self, flow: str, target: str, route: str | None = None) -> bool:
        """Is there work to claim or to rescue now? One query on an index."""
        now = self._database.now()
        query = sa.select(sa.literal(1)).where(
            deliveries.c.due_at <= now, deliveries.c.flow == flow, deliveries.c.target == target
        )
        if route is not None:
            # Not by the unique key, which would go through all that the route ever delivered.
            query = query.where(deliveries.c.route.concat("") == route)
        with self._database.read() as read:
            return read.execute(query.limit(1)).first() is not None

    def due_counts(self) -> list[DueCount]:
        """Due work of the whole installation by (route, flow, target, lane), in one query: for one sensor."""
        now = self._database.now()
        columns = (deliveries.c.route, deliveries.c.flow, deliveries.c.target, deliveries.c.lane)
        query = (
            sa.select(*columns, sa.func.count(), sa.func.min(deliveries.c.due_at))
            .where(deliveries.c.due_at <= now)
            .group_by(*columns)
            .order_by(*columns)
        )
        with self._database.read() as read:
            return [
                DueCount(route=row[0], flow=row[1], target=row[2], lane=LANES[row[3]], count=row[4], oldest=row[5])
                for row in read.execute(query)
            ]

    def pending(self, route: str, flow: str, target: str) -> dict[str, int]:
        """How many deliveries are due (now), later, waiting, claimed, held, dead; only those that are."""
        now = self._database.now()
        name = sa.case(
            (sa.and_(deliveries.c.state == State.DUE, deliveries.c.due_at > now), "later"), else_=deliveries.c.state
        ).label("name")
        query = (
            sa.select(name, sa.func.count())
            .where(
                deliveries.c.route == route,
                deliveries.c.flow == flow,
                deliveries.c.target == target,
                deliveries.c.state.not_in(FINISHED),
            )
            .group_by(name)
        )
        with self._database.read() as read:
            return {row[0]: row[1] for row in read.execute(query)}

    def requirements(self, delivery_id: int) -> list[Requirement]:
        """What a waiting delivery waits for."""
        query = sa.select(requirements).where(requirements.c.delivery_id == delivery_id)
        with self._database.read() as read:
            return sorted(Requirement(row.entity, row.key) for row in read.execute(query))

    def awaited(self, connection: str, entity: str) -> set[str]:
        """Keys of this entity that deliveries to the connection wait for."""
        query = sa.select(requirements.c.key).where(
            requirements.c.target == connection, requirements.c.entity == entity
        )
        with self._database.read() as read:
            return set(read.execute(query.distinct()).scalars())

    # Claiming

    def claim(
        self,
        route: str | None,
        flow: str,
        target: str,
        lanes: Sequence[str] = LANES,
        limit: int = 20,
        owner: str = "",
        lease_seconds: float = 60.0,
        run_id: str = "",
        mapping: str = "",
        suspects: bool | None = None,
    ) -> list[Claim]:
        """Take due deliveries: most urgent lane first, then the oldest. Rescues ended leases before.

        Leaves out deliveries whose `concerns` somebody else has in flight.

        Args:
            route: None takes those of all routes.
            lease_seconds: the lease ends by itself then, unless `heartbeat` renews it. Longer than the longest
                call: an owner that sends after its lease ended may send what another sends too.
            mapping: version of the mapping that the owner sends by, for the trace.
            suspects: those with which owners died in a row (True: take one at a time, with nothing else in hand),
                the others (False), or both.
        """
        if not owner:
            raise ValueError("a claim needs an owner: run id, process and thread")
        if lease_seconds <= 0 or limit <= 0:
            raise ValueError(f"lease of {lease_seconds} s, limit {limit}: expected more than 0")
        asked = self._database.now()
        with self._database.write() as write:
            # Two that claim at once would not see each other's, and take two of the same `concerns`.
            self._database.exclude(write, "deliveries", target)
            now = self._database.now()
            rescue(write, now, flow, target, self.most_deaths, ended_by=asked)
            return claim_due(
                write, now, route, flow, target, lanes, limit, owner, lease_seconds, run_id, mapping, suspects
            )

    def rescue(self, flow: str | None = None, target: str | None = None) -> list[int]:
        """Give back deliveries whose owner died (at most 200 a call); `claim` does it too. Gives their ids."""
        asked = self._database.now()
        with self._database.write() as write:
            return rescue(write, self._database.now(), flow, target, self.most_deaths, ended_by=asked)

    def heartbeat(self, claims: Sequence[Claim], lease_seconds: float = 60.0) -> list[Claim]:
        """Renew leases; gives the renewed claims. Those missing are lost: stop working on them.

        A lease that ended but that nobody took is renewed.
        """
        with self._database.write() as write:
            until = self._database.now() + timedelta(seconds=lease_seconds)
            renewed = []
            for claim in sorted(claims, key=lambda claim: claim.id):
                if write.execute(_RENEW, {**holder(claim), "due_at": until}).rowcount:
                    renewed.append(msgspec.structs.replace(claim, lease_until=until))
            return renewed

    # Ends of a claim

    def release(self, claim: Claim) -> None:
        """Give the delivery back as it is, due at once. Raises LeaseLost, or WrongState while a step is sending."""
        with self._database.write() as write:
            now = self._database.now()
            lock_claim(write, claim)
            refuse_in_flight(write, claim)
            end_claim(write, now, claim, State.DUE, "released_claim", due_at=now)

    def complete(self, claim: Claim) -> None:
        """Delivered. Releases the follow-up that waits for it.

        Raises:
            LeaseLost: nothing was written.
            WrongState: a step is not confirmed (or refused and optional); names it.
        """
        problem = self.complete_all([claim])[0]
        if problem is not None:
            raise problem

    def complete_all(self, claims: Sequence[Claim]) -> list[LeaseLost | WrongState | None]:
        """`complete` for many in one transaction: for each None, or the error (not raised) that says why it does not
        count as delivered; those beside it do."""
        with self._database.write() as write:
            now = self._database.now()
            held = lock_claims(write, claims)
            open_steps = {row.delivery_id: row for row in write.execute(_OPEN_STEPS, {"of_ids": sorted(held)})}
            problems: list[LeaseLost | WrongState | None] = []
            for claim in claims:
                if claim.id not in held:
                    problems.append(LeaseLost(str(claim), claim.owner, claim.fencing))
                elif (step := open_steps.get(claim.id)) is not None:
                    problems.append(WrongState(f"step {step.name} of {claim}", step.state, "expected confirmed"))
                else:
                    problems.append(None)
            done = [claim for claim, problem in zip(claims, problems, strict=True) if problem is None]
            end_claims(write, now, done, State.DELIVERED, "delivered")
            if done:
                ids = [claim.id for claim in done]
                write.execute(_FORGET_REQUIREMENTS, {"of_ids": ids})
                release_followers(write, now, ids)
            return problems

    def wait_for(
        self,
        claim: Claim,
        missing: Sequence[Requirement],
        deadline: datetime | None = None,
        look_again_at: datetime | None = None,
    ) -> State:
        """Wait until the target has what is missing; a dead letter once the deadline has passed.

        Args:
            deadline: None keeps the one it has.
            look_again_at: when it is due again even if nobody announces the missing ones (default 10 minutes).
        Returns:
            The state it is in now: waiting or dead.
        Raises LeaseLost.
        """
        if not missing:
            raise ValueError("nothing is missing")
        with self._database.write() as write:
            now = self._database.now()
            lock_claim(write, claim)
            refuse_in_flight(write, claim)
            deadline = deadline or claim.delivery.deadline
            reason = "lacks " + ", ".join(f"{one.entity} {one.key}" for one in sorted(set(missing)))
            if deadline is not None and deadline <= now:
                reason = f"{reason}; waited until {deadline.isoformat(timespec='seconds')}"
                end_claim(write, now, claim, State.DEAD, "dead", code="requirement_missing", reason=reason)
                return State.DEAD
            write.execute(sa.delete(requirements).where(requirements.c.delivery_id == claim.id))
            write.execute(
                sa.insert(requirements),
                [
                    {"delivery_id": claim.id, "target": claim.delivery.target, "entity": one.entity, "key": one.key}
                    for one in sorted(set(missing))
                ],
            )
            again = look_again_at or accepting.look_again_at(now, deadline)
            end_claim(
                write,
                now,
                claim,
                State.WAITING,
                "waiting",
                code="requirement_missing",
                reason=reason,
                due_at=again,
                deadline=deadline,
            )
            return State.WAITING

    def lack_nothing(self, claims: Sequence[Claim]) -> None:
        """The target has all that these waited for: whatever they meet next, they lack that no more. Leaves those alone
        that somebody else has taken over. Idempotent."""
        with self._database.write() as write:
            mine = sorted(lock_claims(write, claims))
            write.execute(_FORGET_REQUIREMENTS, {"of_ids": mine})

    def later(self, claim: Claim, due_at: datetime, why: str, code: str = "") -> None:
        """Give it back, due at `due_at`: not sent, settling, throttled. Raises LeaseLost, WrongState (sending)."""
        with self._database.write() as write:
            lock_claim(write, claim)
            refuse_in_flight(write, claim)
            now = self._database.now()
            end_claim(write, now, claim, State.DUE, "later", code=code, reason=why, due_at=due_at)

    def dead(self, claim: Claim, code: str, reason: str) -> None:
        """A dead letter: cannot be delivered as it is. `code` groups them. Raises LeaseLost, WrongState (sending)."""
        if not code or not reason:
            raise ValueError("a dead letter needs a code and a reason")
        with self._database.write() as write:
            lock_claim(write, claim)
            refuse_in_flight(write, claim)
            end_claim(write, self._database.now(), claim, State.DEAD, "dead", code=code, reason=reason)

    def defect(self, claim: Claim, reason: str, due_at: datetime, most: int) -> State:
        """Its owner met a defect of ours with it. A step that was being sent is unknown now: its guarantee class
        decides what becomes of that, now and after a retry.

        Args:
            reason: the error's words, and where it was raised.
            due_at: when it is tried again, not before what may have been sent has settled.
            most: a dead letter, code `DEFECT`, at so many since it was accepted, replaced or retried.
        Returns:
            The state it is in now: due or dead.
        Raises LeaseLost.
        """
        with self._database.write(durable=True) as write:
            lock_claim(write, claim)
            now = self._database.now()
            _, settled = doubt(write, now, claim.id, claim.owner, now, reason)
            if defects_so_far(write, claim.id) + 1 >= most:
                end_claim(write, now, claim, State.DEAD, "dead", code=DEFECT, reason=reason)
                return State.DEAD
            end_claim(write, now, claim, State.DUE, "defect", code=DEFECT, reason=reason, due_at=max(due_at, settled))
            return State.DUE

    def hold(self, claim: Claim, code: str, reason: str, differences: Sequence[Difference] = ()) -> None:
        """Wait for a person's decision (`approve` or `reject`). Raises LeaseLost, WrongState (sending).

        Args:
            differences: both calculations of its amounts; those beyond their tolerance pass once it is approved.
        """
        with self._database.write() as write:
            lock_claim(write, claim)
            refuse_in_flight(write, claim)
            now = self._database.now()
            end_claim(write, now, claim, State.HELD, "held", code=code, reason=reason, differences=differences)

    def withdraw(self, claim: Claim, code: str, reason: str) -> bool:
        """It is not to go after all: superseded. False, and nothing is changed, where something of it has left or
        may have. Raises LeaseLost."""
        with self._database.write() as write:
            lock_claim(write, claim)
            if claim.id in accepting.begun(write, [claim.id]):
                return False
            now = self._database.now()
            end_claim(write, now, claim, State.SUPERSEDED, "withdrawn", code=code, reason=reason)
            release_followers(write, now, [claim.id])
            return True

    # From outside a claim

    def release_waiting(self, connection: str, entity: str, keys: Sequence[str], run_id: str = "") -> list[int]:
        """The target has these now: deliveries that lack nothing else become due. Gives their ids. Idempotent."""
        with self._database.write() as write:
            return release_waiting(write, self._database.now(), connection, entity, keys, run_id)

    def approve(self, delivery_id: int, who: str, why: str = "") -> None:
        """A held delivery becomes due; what differs in it may differ so much from now on.

        Raises NotInLedger, WrongState.
        """
        decide(self._database, delivery_id, "approved", who, why, State.DUE)

    def reject(self, delivery_id: int, who: str, why: str) -> None:
        """A held delivery is dismissed. Raises NotInLedger, WrongState."""
        decide(self._database, delivery_id, "rejected", who, why, State.DISMISSED)
