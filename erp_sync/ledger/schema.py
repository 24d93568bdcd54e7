"""The ledger's tables. Their meaning is told where the operations on them are.

Times are UTC and always come back with their time zone. JSON is text or bytes written by
`erp_sync.ledger.codec`; numbers inside are decimal text, never floats.
"""

from erp_sync.ledger.columns import Utc, metadata
from erp_sync.ledger.tables_by_hand import hand_shipments, handed_out
from erp_sync.ledger.tables_documents import (
    attempts,
    corrections,
    cursors,
    deliveries,
    delivery_events,
    handled,
    handled_marks,
    key_locks,
    notes,
    receipts,
    received,
    requirements,
    steps,
)
from erp_sync.ledger.tables_house import (
    breakers,
    cross_references,
    heartbeats,
    inbox,
    limit_leases,
    limits,
    lookups,
    maintenance_windows,
    metrics,
    notices,
    owed_messages,
    quarantine,
)
from erp_sync.ledger.tables_privacy import tombstones
from erp_sync.ledger.tables_state import (
    approvals,
    known_state,
    moving_keys,
    plan_rows,
    plans,
    row_deaths,
    unknown_orders,
)

#: Revisions of the schema, oldest first; the last one is what this version works with.
HISTORY = tuple(f"{number:04}" for number in range(1, 21))
VERSION = HISTORY[-1]

__all__ = [
    "HISTORY",
    "VERSION",
    "Utc",
    "metadata",
    "cursors",
    "received",
    "handled",
    "handled_marks",
    "deliveries",
    "requirements",
    "steps",
    "key_locks",
    "receipts",
    "attempts",
    "corrections",
    "delivery_events",
    "notes",
    "plans",
    "plan_rows",
    "approvals",
    "known_state",
    "moving_keys",
    "row_deaths",
    "unknown_orders",
    "cross_references",
    "lookups",
    "inbox",
    "quarantine",
    "limits",
    "limit_leases",
    "breakers",
    "maintenance_windows",
    "metrics",
    "notices",
    "owed_messages",
    "heartbeats",
    "tombstones",
    "handed_out",
    "hand_shipments",
]
