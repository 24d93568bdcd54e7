"""Keys that a document's write moves besides its own: a stock row never stands beside a shipment in flight."""

from __future__ import annotations

from datetime import timedelta

import pytest

from erp_sync.ledger import Claim, KeyBusy, KnownRow, Ledger, State
from erp_sync.ledger.known_state import order_of
from erp_sync.ledger.moving import LONGEST_REST, PATIENCE, REST, UNKNOWN_FOR, WAITING_FOR
from erp_sync.ledger.plans import AddedPlan, NewPlan, PlanRow
from erp_sync.ledger.rows import ClaimedRow, RowClaim
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import ERP, ROUTE, accept, claim, document, step

SHOP, STOCK, FLOW = "magento_us", "stock_level", "inventory"
SETTLE = 45


@pytest.fixture
def stock(ledger: Ledger, clock) -> Ledger:
    """A ledger that knows what the shop has of two articles."""
    ledger.known.write(SHOP, STOCK, [KnownRow(key=key, value="9", source_order=order_of(clock())) for key in "AB"])
    clock.advance(1)
    return ledger


def shipment(ledger: Ledger, number: str = "1", flow_lease: float = 60.0) -> Claim:
    accept(ledger, document(number))
    (mine,) = claim(ledger, limit=1, lease_seconds=flow_lease)
    ledger.steps.plan(mine, [step("shipment", f"shipment-{number}")])
    return mine


def moves(*keys: str):
    return [(SHOP, STOCK, keys)]


def send(ledger: Ledger, mine: Claim, *keys: str) -> None:
    ledger.steps.begin(mine, "shipment", settle_seconds=SETTLE, moves=moves(*keys))


def booked(ledger: Ledger, mine: Claim) -> None:
    ledger.steps.confirm(mine, "shipment", Receipt(target_id="9"))
    ledger.deliveries.complete(mine)


def plan(ledger: Ledger, clock, *keys: str, after: str = "5", **values) -> AddedPlan:
    rows = [PlanRow(key=key, before="9", after=after, source_order=order_of(clock())) for key in keys]
    with ledger.handling(ROUTE, FLOW, "run-0") as work:
        return work.add_plan(NewPlan(entity=STOCK, target=SHOP, rows=rows, compared=list(keys), **values))


def take(ledger: Ledger, lease_seconds: float = 60.0) -> RowClaim | None:
    return ledger.plans.claim(ROUTE, FLOW, SHOP, owner="run-2:1", lease_seconds=lease_seconds)


def write(ledger: Ledger, settle_seconds: float = SETTLE) -> tuple[RowClaim, list[ClaimedRow]]:
    mine = take(ledger)
    assert mine is not None
    return mine, ledger.plans.begin(mine, settle_seconds)


def read(ledger: Ledger, clock, *keys: str) -> int:
    started = clock()
    clock.advance(0.1)
    return ledger.known.read(SHOP, STOCK, [KnownRow(key=key, value="4") for key in keys], started)


def unsure(ledger: Ledger) -> list[str]:
    return [row.key for row in ledger.known.unsure(SHOP, STOCK)]


def sure(ledger: Ledger, key: str) -> bool:
    return ledger.known.get(SHOP, STOCK, [key])["", key].sure


# -- stock waits for the shipment --------------------------------------------------------------------


def test_what_was_planned_before_the_shipment_is_void_and_other_keys_go_on(stock: Ledger, clock):
    plan(stock, clock, "A", "B")
    send(stock, shipment(stock), "A")
    mine, sent = write(stock)
    assert [row.key for row in sent] == ["B"]
    stock.plans.applied(mine, sent)
    assert not sure(stock, "A")


def test_a_row_that_was_claimed_before_the_shipment_is_not_sent(stock: Ledger, clock):
    plan(stock, clock, "A", "B")
    claimed = take(stock)
    send(stock, shipment(stock), "A")
    assert [row.key for row in stock.plans.begin(claimed)] == ["B"]


