"""Which files come first where processes share them: those that mostly wait, so that none is alone at the end.

They wait for daemons and services to start and to be killed, and use little of a processor. Each has two files
of plain work after it: with three processes one waits while the others work.
"""

from __future__ import annotations

from pathlib import Path

import pytest

WAITING = (
    "e2e/test_dagster.py",
    "disasters/test_disasters.py",
    "runtime/test_services.py",
    "e2e/test_switching_on.py",
    "e2e/test_restart.py",
    "chaos/test_seeds.py",
)
BETWEEN = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files stay whole; the others keep their order."""
    root = Path(__file__).parent
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    first = [path for name in WAITING if (path := root / name) in files]
    others = [path for path in files if path not in first]
    order: list[Path] = []
    for path in first:
        order += [path, *others[:BETWEEN]]
        del others[:BETWEEN]
    items[:] = [item for path in (*order, *others) for item in files[path]]
