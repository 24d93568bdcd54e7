"""Keys and values by which rows of a store's prices are kept, and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember, native_key, native_row, native_values

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12) | st.sampled_from(
    ["a/b", "100%", "%2F", "%252F", "shared 1f"]
)
AMOUNTS = st.decimals(0, 10**9, places=6)
ROWS = st.one_of(
    st.builds(NativeRule, rule=NAMES, priority=st.integers(0, 10**6)),
    st.builds(RuleMember, rule=NAMES, account=NAMES),
    st.builds(
        NativeRow,
        kind=st.sampled_from(["base", "rule", "account"]),
        owner=NAMES | st.just(""),
        item=NAMES,
        unit=NAMES,
        currency=st.sampled_from(["EUR", "USD"]),
        quantity=AMOUNTS,
        price=AMOUNTS,
        gross=st.booleans(),
    ),
)


@given(ROWS)
def test_a_key_and_its_values_mean_the_row_that_they_were_made_of(row):
    assert native_row(native_key(row), native_values(row)) == row


@given(ROWS, ROWS)
def test_two_rows_with_one_key_differ_in_their_values_at_most(one, other):
    if native_key(one) == native_key(other):
        assert type(one) is type(other)
        assert native_row(native_key(one), native_values(other)) == other


def test_keys_as_people_read_them():
    row = NativeRow(
        kind="account", owner="C10010", item="O-RING 10/12", unit="Pcs", currency="EUR",
        quantity=Decimal("100.000000"), price=Decimal("0.25"),
    )  # fmt: skip
    assert native_key(row) == "row/account/C10010/O-RING 10%2F12/Pcs/EUR/100"


@pytest.mark.parametrize("key", ["rule/a/b", "member/a", "row/base//X", "price/X", ""])
def test_another_shape_is_refused(key):
    with pytest.raises(ValueError, match="is no key"):
        native_row(key, {"priority": 1, "price": "1"})
