"""A person leaves the ledger, nobody else does, and they are known again, on both databases."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync.ledger import Ledger, NewDelivery, State, erasing, schema
from erp_sync.ledger.by_hand import HandShipment
from erp_sync.ledger.cross_references import Link
from erp_sync.ledger.errors import WrongState
from erp_sync.ledger.newer import Asked
from erp_sync.ledger.privacy import is_nobody
from erp_sync.model.keys import Entity, EntityKey
from erp_sync.model.personal import PersonalTexts, is_pseudonym, texts_of
from erp_sync.ports.raw import RawRecord
from erp_sync_tests.ledger.world import Clock, deliver, empty, step

STORE, ERP, ROUTE = "magento_us", "netsuite_us", "us"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ANN, BO = "ann@example.com", "bo@example.com"
FIELDS = frozenset({"firstname", "lastname", "telephone"})


def order(email: str, first: str, last: str = "Müller", street: str = "7 Ring") -> dict[str, Any]:
    address = {"firstname": first, "lastname": last, "street": [street], "telephone": "030 5550177"}
    return {"customer_email": email, "billing_address": address, "grand_total": 10}


def receive(ledger: Ledger, native_id: str, payload: dict[str, Any], entity: str = "sales_order") -> int:
    record = RawRecord(native_id=native_id, version="1", source_time=NOON, created_time=NOON, payload=payload)
    return ledger.receive(STORE, entity, [record], run_id="run")[0]


def delivery(ledger: Ledger, native_id: str, payload: dict[str, Any], entity: str = "sales_order") -> int:
    """A received order that is due, with a word about its street and one in quarantine."""
    received = receive(ledger, native_id, payload, entity)
    row = ledger.received.rows([received])[0]
    key = EntityKey(STORE, "", entity, native_id)
    with ledger.handling(ROUTE, "orders", "run") as work:
        work.mark_handled([received])
        work.quarantine(
            row, rule="malformed_address", problem=f"{payload['billing_address']['street'][0]} is no street"
        )
        work.note(key, "unchanged", f"nothing new of {payload['billing_address']['firstname']} Müller")
        new = NewDelivery(
            key=key, target=ERP, version="1", payload=row.payload or b"", number=f"N{native_id}", received_id=received
        )
        return work.accept([new])[0].id


def everything(ledger: Ledger) -> str:
    with ledger.database.read() as read:
        rows = [
            str([one.decode() if isinstance(one, bytes) else one for one in row])
            for table in schema.metadata.sorted_tables
            for row in read.execute(sa.select(table))
        ]
    return "\n".join(rows)


def known(ledger: Ledger, email: str = ANN) -> PersonalTexts:
    return msgspec.structs.replace(ledger.privacy.texts(email), mark="mark")


def test_a_person_leaves_every_table_and_others_stay(ledger: Ledger) -> None:
    ann = delivery(ledger, "1", order(ANN, "Ann"))
    bo = delivery(ledger, "2", order(BO, "Bo"))
    person = known(ledger)
    assert person.names == {("Ann", "Müller")}
    assert person.orders == {(STORE, "1")}
    held = erasing.held(ledger.database, person, FIELDS)
    assert set(held) >= {"received", "deliveries", "quarantine"}
    changed = erasing.erase(ledger.database, person, FIELDS, "ann")
    assert changed["received"] == 1
    assert {table for table, count in changed.items() if count} == set(held)
    assert erasing.held(ledger.database, person, FIELDS) == {}
    left = everything(ledger)
    assert ANN not in left
    assert "Ann" not in left
    assert left.count("7 Ring") == left.count("Bo") > 0
    assert ledger.deliveries.get(ann).state is State.DISMISSED
    assert ledger.deliveries.get(bo).state is State.DUE
    assert [is_nobody(row.payload) for row in ledger.received.of(STORE, "sales_order", ["1", "2"])] == [True, False]
    assert not erasing.erase(ledger.database, person, FIELDS, "ann").total()


PLACES = st.tuples(st.sampled_from([Entity.SALES_ORDER, Entity.CUSTOMER, Entity.REFUND]), st.sampled_from(["15", "16"]))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(PLACES, st.booleans(), min_size=2))
def test_order_15_and_customer_15_are_not_confused(ledger: Ledger, anns: dict[tuple[str, str], bool]) -> None:
    empty(ledger)
    ids = {
        place: delivery(ledger, place[1], order(ANN, "Ann") if own else order(BO, "Bo", "Lee", "9 Alley"), place[0])
        for place, own in anns.items()
    }
    erasing.erase(ledger.database, known(ledger), FIELDS, "ann")
    assert {place: ledger.deliveries.get(one).state is State.DISMISSED for place, one in ids.items()} == anns
    payloads = {place: ledger.deliveries.get(one).payload for place, one in ids.items()}
    assert {place: b"9 Alley" not in payload for place, payload in payloads.items()} == anns


@pytest.mark.parametrize("entity", [Entity.SALES_ORDER, Entity.CUSTOMER])
def test_whose_record_is_erased_already_is_known_by_its_place(ledger: Ledger, entity: str) -> None:
    """An erasure that goes on: nothing in the rows says whose they are, and somebody has the same number elsewhere."""
    other = Entity.CUSTOMER if entity == Entity.SALES_ORDER else Entity.SALES_ORDER
    mine, theirs = (delivery(ledger, "15", order(BO, "Bo", "Lee", "9 Alley"), one) for one in (entity, other))
    place = frozenset({(STORE, "15")})
    named = {"orders": place} if entity == Entity.SALES_ORDER else {"customers": place}
    erasing.erase(ledger.database, PersonalTexts(email=ANN, mark="mark", **named), FIELDS, "ann")
    assert ledger.deliveries.get(mine).state is State.DISMISSED
    assert ledger.deliveries.get(theirs).state is State.DUE
    assert b"9 Alley" in ledger.deliveries.get(theirs).payload


def test_a_customer_is_not_who_has_an_order_of_that_number(ledger: Ledger) -> None:
    receive(ledger, "15", {**order(BO, "Bo"), "id": 15, "customer_id": 7})
    assert ledger.privacy.email_of(STORE, "15") is None
    assert ledger.privacy.email_of(STORE, "7") == BO
    receive(ledger, "15", {"id": 15, "email": ANN}, Entity.CUSTOMER)
    assert ledger.privacy.email_of(STORE, "15") == ANN


def test_what_left_by_hand_for_the_person_is_theirs_though_it_names_nobody(ledger: Ledger) -> None:
    delivery(ledger, "1", order(ANN, "Ann"))
    delivery(ledger, "2", order(BO, "Bo"))
    with ledger.handling(ROUTE, "shipments", "run") as work:
        work.add_by_hand([
            HandShipment(
                route=ROUTE, key=f"hand-{one}", store=STORE, erp=ERP, order_id=one, number=f"N{one}", file="list.csv",
                who="cy", at=NOON, payload=b'{"parcels": ["1Z"], "company": "Quarry"}',
            )
            for one in ("1", "2")
        ])  # fmt: skip
    erasing.erase(ledger.database, known(ledger), FIELDS, "ann")
    payloads = {one.order_id: one.payload for one in ledger.by_hand.shipments(ROUTE)}
    assert b"Quarry" not in payloads["1"]
    assert b"1Z" in payloads["1"]
    assert b"Quarry" in payloads["2"]


def test_what_a_run_read_before_the_erasure_is_nobodys_when_it_records_it(ledger: Ledger) -> None:
    mine, other = receive(ledger, "1", order(ANN, "Ann")), receive(ledger, "2", order(BO, "Bo"))
    erasing.erase(ledger.database, known(ledger), FIELDS, "ann")
    with ledger.handling(ROUTE, "orders", "run") as work:
        assert work.erased([mine, other]) == {mine}
    ledger.privacy.bury(texts_of(order(ANN, "Ann"), ANN))
    assert ledger.privacy.nobodies() == {(STORE, "sales_order"): ["1"]}
    # A page that was looked through before, recorded now.
    before = ledger.now() - timedelta(hours=1)
    late = [
        RawRecord(native_id=one, version="2", created_time=before, payload=order(who, "X"))
        for one, who in (("3", ANN), ("4", BO))
    ]
    ledger.receive(STORE, "sales_order", late, run_id="run")
    received = ledger.received.of(STORE, "sales_order", ["3", "4"])
    assert [is_nobody(row.payload) for row in received] == [True, False]


def test_what_is_being_sent_at_this_moment_is_not_erased_under_the_senders_hands(ledger: Ledger) -> None:
    delivery(ledger, "1", order(ANN, "Ann"))
    ledger.deliveries.claim(ROUTE, "orders", ERP, limit=1, owner="run:1", run_id="run")
    with pytest.raises(WrongState, match="being sent"):
        erasing.erase(ledger.database, known(ledger), FIELDS, "ann")
    assert ANN in everything(ledger)


def test_the_receipt_of_the_customer_goes_and_is_foretold(ledger: Ledger) -> None:
    for native_id, who in (("1", ANN), ("2", BO)):
        delivery(ledger, native_id, order(who, "Ann"))
        (claim,) = ledger.deliveries.claim(ROUTE, "orders", ERP, limit=1, owner="run:1", run_id="run")
        deliver(ledger, claim, [step("customer", f"key-of-{who[:2]}")])
    held = erasing.held(ledger.database, known(ledger), FIELDS)
    assert [row["key"] for row in held["receipts"]] == ["key-of-an"]
    assert erasing.erase(ledger.database, known(ledger), FIELDS, "ann")["receipts"] == 1
    with ledger.database.read() as read:
        assert [row.key for row in read.execute(sa.select(schema.receipts))] == ["key-of-bo"]


def test_who_is_erased_buys_again_and_is_erased_again_had_a_link_each_time(ledger: Ledger) -> None:
    """Both became one, which the ledger refuses: the person could not be erased any more."""
    for target in ("9", "10"):
        delivery(ledger, target, order(ANN, "Ann"))
        link = Link(entity=Entity.CUSTOMER, connection_a=STORE, id_a=ANN, connection_b=ERP, id_b=target)
        ledger.cross_references.link([link])
        assert erasing.erase(ledger.database, known(ledger), FIELDS, "ann")["cross_references"] == 1
    links = ledger.cross_references.all(Entity.CUSTOMER, STORE, ERP)
    assert sorted(links.values()) == ["10", "9"]
    assert all(is_pseudonym(one) for one in links)


def test_a_link_of_somebody_whose_address_ends_like_theirs_is_neither_changed_nor_counted(ledger: Ledger) -> None:
    delivery(ledger, "1", order(ANN, "Ann"))
    for id_a, id_b in ((ANN, "9"), (f"jo{ANN}", "10")):
        ledger.cross_references.link(
            [Link(entity=Entity.CUSTOMER, connection_a=STORE, id_a=id_a, connection_b=ERP, id_b=id_b)]
        )
    assert erasing.erase(ledger.database, known(ledger), FIELDS, "ann")["cross_references"] == 1
    links = ledger.cross_references.all(Entity.CUSTOMER, STORE, ERP)
    assert {is_pseudonym(one): id_b for one, id_b in links.items()} == {True: "9", False: "10"}
    assert f"jo{ANN}" in links


@pytest.mark.parametrize("stage", ["received", "due", "dead"])
def test_what_came_after_the_erasure_was_asked_for_stays_word_for_word(
    ledger: Ledger, clock: Clock, stage: str
) -> None:
    """It had been cut short, and the person bought again before it went on; or it is done again after a restore."""
    delivery(ledger, "1", order(ANN, "Ann"))
    asked = Asked(at=ledger.now(), also_open=True)
    clock.advance(60)
    if stage == "received":
        receive(ledger, "2", order(ANN, "Ann"))
    else:
        delivery(ledger, "2", order(ANN, "Ann"))
    if stage == "dead":
        for claim in ledger.deliveries.claim(ROUTE, "orders", ERP, limit=2, owner="run:1", run_id="run"):
            ledger.deliveries.dead(claim, "unmapped_carriers", "no carrier")
    ledger.notices.raise_once("watch/x", "warning", f"{ANN} waits")
    person = known(ledger)
    newer = erasing.newer(ledger.database, person, asked)
    assert newer.places == {(STORE, "sales_order", "2")}
    assert newer.numbers == ({"N2"} if stage != "received" else set())

    before = set(everything(ledger).splitlines())
    erasing.erase(ledger.database, person, FIELDS, "ann", asked)
    assert erasing.erase(ledger.database, person, FIELDS, "ann", asked).total() == 0
    left = {row for row in everything(ledger).splitlines() if re.search(rf"7 Ring|Ann\b|{ANN}", row)}
    assert left
    assert left <= before
    assert not [row for row in left if "sales_order', '1'" in row]
    received = ledger.received.of(STORE, "sales_order", ["1", "2"])
    assert [is_nobody(row.payload) for row in received] == [True, False]
    with ledger.database.read() as read:
        states = {row.number: row.state for row in read.execute(sa.select(schema.deliveries)).all()}
    assert states == {"N1": "dismissed", **({} if stage == "received" else {"N2": stage})}


def test_what_was_known_when_it_was_asked_for_is_not_newer_though_it_was_received_later(
    ledger: Ledger, clock: Clock
) -> None:
    asked = Asked(at=ledger.now(), also_open=True)
    clock.advance(60)
    mine = delivery(ledger, "1", order(ANN, "Ann"))
    assert erasing.newer(ledger.database, known(ledger), asked).places
    there = {(STORE, "sales_order", "1")}
    assert not erasing.newer(ledger.database, known(ledger), asked, there).places
    erasing.erase(ledger.database, known(ledger), FIELDS, "ann", asked, there)
    assert ledger.deliveries.get(mine).state is State.DISMISSED
    assert ANN not in everything(ledger)


def test_what_was_there_when_it_was_asked_for_is_erased_however_late_it_goes_on(ledger: Ledger, clock: Clock) -> None:
    mine = delivery(ledger, "1", order(ANN, "Ann"))
    asked = Asked(at=ledger.now(), also_open=True)
    clock.advance(86_400)
    delivery(ledger, "2", order(BO, "Bo"))
    erasing.erase(ledger.database, known(ledger), FIELDS, "ann", asked)
    assert ledger.deliveries.get(mine).state is State.DISMISSED
    assert ANN not in everything(ledger)


def test_a_dead_letter_that_was_retried_meanwhile_is_dismissed_only_where_that_was_asked_for(ledger: Ledger) -> None:
    mine = delivery(ledger, "1", order(ANN, "Ann"))
    asked = Asked(at=ledger.now(), also_open=False)
    with pytest.raises(WrongState, match=r"N1 \(due\)"):
        erasing.erase(ledger.database, known(ledger), FIELDS, "ann", asked)
    (claim,) = ledger.deliveries.claim(ROUTE, "orders", ERP, limit=1, owner="run:1", run_id="run")
    ledger.deliveries.dead(claim, "unmapped_carriers", "no carrier")
    erasing.erase(ledger.database, known(ledger), FIELDS, "ann", asked)
    assert ledger.deliveries.get(mine).state is State.DISMISSED


def test_who_was_erased_is_received_as_nobody_until_they_buy_again(ledger: Ledger) -> None:
    person = texts_of(order(ANN, "Ann"), ANN)
    ledger.privacy.bury(person)
    payloads = {"1": order(ANN.upper(), "Someone", "Else", "elsewhere"), "2": order(BO, "Ann"), "3": order(BO, "Bo")}
    hour = timedelta(hours=1)
    records = [
        RawRecord(native_id=one, version="1", created_time=ledger.now() - hour, payload=payload)
        for one, payload in payloads.items()
    ]
    later = RawRecord(native_id="4", version="1", created_time=ledger.now() + hour, payload=order(ANN, "Ann"))
    given = ledger.privacy.forget(STORE, "sales_order", [*records, later])
    assert [one.payload == {"erased": True} for one in given] == [True, False, False, False]


def test_an_order_bought_after_the_erasure_by_a_clock_that_is_behind_is_not_lost(ledger: Ledger, clock: Clock) -> None:
    minute = timedelta(minutes=1)
    before = RawRecord(
        native_id="1", version="1", created_time=ledger.now() - minute, payload=order(ANN, "Ann", "Known")
    )
    ledger.receive(STORE, "sales_order", [before], run_id="run")
    clock.advance(1)
    ledger.privacy.bury(texts_of(order(ANN, "Ann"), ANN))
    clock.advance(1)
    unknown = msgspec.structs.replace(before, native_id="2")
    long_ago = msgspec.structs.replace(before, native_id="3", created_time=ledger.now() - 6 * minute)
    given = ledger.privacy.forget(STORE, "sales_order", [before, unknown, long_ago])
    assert [one.payload == {"erased": True} for one in given] == [True, False, True]


def test_tombstones_survive_a_restore_and_a_later_erasure_moves_them(ledger: Ledger, clock: Clock) -> None:
    stones = ledger.privacy.bury(texts_of(order(ANN, "Ann"), ANN))
    clock.advance(86_400)
    again = ledger.privacy.bury(texts_of(order(ANN, "Ann"), ANN))
    ledger.privacy.rebury(stones)
    assert {one.erased_at for one in ledger.privacy.buried()} == {again[0].erased_at}
    assert {one.token for one in ledger.privacy.buried()} == {one.token for one in stones}


def test_an_erasure_under_way_has_one_key_that_is_no_tombstone_and_is_destroyed(ledger: Ledger) -> None:
    mark, key = ledger.privacy.begin(ANN)
    assert ledger.privacy.begin(ANN.upper()) == (mark, key)
    other, _ = ledger.privacy.begin(BO)
    assert ledger.privacy.under_way().keys() == {mark, other}
    assert ledger.privacy.buried() == []
    assert {one.person for one in ledger.privacy.bury(texts_of(order(ANN, "Ann"), ANN))} == {mark}
    ledger.privacy.end(mark)
    assert ledger.privacy.under_way().keys() == {other}
    assert {one.person for one in ledger.privacy.buried()} == {mark}
    assert key.hex() not in everything(ledger)


@pytest.mark.parametrize("how", ["ends late", "restored"])
def test_a_name_learned_long_after_the_erasure_was_asked_for_is_found_in_a_page_held_at_that_moment(
    ledger: Ledger, clock: Clock, how: str
) -> None:
    """A page is looked through when it is read and once more when it is recorded: in between the erasure learned who
    that is, by tombstones of days ago."""
    asked = ledger.now()
    ledger.privacy.bury(PersonalTexts(email=ANN), asked)
    clock.advance(2 * 86_400)
    nameless = {"shipping_address": order(ANN, "Ann")["billing_address"]}
    page = [
        RawRecord(native_id=one, version="1", created_time=asked - timedelta(hours=1), payload=payload)
        for one, payload in (("1", nameless), ("2", order(BO, "Bo")))
    ]
    assert ledger.privacy.forget(STORE, "sales_order", page) == page
    learned = texts_of(order(ANN, "Ann"), ANN)
    if how == "ends late":
        mark, _ = ledger.privacy.begin(ANN)
        assert {one.erased_at for one in ledger.privacy.bury(learned, asked)} == {asked}
        ledger.privacy.end(mark)
    else:
        stones = ledger.privacy.bury(learned, asked)
        empty(ledger)
        ledger.privacy.rebury(stones)
    ledger.receive(STORE, "sales_order", page, run_id="run")
    received = ledger.received.of(STORE, "sales_order", ["1", "2"])
    assert [is_nobody(row.payload) for row in received] == [True, False]
    assert {one.kind for one in ledger.privacy.buried()} == {"email", "street", "phone", "first", "last", "name"}
    assert ledger.privacy.under_way() == {}
