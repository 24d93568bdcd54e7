"""The book of a source's terms (`flows.table_flow`) in lake and ledger, one for each flow of a route.

Parts are files of the lake, each table in a folder of its own. Which parts are the book says a cursor of the ledger,
moved in the transaction that records what was planned from it: what a crash leaves behind is in no book.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_modules import flow_module
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation

if TYPE_CHECKING:
    import pyarrow as pa

#: More parts than these are joined to one by the next comparison.
MOST_PARTS = 24


class BookState(msgspec.Struct, frozen=True, kw_only=True):
    """What the cursor says. `number` grows with every comparison that was recorded; `parts` are runs, oldest first;
    `snapshot` is the run that read the snapshot of the first."""

    number: int = 0
    parts: tuple[str, ...] = ()
    snapshot: str = ""
    next_change: str = ""

    @property
    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def book_entity(route: str, flow: str, entity: str) -> str:
    """Name of the cursor, and how the folders of the lake begin."""
    return f"{entity}.book.{route}.{flow}"


def folder(route: str, flow: str, entity: str, table: str) -> str:
    return f"{book_entity(route, flow, entity)}.{table}"


def state_of(token: str) -> BookState:
    return msgspec.json.decode(token, type=BookState) if token else BookState()


class Book:
    """One route's book of one flow."""

    def __init__(self, here: Installation, route: RouteSpec, kind: FlowKind) -> None:
        self.here, self.route, self.kind = here, route, kind
        self.source = getattr(route, kind.source)
        self.entity = book_entity(route.name, kind.name, kind.source_entity)
        self.tables: tuple[str, ...] = flow_module(kind.name, "transform").book.PARTS

    def state(self) -> BookState:
        return state_of(self.here.ledger.cursors.get(self.source, self.entity).token)

    def files(self, state: BookState) -> list[dict[str, list[str]]]:
        """Of each part its Parquet files by table. Raises DamagedFile where one is missing or broken."""
        found: list[dict[str, list[str]]] = []
        for part in state.parts:
            found.append({})
            for table in self.tables:
                place = folder(self.route.name, self.kind.name, self.kind.source_entity, table)
                if paths := self.here.lake.paths(self.source, place, run_id=part):
                    found[-1][table] = [str(path) for path in paths]
        return found

    def write(self, name: str, tables: dict[str, pa.Table]) -> None:
        """Keep a part; it counts once a cursor names it."""
        for table, rows in tables.items():
            place = folder(self.route.name, self.kind.name, self.kind.source_entity, table)
            self.here.lake.write(self.source, place, name, rows)


def plans_tables(kind: FlowKind) -> bool:
    """Whether the flow plans over tables: its transform module says so."""
    return not kind.delivers and hasattr(flow_module(kind.name, "transform"), "plan_tables")


def books(here: Installation) -> dict[tuple[str, str], set[str]]:
    """(connection, folder) of all books to the parts that count, for housekeeping."""
    found: dict[tuple[str, str], set[str]] = {}
    for route in here.configuration.routes.values():
        for name in route.flows:
            kind = FLOWS[name]
            if not plans_tables(kind):
                continue
            book = Book(here, route, kind)
            for table in book.tables:
                place = folder(route.name, name, kind.source_entity, table)
                found[book.source, place] = set(book.state().parts)
    return found
