"""By which names calls were made for what is still open: the exchange log keeps these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from erp_sync.ledger.documents import FINISHED, State
from erp_sync.ledger.schema import deliveries, plans, quarantine, received, steps
from erp_sync.model.still_open import StillOpen

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

_OPEN = [state.value for state in State if state not in FINISHED]


def still_open(database: Database) -> StillOpen:
    """Of deliveries that are not final (dead letters, held, waiting, due, under way, their outcome unknown), records in
    quarantine, and plans with rows to come. Costs what is open, not what there is."""
    key = ("connection", "scope", "entity", "native_id")
    opened = deliveries.c.state.in_(_OPEN)
    refused = quarantine.c.resolved_at.is_(None)
    names: set[str] = set()
    ids: set[tuple[str, str]] = set()
    reads: set[tuple[str, str]] = set()
    with database.read() as read:
        columns = deliveries.c
        query = sa.select(columns.number, columns.connection, columns.native_id, columns.target, columns.concerns)
        for number, connection, native_id, target, concerns in read.execute(query.where(opened)):
            names.add(number)
            ids.add((connection, native_id))
            if concerns:
                ids.add((target, concerns.partition(" ")[2]))
        names.update(
            read.scalars(sa.select(steps.c.key).join(deliveries, deliveries.c.id == steps.c.delivery_id).where(opened))
        )
        ids.update(
            (row[0], row[1])
            for row in read.execute(sa.select(quarantine.c.connection, quarantine.c.native_id).where(refused))
        )
        for table, condition in ((deliveries, opened), (quarantine, refused)):
            same = sa.and_(*(received.c[name] == table.c[name] for name in key))
            query = sa.select(received.c.connection, received.c.run_id).distinct()
            reads.update((row[0], row[1]) for row in read.execute(query.join(table, same).where(condition)))
        runs = set(read.scalars(sa.select(plans.c.run_id).where(plans.c.finished_at.is_(None)).distinct()))
    return StillOpen(
        names=frozenset(names - {""}),
        ids=frozenset(ids),
        reads=frozenset(one for one in reads if one[1]),
        runs=frozenset(runs - {""}),
    )
