"""What is expected of a setting says what the model and the connectors take, and refuses the rest with both values."""

from __future__ import annotations

from typing import Any

import pytest

from erp_sync.model.order import OrderStatus, PaymentKind, PaymentState
from erp_sync.ports import expected
from erp_sync.ports.expected import ListOf, TableOf, wrong
from erp_sync.systems.netsuite import capabilities as netsuite
from erp_sync.systems.netsuite.currencies import CustomerCurrencies
from erp_sync.systems.netsuite.mapping.order_lines import Discounts
from erp_sync.systems.netsuite.orders import GuestPolicy


def test_values_of_the_model_and_of_connectors_are_those_expected() -> None:
    assert set(expected.ORDER_STATUSES) == {one.value for one in OrderStatus}
    assert set(expected.PAYMENT_KINDS) == {one.value for one in PaymentKind}
    assert netsuite.SETTINGS["deposit_states"] == ListOf(tuple(one.value for one in PaymentState))
    assert netsuite.SETTINGS["guest_policy"] == tuple(one.value for one in GuestPolicy)
    assert netsuite.SETTINGS["discounts"] == tuple(one.value for one in Discounts)
    assert netsuite.SETTINGS["customer_currencies"] == tuple(one.value for one in CustomerCurrencies)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (expected.WORD, "7"),
        (expected.WORD, 7),
        (expected.NUMBER, "0.05"),
        (expected.NUMBER, 0),
        (expected.WHOLE_NUMBER, "300"),
        (expected.YES_OR_NO, False),
        (expected.LIST, []),
        (expected.TABLE, {}),
        (("a", "b"), "b"),
        (ListOf(("a", "b")), ["a"]),
        (TableOf(expected.NUMBER), {"order_status.comment": 60}),
    ],
)
def test_what_is_expected_passes(kind: Any, value: Any) -> None:
    assert list(wrong(value, kind, "settings.one")) == []


@pytest.mark.parametrize(
    ("kind", "value", "where"),
    [
        (expected.WORD, ["7"], "settings.one"),
        (expected.WORD, None, "settings.one"),
        (expected.NUMBER, True, "settings.one"),
        (expected.NUMBER, -1, "settings.one"),
        (expected.NUMBER, "nan", "settings.one"),
        (expected.WHOLE_NUMBER, 0, "settings.one"),
        (expected.WHOLE_NUMBER, 2.5, "settings.one"),
        (expected.WHOLE_NUMBER, "2.0", "settings.one"),
        (expected.YES_OR_NO, "false", "settings.one"),
        (expected.LIST, "1", "settings.one"),
        (expected.TABLE, [], "settings.one"),
        (("a", "b"), ["a"], "settings.one"),
        (ListOf(("a", "b")), "a", "settings.one"),
        (ListOf(("a", "b")), ["a", "c"], "settings.one.1"),
        (TableOf(expected.NUMBER), 60, "settings.one"),
        (TableOf(expected.NUMBER), {"all": "long"}, "settings.one.all"),
    ],
)
def test_anything_else_is_named_with_its_value_and_what_is_expected(kind: Any, value: Any, where: str) -> None:
    ((place, problem),) = wrong(value, kind, "settings.one")
    assert place == where
    assert "is given; expected is" in problem
