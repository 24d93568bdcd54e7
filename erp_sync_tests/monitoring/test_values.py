from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.monitoring.values import in_words, readable


@pytest.mark.parametrize(
    ("came", "read"),
    [
        ("30.649999999999999", "30.65"),
        ("0.20000000000000001", "0.2"),
        ("-1.3899999999999999", "-1.39"),
        ("24.07", "24.07"),
        ("30.6499999999999990", "30.6499999999999990"),  # not as a double is written: somebody meant these digits
        ("123456789012345678", "123456789012345678"),
        ("1.00000000000000", "1.00000000000000"),
        ("000000017", "000000017"),
        (Decimal("5.9500000000000002"), Decimal("5.95")),
        (Decimal("10.9900"), Decimal("10.9900")),
        (7, 7),
        (None, None),
    ],
)
def test_digits_that_only_a_binary_fraction_has_are_left_out(came: object, read: object) -> None:
    assert readable(came) == read
    assert str(readable({"items": [{"price": came}]})["items"][0]["price"]) == str(read)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('{"in_stock":false,"quantity":"0"}', "in_stock no, quantity 0"),
        ('{"name":"Mug","gtin":"","tags":["red","new"],"row":{"sku":"MUG"},"weight":null}',
         "name Mug, tags red new, row ..."),
        ('"gone"', "gone"),
        ("no JSON", "no JSON"),
        (None, ""),
    ],
)  # fmt: skip
def test_a_rows_value_is_one_line(value: str | None, words: str) -> None:
    assert in_words(value) == words
