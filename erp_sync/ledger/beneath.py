"""Rows of state whose keys begin alike: what is known of them, and what open plans want to make of them.

Where keys are ordered byte by byte, the index of keys is walked from the beginning to its end: on SQLite, and in a
PostgreSQL database of collation C. Another collation may pass over slashes: there the beginning is matched row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.plan_values import PlanState
from erp_sync.ledger.rows import OPEN
from erp_sync.ledger.schema import known_state, plan_rows, plans

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

_COLLATION = sa.text("SELECT datcollate FROM pg_database WHERE datname = current_database()")
_BY_BYTES = ("C", "POSIX", "C.UTF-8", "C.utf8")
_LAST = "\U0010ffff"


class KnownBeneath(msgspec.Struct, frozen=True):
    """`value`: JSON text. Not `sure`: it is read again before anybody believes it."""

    key: str
    value: str
    sure: bool


class OpenBeneath(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a plan that is not done. `before`, `after`: JSON text, None where there is no such row."""

    key: str
    before: str | None
    after: str | None
    plan: int
    held: bool
    reason: str


class Beneath:
    """`ledger.beneath`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_bytes: bool | None = None

    def known(self, connection: str, entity: str, prefixes: Sequence[str]) -> list[KnownBeneath]:
        """What the system is known to hold under keys that begin so, by key."""
        of = (known_state.c.connection == connection, known_state.c.entity == entity, known_state.c.scope == "")
        query = sa.select(known_state.c.key, known_state.c.value, known_state.c.sure).where(
            *of, known_state.c.value.is_not(None)
        )
        return sorted(
            (KnownBeneath(row.key, row.value, row.sure) for row in self._rows(query, known_state.c.key, prefixes)),
            key=lambda one: one.key,
        )

    def open(self, route: str, flow: str, target: str, entity: str, prefixes: Sequence[str]) -> list[OpenBeneath]:
        """Rows of open plans, of each key the newest."""
        query = (
            sa.select(
                plan_rows.c.id, plan_rows.c.key, plan_rows.c.before, plan_rows.c.after, plan_rows.c.reason,
                plan_rows.c.plan_id, plans.c.state,
            )
            .join(plans, plans.c.id == plan_rows.c.plan_id)
            .where(
                plan_rows.c.target == target, plan_rows.c.entity == entity, plan_rows.c.route == route,
                plan_rows.c.flow == flow, plan_rows.c.state.in_(OPEN),
            )
        )  # fmt: skip
        newest = {row.key: row for row in sorted(self._rows(query, plan_rows.c.key, prefixes), key=lambda row: row.id)}
        return [
            OpenBeneath(
                key=key,
                before=row.before,
                after=row.after,
                plan=row.plan_id,
                held=row.state == PlanState.HELD,
                reason=row.reason,
            )
            for key, row in sorted(newest.items())
        ]

    def _rows(self, query: sa.Select[Any], key: sa.Column[str], prefixes: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        with self._database.read() as read:
            for prefix in dict.fromkeys(prefixes):
                if self._ordered_by_bytes(read):
                    narrowed = query.where(key >= prefix, key < prefix + _LAST)
                else:
                    narrowed = query.where(key.startswith(prefix, autoescape=True))
                found += [row for row in read.execute(narrowed) if row.key.startswith(prefix)]
        return found

    def _ordered_by_bytes(self, read: sa.Connection) -> bool:
        if self._by_bytes is None:
            self._by_bytes = read.dialect.name == "sqlite" or read.execute(_COLLATION).scalar_one() in _BY_BYTES
        return self._by_bytes
