"""Which orders of a store its ERP does not know, and what stock was reckoned with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.ledger import Claim, Ledger, Link
from erp_sync.ledger.adopting import AdoptedDocument
from erp_sync.ledger.schema import deliveries
from erp_sync.ledger.unknown_orders import OrderVersion, Reckoned, UnknownOrder
from erp_sync.model.keys import EntityKey
from erp_sync.ports.documents import Requirement, Step
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, STORE, Clock, accept, claim, document, key, step


def of(ledger: Ledger, since: datetime | None = None, routes: tuple[str, ...] = (ROUTE,)) -> list[str]:
    found = ledger.unknown_orders.of(STORE, ERP, routes, since or ledger.now())
    return [one.order.native_id for one in found]


def ended(ledger: Ledger) -> list[str]:
    found = ledger.unknown_orders.ended(STORE, ERP, [ROUTE], ledger.now() - timedelta(days=1))
    return [one.order.native_id for one in found]


def linked(native_id: str, **more: Any) -> Link:
    place = {"connection_a": STORE, "id_a": native_id, "connection_b": ERP, "id_b": f"erp-{native_id}"}
    return Link(entity="sales_order", **{**place, **more})


def confirm(ledger: Ledger, native_id: str, *steps: Step) -> Claim:
    """The order's step is confirmed, with its link, as a delivery does it."""
    claims = {one.delivery.key.native_id: one for one in claim(ledger)}
    claimed = claims.pop(native_id)
    for other in claims.values():
        ledger.deliveries.release(other)
    planned = [step("sales_order", f"order-{native_id}"), *steps]
    ledger.steps.plan(claimed, planned)
    ledger.steps.begin(claimed, "sales_order")
    ledger.steps.confirm(claimed, "sales_order", Receipt(target_id="1"), references=[linked(native_id)])
    return claimed


def test_an_order_counts_in_every_state_in_which_it_is_not_in_the_erp(ledger: Ledger, clock: Clock):
    product = Requirement("product", "MUG")
    accept(ledger, *(document(name) for name in ("claimed", "dead", "sending", "unknown", "accepted", "refused")))
    accept(ledger, document("held", held=("on_hold", "looked at")), document("waits", requirements=(product,)))
    for one in claim(ledger):
        name = one.delivery.key.native_id
        if name == "dead":
            ledger.deliveries.dead(one, "bad_address", "no such street")
        if name in ("claimed", "dead"):
            continue
        ledger.steps.plan(one, [step("sales_order", f"order-{name}")])
        ledger.steps.begin(one, "sales_order", settle_seconds=60)
        if name == "unknown":
            ledger.steps.unknown(one, "sales_order", "no answer")
        if name == "accepted":
            ledger.steps.accepted(one, "sales_order", "draft 7")
        if name == "refused":
            ledger.steps.refuse(one, "sales_order", "no", "never")
    clock.advance(400 * 86_400)
    accept(ledger, document("due"))
    assert of(ledger) == ["accepted", "claimed", "dead", "due", "held", "refused", "sending", "unknown", "waits"]


def test_an_order_counts_for_what_was_read_before_it_was_linked_whatever_of_it_is_to_come(ledger: Ledger, clock: Clock):
    accept(ledger, document("1"), document("2"))
    before = clock.advance(10)
    done = confirm(ledger, "1")
    ledger.deliveries.complete(done)
    accept(ledger, document("3"))
    clock.advance(60)
    confirm(ledger, "2", step("deposit"))
    link = clock.advance(10) - timedelta(seconds=10)
    assert of(ledger) == ["3"]
    assert of(ledger, before) == ["2", "3"]
    assert of(ledger, before - timedelta(microseconds=1)) == ["1", "2", "3"]
    found = {one.order.native_id: one.known_at for one in ledger.unknown_orders.of(STORE, ERP, [ROUTE], before)}
    assert found == {"2": link, "3": None}


