"""The demo's buyer touches nothing that is sold, and its operator lets only known articles pass."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from erp_sync.demo import people
from erp_sync.demo.judging import articles
from erp_sync.demo.people import Buyer, Operator, no_more_sold
from erp_sync.demo.playing import DAY, SOLD_UNTIL
from erp_sync.ledger.plan_values import PlanState
from erp_sync.sandbox.retailer import Retailer
from erp_sync_tests.components.two_systems import TwoSystems, two_systems

FLOWS = "{products: {mode: on, approval: required, guards: {max_disabled_share: 1, max_missing_share: 1}}}"


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[TwoSystems]:
    with two_systems(tmp_path / "world", FLOWS) as world:
        yield world


def test_nothing_that_the_buyer_touches_is_sold_later_on_that_day():
    retailer = Retailer()
    catalogue = retailer.catalogue()
    day = retailer.shopping_day(catalogue)
    noon = timedelta(hours=12)
    free = no_more_sold(catalogue, day, noon)
    assert not set(free) & {line.sku for basket in day.baskets if basket.at >= noon for line in basket.lines}
    assert set(free) & {line.sku for basket in day.baskets for line in basket.lines}
    assert len(no_more_sold(catalogue, day, SOLD_UNTIL * DAY)) > people.RENAMED


def test_new_articles_wait_and_changes_of_known_ones_reach_the_store(systems, monkeypatch):
    monkeypatch.setattr(people, "RENAMED", 2)
    systems.run("products", full=True)
    closing = threading.Event()
    buyer = Buyer({"base_url": systems.erp.base_url, **systems.erp.status()}, ["CUP", "POT", "TEA"], 0.0, closing)
    buyer.start()
    buyer.join()
    assert (len(buyer.new), buyer.changed, buyer.ended) == (len(people.NEW), ["CUP", "POT"], ["TEA"])
    systems.run("products")
    operator = Operator(systems.here, closing)
    operator.look()
    assert operator.approved == {"CUP": "update", "POT": "update", "TEA": "disable"}
    systems.load("products")
    shown = articles(systems.store.status(), buyer, operator)
    assert shown == {
        "new": 3, "new_in_store": 0, "changed": 2, "changed_in_store": 2, "ended": 1, "ended_disabled_in_store": 1,
        "approved": 3, "failure": "",
    }  # fmt: skip
    operator.look()
    (plan,) = systems.here.ledger.plans.find(flow="products", states=[PlanState.HELD])
    waiting = systems.here.ledger.plans.table(plan.id, states=[PlanState.HELD.value]).to_pylist()
    assert sorted(row["key"] for row in waiting) == buyer.new
