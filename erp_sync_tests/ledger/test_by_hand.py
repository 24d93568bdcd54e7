"""What a warehouse does without the ERP: what is forgotten of it, and what the ERP's stock is reckoned with."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from erp_sync.ledger import Ledger, Link, NewDelivery
from erp_sync.ledger.by_hand import HandShipment
from erp_sync.ledger.documents import FORGOTTEN
from erp_sync.ledger.retention import Retention
from erp_sync.ledger.schema import deliveries
from erp_sync.model.keys import EntityKey
from erp_sync_tests.ledger.world import ERP, ROUTE, START, STORE, Clock, accept, claim, deliver, document, key

SHIPMENTS = "shipments"
DAY = 86_400
PAYLOAD = b'{"lines":[]}'


def left(ledger: Ledger, name: str) -> int:
    """A shipment by hand whose booking waits for a person; gives the booking's id."""
    values = {"route": ROUTE, "store": STORE, "erp": ERP, "order_id": "17", "number": "N17", "file": "list.csv"}
    shipment = HandShipment(**values, key=name, payload=PAYLOAD, who="ann", at=START)
    booking = NewDelivery(
        key=EntityKey(STORE, "", "shipment", name),
        target=ERP,
        version="1",
        payload=PAYLOAD,
        number=f"N17-{name}",
        held=("not_open_in_erp", "1 of MUG is not open"),
    )
    with ledger.handling(ROUTE, SHIPMENTS) as work:
        work.add_by_hand([shipment])
        (accepted,) = work.accept([booking])
    return accepted.id


def known(ledger: Ledger, name: str, fulfillment: str) -> None:
    link = Link(entity="shipment", connection_a=STORE, id_a=name, connection_b=ERP, id_b=fulfillment)
    ledger.cross_references.link([link])


def test_stock_is_reckoned_with_what_left_until_the_erp_knows_or_a_person_has_settled_it(ledger: Ledger, clock: Clock):
    ids = {name: left(ledger, name) for name in ("known", "settled", "erased", "waits")}
    known(ledger, "known", "501")
    clock.advance(2 * DAY)
    ledger.deliveries.reject(ids["settled"], "ann", "adjusted the stock by hand")
    with ledger.database.write() as write:  # as an erasure ends what it finds under way
        write.execute(sa.update(deliveries).where(deliveries.c.id == ids["erased"]).values(state="dismissed"))
    lately = ledger.now() - timedelta(days=1)
    assert {one.key for one in ledger.by_hand.unknown_to_erp(ROUTE, lately)} == {"erased", "waits"}
    assert {one.key: one.settled for one in ledger.by_hand.shipments(ROUTE)} == {
        **dict.fromkeys(("known", "erased", "waits"), False),
        "settled": True,
    }


def test_papers_and_contents_are_forgotten_but_not_what_the_erp_does_not_know_of(ledger: Ledger, clock: Clock):
    left(ledger, "known")
    left(ledger, "waits")
    known(ledger, "known", "501")
    ledger.by_hand.hand_out(ROUTE, [("17", "N17")], batch="1", who="ann", again=False)
    clock.advance(399 * DAY)
    ledger.by_hand.hand_out(ROUTE, [("18", "N18")], batch="2", who="ann", again=False)
    assert ledger.retention.expire(Retention())["handed_out"] == 0
    clock.advance(2 * DAY)
    counts = ledger.retention.expire(Retention())
    assert (counts["handed_out"], counts["hand_shipments"]) == (1, 1)
    assert list(ledger.by_hand.handed_out(ROUTE)) == ["18"]
    found = {one.key: (one.payload, one.known_as, one.who) for one in ledger.by_hand.shipments(ROUTE)}
    assert found == {"known": (FORGOTTEN, "501", ""), "waits": (PAYLOAD, "", "ann")}
    assert ledger.retention.expire(Retention())["hand_shipments"] == 0


def test_an_order_whose_content_is_forgotten_is_unknown_to_a_list(ledger: Ledger, clock: Clock):
    accept(ledger, document("1", key=key("1")))
    (claimed,) = claim(ledger)
    deliver(ledger, claimed)
    assert list(ledger.by_hand.orders(ROUTE, ["N1"])) == ["N1"]
    clock.advance(401 * DAY)
    ledger.retention.expire(Retention())
    assert ledger.by_hand.orders(ROUTE, ["N1"]) == {}
