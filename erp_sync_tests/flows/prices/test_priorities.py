"""No two rules have one priority, and few get another one when their order changes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from erp_sync.flows.prices.engine.priorities import LARGEST, STEP, unique_priorities

RULES = "abcdefgh"
ORDERS = st.permutations(RULES).flatmap(lambda order: st.integers(0, 8).map(lambda n: order[:n]))
NUMBERS = st.integers(-2, 12) | st.integers(LARGEST - 3, LARGEST + 3) | st.integers(1, LARGEST)


@given(
    order=ORDERS,
    known=st.dictionaries(st.sampled_from(RULES), NUMBERS),
    taken=st.frozensets(st.integers(1, 12), max_size=4),
)
def test_every_rule_has_its_own_priority_and_they_grow(order, known, taken):
    found = unique_priorities(order, known, taken)
    numbers = [found[rule] for rule in order]
    assert list(found.keys() - set(order)) == []
    assert all(low < high for low, high in pairwise(numbers))
    assert not taken & set(numbers)
    assert all(0 < one < LARGEST for one in numbers)
    assert unique_priorities(order, found, taken) == found


def test_one_rule_that_takes_another_place_is_all_that_moves():
    before = unique_priorities(RULES, {})
    after = unique_priorities("bcdeafgh", before)
    assert {rule for rule in RULES if before[rule] != after[rule]} == {"a"}


def test_a_new_rule_goes_between_and_none_moves():
    before = unique_priorities("abc", {})
    after = unique_priorities("aXbcY", before)
    assert after | before == after
    assert (before["a"], before["b"], after["Y"]) == (STEP, 2 * STEP, 4 * STEP)


def test_rules_of_one_priority_are_told_apart():
    assert unique_priorities("abc", {"a": 7, "b": 7, "c": 7}) == {"a": 2, "b": 4, "c": 7}
    assert unique_priorities("abc", {"a": 1, "b": 1, "c": 1}) == {"a": STEP, "b": 2 * STEP, "c": 3 * STEP}


def test_a_priority_of_a_rule_that_stays_is_nobody_elses():
    assert unique_priorities("ab", {"a": 5}, taken=[5]) == {"a": STEP, "b": 2 * STEP}
