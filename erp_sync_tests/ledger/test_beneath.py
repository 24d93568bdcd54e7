"""Rows of state whose keys begin alike."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync.ledger import Ledger
from erp_sync.ledger.known_state import KnownRow
from erp_sync.ledger.plan_values import PlanRow
from erp_sync.ledger.plans import NewPlan, Verdict
from erp_sync_tests.ledger.world import empty

SHOP, PRICE, ROUTE, FLOW = "shop", "price", "parts", "prices"
KEYS = st.text(alphabet="aB/%-_Ü 9", min_size=1, max_size=6)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(keys=st.sets(KEYS, max_size=12), prefixes=st.lists(KEYS, max_size=3))
def test_just_the_rows_that_begin_so_are_found_letter_by_letter(
    ledger: Ledger, keys: set[str], prefixes: list[str]
) -> None:
    empty(ledger)
    ledger.known.write(SHOP, PRICE, [KnownRow(key=key, value="1", source_order=1) for key in sorted(keys)])
    found = [one.key for one in ledger.beneath.known(SHOP, PRICE, prefixes)]
    assert found == sorted(found)
    assert {*found} == {key for key in keys if any(key.startswith(prefix) for prefix in prefixes)}


def test_what_is_known_to_be_absent_is_not_there_and_other_systems_are_other_systems(ledger: Ledger) -> None:
    rows = [KnownRow(key="a/1", value="1", source_order=1), KnownRow(key="a/2", value=None, source_order=1)]
    ledger.known.write(SHOP, PRICE, rows)
    ledger.known.write("other", PRICE, rows)
    assert [(one.key, one.value, one.sure) for one in ledger.beneath.known(SHOP, PRICE, ["a/"])] == [("a/1", "1", True)]


def test_of_open_plans_the_newest_row_of_each_key_is_told_and_whether_it_waits(ledger: Ledger) -> None:
    def plan(after: str, *, held: bool) -> None:
        row = PlanRow(key="a/1", before="1", after=after, action="update", reason=f"becomes {after}")
        verdicts = (Verdict(check="jump", passed=False, words="too far"),) if held else ()
        with ledger.handling(ROUTE, FLOW, "run") as work:
            work.add_plan(NewPlan(entity=PRICE, target=SHOP, rows=[row], compared=[], verdicts=verdicts))

    plan("2", held=True)
    plan("3", held=False)
    (one,) = ledger.beneath.open(ROUTE, FLOW, SHOP, PRICE, ["a/"])
    assert (one.before, one.after, one.held, one.reason) == ("1", "3", False, "becomes 3")
    assert ledger.beneath.open(ROUTE, FLOW, SHOP, PRICE, ["b/"]) == []
    assert ledger.beneath.open("other", FLOW, SHOP, PRICE, ["a/"]) == []
