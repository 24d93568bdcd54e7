"""What benches work out of what they read, and how they copy what was logged."""

from __future__ import annotations

from datetime import timedelta

from erp_sync import settings
from erp_sync.sandbox.retailer import Retailer
from erp_sync.transport.exchange_store import Store
from erp_sync.transport.exchanges import ExchangeLog
from erp_sync_tests.bench.exchange_log import copy_exchanges
from erp_sync_tests.bench.footprint import growth, sizes
from erp_sync_tests.bench.outage import displacements, held_between
from erp_sync_tests.bench.volume import large_day
from erp_sync_tests.transport.test_exchanges import NOON, exchange


def test_slots_count_between_the_two_moments_only():
    assert held_between([(0, 2), (1, 3), (5, 9)], 1, 6) == 1 + 2 + 1
    assert held_between([(7, 8)], 1, 6) == 0


def test_places_away_from_their_order():
    assert displacements([1.0, 2.0, 3.0]) == [0, 0, 0]
    assert sorted(displacements([3.0, 1.0, 2.0])) == [1, 1, 2]


def test_copies_of_exchanges_have_other_names_and_older_times_and_the_same_bodies(tmp_path):
    log = ExchangeLog(tmp_path)
    log.record(exchange(document="7"))
    log.record(exchange(document=""))
    log.close()
    store = Store(log.url, tmp_path)
    assert copy_exchanges(store, 6, timedelta(days=2)) == (6, 2)
    store.close()
    assert [one.document for one in log.search(document="7", whole=True)] == ["7"]
    (copy,) = log.search(document="2-7", whole=True)
    assert (copy.time, copy.run_id) == (NOON - timedelta(days=2), "2-run-1")
    assert log.request_body(copy) == b'{"tranId": "10045"}'
    assert log.expire(NOON - timedelta(days=1, hours=1)).exchanges == 2


def test_a_large_day_buys_articles_of_the_large_catalogue_all_over_it():
    retailer = Retailer()
    catalogue = retailer.large_catalogue(12_000)
    day = large_day(retailer, catalogue, 200)
    bought = day.demand()
    assert len(day.baskets) == 200
    assert set(bought) <= set(catalogue.by_sku)
    positions = [int(sku.removeprefix("VOL-")) for sku in bought]
    assert min(positions) < 4_000
    assert max(positions) > 8_000
    small = large_day(retailer, retailer.large_catalogue(300), 50)
    assert set(small.demand()) <= {f"VOL-{number:06d}" for number in range(1, 301)}


def test_growth_is_told_by_part_of_the_home(tmp_path):
    home = settings.load({"ERP_SYNC_HOME": str(tmp_path)})
    before = sizes(home)
    (tmp_path / "lake" / "orders").mkdir(parents=True)
    (tmp_path / "lake" / "orders" / "1.parquet").write_bytes(b"x" * 2_000_000)
    (tmp_path / "ledger.db-wal").write_bytes(b"x" * 500_000)
    assert growth(before, sizes(home)) == {"ledger_mb": 0.5, "lake_mb": 2.0, "dagster_mb": 0.0, "exchanges_mb": 0.0}
