"""Rows that a target refused, or that processes died with, and that a person wants tried again."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from erp_sync.ledger import known_state, row_deaths
from erp_sync.ledger.leases import OWNER_DIED
from erp_sync.ledger.row_defects import RowDefects
from erp_sync.ledger.rows import RowState
from erp_sync.ledger.schema import plan_rows
from erp_sync.ledger.sql import chunks


class RowRetries(RowDefects):
    """The part of `ledger.plans` that plans refused keys anew."""

    def try_again(self, target: str, entity: str, keys: Collection[tuple[str, str]], who: str) -> None:
        """Nothing is held against these (scope, key) any more. Durable.

        What is known of them is doubted, so that the next comparison reads both sides and plans what differs, also a
        value that was refused before (`refusals`). A newer value that is put off for their deaths is due.
        """
        by_scope: dict[str, list[str]] = {}
        for scope, key in sorted(keys):
            by_scope.setdefault(scope, []).append(key)
        with self._database.write(durable=True) as write:
            now = self._database.now()
            row_deaths.forget(write, target, entity, keys)
            for scope, mine in by_scope.items():
                for some in chunks(mine):
                    of_keys = sa.and_(
                        plan_rows.c.target == target,
                        plan_rows.c.entity == entity,
                        plan_rows.c.scope == scope,
                        plan_rows.c.key.in_(some),
                    )
                    write.execute(
                        sa.update(plan_rows)
                        .where(of_keys, plan_rows.c.state == RowState.REFUSED)
                        .values(
                            state=RowState.OVERTAKEN.value,
                            message=plan_rows.c.message + f"; planned anew, says {who}",
                            changed_at=now,
                        )
                    )
                    put_off = (plan_rows.c.state == RowState.DUE, plan_rows.c.code == OWNER_DIED)
                    write.execute(
                        sa.update(plan_rows)
                        .where(of_keys, *put_off, plan_rows.c.due_at > now)
                        .values(due_at=now, changed_at=now)
                    )
                known_state.doubt(write, now, target, entity, scope, mine, f"{who} tries it again", now)
