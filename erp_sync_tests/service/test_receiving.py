"""Replays, duplicates and the time window: an event makes one inbox row, or none."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.ledger import Ledger
from erp_sync.ports.notifications import BadSignature, NotExpected, NotificationRefused
from erp_sync.service.receiving import OutOfWindow, Receiver, Taken, UnknownConnection
from erp_sync_tests.service.conftest import NOW, Clock, configuration
from erp_sync_tests.service.pushes import later, push
from erp_sync_tests.systems.magento import io_events

ONE = Taken(stored=1, duplicates=0)
AGAIN = Taken(stored=0, duplicates=1)


def rows(ledger: Ledger) -> list[tuple[str, str]]:
    return [(row.event.entity, row.event.native_id) for row in ledger.inbox.unprocessed()]


def test_what_is_answered_is_in_the_inbox(receiver: Receiver, ledger: Ledger):
    assert receiver.take("netsuite_us", *push(NOW)) == ONE
    [row] = ledger.inbox.unprocessed()
    assert (row.event.connection, row.event.entity, row.event.native_id) == ("netsuite_us", "shipment", "1")
    assert row.event.topic == "itemfulfillment.create"


def test_a_replay_is_recognised_even_after_it_was_processed(receiver: Receiver, ledger: Ledger):
    message = push(NOW)
    assert receiver.take("netsuite_us", *message) == ONE
    ledger.inbox.mark([row.id for row in ledger.inbox.unprocessed()], "read")
    assert receiver.take("netsuite_us", *message) == AGAIN
    assert rows(ledger) == []


def test_the_same_id_of_another_connection_is_another_event(ledger: Ledger, clock: Clock):
    two = configuration()
    other = two.connections["netsuite_us"].model_copy(update={"name": "netsuite_de"})
    receiver = Receiver(two.model_copy(update={"connections": {**two.connections, "netsuite_de": other}}),
                        ledger.inbox, clock)  # fmt: skip
    message = push(NOW)
    assert [receiver.take(name, *message) for name in ("netsuite_us", "netsuite_de")] == [ONE, ONE]


def test_stock_makes_a_row_for_each_item(receiver: Receiver, ledger: Ledger):
    message = push(NOW, entity="stock_level", record="salesorder", items=["1001", "1002", "1001"])
    assert receiver.take("netsuite_us", *message) == Taken(stored=2, duplicates=0)
    assert receiver.take("netsuite_us", *message) == Taken(stored=0, duplicates=2)
    assert rows(ledger) == [("stock_level", "1001"), ("stock_level", "1002")]


def test_what_by_the_setting_waits_for_the_next_poll_is_answered_and_not_kept(ledger: Ledger, clock: Clock):
    given = configuration()
    chosen = given.connections["netsuite_us"].model_copy(update={"settings": {"events": {"entities": ["shipment"]}}})
    receiver = Receiver(given.model_copy(update={"connections": {"netsuite_us": chosen}}), ledger.inbox, clock)
    stock = push(NOW, entity="stock_level", record="salesorder", items=["1001", "1002"])
    assert receiver.take("netsuite_us", *stock) == Taken(stored=0, duplicates=0, ignored=2)
    assert receiver.take("netsuite_us", *push(NOW)) == ONE
    assert rows(ledger) == [("shipment", "1")]
    with pytest.raises(NotificationRefused):
        receiver.take("netsuite_us", *push(NOW, secret="another", entity="stock_level", record="salesorder"))


def test_an_event_without_an_id_is_kept_too(receiver: Receiver, ledger: Ledger):
    body = io_events.event({"increment_id": "617"})
    assert receiver.take("magento_us", io_events.signed(body, "one"), body) == ONE
    assert rows(ledger) == [("sales_order", "")]


@pytest.mark.parametrize(("age", "taken"), [(299, True), (301, False), (-119, True), (-121, False)])
def test_what_was_made_too_long_ago_or_in_the_future_is_refused(
    receiver: Receiver, ledger: Ledger, age: int, taken: bool
):
    message = push(later(NOW, -age))
    if taken:
        assert receiver.take("netsuite_us", *message) == ONE
    else:
        with pytest.raises(OutOfWindow):
            receiver.take("netsuite_us", *message)
        assert rows(ledger) == []


def test_adobe_tries_again_for_a_day(receiver: Receiver, clock: Clock):
    body = io_events.event({"entity_id": "1"}, time="2026-11-22T08:59:00.000Z")
    assert receiver.take("magento_us", io_events.signed(body, "one"), body) == ONE
    clock.advance(3600)
    with pytest.raises(OutOfWindow):
        receiver.take("magento_us", io_events.signed(body, "one"), body)


def test_ids_are_remembered_longer_than_replays_are_taken(receiver: Receiver):
    from erp_sync.ledger.retention import Retention

    for name in ("netsuite_us", "magento_us"):
        assert receiver.gate(name).rules.oldest_seconds < Retention().inbox * 86_400


def test_a_forged_event_of_another_connection_is_refused(receiver: Receiver, ledger: Ledger):
    with pytest.raises(BadSignature):
        receiver.take("magento_us", *push(NOW))
    with pytest.raises(NotExpected):
        receiver.take("magento_open", *push(NOW))
    with pytest.raises(UnknownConnection):
        receiver.take("nobody", *push(NOW))
    assert rows(ledger) == []


def test_states_of_the_connections_are_told(receiver: Receiver):
    states = receiver.connections()
    assert states["netsuite_us"] == states["magento_us"] == "ready"
    assert "Open Source" in states["magento_open"]
    assert "NO_SUCH_VARIABLE_IS_SET" in states["netsuite_wrong"]


@settings(max_examples=25, deadline=None)
@given(
    sends=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["shipment", "stock_level"]), st.integers(0, 120)), max_size=15
    ),
    at_once=st.booleans(),
)
def test_whatever_is_repeated_there_is_one_row_an_event(template: Path, sends: list, at_once: bool):
    """Sends are (event, entity, seconds that pass before it); repeats are retries, replays and duplicates."""
    clock = Clock()
    with TemporaryDirectory() as folder:
        shutil.copyfile(template, Path(folder) / "ledger.db")
        ledger = Ledger.open(f"sqlite:///{folder}/ledger.db", clock)
        receiver = Receiver(configuration(), ledger.inbox, clock)
        accepted: set[tuple[str, str]] = set()
        messages = []
        for number, entity, seconds in sends:
            if not at_once:
                clock.advance(seconds)
            native_id = str(number)
            values = {"items": [native_id]} if entity == "stock_level" else {}
            message = push(later(NOW, number), native_id=native_id, entity=entity, **values)
            messages.append(message)
            if (clock() - later(NOW, number)).total_seconds() <= 300:
                accepted.add((entity, native_id))
            if not at_once:
                try:
                    receiver.take("netsuite_us", *message)
                except OutOfWindow:
                    assert (clock() - later(NOW, number)).total_seconds() > 300
        if at_once:
            with ThreadPoolExecutor(4) as pool:
                taken = list(pool.map(lambda message: receiver.take("netsuite_us", *message), messages))
            assert sum(one.stored for one in taken) == len(accepted)
        found = rows(ledger)
        assert len(found) == len(set(found))
        assert set(found) == accepted
        ledger.close()