def test_while_the_shipment_is_on_its_way_its_keys_are_not_read_nor_written(stock: Ledger, clock):
    mine = shipment(stock)
    send(stock, mine, "A")
    clock.advance(1)
    assert read(stock, clock, "A") == 0
    assert unsure(stock) == []
    plan(stock, clock, "A")
    assert take(stock) is None
    booked(stock, mine)
    assert take(stock) is None, "planned while the shipment was on its way: nobody knows from what"
    assert unsure(stock) == ["A"]
    assert read(stock, clock, "A") == 1
    plan(stock, clock, "A")
    assert [row.key for row in take(stock).rows] == ["A"]


def test_meanwhile_all_other_keys_are_read(stock: Ledger, clock):
    stock.known.mark_unknown(SHOP, STOCK, ["B"], "an order took some")
    send(stock, shipment(stock), "A")
    clock.advance(1)
    assert read(stock, clock, "A", "B") == 1
    assert (sure(stock, "A"), sure(stock, "B")) == (False, True)


def test_a_read_that_began_before_the_booking_says_nothing(stock: Ledger, clock):
    mine = shipment(stock)
    send(stock, mine, "A")
    started = clock.advance(1)
    clock.advance(1)
    booked(stock, mine)
    assert stock.known.read(SHOP, STOCK, [KnownRow(key="A", value="9")], started) == 0
    assert unsure(stock) == ["A"]


@pytest.mark.parametrize("outcome", ["refused", "not_sent"])
def test_a_shipment_that_was_not_booked_lets_go_at_once(stock: Ledger, clock, outcome: str):
    mine = shipment(stock)
    send(stock, mine, "A")
    if outcome == "refused":
        stock.steps.refuse(mine, "shipment", "no", "no")
    else:
        stock.steps.not_sent(mine, "shipment", "no connection")
    assert unsure(stock) == ["A"]
    assert read(stock, clock, "A") == 1


def test_an_unknown_outcome_keeps_the_stock_until_somebody_found_out(stock: Ledger, clock):
    mine = shipment(stock)
    send(stock, mine, "A")
    until = stock.steps.unknown(mine, "shipment", "read timeout")
    clock.time = until + timedelta(seconds=5)
    stock.deliveries.heartbeat([mine])
    plan(stock, clock, "A")
    assert take(stock) is None, "the settle time is over, and nobody has looked"
    assert read(stock, clock, "A") == 0
    stock.steps.absent(mine, "shipment")
    assert unsure(stock) == ["A"]


def test_a_crash_while_sending_keeps_the_stock_too(stock: Ledger, clock):
    mine = shipment(stock, flow_lease=30)
    send(stock, mine, "A")
    clock.advance(30)
    assert stock.deliveries.rescue() == [mine.id]
    clock.advance(SETTLE)
    (again,) = claim(stock)
    assert unsure(stock) == []
    stock.steps.confirm(again, "shipment", Receipt(target_id="9", existed=True))
    assert unsure(stock) == ["A"]


def test_a_shipment_that_nobody_comes_back_to_does_not_keep_stock_for_ever(stock: Ledger, clock):
    send(stock, shipment(stock, flow_lease=30), "A")
    clock.time += timedelta(seconds=SETTLE) + UNKNOWN_FOR
    assert unsure(stock) == ["A"]
    assert read(stock, clock, "A") == 1


def test_dismissing_a_dead_letter_lets_go(stock: Ledger, clock):
    mine = shipment(stock)
    send(stock, mine, "A")
    stock.steps.unknown(mine, "shipment", "read timeout")
    stock.deliveries.dead(mine, "outcome_unknown", "look it up")
    assert unsure(stock) == []
    stock.dead_letters.dismiss([mine.id], "ann", "it is there")
    assert unsure(stock) == ["A"]


