"""The pick list that a warehouse prints: what to fetch from where, and a slip per order with where it goes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

from erp_sync.flows.orders.transform import encode
from erp_sync.ledger import NewDelivery
from erp_sync.model.address import Address
from erp_sync.model.keys import EntityKey
from erp_sync.model.order import LineKind, OrderLine, SalesOrder
from erp_sync.operations import fallback
from erp_sync.operations.fallback_files import PickOrder, pick_list, pick_order
from erp_sync_tests.flows.samples import order
from erp_sync_tests.operations.house import ERP, ROUTE, STORE, House

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BINS = {"MUG": "A-01", "CUP": "B-07", "TEA": "A-02"}
ANN = Address(
    first_name="Ann",
    last_name="O'Hara & Co",
    company="Tea <House>",
    street=("1 High St", "Floor 2"),
    city="Springfield",
    region="IL",
    postcode="62701",
    country="US",
    phone="+1 217 555 0100",
)


class Page(HTMLParser):
    """What a reader sees: rows of each table, addresses and headings, each as its lines of text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.addresses: list[list[str]] = []
        self.headings: list[str] = []
        self._into: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th", "h1", "h2"):
            self._into = [""]
        elif tag == "address":
            self._into = [""]
            self.addresses.append(self._into)
        elif tag == "br" and self._into is not None:
            self._into.append("")

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            assert self._into is not None
            self.tables[-1][-1].append(" / ".join(self._into))
        elif tag in ("h1", "h2"):
            assert self._into is not None
            self.headings.append(self._into[0])
        if tag in ("td", "th", "h1", "h2", "address"):
            self._into = None


def line(number: str, sku: str, quantity: str, **more: object) -> OrderLine:
    return OrderLine(
        line_id=number,
        sku=sku,
        name=f"A {sku.lower()}",
        quantity=Decimal(quantity),
        unit_price=Decimal(1),
        amount=Decimal(quantity),
        **more,  # type: ignore[arg-type]
    )


def picked(one: SalesOrder, shipped: dict[str, Decimal] | None = None) -> PickOrder:
    return pick_order(one, shipped or {}, BINS)


def page_of(*orders: PickOrder) -> Page:
    return Page(pick_list(orders, batch="20261123-120000-abcd", at=NOON, who="ann"))


def test_what_is_fetched_is_summed_over_the_orders_and_goes_from_bin_to_bin():
    page = page_of(
        picked(order(number="7", lines=(line("1", "CUP", "3"), line("2", "MUG", "2.0000"), line("3", "PEN", "1")))),
        picked(order(number="8", native_id="8", lines=(line("1", "TEA", "10"), line("2", "MUG", "1")))),
    )
    head, *lines, total = page.tables[0]
    assert head == ["", "Bin", "SKU", "Article", "Units", "Lines"]
    assert lines == [
        ["", "A-01", "MUG", "A mug", "3", "2"],
        ["", "A-02", "TEA", "A tea", "10", "1"],
        ["", "B-07", "CUP", "A cup", "3", "1"],
        ["", "", "PEN", "A pen", "1", "1"],  # nobody knows where: last
    ]
    assert total == ["", "", "", "Total", "17", ""]
    assert page.headings == ["Pick list 20261123-120000-abcd", "Order 7", "Order 8"]


def test_a_slip_has_what_is_still_to_be_shipped_by_bin_and_where_it_goes():
    one = order(
        number="000000007",
        shipping_address=ANN,
        lines=(
            line("1", "CUP", "3", quantity_cancelled=Decimal(1)),
            line("2", "SET", "1", kind=LineKind.BUNDLE, store_sku="GIFT"),
            line("3", "MUG", "2", kind=LineKind.COMPONENT, parent_line_id="2"),
            line("4", "WARRANTY", "1", kind=LineKind.NON_STOCK),
            line("5", "TEA", "5", options=(("Size", "<L>"),)),
        ),
    )
    page = page_of(picked(one, {"TEA": Decimal(5), "CUP": Decimal(1)}))
    (address,) = page.addresses
    assert address == [
        *("Ann O'Hara & Co", "Tea <House>", "1 High St", "Floor 2", "62701 Springfield IL", "US"),
        "+1 217 555 0100 · Ann@Example.com",
    ]
    assert page.tables[1][1:] == [
        ["", "A-01", "MUG", "A mug / part of GIFT A set", "2"],
        ["", "B-07", "CUP", "A cup", "1"],
        ["", "", "WARRANTY", "A warranty / not from stock", "1"],
    ]
    assert [row[2] for row in page.tables[0][1:-1]] == ["MUG", "CUP"], "what is not from stock is not fetched"


def test_without_a_shipping_address_it_goes_to_who_pays():
    (address,) = page_of(picked(order(billing_address=ANN, shipping_address=None))).addresses
    assert address[0] == "Ann O'Hara & Co"


def test_exported_slips_are_in_the_order_of_the_orders_with_the_bins_of_the_lookup(house: House, tmp_path: Path):
    for number in ("3", "1", "2"):
        placed = order(native_id=number, number=number, shipping_address=ANN, lines=(line("1", "MUG", number),))
        key = EntityKey(STORE, "", "sales_order", number)
        with house.ledger.handling(ROUTE, "orders", "run-1") as work:
            work.accept([NewDelivery(key=key, target=ERP, version="1", payload=encode(placed), number=number)])
    house.ledger.lookups.remember(ROUTE, fallback.BINS, "MUG", "C-09", who="ann")
    told = fallback.export(house.here, house.here.configuration.routes[ROUTE], tmp_path, who="ann")
    page = Page(Path(told.files["pick_list"]).read_text())
    assert page.headings[1:] == ["Order 3", "Order 1", "Order 2"], "as they came"
    assert page.tables[0][1] == ["", "C-09", "MUG", "A mug", "6", "3"]
    assert [rows[1][4] for rows in page.tables[1:]] == ["3", "1", "2"]
