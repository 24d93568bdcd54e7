"""When a flow of a seed looks at its source."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import Any

from erp_sync_tests.chaos.sensor import LATENESS, PAUSES, Sensor

BEGIN = 1_000_000.0


def sensor(**ahead: float) -> Sensor:
    engine = SimpleNamespace(opened=lambda: sqlite3.connect(":memory:"))
    here: Any = SimpleNamespace(ledger=SimpleNamespace(database=SimpleNamespace(engine=engine)))
    route: Any = SimpleNamespace(store="shop", erp="erp")
    made = Sensor(here, route, ahead, {})
    made.read = dict.fromkeys(PAUSES, BEGIN)
    return made


def test_while_faults_come_each_looks_after_its_pause():
    it = sensor()
    it.changed = {"shop": BEGIN + 5, "erp": BEGIN + 5}
    assert {flow: it.upcoming(flow, BEGIN) for flow in PAUSES} == {flow: BEGIN + one for flow, one in PAUSES.items()}
    assert it.wanted("orders", BEGIN + PAUSES["orders"])


def test_at_rest_each_looks_when_everything_is_there_and_no_later():
    it = sensor()
    it.changed = {"shop": BEGIN + 5, "erp": BEGIN + 240}
    it.at_rest()
    looks = {
        "orders": 5 + LATENESS,
        **dict.fromkeys(("order_status", "shipments", "inventory", "prices"), 240 + LATENESS),
    }
    assert {flow: it.upcoming(flow, BEGIN) for flow in PAUSES} == {flow: BEGIN + at for flow, at in looks.items()}
    assert it.wanted("orders", BEGIN + looks["orders"])


def test_at_rest_nobody_looks_more_often_than_before():
    """A value may be stale for as long as that."""
    it = sensor()
    it.read = {**it.read, "prices": BEGIN + 190}
    it.changed = {"erp": BEGIN + 191}
    it.at_rest()
    assert it.upcoming("prices", BEGIN + 200) == BEGIN + 190 + PAUSES["prices"]


def test_what_a_clock_that_is_ahead_says_comes_later():
    it = sensor(shop=100.0, erp=-100.0)
    it.changed = {"shop": BEGIN + 5}
    it.at_rest()
    assert it.upcoming("orders", BEGIN) == BEGIN + 5 + LATENESS + 100


def test_somebody_who_acts_when_all_is_at_rest_is_waited_for():
    it = sensor()
    it.at_rest()
    it.read = dict.fromkeys(PAUSES, BEGIN + 500)
    it.changed = {"shop": BEGIN + 600}
    assert it.upcoming("orders", BEGIN + 600) == BEGIN + 600 + LATENESS