def test_two_shipments_move_a_key_at_once_and_the_last_one_lets_go(stock: Ledger, clock):
    first, second = shipment(stock, "1"), shipment(stock, "2")
    send(stock, first, "A")
    send(stock, second, "A", "B")
    booked(stock, first)
    assert unsure(stock) == []
    booked(stock, second)
    assert unsure(stock) == ["A", "B"]


# -- a comparison that was under way -------------------------------------------------------------------


def test_a_comparison_that_looked_before_the_booking_plans_nothing_of_it(stock: Ledger, clock):
    """Also where another run has read the key again meanwhile."""
    seen_at = clock()
    clock.advance(1)
    mine = shipment(stock)
    send(stock, mine, "A")
    booked(stock, mine)
    clock.advance(1)
    assert read(stock, clock, "A") == 1
    added = plan(stock, clock, "A", "B", seen_at=seen_at)
    assert [row.key for row in take(stock).rows] == ["B"]
    assert added.id is not None
    assert unsure(stock) == ["A"], "compared from what has been: read and planned again"


def test_what_another_run_has_written_meanwhile_is_no_reason_to_read_again(stock: Ledger, clock):
    seen_at = clock()
    clock.advance(1)
    stock.known.write(SHOP, STOCK, [KnownRow(key="A", value="5", source_order=order_of(clock()))])
    assert plan(stock, clock, "A", seen_at=seen_at).id is None
    assert unsure(stock) == []


def test_a_large_comparison_is_checked_at_once(stock: Ledger, clock):
    keys = [f"SKU-{number}" for number in range(6000)]
    stock.known.write(SHOP, STOCK, [KnownRow(key=key, value="9") for key in keys])
    seen_at = clock.advance(1)
    clock.advance(1)
    stock.known.mark_unknown(SHOP, STOCK, keys[:3], "moved")
    plan(stock, clock, *keys, seen_at=seen_at)
    assert stock.due_counts(ROUTE, FLOW, SHOP) == {"due": 5997}


# -- the shipment waits for stock -----------------------------------------------------------------------


def test_a_shipment_waits_for_the_row_at_the_target_and_no_new_one_is_begun(stock: Ledger, clock):
    plan(stock, clock, "A")
    rows, sent = write(stock)
    mine = shipment(stock)
    with pytest.raises(KeyBusy, match="writes of the state that it moves") as busy:
        send(stock, mine, "A")
    assert busy.value.until == clock() + timedelta(seconds=1)
    plan(stock, clock, "A", after="6")
    stock.plans.applied(rows, sent)
    assert take(stock) is None, "it is the shipment's turn"
    send(stock, mine, "A")
    booked(stock, mine)


def test_a_shipment_that_never_comes_again_keeps_no_row_away(stock: Ledger, clock):
    plan(stock, clock, "A")
    rows, sent = write(stock)
    with pytest.raises(KeyBusy):
        send(stock, shipment(stock), "A")
    stock.plans.applied(rows, sent)
    clock.advance(1)
    plan(stock, clock, "A", after="6")
    assert take(stock) is None
    clock.time += WAITING_FOR
    assert take(stock) is not None


def test_a_shipment_waits_until_a_lost_stock_write_has_settled(stock: Ledger, clock):
    plan(stock, clock, "A")
    rows, sent = write(stock)
    settled = stock.plans.unknown(rows, sent, "read timeout")
    mine = shipment(stock)
    with pytest.raises(KeyBusy) as busy:
        send(stock, mine, "A")
    assert busy.value.until == settled
    clock.time = settled
    send(stock, mine, "A")


def test_a_row_whose_owner_died_keeps_the_shipment_no_longer_than_its_settle_time(stock: Ledger, clock):
    """Also where nobody rescues it, since stock was switched off."""
    plan(stock, clock, "A")
    write(stock, settle_seconds=90)
    mine = shipment(stock, flow_lease=600)
    with pytest.raises(KeyBusy):
        send(stock, mine, "A")
    clock.advance(90)
    send(stock, mine, "A")


