"""Defects of ours that show with a batch of rows: halved until the row that has it stands alone.

Rows of which nothing has left are halved at once. What may have left is unknown: its keys are read back after their
settle time, planned again, and then go one by one. A row that meets a defect alone is in quarantine under its key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

from erp_sync.flows.convergence.endings import Endings
from erp_sync.flows.convergence.report import ConvergenceTask
from erp_sync.flows.convergence.sending import ASK_AGAIN
from erp_sync.flows.defects import passes, words
from erp_sync.ledger.deliveries import DEFECT
from erp_sync.ledger.errors import LeaseLost
from erp_sync.ledger.rows import ClaimedRow, RowClaim, RowState

log = logging.getLogger(__name__)

# Keys that may have left with a defect go alone for so long.
SUSPECT_FOR = timedelta(days=1)

Work = Callable[[RowClaim], None]
"""Does something with all rows of a part of a claim."""


class Isolation:
    """Keeps a defect to its row. The run fails in the end where the row is not found yet, so that somebody sees it."""

    def __init__(self, task: ConvergenceTask, endings: Endings) -> None:
        self.task, self.endings = task, endings
        self._first: Exception | None = None

    def each(self, claim: RowClaim, rows: Sequence[ClaimedRow], work: Work) -> None:
        """All together, but those alone that met a defect lately."""
        if not rows:
            return
        since = self.task.clock() - SUSPECT_FOR
        suspects = self.task.ledger.plans.suspects(claim.target, claim.entity, [row.key for row in rows], since)
        self.work(claim, [row for row in rows if (row.scope, row.key) not in suspects], work)
        for row in rows:
            if (row.scope, row.key) in suspects:
                self.work(claim, [row], work)

    def work(self, claim: RowClaim, rows: Sequence[ClaimedRow], work: Work) -> None:
        """Raises LeaseLost, and what is no defect of ours."""
        if not rows:
            return
        part = msgspec.structs.replace(claim, rows=tuple(rows))
        try:
            work(part)
        except LeaseLost:
            raise
        except Exception as failure:
            if passes(failure):
                raise
            log.exception("defect", extra={"flow": self.task.flow, "rows": len(rows), "key": rows[0].key})
            self._met(part, failure, work)

    def _met(self, part: RowClaim, failure: Exception, work: Work) -> None:
        why = words(failure)
        standing = self.task.ledger.plans.in_hand(part)
        mine = [row for row in part.rows if row.id in standing]
        if mine and len(part.rows) == 1:
            self.endings.defective(part, mine[0], why)
            return
        taken = [(row, standing[row.id][1]) for row in mine if standing[row.id][1]]
        left = [row for row in mine if standing[row.id] == (RowState.SENDING, "")]
        untouched = [row for row in mine if standing[row.id] == (RowState.CLAIMED, "")]
        if not mine or left:
            failure.add_note(f"with {len(part.rows)} rows of {self.task.flow} from {part.rows[0].key} on")
            self.remember(failure)
        if left:
            self.endings.unknown(part, left, why, code=DEFECT)
            self.endings.count("unknown", len(left), DEFECT)
        if taken and len(taken) == len(part.rows):
            untouched = [row for row, _ in taken]  # they were only asked for: which of them it is, halves tell
        elif taken:
            self.endings.taken(part, taken, self.task.clock() + ASK_AGAIN)
            self.endings.count("later", len(taken), DEFECT)
        middle = len(untouched) // 2
        for half in (untouched[:middle], untouched[middle:]):
            self.work(part, half, work)

    def remember(self, failure: Exception) -> None:
        """The run fails in the end."""
        self._first = self._first or failure

    def raise_first(self) -> None:
        """What the run fails with."""
        if self._first is not None:
            raise self._first
