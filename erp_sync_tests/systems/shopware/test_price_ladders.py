"""Whatever becomes of a ladder's tiers, the shop's records say what is wanted, and follow on each other."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from erp_sync.systems.shopware.ports.contract_prices import ids
from erp_sync.systems.shopware.ports.contract_prices.ladders import Step, ladder_of, steps_of, told_apart

D = Decimal
CENTS = st.integers(1, 9999).map(lambda cents: D(cents) / 100)
LADDERS = st.dictionaries(st.tuples(st.integers(1, 60), st.sampled_from(["EUR", "USD", "CHF"])), CENTS, max_size=9)


def paid(ladder, quantity, currency):
    """What `ports.pricing.StoreMeans` says: the tier of the largest start not above it, else the first."""
    own = sorted(start for start, of in ladder if of == currency)
    below = [start for start in own if start <= quantity]
    return ladder[below[-1] if below else own[0], currency]


def in_a_cart(steps, quantity, currency):
    """The vendor's choice (ProductCartProcessor): the first record whose end is not below the quantity, else the last;
    one without an end is known by its start."""
    ends = [(step.end if step.end is not None else step.start, step) for step in steps]
    return next((step for end, step in ends if quantity <= end), steps[-1]).prices[currency]


def test_a_ladder_of_two_currencies_in_full():
    steps = steps_of({(1, "EUR"): D(10), (10, "EUR"): D(9), (5, "USD"): D(12)})
    assert steps == [
        Step(1, 4, {"EUR": D(10), "USD": D(12)}, ("EUR",)),
        Step(5, 9, {"EUR": D(10), "USD": D(12)}, ("USD",)),
        Step(10, None, {"EUR": D(9), "USD": D(12)}, ("EUR",)),
    ]


@given(LADDERS, st.integers(1, 80))
def test_a_cart_finds_what_the_rows_mean(ladder, quantity):
    steps = steps_of(ladder)
    for currency in {one for _, one in ladder}:
        assert in_a_cart(steps, quantity, currency) == paid(ladder, quantity, currency)


@given(LADDERS)
def test_records_follow_on_each_other_and_read_back_as_the_ladder(ladder):
    steps = steps_of(ladder)
    assert [one.end for one in steps[:-1]] == [after.start - 1 for after in steps[1:]]
    assert all(one.end is None for one in steps[-1:])
    assert ladder_of(steps) == ladder


@given(LADDERS)
def test_without_marks_nothing_but_repeated_prices_is_lost(ladder):
    found = ladder_of(told_apart(steps_of(ladder)))
    for currency in {one for _, one in ladder}:
        for quantity in range(1, 70):
            assert paid(found, quantity, currency) == paid(ladder, quantity, currency)
    if len({currency for _, currency in ladder}) == 1:
        assert found == ladder


NAMES = st.builds(
    lambda digest, more: f"shared {digest:016x}" + (f"-{more}" if more > 1 else ""),
    st.integers(0, 40),
    st.integers(1, 9),
)


@given(st.sets(NAMES | st.text(min_size=1, max_size=300), min_size=2, max_size=12))
def test_every_rule_has_an_id_and_a_title_of_its_own_and_digests_sort_as_they_do(names):
    for make in (ids.rule_id, ids.tag_id, ids.account_rule_id, lambda name: ids.title("Prices", name)):
        assert len({make(name) for name in names}) == len(names)
    shared = sorted(name for name in names if ids._DIGEST.search(name) and name.startswith("shared "))
    assert sorted(shared, key=ids.rule_id) == shared
    assert all(len(ids.title("Prices", name)) <= 255 for name in names)
    assert all(len(ids.rule_id(name)) == 32 and ids.part(ids.rule_id(name)) in ids.PARTS for name in names)