def test_a_row_that_the_target_has_in_work_keeps_the_shipment_waiting(stock: Ledger, clock):
    plan(stock, clock, "A")
    rows, sent = write(stock)
    stock.plans.accepted(rows, [(row, "bulk-7") for row in sent], clock() + timedelta(seconds=5))
    mine = shipment(stock, flow_lease=600)
    for _ in range(2):
        with pytest.raises(KeyBusy):
            send(stock, mine, "A")
        clock.advance(5)
        asking = take(stock)
        assert asking is not None
        assert asking.rows[0].handle == "bulk-7"
        stock.plans.accepted(asking, [(asking.rows[0], "bulk-7")], clock() + timedelta(seconds=5))
    clock.advance(5)
    asking = take(stock)
    stock.plans.applied(asking, asking.rows)
    send(stock, mine, "A")


# -- nobody starves --------------------------------------------------------------------------------------


def test_shipments_get_their_turn_among_stock_writes_without_a_pause(stock: Ledger, clock):
    """Two writers, of which one always has a row at the target."""
    mine = shipment(stock, flow_lease=6000)
    writers: list[tuple[RowClaim, list[ClaimedRow]] | None] = [None, None]
    for second in range(60):
        turn = second % 2
        if writers[turn] is not None:
            stock.plans.applied(*writers[turn])
            writers[turn] = None
        plan(stock, clock, "A", after=str(second))
        if take_one := take(stock):
            writers[turn] = (take_one, stock.plans.begin(take_one, SETTLE))
        if second >= 10:
            try:
                send(stock, mine, "A")
            except KeyBusy:
                pass
            else:
                assert second <= 13
                return
        clock.advance(1)
    raise AssertionError("the shipment starved")


def test_stock_gets_its_turn_among_shipments_without_a_pause(stock: Ledger, clock):
    """One shipment begins every two seconds and takes five; for four minutes, twice what it may
    have to wait, the article is never at rest."""
    began = clock()
    on_their_way: list[tuple[Claim, float]] = []
    waits: list[tuple[Claim, float]] = []
    written: list[float] = []
    delays: list[float] = []
    number = 0
    for second in range(0, 240, 2):
        number += 1
        waits.append((shipment(stock, str(number), flow_lease=6000), second))
        for mine, since in [one for one in on_their_way if second - one[1] >= 5]:
            booked(stock, mine)
            on_their_way.remove((mine, since))
        for mine, since in list(waits):
            try:
                send(stock, mine, "A")
            except KeyBusy:
                continue
            waits.remove((mine, since))
            on_their_way.append((mine, second))
            delays.append(second - since)
        if unsure(stock) and read(stock, clock, "A"):
            plan(stock, clock, "A", after=str(second))
        if (mine := take(stock)) and (sent := stock.plans.begin(mine, 0)):
            stock.plans.applied(mine, sent)
            written.append(second)
        clock.time = began + timedelta(seconds=second + 2)
    longest = max(later - earlier for earlier, later in zip([0, *written], [*written, 240], strict=True))
    assert longest <= (PATIENCE + LONGEST_REST).total_seconds()
    assert max(delays) <= LONGEST_REST.total_seconds()


def test_a_key_that_is_moved_now_and_then_never_rests(stock: Ledger, clock):
    """Though its stock was not read for long: the flow may be off."""
    for number in range(20):
        mine = shipment(stock, str(number))
        send(stock, mine, "A")
        clock.advance(2)
        booked(stock, mine)
        clock.time += REST


def test_a_key_that_nobody_knows_anything_about_may_be_moved(stock: Ledger):
    mine = shipment(stock)
    send(stock, mine, "never-seen")
    booked(stock, mine)
    assert stock.deliveries.get(mine.id).state is State.DELIVERED
    assert unsure(stock) == []


def test_one_target_does_not_wait_for_another(stock: Ledger, clock):
    plan(stock, clock, "A")
    write(stock)
    mine = shipment(stock)
    stock.steps.begin(mine, "shipment", moves=[(ERP, STOCK, ["A"]), (SHOP, "price", ["A"])])
