"""Defects of ours that show with one document. They stop that document only, and not for ever."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from erp_sync.flows.delivery.endings import Endings
from erp_sync.flows.delivery.report import DrainTask
from erp_sync.ledger.documents import Claim, State
from erp_sync.ledger.errors import is_away
from erp_sync.ports.outcomes import CallFailed

log = logging.getLogger(__name__)

# A document that met a defect is tried again after this long; so many times in all, then a person is asked.
TRIED_AGAIN = timedelta(seconds=30)
MOST_DEFECTS = 3
LONGEST_WORDS = 1000


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
            self._first = self._first or failure
            return
        with self.endings.unless_lost(claim):
            if self.endings.defect(claim, words(failure), TRIED_AGAIN, MOST_DEFECTS) is not State.DEAD:
                self._first = self._first or failure

    def raise_first(self) -> None:
        """What the run fails with."""
        if self._first is not None:
            raise self._first


def passes(failure: Exception) -> bool:
    """Whether it is trouble of the machine, the ledger or a system, which shows with every document and is over some
    day. The document's lease ends by itself."""
    return is_away(failure) or isinstance(failure, CallFailed | OSError | MemoryError)


def words(failure: Exception) -> str:
    """The exception's words, and where it was raised: in our innermost function, not in a library's."""
    frames = [
        (frame.f_globals.get("__name__", ""), line, frame) for frame, line in traceback.walk_tb(failure.__traceback__)
    ]
    ours = [one for one in frames if one[0].startswith("erp_sync.")] or frames
    where = f" (raised in {ours[-1][0]}, line {ours[-1][1]}, {ours[-1][2].f_code.co_qualname})" if ours else ""
    said = f"{type(failure).__name__}: {failure}".strip(": ")
    return f"{said[:LONGEST_WORDS]}{where}"
