"""Compiled statements, kept once for all engines of a process.

SQLAlchemy keeps what it compiled with the engine that executed it. A process here has several engines on databases of
one kind, a run that is forked from a warm process opens its own, and so does nearly every test: each would compile the
same statements, which costs more than executing them. `SharedStatements` is given to an engine as its execution option
``compiled_cache``.

SQLAlchemy's key of a statement begins with the dialect, an object that every engine has of its own. Here what
dialects are alike by stands in its place: class and driver, version of the server, and every other plain value that a
dialect was given or asked its server for. A compiled statement keeps the dialect that it was compiled by, and no
engine and no connection.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, MutableMapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.util import LRUCache

MOST = 1000
"""Statements kept, the most recently used. All of erp_sync's are about half as many."""

_PLAIN = (bool, int, str, tuple, type(None))


class SharedStatements(MutableMapping[Any, Any]):
    """Compiled statements by SQLAlchemy's key, less which of several equal dialects they were compiled by."""

    def __init__(self, most: int = MOST) -> None:
        self._statements: MutableMapping[Any, Any] = LRUCache(most)
        self._kinds: dict[tuple[Any, ...], object] = {}
        self._kind_of: MutableMapping[sa.Dialect, object] = weakref.WeakKeyDictionary()

    def _shared(self, key: Any) -> Any:
        dialect, *rest = key
        kind = self._kind_of.get(dialect)
        if kind is None:  # one object for each kind, since statements are looked up by its hash
            kind = self._kind_of[dialect] = self._kinds.setdefault(kind_of(dialect), object())
        return kind, *rest

    def get(self, key: Any, default: Any = None) -> Any:
        return self._statements.get(self._shared(key), default)

    def __getitem__(self, key: Any) -> Any:
        return self._statements[self._shared(key)]

    def __setitem__(self, key: Any, compiled: Any) -> None:
        self._statements[self._shared(key)] = compiled

    def __delitem__(self, key: Any) -> None:
        del self._statements[self._shared(key)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


def kind_of(dialect: sa.Dialect) -> tuple[Any, ...]:
    """What dialects are alike by that compile a statement alike and convert its values alike.

    To be asked once an engine has connected: the first connection asks the server for its version and more.
    """
    told = vars(dialect).items()
    plain = ((name, value) for name, value in told if isinstance(value, _PLAIN) or _is_function(value))
    return type(dialect), *sorted(plain, key=lambda pair: pair[0])


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type) and isinstance(getattr(value, "__name__", None), str)


statements = SharedStatements()
"""Those of this process."""
