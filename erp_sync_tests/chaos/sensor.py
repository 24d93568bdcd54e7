"""What a sensor knows: whether a flow has something to do, and when it has next. Looks from outside, and cheaply."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.state_unknown import sold
from erp_sync.model.keys import Entity

# A poll overlaps the one before by what its source declares; what changed is looked for until then.
LATENESS = 150.0
# How often a flow looks at its source at most, in virtual seconds.
PAUSES = {"orders": 90.0, "order_status": 140.0, "shipments": 125.0, "inventory": 150.0, "prices": 280.0}


class Sensor:
    """`changed`: when somebody last did something in a system. `read`: when a flow last read its source whole.

    Args:
        written: when our own writes last changed something in a system: what they touch is as if changed then.
        ahead: seconds by which a system's clock is ahead of ours: what changes there is in our windows that much later.
        nets: the store takes its own orders off the stock that it is given; else orders that we send change what it is
            to be given.
    """

    def __init__(
        self,
        here: Installation,
        route: RouteSpec,
        ahead: Mapping[str, float],
        written: Mapping[str, float],
        *,
        nets: bool = True,
    ) -> None:
        self._here, self._route, self._ahead, self._written = here, route, ahead, written
        self._nets = nets
        self._engine: Any = here.ledger.database.engine
        self._look: sqlite3.Connection = self._engine.opened()
        self._handled: dict[str, int] = {}
        self.changed: dict[str, float] = {}
        self.read: dict[str, float] = {}
        self._at_rest = False

    def at_rest(self) -> None:
        """Nothing goes wrong any more: a source is looked at when all is there that anybody did in it, even what is
        late. Most looks before would find nothing."""
        self._at_rest = True

    def close(self) -> None:
        self._engine.give_back(self._look)

    def wanted(self, flow: str, now: float) -> bool:
        """A run would find something: at the source as far as anybody can know, or due in the ledger."""
        read = self.read.get(flow)
        if read is None or (self._behind(flow) and now >= self._next_look(flow, read)):
            return True
        due = self._due(flow)
        return due is not None and due <= now and (FLOWS[flow].delivers or now - read > 5.0)

    def documents(self) -> int:
        """How many versions of documents were accepted by now."""
        return int(self._look.execute("SELECT count(*) FROM deliveries").fetchone()[0])

    def upcoming(self, flow: str, now: float) -> float | None:
        """When it would find something next; None where all is at rest."""
        if self._behind(flow):
            return max(now, self._next_look(flow, self.read.get(flow, now)))
        return self._due(flow)

    def _next_look(self, flow: str, read: float) -> float:
        return max(self._complete(flow), read + PAUSES[flow]) if self._at_rest else read + PAUSES[flow]

    def _behind(self, flow: str) -> bool:
        return self._complete(flow) > self.read.get(flow, 0.0)

    def _complete(self, flow: str) -> float:
        """When a look at the flow's source finds everything that was done in it by now."""
        source = getattr(self._route, FLOWS[flow].source)
        ahead = max(0.0, self._ahead.get(source, 0.0))
        # A change that was not read yet moves on with our write to the same document, beyond a window of our time.
        touched = self._written.get(source, 0.0) + ahead + 1.0 if ahead else 0.0
        if FLOWS[flow].entity == Entity.STOCK_LEVEL and not self._nets:
            touched = self._written.get(source, 0.0) + LATENESS + ahead
        return max(self.changed.get(source, 0.0) + LATENESS + ahead, touched)

    def _due(self, flow: str) -> float | None:
        kind = FLOWS[flow]
        source, target = getattr(self._route, kind.source), getattr(self._route, kind.target)
        ask = self._look.execute
        last = ask(
            "SELECT max(id) FROM received WHERE connection = ? AND entity = ?", (source, kind.entity)
        ).fetchone()[0]
        if last is not None and self._handled.get(flow) != last:
            if self._here.ledger.any_unhandled(self._route.name, flow, source, kind.entity):
                return 0.0
            self._handled[flow] = last
        if not self._nets and sold(self._here, self._route, kind):
            return 0.0
        if kind.delivers:
            # What waits for something else is looked at again for days; nothing of it moves by itself.
            found = ask(
                "SELECT min(due_at) FROM deliveries WHERE flow = ? AND due_at IS NOT NULL AND state <> 'waiting'",
                (flow,),
            ).fetchone()
            told = ask(
                "SELECT min(received_at) FROM inbox WHERE processed_at IS NULL AND connection = ? AND entity = ?",
                (source, kind.entity),
            ).fetchone()
            moments = (_moment(found[0]), _moment(told[0]))
            return min((one for one in moments if one is not None), default=None)
        times = [
            ask("SELECT min(due_at) FROM plan_rows WHERE flow = ?", (flow,)).fetchone()[0],
            ask(
                "SELECT min(coalesce(blocked_until, observed_at)) FROM known_state "
                "WHERE connection = ? AND entity = ? AND NOT sure",
                (target, kind.entity),
            ).fetchone()[0],
        ]
        return min((moment for one in times if (moment := _moment(one)) is not None), default=None)


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() if text else None
