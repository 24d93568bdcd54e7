"""The ledger: deliveries, steps, plans, known state, cursors, claims, approvals, cross references, limits.

`Ledger.open(url)` opens it; `erp_sync.ledger.migrate.upgrade(url)` creates or upgrades it.
"""

from erp_sync.ledger.cross_references import Link
from erp_sync.ledger.cursors import Cursor
from erp_sync.ledger.documents import (
    Accepted,
    Change,
    Claim,
    Delivery,
    NewDelivery,
    State,
    StepRow,
    StepState,
)
from erp_sync.ledger.errors import (
    AlreadyConfirmed,
    KeyBusy,
    LeaseLost,
    LedgerError,
    LedgerMissing,
    NotInLedger,
    SchemaTooNew,
    SchemaTooOld,
    WrongState,
)
from erp_sync.ledger.known_state import KnownRow
from erp_sync.ledger.ledger import Ledger
from erp_sync.ledger.quarantine import Refusal
from erp_sync.ledger.received import ReceivedRow

__all__ = [
    "Accepted",
    "AlreadyConfirmed",
    "Change",
    "Claim",
    "Cursor",
    "Delivery",
    "KeyBusy",
    "KnownRow",
    "LeaseLost",
    "Ledger",
    "LedgerError",
    "LedgerMissing",
    "Link",
    "NewDelivery",
    "NotInLedger",
    "ReceivedRow",
    "Refusal",
    "SchemaTooNew",
    "SchemaTooOld",
    "State",
    "StepRow",
    "StepState",
    "WrongState",
]