def test_what_a_person_linked_is_known_though_its_delivery_waits(ledger: Ledger, clock: Clock):
    accept(ledger, document("1", held=("doubtful", "is it there?")))
    before = ledger.now()
    clock.advance(1)
    ledger.cross_references.link([linked("1", origin="manual")])
    assert (of(ledger), of(ledger, before)) == ([], ["1"])


def test_what_an_adoption_brings_was_there_before_it(ledger: Ledger, clock: Clock):
    before = ledger.now()
    clock.advance(1)
    link = linked("1", origin="adopted")
    one = AdoptedDocument(
        document=document("1"), step=step("sales_order", "order-1"), receipt=Receipt(target_id="erp-1"), link=link
    )
    ledger.adopting.documents(ROUTE, FLOW, [one], who="ann")
    assert of(ledger, before) == []


def test_what_was_dismissed_rejected_or_taken_back_counts_no_more_and_has_ended(ledger: Ledger, clock: Clock):
    accept(ledger, *(document(name) for name in ("dismissed", "cancelled", "delivered")))
    accept(ledger, document("rejected", held=("on_hold", "looked at")))
    ids = {one.key.native_id: one.id for one in ledger.deliveries.find()}
    for one in claim(ledger):
        if one.id == ids["dismissed"]:
            ledger.deliveries.dead(one, "bad_address", "no such street")
        else:
            ledger.deliveries.release(one)
    with ledger.handling(ROUTE, FLOW) as work:
        work.withdraw(ERP, [key("cancelled")], "cancelled_in_store", "cancelled in the store")
    ledger.dead_letters.dismiss([ids["dismissed"]], "ann", "entered by hand")
    ledger.deliveries.reject(ids["rejected"], "ann", "not wanted")
    ledger.deliveries.complete(confirm(ledger, "delivered"))
    assert (of(ledger), ended(ledger)) == ([], ["cancelled", "dismissed", "rejected"])
    found = ledger.unknown_orders.ended(STORE, ERP, [ROUTE], ledger.now())
    assert {one.order.ended for one in found} == {True}
    clock.advance(2 * 86_400)
    assert ended(ledger) == []


def test_what_follows_an_order_that_was_sent_or_dismissed_is_no_order_to_come(ledger: Ledger):
    """Of an early version of the ledger a delivered order may have no link."""
    accept(ledger, document("old"), document("dismissed"), document("reopened"))
    for one in claim(ledger):
        name = one.delivery.key.native_id
        if name == "old":
            ledger.steps.plan(one, [step("sales_order", "old")])
            ledger.steps.begin(one, "sales_order")
            ledger.steps.confirm(one, "sales_order", Receipt(target_id="1"))
            ledger.deliveries.complete(one)
        if name == "dismissed":
            ledger.deliveries.dead(one, "bad_address", "no such street")
            ledger.dead_letters.dismiss([one.id], "ann", "not wanted")
        if name == "reopened":
            ledger.deliveries.release(one)
    with ledger.handling(ROUTE, FLOW) as work:
        work.withdraw(ERP, [key("reopened")], "cancelled_in_store", "cancelled in the store")
    accept(ledger, *(document(name, "2", held=("changed", "see")) for name in ("old", "dismissed", "reopened")))
    assert of(ledger) == ["reopened"]


def test_the_last_version_of_an_order_is_what_counts(ledger: Ledger):
    accept(ledger, document("1"))
    (first,) = ledger.unknown_orders.of(STORE, ERP, [ROUTE], ledger.now())
    accept(ledger, document("1", "2"))
    (replaced,) = ledger.unknown_orders.of(STORE, ERP, [ROUTE], ledger.now())
    (one,) = claim(ledger)
    ledger.steps.plan(one, [step("sales_order", "order-1")])
    ledger.steps.begin(one, "sales_order", settle_seconds=60)
    ledger.steps.unknown(one, "sales_order", "no answer")
    accept(ledger, document("1", "3"))
    (followed,) = ledger.unknown_orders.of(STORE, ERP, [ROUTE], ledger.now())
    assert (replaced.delivery, replaced.order == first.order) == (first.delivery, False)
    assert followed.delivery != first.delivery
    contents = ledger.unknown_orders.contents([first.delivery, followed.delivery])
    assert contents[followed.delivery] == document("1", "3").payload
    with ledger.database.write() as write:
        mine = deliveries.c.id == followed.delivery
        write.execute(sa.update(deliveries).where(mine).values(corrected=b'{"number":"1","corrected":true}'))
    (corrected,) = ledger.unknown_orders.of(STORE, ERP, [ROUTE], ledger.now())
    assert corrected.order != followed.order
    assert ledger.unknown_orders.contents([followed.delivery])[followed.delivery] == b'{"number":"1","corrected":true}'


