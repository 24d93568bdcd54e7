"""Best sellers are counted on from the orders in the ledger, never from the beginning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from erp_sync.components import best_sellers
from erp_sync.components.best_sellers import BestSellers
from erp_sync.ledger import Ledger
from erp_sync.model.order import LineKind, OrderLine
from erp_sync_tests.flows.samples import order
from erp_sync_tests.ledger import fresh
from erp_sync_tests.ledger.world import ROUTE, START, Clock, accept, document


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    fresh.create(url)
    opened = Ledger.open(url, clock=Clock())
    yield opened
    opened.close()


def sold(
    ledger: Ledger, number: int, hours_ago: float, *lines: tuple[str, int], kind: LineKind = LineKind.ITEM
) -> None:
    rows = tuple(
        OrderLine(
            line_id=str(at), sku=sku, kind=kind, quantity=Decimal(many), unit_price=Decimal(1), amount=Decimal(many)
        )
        for at, (sku, many) in enumerate(lines)
    )
    payload = msgspec.json.encode(order(lines=rows, placed_at=START - timedelta(hours=hours_ago)))
    accept(ledger, document(str(number), payload=payload))


def test_what_sold_most_comes_first_and_bundles_count_as_their_parts(ledger):
    sold(ledger, 1, 0, ("A", 2), ("B", 5))
    sold(ledger, 2, 0, ("A", 4))
    sold(ledger, 3, 0, ("SET", 90), kind=LineKind.BUNDLE)
    best = BestSellers(ledger, ROUTE)
    assert best.skus(START - timedelta(days=7), 1) == ["A"]
    assert best.skus(START - timedelta(days=7), 9) == ["A", "B"]
    assert BestSellers(ledger, "another").skus(START - timedelta(days=7), 9) == []


def test_a_look_reads_only_what_came_since_the_last_and_forgets_what_is_too_old(ledger, monkeypatch):
    read: list[bytes] = []
    decode = best_sellers._decode
    monkeypatch.setattr(best_sellers, "_decode", lambda payload: read.append(payload) or decode(payload))
    sold(ledger, 1, 5, ("A", 9))
    best = BestSellers(ledger, ROUTE)
    assert best.skus(START - timedelta(hours=6), 9) == ["A"]
    sold(ledger, 2, 1, ("B", 1))
    assert best.skus(START - timedelta(hours=6), 9) == ["A", "B"]
    assert len(read) == 2, "each order once"
    assert best.skus(START - timedelta(hours=3), 9) == ["B"]
    assert len(read) == 2
