"""Defects of ours: which failures are one, and how it is told."""

from __future__ import annotations

import traceback

from erp_sync.ledger.errors import is_away
from erp_sync.ports.outcomes import CallFailed

LONGEST_WORDS = 1000


def passes(failure: Exception) -> bool:
    """Whether it is trouble of the machine, the ledger or a system, which shows with every document and is over some
    day. The lease of what was in hand ends by itself."""
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