def test_only_orders_of_this_store_these_routes_and_this_erp_count(ledger: Ledger):
    accept(ledger, document("1"), document("2", target="sap_de"))
    accept(ledger, document("3", key=EntityKey("magento_de", "", "sales_order", "3")))
    accept(ledger, document("4", key=EntityKey(STORE, "", "shipment", "4")))
    accept(ledger, document("5"), flow="shipments")
    assert of(ledger) == ["1"]
    assert (of(ledger, routes=("us", "other")), of(ledger, routes=("other",)), of(ledger, routes=())) == (["1"], [], [])


def test_an_order_of_two_routes_counts_once(ledger: Ledger):
    accept(ledger, document("1"))
    with ledger.handling("other", FLOW) as work:
        work.accept([document("1")])
    assert of(ledger, routes=(ROUTE, "other")) == ["1"]


def test_scopes_have_orders_of_the_same_id(ledger: Ledger, clock: Clock):
    for scope in ("de", "at"):
        accept(ledger, document("1", key=key("1", scope=scope)))
    clock.advance(1)
    ledger.cross_references.link([linked("1", scope_a="de")])
    found = ledger.unknown_orders.of(STORE, ERP, [ROUTE], ledger.now())
    assert [one.order.scope for one in found] == ["at"]


# What was reckoned with ---------------------------------------------------------------------------------------


def reckoned(name: str, version: str = "1", told: bool = False, units: str = '{"MUG":"1"}') -> Reckoned:
    return Reckoned(order=OrderVersion("", name, version), units=units, told=told)


def test_what_was_told_stays_told(ledger: Ledger):
    room = ledger.unknown_orders
    room.remember(STORE, ERP, [reckoned("1"), reckoned("2", told=True)])
    room.remember(STORE, ERP, [reckoned("1", told=True), reckoned("2")])
    room.remember(STORE, "sap_de", [reckoned("3")])
    assert room.reckoned(STORE, ERP) == {one.order: one for one in (reckoned("1", told=True), reckoned("2", told=True))}


def test_versions_are_forgotten_one_by_one(ledger: Ledger):
    room = ledger.unknown_orders
    room.remember(STORE, ERP, [reckoned(str(number), version) for number in range(600) for version in ("1", "2")])
    room.remember(STORE, "sap_de", [reckoned("1")])
    room.forget(STORE, ERP, [reckoned(str(number)).order for number in range(600)])
    assert {order.version for order in room.reckoned(STORE, ERP)} == {"2"}
    assert len(room.reckoned(STORE, ERP)) == 600
    assert len(room.reckoned(STORE, "sap_de")) == 1


@pytest.mark.parametrize("found", [[], [reckoned("1")]])
def test_nothing_to_forget_is_no_error(ledger: Ledger, found: list[Reckoned]):
    ledger.unknown_orders.forget(STORE, ERP, [one.order for one in found])
    assert ledger.unknown_orders.reckoned(STORE, ERP) == {}


def test_an_order_that_counts_says_what_it_is(ledger: Ledger):
    accept(ledger, document("1"))
    (one,) = ledger.deliveries.find()
    found = ledger.unknown_orders.of(STORE, ERP, [ROUTE], ledger.now())
    assert found == [UnknownOrder(order=OrderVersion("", "1", f"{one.id}/1/"), delivery=one.id)]
