"""Own functions that a connection's mapping overlay names. Light: read when definitions are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def functions_of(overlays: Any) -> Iterator[str]:
    """``module:function`` of each; what is no overlay has none, and is refused where the mapping is made."""
    for changes in overlays.values() if isinstance(overlays, Mapping) else ():
        for entries in changes.values() if isinstance(changes, Mapping) else ():
            for entry in entries if isinstance(entries, list | tuple) else ():
                if isinstance(entry, Mapping) and "function" in entry:
                    yield str(entry["function"])
