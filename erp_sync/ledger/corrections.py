"""Corrected records: what a person made of a record that a rule refused. The original stays as it was received.

A correction is of one received version and one flow: a later version from the source is handled as it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger import codec
from erp_sync.ledger.received import ReceivedRow
from erp_sync.ledger.schema import corrections
from erp_sync.ledger.sql import chunks

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """`original` is what it replaced: the record as received, or the correction before it."""

    id: int
    received_id: int
    route: str
    flow: str
    original: bytes
    corrected: bytes
    who: str
    why: str
    at: datetime


class Corrections:
    """`ledger.corrections`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, route: str, flow: str, row: ReceivedRow, corrected: bytes, *, who: str, why: str) -> Correction:
        """Let the flow handle this in place of the record. Raises ValueError (no JSON, nobody's name, no reason)."""
        if not who or not why:
            raise ValueError("a correction needs a name and a reason")
        try:
            codec.from_json(corrected)
        except msgspec.DecodeError as error:
            raise ValueError(f"the corrected record is no JSON: {error}") from error
        before = self.of(row.id, route, flow)
        values: dict[str, Any] = {
            "received_id": row.id,
            "route": route,
            "flow": flow,
            "original": before[-1].corrected if before else row.payload or b"",
            "corrected": corrected,
            "who": who,
            "why": why,
            "at": self._database.now(),
        }
        with self._database.write(durable=True) as write:
            number = write.execute(sa.insert(corrections).returning(corrections.c.id), values).scalar_one()
            return Correction(id=int(number), **values)

    def of(self, received_id: int, route: str, flow: str) -> list[Correction]:
        """Of one record, oldest first."""
        query = sa.select(corrections).where(
            corrections.c.received_id == received_id, corrections.c.route == route, corrections.c.flow == flow
        )
        with self._database.read() as read:
            return [Correction(**row._mapping) for row in read.execute(query.order_by(corrections.c.id))]

    def applied(self, rows: Sequence[ReceivedRow], route: str, flow: str) -> list[ReceivedRow]:
        """The records as this flow is to handle them: corrected where somebody corrected them."""
        latest: dict[int, bytes] = {}
        with self._database.read() as read:
            for some in chunks(sorted(row.id for row in rows)):
                found = read.execute(_OF_RECORDS, {"of_ids": list(some), "of_route": route, "of_flow": flow})
                latest.update((row.received_id, row.corrected) for row in found)
        if not latest:
            return list(rows)
        return [msgspec.structs.replace(row, payload=latest[row.id]) if row.id in latest else row for row in rows]


_OF_RECORDS = (
    sa.select(corrections.c.received_id, corrections.c.corrected)
    .where(
        corrections.c.received_id.in_(sa.bindparam("of_ids", expanding=True)),
        corrections.c.route == sa.bindparam("of_route"),
        corrections.c.flow == sa.bindparam("of_flow"),
    )
    .order_by(corrections.c.id)
)
