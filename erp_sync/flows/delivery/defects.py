"""Defects of ours that show with one document. They stop that document only, and not for ever."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from erp_sync.flows.defects import passes, words
from erp_sync.flows.delivery.endings import Endings
from erp_sync.flows.delivery.report import DrainTask
from erp_sync.ledger.documents import Claim, State

log = logging.getLogger(__name__)

# A document that met a defect is tried again after this long; so many times in all, then a person is asked.
TRIED_AGAIN = timedelta(seconds=30)
MOST_DEFECTS = 3


class Defects:
    """The first times the run fails in the end, so that somebody sees it; then the document is a dead letter."""

    def __init__(self, task: DrainTask, endings: Endings) -> None:
        self.task, self.endings = task, endings
        self._first: Exception | None = None

    @contextmanager
    def kept_to(self, claim: Claim) -> Iterator[None]:
        """Work on one document."""
        try:
            yield
        except Exception as failure:
            log.exception("defect", extra={"flow": self.task.flow, "key": claim.delivery.number})
            self.met(claim, failure)

    def met(self, claim: Claim, failure: Exception) -> None:
        """The document is tried again, or given up. What may have been sent of it is unknown."""
        failure.add_note(f"with {claim}, {claim.delivery.number}")
        if passes(failure):
            self.endings.leases.let_go(claim)
            self.remember(failure)
            return
        with self.endings.unless_lost(claim):
            if self.endings.defect(claim, words(failure), TRIED_AGAIN, MOST_DEFECTS) is not State.DEAD:
                self.remember(failure)

    def remember(self, failure: Exception) -> None:
        """Trouble that no document is to blame for."""
        self._first = self._first or failure

    def raise_first(self) -> None:
        """What the run fails with."""
        if self._first is not None:
            raise self._first
