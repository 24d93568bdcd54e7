from __future__ import annotations

from pathlib import Path

from erp_sync.ledger import Ledger
from erp_sync.ledger.copying import copy_to_file
from erp_sync_tests.ledger.world import Clock, accept, claim, document, record


def test_a_copy_has_what_the_ledger_has_and_takes_nothing_back(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    ledger.receive("magento_us", "sales_order", [record("1")], advance_to=clock())
    accept(ledger, document("1"))
    copy = Ledger.open(copy_to_file(ledger, tmp_path / "copy.db"), clock)
    try:
        assert copy.deliveries.find() == ledger.deliveries.find()
        assert copy.cursors.all() == ledger.cursors.all()
        assert len(claim(copy)) == 1
        accept(copy, document("2"))
    finally:
        copy.close()
    assert [one.number for one in ledger.deliveries.find()] == ["N1"]
    assert len(claim(ledger)) == 1
