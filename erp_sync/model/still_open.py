"""What is still open, by the names under which calls were made for it."""

from __future__ import annotations

import msgspec


class StillOpen(msgspec.Struct, frozen=True, kw_only=True):
    """Calls about these are kept, however old they are.

    Attributes:
        names: order numbers and keys of steps, which are the same in every system.
        ids: (connection, id there) of documents, and of the orders that they concern.
        reads: (connection, run) that read such documents: calls for no document in particular.
        runs: that made plans whose rows are not done.
    """

    names: frozenset[str] = frozenset()
    ids: frozenset[tuple[str, str]] = frozenset()
    reads: frozenset[tuple[str, str]] = frozenset()
    runs: frozenset[str] = frozenset()
