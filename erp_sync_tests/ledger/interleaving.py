"""What another process does between two statements of a transaction.

SQLite has one writer: the other one waits for its turn. PostgreSQL lets it go on until both want the same row.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from erp_sync.ledger import Ledger

_BLOCKED = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@contextmanager
def meanwhile(ledger: Ledger, words: str, act: Callable[[], Any]) -> Iterator[list[Any]]:
    """Inside, `act` happens once, in another thread, right before the first statement that has these words.

    The statement goes on once `act` is through or waits for a lock. Gives what `act` answered, or its error, after
    the block. The words must come up.
    """
    mine, answers, begun = threading.get_ident(), [], []

    def run() -> None:
        try:
            answers.append(act())
        except Exception as error:  # noqa: BLE001  the test says which error it expects
            answers.append(error)

    thread = threading.Thread(target=run)

    def before(connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        if begun or threading.get_ident() != mine or words not in " ".join(statement.split()):
            return
        begun.append(statement)
        thread.start()
        while not ledger.database.sqlite and thread.is_alive() and not _blocked(ledger):
            thread.join(0.01)

    sa.event.listen(ledger.database.engine, "before_cursor_execute", before)
    try:
        yield answers
    finally:
        sa.event.remove(ledger.database.engine, "before_cursor_execute", before)
    assert begun, f"no statement has {words!r}"
    thread.join(60)
    assert not thread.is_alive(), "the other one still waits"


def _blocked(ledger: Ledger) -> bool:
    with ledger.database.engine.connect() as connection:
        if connection.execute(_BLOCKED).scalar_one():
            time.sleep(0)
            return True
    return False
