"""The contract check notices what it should: every operation is mutated both ways."""

from __future__ import annotations

import pytest

from erp_sync.sandbox.contract import OWN, PUBLISHED, ContractCheck
from erp_sync.systems.magento.sandbox import rooms
from erp_sync.systems.magento.sandbox.contract import make
from erp_sync.systems.magento.sandbox.contract.definitions import load
from erp_sync_tests.sandbox.samples import unnoticed
from erp_sync_tests.systems.magento.sandbox.conftest import BOOK

CHECK = ContractCheck(BOOK)
TRIED: set[str] = set()


@pytest.mark.parametrize("name", sorted(BOOK.operations))
def test_a_wrong_field_in_either_direction_is_noticed(name):
    assert unnoticed(CHECK, name, TRIED) == []


def test_most_operations_are_checked_by_the_published_contract():
    synchronous = {entry.name for entry in rooms.routes()}
    sides = [BOOK.operations[name].responses["200"].checked_by for name in synchronous]
    assert set(sides) <= {PUBLISHED, OWN}
    assert sides.count(PUBLISHED) > 0.9 * len(sides)
    assert all(BOOK.operations[name].request.checked_by == PUBLISHED for name in synchronous)


def test_the_contract_that_ships_is_what_the_script_cuts():
    """A route added without running the script again has no contract."""
    kept = load().document
    assert kept["info"]["x-origin"] == make.ORIGIN
    for entry in rooms.routes():
        assert entry.method.lower() in kept["paths"][entry.template]
    again = make.cut(kept, {(entry.method, entry.template) for entry in rooms.routes()})
    assert make.printed(again) == make.TARGET.read_text(encoding="utf-8")


def test_the_script_names_an_operation_that_the_vendor_does_not_have():
    with pytest.raises(KeyError):
        make.cut(load().document, {("GET", "/V1/nonsense")})
