"""The event service with a power cut: the process is gone between storing and answering."""

from __future__ import annotations

import os
import sys
from typing import Any

from erp_sync.ledger.inbox import Inbox
from erp_sync.service.__main__ import main

_put_all = Inbox.put_all


def _store_and_die(inbox: Inbox, events: list[Any]) -> int:
    _put_all(inbox, events)
    os._exit(9)


if __name__ == "__main__":
    Inbox.put_all = _store_and_die  # type: ignore[assignment, method-assign]
    sys.exit(main(sys.argv[1:]))
