"""What can go wrong in the ledger.

LedgerError
  LedgerMissing, SchemaTooOld, SchemaTooNew   the database is not the one this version works with
  LedgerBusy                                  the write lock was not to be had in time
  LeaseLost                                   somebody else owns the delivery now: stop, write nothing
  KeyBusy                                     the key is in flight or in its settle time elsewhere
  AlreadyConfirmed                            this step's key has a receipt already
  WrongState                                  the operation does not fit the state
  NotInLedger                                 no such row
  CrossReferenceConflict                      an id is linked to another one already
  BadLookupFile                               a CSV of a look-up table has errors
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa


class LedgerError(Exception):
    """Base of everything the ledger raises by itself."""


class LedgerMissing(LedgerError):
    """There is no ledger at this place yet."""

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__(f"no ledger at {place}: run `erp-sync init`")


class SchemaTooOld(LedgerError):
    def __init__(self, place: str, found: str, expected: str) -> None:
        self.place, self.found, self.expected = place, found, expected
        super().__init__(f"ledger {place} has schema {found}, this version needs {expected}: run `erp-sync init`")


class SchemaTooNew(LedgerError):
    def __init__(self, place: str, found: str, expected: str) -> None:
        self.place, self.found, self.expected = place, found, expected
        super().__init__(
            f"ledger {place} has schema {found}, which is newer than {expected} of this version of erp_sync: "
            "start the version of erp_sync that wrote it, or a later one"
        )


class LedgerBusy(LedgerError):
    """The database was locked for longer than the busy time-out. Trying again later is safe."""

    def __init__(self, place: str, seconds: float) -> None:
        self.place, self.seconds = place, seconds
        super().__init__(f"ledger {place} was locked by another writer for more than {seconds:.0f} s")


class LeaseLost(LedgerError):
    """The lease ran out and the delivery or row has another owner, or none. Stop: nothing was written."""

    def __init__(self, what: str, owner: str, fencing: int) -> None:
        self.what, self.owner, self.fencing = what, owner, fencing
        super().__init__(f"{what}: {owner} does not hold the lease with fencing number {fencing} any more")


class KeyBusy(LedgerError):
    """Another holder has the key in flight, or it settles after an unknown outcome. Try after `until`."""

    def __init__(self, target: str, key: str, holder: int, until: datetime, why: str) -> None:
        self.target, self.key, self.holder, self.until, self.why = target, key, holder, until, why
        super().__init__(f"{key} of {target} is {why} (delivery {holder}): not before {until.isoformat()}")


class AlreadyConfirmed(LedgerError):
    """The step, or another delivery's step with the same operation and key, is confirmed: use `receipt`."""

    def __init__(self, target: str, key: str, receipt: Any) -> None:
        self.target, self.key, self.receipt = target, key, receipt
        super().__init__(f"{key} of {target} is confirmed already as {receipt.target_id}")


class WrongState(LedgerError):
    def __init__(self, what: str, state: str, wanted: str) -> None:
        self.what, self.state, self.wanted = what, state, wanted
        super().__init__(f"{what} is {state}: {wanted}")


class NotInLedger(LedgerError):
    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"the ledger holds no {what}")


class CrossReferenceConflict(LedgerError):
    def __init__(self, left: str, existing: str, wanted: str) -> None:
        self.left, self.existing, self.wanted = left, existing, wanted
        super().__init__(f"{left} is linked to {existing} already, not to {wanted}")


class BadLookupFile(LedgerError):
    """A look-up CSV was refused as a whole. `problems` has (line, column, problem); line 1 is the header."""

    def __init__(self, file: str, problems: Sequence[tuple[int, str, str]]) -> None:
        self.file, self.problems = file, list(problems)
        shown = "; ".join(f"{file}, line {line}, column {column}: {text}" for line, column, text in self.problems[:5])
        more = f" (and {len(self.problems) - 5} more)" if len(self.problems) > 5 else ""
        super().__init__(shown + more)


def is_away(error: BaseException) -> bool:
    """Whether the ledger's database could not be used for now: busy, restarted, out of connections."""
    return isinstance(error, LedgerBusy | sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError)
