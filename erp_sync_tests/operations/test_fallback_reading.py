"""A warehouse's list as spreadsheets write it: what is wrong is named by line and column, the rest goes on."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from pathlib import Path

import pytest

from erp_sync.operations import fallback_reading
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.fallback_reading import parse, read_list

HEADER = "order,sku,quantity,carrier,tracking\n"


@pytest.mark.parametrize(
    ("row", "column", "problem"),
    [
        ("7,MUG,0,ups,1Z", "quantity", "'0' is no quantity above zero"),
        ("7,MUG,two,ups,1Z", "quantity", "'two' is no quantity above zero"),
        ("7,MUG,NaN,ups,1Z", "quantity", "'NaN' is no quantity above zero"),
        ("7,,1,ups,1Z", "sku", "it is empty"),
        ("7,MUG,1,ups,", "tracking", "it is empty"),
        ("7,MUG,1,ups,9.4001E+21", "tracking", "9.4001E+21 was rounded by the spreadsheet"),
    ],
)
def test_a_wrong_row_is_named_and_the_others_go_on(row: str, column: str, problem: str):
    listed = parse(f"{HEADER}{row}\n8,MUG,1,ups,1Z\n", "list.csv")
    assert [(one.line, one.column, one.problem) for one in listed.problems] == [(2, column, problem)]
    assert listed.problems[0].do
    assert [one.order for one in listed.rows] == ["8"]


def test_rows_that_nobody_filled_in_are_not_shipped():
    listed = parse(f"{HEADER}7,MUG,1,,\n", "list.csv")
    assert (listed.empty, listed.rows, listed.problems) == (1, [], [])


def test_semicolons_and_a_mark_of_the_spreadsheet(tmp_path: Path):
    file = tmp_path / "list.csv"
    file.write_bytes(b"\xef\xbb\xbfOrder;SKU;Quantity;Carrier;Tracking;Who\r\n7;MUG;1,5;ups;1Z;ann\r\n")
    listed = read_list(file)
    assert [(one.quantity, one.tracking) for one in listed.rows] == [(Decimal("1.5"), "1Z")]
    assert listed.ignored_columns == ("who",)


def test_a_file_that_is_no_list_is_refused(tmp_path: Path):
    with pytest.raises(CannotDo, match="no column carrier, tracking"):
        parse("order,sku,quantity\n", "list.csv")
    with pytest.raises(CannotDo, match="cannot read"):
        read_list(tmp_path / "none.csv")


def test_a_warehouse_in_the_east_writes_its_own_date(monkeypatch: pytest.MonkeyPatch):
    class Evening(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2026, 11, 29, 20, tzinfo=UTC)

    monkeypatch.setattr(fallback_reading, "datetime", Evening)
    head = "order,sku,quantity,carrier,tracking,shipped_on\n"
    listed = parse(f"{head}7,MUG,1,ups,1Z,2026-11-30\n8,MUG,1,ups,1Z,2026-12-01\n", "list.csv")
    assert [(one.order, one.shipped_on) for one in listed.rows] == [("7", date(2026, 11, 30))]
    assert [(one.line, one.problem) for one in listed.problems] == [(3, "2026-12-01 is still to come")]
