"""What a store sold and the ERP does not know: how much is counted, and which SKUs are due when that changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from erp_sync.components.configuration import FlowSpec, RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.state_unknown import doubt_sold, sold, unknown_to_erp
from erp_sync.flows.orders.transform import encode
from erp_sync.flows.state_flow import Sold, microseconds
from erp_sync.ledger import KnownRow, Ledger, Link, NewDelivery
from erp_sync.ledger.lookups import LookupRow
from erp_sync.model.keys import EntityKey
from erp_sync.model.order import LineKind, OrderLine, OrderStatus
from erp_sync.ports.capabilities import Capabilities, Limits, Reading
from erp_sync_tests.flows.samples import order
from erp_sync_tests.ledger import fresh

STORE, ERP, ROUTE, KIND = "shop", "erp", "parts", FLOWS["inventory"]
START = datetime(2026, 1, 1, tzinfo=UTC)
D = Decimal


def flow(mode: str = "on") -> FlowSpec:
    return FlowSpec.model_validate({"mode": mode, "start": START.isoformat()})


def route(name: str = ROUTE, orders: str = "on", **more: Any) -> RouteSpec:
    flows = {"inventory": flow(), "orders": flow(orders)}
    return RouteSpec(name=name, flows=flows, **{"store": STORE, "erp": ERP, **more})


class Stock:
    """The port of a store's stock, and the ERP's."""

    def __init__(self) -> None:
        self.nets_own_orders = False
        self.capabilities = Capabilities(
            vendor="fake", operations=(), readings=(Reading(entity="stock_level"),), limits=Limits()
        )

    def lags(self, seconds: float) -> None:
        readings = (Reading(entity="stock_level", lag_seconds=seconds),)
        self.capabilities = msgspec.structs.replace(self.capabilities, readings=readings)

    def port(self, entity: str, side: str) -> Stock:
        return self

    def sku(self, key: str) -> str:
        return key.partition("/")[2]


class World:
    """A ledger, and what the module asks of an installation."""

    def __init__(self, folder: Path, *routes: RouteSpec) -> None:
        fresh.create(f"sqlite:///{folder / 'ledger.db'}")
        self.time = datetime.now(UTC) - timedelta(hours=1)
        self.ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}", lambda: self.time)
        self.routes = routes or (route(),)
        self.stock = Stock()
        self.here: Any = SimpleNamespace(
            ledger=self.ledger,
            configuration=SimpleNamespace(routes={one.name: one for one in self.routes}),
            connector_for=lambda route, side: self.stock,
            source=lambda route, flow: self.stock,
            lookups=lambda route: self.ledger.lookups.of(route.name),
        )
        rows = [KnownRow(key=f"default/{sku}", value='{"quantity":"9"}') for sku in ("A", "A-BOX", "B", "C")]
        self.ledger.known.read(STORE, "stock_level", rows, self.time)

    def accept(self, native_id: str, version: str = "1", lines: Any = None, **more: Any) -> int:
        """An order of two A, or of these lines; a version of it."""
        given = {"lines": tuple(lines)} if lines is not None else {}
        document = order(native_id=native_id, version=version, **given, **more.pop("order", {}))
        key = EntityKey(STORE, "", "sales_order", native_id)
        values = {"key": key, "target": ERP, "version": version, "payload": encode(document), **more}
        with self.ledger.handling(ROUTE, "orders") as work:
            (accepted,) = work.accept([NewDelivery(**values)])
        return accepted.id

    def link(self, native_id: str) -> None:
        place = {"connection_a": STORE, "id_a": native_id, "connection_b": ERP, "id_b": f"erp-{native_id}"}
        self.ledger.cross_references.link([Link(entity="sales_order", **place)])

    def pass_by(self, seconds: float = 1) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time

    def counted(self, *read_at: datetime) -> list[Sold]:
        return list(unknown_to_erp(self.here, self.routes[0], KIND, self.stock, read_at or (self.time,)))

    def quantities(self, *read_at: datetime) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for one in self.counted(*read_at):
            found[one.sku] = found.get(one.sku, D(0)) + one.quantity
        return found

    def doubted(self) -> list[str]:
        """What a look doubts; both sides are read after it."""
        doubt_sold(self.here, self.routes, KIND)
        keys = [row.key for row in self.ledger.known.unsure(STORE, "stock_level")]
        self.ledger.known.read(STORE, "stock_level", [KnownRow(key=key, value="{}") for key in keys], self.time)
        return keys

    def why(self) -> str | None:
        return sold(self.here, self.routes[0], KIND)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.ledger.close()


def line(sku: str, quantity: int, **more: Any) -> OrderLine:
    values = {"line_id": sku, "sku": sku, "unit_price": D(1), "amount": D(quantity), **more}
    return OrderLine(quantity=D(quantity), **values)


# How much -----------------------------------------------------------------------------------------------------


def test_what_was_sold_is_counted_by_the_sku_of_the_store(world: World):
    world.accept("1", lines=[line("A", 2, store_sku="A-BOX"), line("B", 3)])
    world.accept("2", lines=[line("B", 1)], held=("on_hold", "looked at"))
    assert world.quantities() == {"A-BOX": D(2), "B": D(4)}


def test_a_bundle_is_its_components_and_what_is_not_in_stock_is_nothing(world: World):
    set_of = {"kind": LineKind.COMPONENT, "parent_line_id": "SET"}
    gift = line("CARD", 1, kind=LineKind.NON_STOCK)
    world.accept(
        "1", lines=[line("SET", 1, kind=LineKind.BUNDLE), line("A", 2, **set_of), line("B", 1, **set_of), gift]
    )
    assert world.quantities() == {"A": D(2), "B": D(1)}


@pytest.mark.parametrize(
    ("lines", "status", "left"),
    [
        ([line("A", 5, quantity_cancelled=D(2))], OrderStatus.OPEN, {"A": D(3)}),
        ([line("A", 5, quantity_refunded=D(2))], OrderStatus.OPEN, {"A": D(3)}),
        ([line("A", 5, quantity_refunded=D(2), quantity_shipped=D(2))], OrderStatus.OPEN, {"A": D(5)}),
        ([line("A", 5, quantity_shipped=D(5))], OrderStatus.FULFILLED, {"A": D(5)}),
        ([line("A", 5)], OrderStatus.CANCELLED, {}),
        ([line("A", 5, quantity_shipped=D(2))], OrderStatus.CANCELLED, {"A": D(2)}),
        ([line("A", 5, quantity_cancelled=D(5)), line("B", 1)], OrderStatus.OPEN, {"B": D(1)}),
    ],
)
def test_units_that_left_count_and_those_that_never_will_do_not(world: World, lines, status, left):
    world.accept("1", lines=lines, order={"status": status})
    assert world.quantities() == left


def test_a_store_that_nets_its_own_orders_is_asked_nothing(world: World):
    world.stock.nets_own_orders = True
    world.accept("1")
    assert (world.quantities(), world.doubted(), world.why()) == ({}, [], None)


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_where_no_orders_go_nothing_is_counted(tmp_path: Path, mode: str):
    world = World(tmp_path, route(orders=mode))
    world.accept("1")
    assert (world.quantities(), world.doubted()) == ({}, [])


def test_orders_of_another_route_between_the_same_systems_count(tmp_path: Path):
    other = [route("parts_eu", orders="off"), route("to_another", erp="other_erp")]
    world = World(tmp_path, *other, route())
    world.accept("1")
    assert world.quantities() == {"A": D(2)}
    to_another = unknown_to_erp(world.here, other[1], KIND, world.stock, [world.time])
    assert to_another == ()


def test_an_order_counts_for_what_was_read_before_it_was_known(world: World):
    world.accept("1")
    before = world.pass_by()
    world.pass_by()
    world.link("1")
    link = world.time
    assert world.counted(link) == []
    assert world.counted(before, link) == [Sold(sku="A", quantity=D(2), known_at=link)]


def test_where_reads_lag_behind_it_counts_for_so_much_longer(world: World):
    world.stock.lags(30)
    world.accept("1")
    world.doubted()
    world.link("1")
    link = world.time
    world.pass_by(29)
    assert world.counted() == [Sold(sku="A", quantity=D(2), known_at=link + timedelta(seconds=30))]
    assert world.why() is None
    world.pass_by()
    assert world.counted() == []
    assert world.doubted() == ["default/A"]


# What is due --------------------------------------------------------------------------------------------------


def test_an_order_that_comes_and_one_that_becomes_known_make_their_skus_due_once(world: World):
    world.accept("1", lines=[line("A", 2), line("B", 1)])
    assert world.why() == "1 orders that the ERP does not know, or did not"
    assert world.doubted() == ["default/A", "default/B"]
    assert (world.why(), world.doubted()) == (None, [])
    world.pass_by()
    world.link("1")
    assert world.why() is not None
    assert world.doubted() == ["default/A", "default/B"]
    assert (world.why(), world.doubted()) == (None, [])


@pytest.mark.parametrize("looked", [True, False])
def test_an_order_that_is_dismissed_makes_its_skus_due_once_also_between_two_looks(world: World, looked: bool):
    delivery = world.accept("1", held=("on_hold", "looked at"))
    if looked:
        world.doubted()
    world.ledger.deliveries.reject(delivery, "ann", "not wanted")
    assert world.why() is not None
    assert world.doubted() == ["default/A"]
    assert (world.why(), world.doubted()) == (None, [])
    world.pass_by(3 * 86_400)
    assert (world.why(), world.doubted()) == (None, [])
    assert world.ledger.unknown_orders.reckoned(STORE, ERP) == {}


def test_a_new_version_makes_what_it_had_and_what_it_has_due(world: World):
    world.accept("1", lines=[line("A", 2)])
    world.doubted()
    world.accept("1", "2", lines=[line("C", 1)])
    assert world.doubted() == ["default/A", "default/C"]
    assert world.quantities() == {"C": D(1)}


def test_what_a_plan_reckoned_with_is_due_once_it_is_known_though_no_look_saw_it_come(world: World):
    """The ERP had committed the order when its stock was read, and we did not know: it was taken off twice."""
    world.accept("1")
    read = world.pass_by()
    assert world.quantities(read) == {"A": D(2)}
    world.pass_by()
    world.link("1")
    assert world.doubted() == ["default/A"]


def test_what_a_plan_reckoned_with_is_still_due_for_its_coming(world: World):
    """The plan was of another SKU."""
    world.accept("1")
    world.counted()
    assert world.doubted() == ["default/A"]


def test_one_stock_that_is_sold_under_two_names_is_due_under_both(world: World):
    rows = [LookupRow(key="A-BOX", value="A"), LookupRow(key="A", value="A")]
    world.ledger.lookups.replace(ROUTE, "sku_map", rows, who="test")
    world.accept("1", lines=[line("A", 1, store_sku="A-BOX")])
    assert world.doubted() == ["default/A", "default/A-BOX"]


def test_what_was_planned_without_the_order_is_not_written_any_more(world: World):
    world.accept("1")
    earlier = microseconds(datetime.now(UTC))
    doubt_sold(world.here, world.routes, KIND)
    (known,) = world.ledger.known.get(STORE, "stock_level", ["default/A"]).values()
    assert known.source_order >= earlier
    (other,) = world.ledger.known.get(STORE, "stock_level", ["default/B"]).values()
    assert (other.sure, other.source_order) == (True, 0)


def test_a_crash_after_the_doubt_doubts_again(world: World, monkeypatch: pytest.MonkeyPatch):
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    world.accept("1")
    with monkeypatch.context() as patched:
        patched.setattr(world.ledger.unknown_orders, "remember", die)
        with pytest.raises(Killed):
            doubt_sold(world.here, world.routes, KIND)
    assert world.why() is not None
    assert world.doubted() == ["default/A"]


def test_content_that_cannot_be_read_stops_nothing(world: World):
    world.accept("1", payload=b"{}")
    world.accept("2")
    assert world.quantities() == {"A": D(2)}
