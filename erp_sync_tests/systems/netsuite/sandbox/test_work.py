"""What a call costs the sandbox itself: counted in steps of its database, never in time."""

from __future__ import annotations

import pytest

PICKED = (
    "(SELECT SUM(tl.quantity) FROM transactionline tl JOIN transaction t ON t.id = tl.transaction WHERE "
    "tl.item = ail.item AND tl.location = ail.location AND t.type = 'ItemShip' AND t.status IN ('A', 'ItemShip:A'))"
)
POLLS = {
    "stock with what orders take of it": (
        f"SELECT ail.item, ail.location, ail.quantityonhand, {PICKED} AS picked FROM aggregateitemlocation ail "
        "JOIN item i ON i.id = ail.item WHERE i.itemid IN ('MUG') ORDER BY ail.item, ail.location"
    ),
    "one order's lines": (
        "SELECT tl.id AS line FROM transactionline tl WHERE tl.transaction = 20001 AND tl.mainline = 'F' ORDER BY tl.id"
    ),
    "an order by its number in the store": "SELECT id, tranid FROM transaction WHERE otherrefnum = '000000001'",
    "a customer by address": "SELECT id FROM customer WHERE LOWER(email) IN ('ada@example.org') ORDER BY id",
}


def steps(account, sql: str) -> int:
    """Virtual machine steps of SQLite, in tens, that the query takes."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    assert account.rows(sql)
    account.core.store.version += 1  # the total of rows is counted again
    account.core.store.connection.set_progress_handler(count, 10)
    account.rows(sql)
    account.core.store.connection.set_progress_handler(None, 0)
    return counted


@pytest.mark.parametrize("poll", POLLS)
def test_a_poll_costs_no_more_after_a_busy_day(account, poll):
    account.order([("MUG", 1)], otherRefNum="000000001")
    quiet = steps(account, POLLS[poll])
    store = account.core.store
    for number in range(1, 1001):
        store.run(
            'INSERT INTO "transaction" (id, type, status, externalid, otherrefnum, lastmodifieddate) SELECT '
            "id + ?, 'ItemShip', 'A', 'x' || ?, 'x' || ?, lastmodifieddate FROM \"transaction\" WHERE id = 20001",
            number, number, number,
        )  # fmt: skip
        store.run(
            'INSERT INTO transactionline ("transaction", id, mainline, item, location, quantity) '
            "SELECT \"transaction\" + ?, id, mainline, ?, location, quantity FROM transactionline WHERE "
            '"transaction" = 20001',
            number, account.item("TEA"),
        )  # fmt: skip
        store.run("INSERT INTO customer (id, email) VALUES (?, ?)", 5000 + number, f"shopper{number}@example.org")
    assert steps(account, POLLS[poll]) <= 2 * quiet + 10
