"""Rows of plans with which our own code fails: which they are, and how the one that it fails with ends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from erp_sync.ledger import quarantine
from erp_sync.ledger.deliveries import DEFECT
from erp_sync.ledger.plan_rows import PlanRows
from erp_sync.ledger.row_queries import doubt_rows
from erp_sync.ledger.rows import ClaimedRow, RowClaim, RowState
from erp_sync.ledger.schema import plan_rows
from erp_sync.ledger.sql import chunks


class RowDefects(PlanRows):
    """The part of `ledger.plans` that isolates defects."""

    def in_hand(self, claim: RowClaim) -> dict[int, tuple[RowState, str]]:
        """State (claimed or sending) and handle of the claim's rows that have not ended, by id."""
        found: dict[int, tuple[RowState, str]] = {}
        with self._database.read() as read:
            for some in chunks([row.id for row in claim.rows]):
                query = sa.select(plan_rows.c.id, plan_rows.c.state, plan_rows.c.handle).where(
                    plan_rows.c.id.in_(some),
                    plan_rows.c.token == claim.token,
                    plan_rows.c.state.in_([RowState.CLAIMED, RowState.SENDING]),
                )
                found |= {row.id: (RowState(row.state), row.handle) for row in read.execute(query)}
        return found

    def have_ended(self, rows: Sequence[ClaimedRow], state: RowState) -> bool:
        """Whether all of these are in that state now."""
        found = 0
        with self._database.read() as read:
            for some in chunks([row.id for row in rows]):
                query = sa.select(sa.func.count()).where(plan_rows.c.id.in_(some), plan_rows.c.state == state)
                found += int(read.execute(query).scalar_one())
        return found == len(rows)

    def suspects(self, target: str, entity: str, keys: Collection[str], since: datetime) -> set[tuple[str, str]]:
        """(scope, key) of those that since then were sent together with others when a defect was met."""
        found: set[tuple[str, str]] = set()
        with self._database.read() as read:
            for some in chunks(sorted(set(keys))):
                query = sa.select(plan_rows.c.scope, plan_rows.c.key).where(
                    plan_rows.c.target == target,
                    plan_rows.c.entity == entity,
                    plan_rows.c.key.in_(some),
                    plan_rows.c.state == RowState.UNKNOWN,
                    plan_rows.c.code == DEFECT,
                    plan_rows.c.changed_at >= since,
                )
                found |= {(row.scope, row.key) for row in read.execute(query)}
        return found

    def defective(
        self, claim: RowClaim, row: ClaimedRow, why: str, refusals: Sequence[quarantine.Refusal], run_id: str
    ) -> None:
        """Our code fails with this row: it is refused, with its refusals in quarantine. Durable. Where it may have
        left, its key is unknown and read back after its settle time. Raises LeaseLost: then nothing was written."""
        with self._database.write(durable=True) as write:
            now = self._database.now()
            before = write.execute(
                sa.select(plan_rows.c.state, plan_rows.c.handle, plan_rows.c.settle_seconds).where(
                    plan_rows.c.id == row.id
                )
            ).one()
            self._end(write, now, claim, [row.id], RowState.REFUSED, code=DEFECT, message=why)
            if before.state == RowState.SENDING or before.handle:
                settled = now + timedelta(seconds=before.settle_seconds)
                doubt_rows(write, now, claim.target, claim.entity, [row], why, settled)
            quarantine.add(write, now, claim.route, claim.flow, run_id, refusals)
