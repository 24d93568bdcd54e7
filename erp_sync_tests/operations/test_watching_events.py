"""A system that looks subscribed and tells of nothing any more is told of; one where nothing happens is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from erp_sync import settings as settings_module
from erp_sync.components.installation import Installation
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.operations.watching import Watchdog
from erp_sync.ports.raw import RawRecord
from erp_sync_tests.operations.house import STORE, House, write_defs
from erp_sync_tests.operations.test_watching import FRIDAY, Clock

EVENTS = {"client_id": "client", "keys": {"pub-key-1.pem": "a key"}}
SILENT = "unannounced/magento_us/orders"


class Shop:
    """A store, what of it is polled, and who watches. `number` of its last order."""

    def __init__(self, here: Installation, clock: Clock) -> None:
        self.house, self.ledger, self.clock, self.number = House(here), here.ledger, clock, 0
        self.watchdog = Watchdog(here)

    def sells(self, *, polled: bool = True, told: bool = False, made: timedelta = timedelta(0)) -> None:
        """An order is placed (that long ago, by the store's clock); the store tells of it, or a poll finds it."""
        self.number += 1
        if told:
            event = InboxEvent(connection=STORE, event_id=str(self.number), topic="save", entity="sales_order")
            self.ledger.inbox.put(event)
        if polled:
            at = self.clock() - made
            one = RawRecord(
                native_id=str(self.number), version="1", source_time=at, created_time=at, payload={"entity_id": 1}
            )
            self.ledger.receive(STORE, "sales_order", [one], advance_to=None, run_id="run-1")

    def watched(self) -> dict[str, str]:
        return {one.key: one.severity for one in self.watchdog.look() if one.key.startswith("unannounced")}


def opened(home: Path, clock: Clock, events: dict[str, Any] | None, **settings: Any) -> Installation:
    configured = {"edition": "commerce", **({"events": events} if events is not None else {}), **settings}
    flows = {"orders": {"mode": "on", "start": "2026-01-01T00:00:00Z", "every": "5m"}}
    write_defs(home.parent / "defs", magento_us={"settings": configured}, route={"flows": flows})
    return Installation(settings_module.load(), clock=clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(home: Path, clock: Clock) -> Iterator[Shop]:
    """A store whose events are configured; one came."""
    here = opened(home, clock, EVENTS)
    made = Shop(here, clock)
    made.sells(told=True)
    yield made
    here.close()


def sell_for(shop: Shop, clock: Clock, hours: float, **how: Any) -> None:
    """Ten orders an hour."""
    for _ in range(int(hours * 10)):
        clock.advance(minutes=6)
        shop.sells(**how)


def test_events_that_stop_are_told_after_an_hour_and_settled_when_they_come_again(shop: Shop, clock: Clock):
    sell_for(shop, clock, 1)
    assert shop.watched() == {}  # an hour after the first that was not told of, not after the last that was
    sell_for(shop, clock, 0.3)
    assert shop.watched() == {SILENT: "warning"}
    (notice,) = shop.ledger.notices.open()
    assert "an event of them came last 2026-11-27 16:00 UTC, and polling found 12 that were made since" in notice.text
    shop.sells(told=True)
    assert shop.watched() == {}
    assert shop.ledger.notices.open() == []


def test_events_that_never_came_are_told_too(home: Path, clock: Clock):
    here = opened(home, clock, EVENTS)
    shop = Shop(here, clock)
    sell_for(shop, clock, 1.2)
    assert shop.watched() == {SILENT: "warning"}
    assert "an event of them never came" in shop.ledger.notices.open()[0].text
    here.close()


def test_a_quiet_night_is_no_silence(shop: Shop, clock: Clock):
    for _ in range(14):
        clock.advance(hours=1)
        assert shop.watched() == {}


def test_two_orders_without_an_event_are_an_accident_and_three_are_not(shop: Shop, clock: Clock):
    for _ in range(2):
        clock.advance(hours=2)
        shop.sells()
        assert shop.watched() == {}
    clock.advance(hours=2)
    assert shop.watched() == {}
    shop.sells()
    assert shop.watched() == {SILENT: "warning"}


def test_events_beside_polls_are_no_silence(shop: Shop, clock: Clock):
    sell_for(shop, clock, 3, told=True)
    assert shop.watched() == {}


@pytest.mark.parametrize(
    ("events", "settings"),
    [
        pytest.param(None, {}, id="none are configured"),
        pytest.param({"client_id": "client"}, {}, id="they cannot be verified"),
        pytest.param(EVENTS, {"edition": "open_source"}, id="an edition that sends none"),
        pytest.param({**EVENTS, "entities": ["product"]}, {}, id="not of orders"),
        pytest.param({**EVENTS, "silent_after_seconds": 14_400}, {}, id="more patience"),
    ],
)
def test_where_no_event_of_orders_is_to_come_none_is_missed(
    home: Path, clock: Clock, events: dict[str, Any] | None, settings: dict[str, Any]
):
    here = opened(home, clock, events, **settings)
    shop = Shop(here, clock)
    sell_for(shop, clock, 3)
    assert shop.watched() == {}
    here.close()


def test_orders_of_the_past_that_are_read_now_need_no_event(shop: Shop, clock: Clock):
    """A first load, or a morning after a night without services."""
    clock.advance(hours=3)
    for hours in range(2, 12):
        shop.sells(made=timedelta(hours=hours))
    assert shop.watched() == {}


def test_a_clock_of_the_store_that_is_ahead_makes_no_silence(shop: Shop, clock: Clock):
    """The orders of its last minutes seem to be younger than the last event."""
    sell_for(shop, clock, 1, told=True, made=timedelta(minutes=-8))
    for _ in range(4):
        shop.sells(told=True, made=timedelta(minutes=-8))
    clock.advance(hours=5)
    assert shop.watched() == {}


def test_a_store_in_planned_maintenance_and_its_orders_of_that_time_are_not_told_of(shop: Shop, clock: Clock):
    end = FRIDAY + timedelta(hours=2)
    shop.ledger.maintenance.start(STORE, starts_at=FRIDAY, ends_at=end, why="release", who="ann")
    sell_for(shop, clock, 1.9)
    assert shop.watched() == {}
    clock.advance(minutes=30)
    assert shop.watched() == {}
    sell_for(shop, clock, 1.5)
    assert shop.watched() == {SILENT: "warning"}


def test_a_watchdog_that_is_started_anew_knows_the_events_of_before(shop: Shop, clock: Clock):
    sell_for(shop, clock, 1.5, told=True)
    clock.advance(hours=2)
    assert [one.key for one in Watchdog(shop.house.here).look() if one.key == SILENT] == []
