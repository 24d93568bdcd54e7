"""Ladders of a shop over HTTP, whatever happens to them: they end as wanted, and their ends follow on each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync.ports.outcomes import Applied
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync_tests.systems.shopware.priced_shop import PricedShop, keyed, member, priced_shop, row, rule

D = Decimal
AA = "shared 00000000000000aa"
RULE = [rule(AA), member(AA)]


@pytest.fixture(scope="module")
def shop() -> Iterator[PricedShop]:
    with priced_shop() as one:
        one.put(*RULE)
        yield one


@pytest.fixture
def other(shop: PricedShop) -> Iterator[Any]:
    """The target of another process: it has locks of its own."""
    connector = shop.connected()
    yield connector.port("contract_prices", "target")
    connector.close()


def tiers(shop: PricedShop) -> list[dict[str, Any]]:
    rows = shop.connector.client.search("product-price", Criteria().at_most(500), operation="test").rows
    return sorted(rows, key=lambda one: one["quantityStart"])


def contiguous(records: list[dict[str, Any]]) -> bool:
    ends = [one["quantityStart"] - 1 for one in records[1:]] + [None] * bool(records)
    return [one["quantityEnd"] for one in records] == ends


def cleared(shop: PricedShop) -> None:
    """Both owners have no tiers."""
    rows = [row("1", quantity=one["quantityStart"], rule=AA) for one in tiers(shop)]
    shop.take(*rows, *(row("1", quantity=start, account="C-2") for start in range(1, 13)))


STEP = st.tuples(st.dictionaries(st.integers(1, 12), st.one_of(st.none(), st.integers(1, 500)), min_size=1, max_size=5),
                 st.booleans())  # fmt: skip


@given(st.lists(STEP, min_size=1, max_size=6))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_changes_ends_with_the_ladder_that_is_wanted(shop, steps):
    """Of a rule and of an account beside each other; None takes a tier away; sometimes all goes in one transaction."""
    cleared(shop)
    wanted: dict[int, int] = {}
    for changes, together in steps:
        puts = [row(str(price), quantity=start, **owner) for start, price in changes.items() if price is not None
                for owner in ({"rule": AA}, {"account": "C-2"})]  # fmt: skip
        takes = [row(str(wanted.get(start, 1)), quantity=start, **owner) for start, price in changes.items()
                 if price is None for owner in ({"rule": AA}, {"account": "C-2"})]  # fmt: skip
        if together:
            assert all(isinstance(one, Applied) for one in shop.target.submit_together(puts, takes))
        else:
            shop.put(*puts)
            shop.take(*takes)
        wanted = {start: price for start, price in (wanted | changes).items() if price is not None}
        records = tiers(shop)
        assert [one["quantityStart"] for one in records] == sorted(wanted)
        assert contiguous(records)
    for quantity in range(1, 15):
        below = [start for start in wanted if start <= quantity]
        due = D(100) if not wanted else D(wanted[max(below)] if below else wanted[min(wanted)])
        assert (shop.paid("C-1", "NUT", quantity), shop.paid("C-2", "NUT", quantity)) == ([due], [due])
    rows = [row(str(price), quantity=start, **owner) for start, price in wanted.items()
            for owner in ({"rule": AA}, {"account": "C-2"})]  # fmt: skip
    assert shop.held() == keyed(*RULE, *rows)


def test_two_threads_of_a_process_wait_for_each_other_s_ladder(shop):
    cleared(shop)
    together = threading.Barrier(4)

    def add(starts: range) -> None:
        together.wait()
        for start in starts:
            shop.put(row(str(start), quantity=start, rule=AA), row(str(start), quantity=start, account="C-2"))

    threads = [threading.Thread(target=add, args=(range(first, 13, 4),)) for first in (1, 2, 3, 4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert contiguous(tiers(shop))
    assert shop.paid("C-1", "NUT", *range(1, 13)) == shop.paid("C-2", "NUT", *range(1, 13)) == list(range(1, 13))


def test_another_process_that_moves_tiers_meanwhile_is_noticed_and_ends_put_right(shop, other):
    """Between our read and our write the other one adds a tier: our ends know nothing of it."""
    cleared(shop)
    shop.put(row("9", rule=AA))
    really, calls = shop.connector.client._sender.send, []

    def overtaken(call: Any) -> Any:
        calls.append(call.path)
        if call.path.endswith("_action/sync") and len([one for one in calls if one.endswith("sync")]) == 1:
            assert isinstance(other.submit([row("8", quantity=10, rule=AA)])[0], Applied)
        return really(call)

    shop.connector.client._sender.send = overtaken
    try:
        shop.put(row("7", quantity=20, rule=AA))
    finally:
        shop.connector.client._sender.send = really
    assert contiguous(tiers(shop))
    assert shop.paid("C-1", "NUT", 1, 9, 10, 19, 20) == [9, 9, 8, 8, 7]


def test_a_changed_price_leaves_what_another_process_wrote_beside_it(shop, other):
    cleared(shop)
    shop.put(row("9", rule=AA), row("8", quantity=10, rule=AA))
    really = shop.connector.client._sender.send

    def overtaken(call: Any) -> Any:
        if call.path.endswith("_action/sync"):
            shop.connector.client._sender.send = really
            assert isinstance(other.submit([row("5", quantity=10, rule=AA)])[0], Applied)
        return really(call)

    shop.connector.client._sender.send = overtaken
    shop.put(row("6", rule=AA))
    assert shop.paid("C-1", "NUT", 1, 10) == [6, 5]


@pytest.mark.parametrize(
    ("kind", "more"),
    [("server_error", {"when": "after"}), ("server_error", {}), ("drop_connection", {"when": "after"}),
     ("truncate_body", {})],
)  # fmt: skip
def test_whichever_call_goes_wrong_rows_that_are_sent_until_they_are_applied_are_there(shop, kind, more):
    rows = [*(row(str(start), quantity=start, rule=AA) for start in (1, 5, 9)),
            *(row(str(start), quantity=start, account="C-2") for start in (1, 7))]  # fmt: skip
    wrong = 0
    for position in range(6):
        cleared(shop)
        shop.sandbox.fault(kind, "*", times=1, skip=position)
        left, tried = rows, 0
        while left:
            outcomes = shop.target.submit_together(left, [])
            left = [one for one, came in zip(left, outcomes, strict=True) if not isinstance(came, Applied)]
            tried += 1
            assert tried < 9
        shop.sandbox.clear_faults()
        wrong += tried > 1
        assert shop.held() == keyed(*RULE, *rows)
        assert contiguous(tiers(shop))
        assert (shop.paid("C-1", "NUT", 1, 5, 9), shop.paid("C-2", "NUT", 6, 7)) == ([1, 5, 9], [1, 7])
    assert wrong, "no call went wrong: the faults hit nothing"
