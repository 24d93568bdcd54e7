"""What a flow that plans over tables has: values only.

One changed record of its source can change what the target should hold for thousands of others, so that the newest
state of all records, the book, is kept and compared as a whole; and the target holds so many rows that those which do
not differ must never become objects. Its `transform` module offers, instead of what `flows.state_flow` asks for:

    GUARDS, convert_rules(rules)
    book                                how terms are kept in parts: PARTS, TermRecord, part, open_book, tables
    together(key)                       of rows that wait each for itself, what those have in common that go together
    picture                             of a plan's rows: histogram, change
    order(rows, record)                 when the source changed a record, 0 where it does not say
    plan_tables(database, around)       the comparison, in the DuckDB database in which the book is open
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from erp_sync.flows.guards import GuardVerdict
from erp_sync.ports.lookups import Lookups

if TYPE_CHECKING:
    import pyarrow as pa


#: How the version of a record begins that an event named and that the source does not have any more.
GONE = "gone "


class TableSurroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner gets besides the book, which is open in the database.

    Attributes:
        known: what the target is known to have: key, value, sure.
        source, target: the ports, for what they declare of themselves; nothing is asked of a system.
        then: of keys that changed in a day what the target was known to have before: key, value; a change that a person
            has approved is none.
        going: rows of plans that are on their way: key to after. `approved`: those on which a person has decided.
        waiting: rows that wait for a person: key to after.
        settled: rows that a person has refused or undone: key to after.
    """

    known: pa.Table
    source: Any
    target: Any
    lookups: Lookups
    rules: Any
    limits: Mapping[str, float]
    now: datetime
    then: pa.Table | None = None
    going: Mapping[str, str | None] = {}
    waiting: Mapping[str, str | None] = {}
    approved: Mapping[str, str | None] = {}
    settled: Mapping[str, str | None] = {}


class TablePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    rows: to be written: key, before, after, action, reason. `held`: each waits for a person, and is to be written
        after them.
    verdicts: of limits of the whole. `held_why`: what rows that are held break, with how many.
    unread: keys of which nobody knows what the target has; nothing is planned of them.
    standing: keys that a person decides or has decided on, or that are on their way, as they are.
    overtaken: keys of open rows that this comparison does not want any more.
    quarantine: account, price_list, item, rule, problem.
    whole: rows that the target should have. `same`: that it has.
    next_change: when a date changes a price by itself; None: never.
    """

    rows: pa.Table
    held: pa.Table
    verdicts: list[GuardVerdict]
    held_why: dict[str, int]
    unread: list[str]
    standing: list[str]
    overtaken: list[str]
    quarantine: list[dict[str, Any]]
    whole: int
    same: int
    kept: int
    next_change: datetime | None
