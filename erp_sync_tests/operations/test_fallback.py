"""Orders that are handed out to a warehouse while the ERP is away: what counts as handed out."""

from __future__ import annotations

from pathlib import Path

import pytest

from erp_sync.flows.orders.transform import encode
from erp_sync.ledger import NewDelivery
from erp_sync.model.keys import EntityKey
from erp_sync.operations import fallback
from erp_sync.operations.choosing import CannotDo
from erp_sync_tests.flows.samples import order
from erp_sync_tests.operations.house import ERP, ROUTE, STORE, House


def test_papers_that_cannot_be_written_take_no_earlier_mark_away(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed out again onto a full disk, orders counted as never handed out: the next export gave them out twice."""
    one = order()
    with house.ledger.handling(ROUTE, "orders", "run-1") as work:
        key = EntityKey(STORE, "", "sales_order", one.native_id)
        work.accept([NewDelivery(key=key, target=ERP, version="1", payload=encode(one), number=one.number)])
    route = house.here.configuration.routes[ROUTE]
    first = fallback.export(house.here, route, tmp_path, who="ann")
    assert (first.orders, len(first.files)) == (1, 3)

    def full(file: Path, text: str) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fallback, "_written", full)
        with pytest.raises(CannotDo, match="No space left on device; nothing more counts as handed out"):
            fallback.export(house.here, route, tmp_path, who="bob", again=True)
    third = fallback.export(house.here, route, tmp_path, who="ann")
    assert (third.orders, third.already) == (0, {one.number: first.batch})
    fourth = fallback.export(house.here, route, tmp_path, who="ann", again=True)
    assert (fourth.orders, house.ledger.by_hand.handed_out(ROUTE)[one.native_id].batch) == (1, fourth.batch)
