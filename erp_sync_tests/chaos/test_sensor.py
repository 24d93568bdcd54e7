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


def test_at_rest_all_look_at_once_when_everything_is_there():
    """What was done last, in whichever system, is there by then: each finds what the one before has made of it."""
    it = sensor()
    it.changed = {"shop": BEGIN + 5, "erp": BEGIN + 40}
    it.at_rest()
    assert {it.upcoming(flow, BEGIN) for flow in PAUSES} == {BEGIN + 40 + LATENESS}
    assert all(it.wanted(flow, BEGIN + 40 + LATENESS) for flow in PAUSES)


def test_what_a_clock_that_is_ahead_says_comes_later():
    it = sensor(shop=100.0, erp=-100.0)
    it.changed = {"shop": BEGIN + 5, "erp": BEGIN + 40}
    it.at_rest()
    assert {it.upcoming(flow, BEGIN) for flow in PAUSES} == {BEGIN + 5 + LATENESS + 100}


def test_somebody_who_acts_when_all_is_at_rest_is_waited_for():
    it = sensor()
    it.at_rest()
    it.read = dict.fromkeys(PAUSES, BEGIN + 500)
    it.changed = {"shop": BEGIN + 600}
    assert it.upcoming("orders", BEGIN + 600) == BEGIN + 600 + LATENESS
