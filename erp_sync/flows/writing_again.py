"""The ledger is away for a moment: what is done again, how often, and until when.

What a target has answered is known to one process only, and what is due is delivered by whoever asks. So a drain
outlasts a server that is restarted, and a file that another process locks for longer than a lease.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from erp_sync.ledger.engine import RESTART_SECONDS
from erp_sync.ledger.errors import NO_ANSWER, LedgerBusy, is_restarted

log = logging.getLogger(__name__)

Given = TypeVar("Given")

WRITTEN_AGAIN_SECONDS = 0.2
#: So often in all is a locked ledger waited for with an answer in hand, each time for the whole busy time-out.
MOST_BUSY = 3
#: A claim that a restart cut off is asked for again for so long. Whoever begins a transaction waits besides.
CLAIMED_AGAIN_SECONDS = 2 * RESTART_SECONDS


class Patience:
    """Of one write: whether it is done again.

    While the server is restarted, as long as the lease certainly holds. On a locked ledger also beyond that: until it
    is free nobody takes over, and who did names another fencing number, with which this write changes nothing.
    """

    def __init__(self, holds: Callable[[], bool]) -> None:
        self._holds, self._busy = holds, 0

    def lasts(self, error: BaseException) -> bool:
        """Whether it is done once more, and the pause before that where it is."""
        if isinstance(error, LedgerBusy):
            self._busy += 1
            again = self._busy < MOST_BUSY
        else:
            again = is_restarted(error) and self._holds()
        if again:
            time.sleep(WRITTEN_AGAIN_SECONDS)
        return again


def claimed_again(claim: Callable[[], Given], flow: str, what: str = "claimed again") -> Given:
    """What `claim` gives, asked for again where the ledger's server was restarted under it. One that was committed and
    not answered ends with its lease. Raises what it raises in the end.

    Also of what gives a claim back, which does nothing the second time; `what` is logged.
    """
    began = time.monotonic()
    while True:
        try:
            return claim()
        except NO_ANSWER as error:
            if not is_restarted(error) or time.monotonic() - began > CLAIMED_AGAIN_SECONDS:
                raise
            log.warning(what, extra={"flow": flow, "why": str(error)})
            time.sleep(WRITTEN_AGAIN_SECONDS)
