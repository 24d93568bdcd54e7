"""A thousand open letters: what asks for one of them, or for how many there are, does not load the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.ledger import State
from erp_sync.ledger.schema import deliveries
from erp_sync.operations import dead_letters, decisions, finding, proposing
from erp_sync_tests.operations.house import House

MANY = 1000


def multiply(house: House, delivery: int, times: int, first: int) -> None:
    """Copies of a delivery, each of another document."""
    with house.ledger.database.write() as write:
        row = write.execute(sa.select(deliveries).where(deliveries.c.id == delivery)).one()
        values = {name: value for name, value in row._mapping.items() if name != "id"}
        numbers = range(first, first + times)
        write.execute(
            sa.insert(deliveries),
            [{**values, "native_id": str(one), "number": f"{one:09d}", "received_id": None} for one in numbers],
        )


@pytest.fixture
def many(house: House) -> House:
    """A thousand dead letters and a thousand held documents."""
    multiply(house, house.dead("1"), MANY - 1, 100_000)
    multiply(house, house.order("2", held=("tax_difference", "tax differs")), MANY - 1, 200_000)
    return house


class Counted:
    """Statements and rows of deliveries that were loaded whole."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements, self.rows = 0, 0
        sa.event.listen(house.ledger.database.engine, "before_cursor_execute", self._count)
        for module in ("erp_sync.ledger.finding", "erp_sync.ledger.deliveries", "erp_sync.ledger.dead_letters"):
            monkeypatch.setattr(f"{module}.delivery_of", self._loaded(module))

    def _loaded(self, module: str) -> Callable[[Any], Any]:
        from erp_sync.ledger.documents import delivery_of

        def load(row: Any) -> Any:
            self.rows += 1
            return delivery_of(row)

        return load

    def _count(self, *_: Any) -> None:
        self.statements += 1


@pytest.mark.parametrize(
    ("act", "rows"),
    [
        (lambda here: dead_letters.groups(here), 0),
        (lambda here: dead_letters.retry(here, ["000000001"], who="ann"), 4),
        (lambda here: dead_letters.dismiss(here, ["d1"], who="ann", why="by hand"), 4),
        (lambda here: decisions.held(here, "000000002"), 4),
        (lambda here: decisions.held(here, "d1001"), 4),
        (lambda here: finding.found(here, "000100007"), 4),
        (lambda here: finding.found(here, "d7"), 4),
    ],
    ids=["groups", "retry", "dismiss", "held by number", "held by id", "found by number", "found by id"],
)
def test_one_of_a_thousand_is_found_alone(
    many: House, monkeypatch: pytest.MonkeyPatch, act: Callable[[Any], Any], rows: int
) -> None:
    """Each of these loaded the payloads of all open letters, up to 100,000 of them."""
    counted = Counted(many, monkeypatch)
    act(many.here)
    assert counted.rows <= rows
    assert counted.statements < 40


def test_groups_tell_all_of_them_and_where_they_are(many: House) -> None:
    found = sorted((one.where, one.code, one.count) for one in dead_letters.groups(many.here))
    assert found == [("delivery", "unmapped_payment_method", MANY), ("held", "tax_difference", MANY)]


def test_a_thousand_are_retried_by_what_they_hold_page_by_page(many: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was loaded by a statement of its own, twice."""
    counted = Counted(many, monkeypatch)
    retried = dead_letters.retry(many.here, matching="mug", who="ann")
    assert len(retried.deliveries) == MANY
    assert counted.statements < 60
    assert many.ledger.deliveries.ids(states=[State.DEAD]) == []


def test_what_a_retry_would_take_is_counted_and_the_latest_named(many: House, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = dead_letters.select(many.here, code="unmapped_payment_method")
    counted = Counted(many, monkeypatch)
    found = dead_letters.preview(many.here, chosen)
    assert (found.count, found.deliveries, found.quarantine) == (MANY, MANY, 0)
    assert found.codes == {"unmapped_payment_method": MANY}
    assert len(found.letters) == dead_letters.SHOWN
    assert counted.rows <= dead_letters.SHOWN
    assert len(many.ledger.deliveries.ids(states=[State.DEAD])) == MANY


def test_remedies_for_a_code_look_at_the_letters_of_that_code_only(
    many: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(many, monkeypatch)
    assert proposing.proposals(many.here, code="closed_period") == []
    assert (counted.rows, counted.statements) == (0, 2)
