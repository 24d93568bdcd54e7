"""What a mapping fills and reads, leaf by leaf of the canonical model."""

from __future__ import annotations

from erp_sync.model.order import Payment, PaymentState, SalesOrder
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, RecordMapping
from erp_sync.ports.mapping_coverage import filled, leaves_of, read, untargeted, written_from
from erp_sync.ports.published import Served

PAYMENT = RecordMapping(
    "order.payments",
    Direction.TO_CANONICAL,
    (Field("code", "method"), Field("", "state", rules.constant(PaymentState.CAPTURED))),
    Payment,
)
SOURCE = RecordMapping(
    "order",
    Direction.TO_CANONICAL,
    (
        Field("no", "number"),
        Field("paid", "payments", rules.each(PAYMENT)),
        Field("reductions", "discounts"),
        Field("gift", "custom.gift"),
    ),
    SalesOrder,
)


def test_leaves_follow_records_and_lists_and_stop_at_values() -> None:
    shown = list(leaves_of(SalesOrder).values())
    assert {"number", "billing_address.street", "lines[].taxes[].rate", "shipping.amount", "custom"} <= set(shown)
    assert not {"lines", "lines[].taxes", "billing_address", "shipping_address"} & set(shown)
    assert "shipping_address.city" in shown  # although there may be none


def test_a_source_fills_leaves_from_its_own_fields_and_whole_records_where_a_rule_makes_them() -> None:
    assert filled(SOURCE) == {
        "number": "no",
        "payments[].method": "paid[].code",
        "payments[].state": "constant <PaymentState.CAPTURED: 'captured'>",
        "discounts[].reason": "reductions",
        "discounts[].amount": "reductions",
        "discounts[].coupon_code": "reductions",
        "custom.gift": "gift",
    }


def test_who_reads_a_list_as_a_whole_has_not_said_which_fields_of_it() -> None:
    target = RecordMapping(
        "out",
        Direction.TO_VENDOR,
        (
            Field("payment.method", "by"),
            Field("discounts", "why", rules.computed("reasons", lambda scope: "", reads=("discounts[].reason",))),
        ),
        stands_for=(("payment.", "payments."),),
    )
    reads = read(target) | written_from([("number, status", "comment", "in words")])
    left = untargeted(filled(SOURCE), reads, Served(no_target={"discounts[].amount": "in the lines"}))
    assert [(one.field, one.source, one.reason) for one in left] == [
        ("payments[].state", "constant <PaymentState.CAPTURED: 'captured'>", ""),
        ("discounts[].amount", "reductions", "in the lines"),
        ("discounts[].coupon_code", "reductions", ""),
        ("custom.gift", "gift", ""),
    ]
