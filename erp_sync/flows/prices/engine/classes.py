"""Accounts that an ERP treats alike: one class for all whose list, policy, discount rules and promotions are the same.

What 2,000 accounts pay without terms of their own is what a few classes pay, and is resolved once for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from erp_sync.flows.prices.engine.book import current
from erp_sync.flows.prices.engine.defects import Defect, circular
from erp_sync.flows.prices.engine.discounts import of_rules
from erp_sync.model.price_terms import (
    Account,
    Combination,
    DiscountRule,
    Percent,
    Policy,
    PriceList,
    records,
    table,
)
from erp_sync.ports.pricing import Precedence

if TYPE_CHECKING:
    import duckdb

Scope = tuple[str, str]


class AccountClass(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    label: what its accounts have in common, in words that stay the same.
    compares: its policy is to be looked at; `always`: whether or not a discount rule is for the item.
    """

    class_id: int
    label: str
    price_list: str
    currency: str
    gross: bool
    policy: str
    compares: bool
    always: bool


class _Member(msgspec.Struct, frozen=True):
    """`like_class`: the first class of the same currency and tax whose policy is not looked at either: terms that
    decide by themselves are the same in both."""

    account: str
    class_id: int
    like_class: int


class _ClassPercent(msgspec.Struct, frozen=True):
    class_id: int
    hits: int
    percent: Percent


class _ClassScope(msgspec.Struct, frozen=True):
    """Promotions of such a scope are for the class."""

    class_id: int
    scope: str
    scoped_to: str


class _Problem(msgspec.Struct, frozen=True):
    account: str
    rule: str


class _List(msgspec.Struct, frozen=True):
    price_list: str
    currency: str
    gross: bool
    problem: str


def sort_accounts(database: duckdb.DuckDBPyConnection, precedence: Precedence, day: date, at: datetime) -> None:
    """Make the tables ``classes``, ``members``, ``class_scopes``, ``wrong_accounts``, ``lists``, ``item_hits`` and
    ``class_percents`` of the terms that the database has."""
    groups = {one["group"] for one in database.table("account_groups").to_arrow_table().to_pylist()}
    lists = {one.price_list: one for one in _records(database, "price_lists", PriceList)}
    lines = [one for one in _records(database, "discount_rules", DiscountRule) if one.active and current(one, day)]
    by_scope: dict[Scope, list[int]] = defaultdict(list)
    for at_line, line in enumerate(lines):
        by_scope[_scope(line.scope, line.scoped_to)].append(at_line)
    running = database.execute(
        "SELECT DISTINCT scope, scoped_to FROM promotions WHERE starts <= $at AND $at < ends", {"at": at}
    ).fetchall()
    promoted = {_scope(*one) for one in running}
    loops = circular(lists.values())

    numbers: dict[tuple[Any, ...], int] = {}
    classes: list[AccountClass] = []
    how: list[Combination] = []
    lines_of: list[frozenset[int]] = []
    scopes: list[_ClassScope] = []
    alike: dict[tuple[str, bool, int], int] = {}
    members, wrong = [], []
    for account in sorted(_records(database, "accounts", Account), key=lambda one: one.account):
        problems = [
            *([Defect.UNKNOWN_GROUP] if account.group not in groups else []),
            *([Defect.UNKNOWN_PRICE_LIST] if account.price_list not in lists else []),
        ]
        if problems:
            wrong += [_Problem(account.account, str(one)) for one in problems]
            continue
        own = [("all", ""), ("group", account.group), ("account", account.account)]
        ruled = () if account.no_discounts else tuple(one for one in own if one in by_scope)
        promotions = tuple(one for one in own if one in promoted)
        compares = account.policy is not Policy.DEFAULT
        always = compares and (account.every_source or not precedence.comparing_needs_discount)
        key = (account.price_list, account.currency, account.policy, always, account.combination, ruled, promotions)
        if key not in numbers:
            numbers[key] = number = len(classes)
            held_list = lists[account.price_list]
            classes.append(
                AccountClass(
                    class_id=number,
                    label=_label(account, always, ruled, promotions),
                    price_list=account.price_list,
                    currency=account.currency,
                    gross=held_list.gross,
                    policy=str(account.policy),
                    compares=compares,
                    always=always,
                )
            )
            how.append(account.combination)
            lines_of.append(frozenset(one for scope in ruled for one in by_scope[scope]))
            scopes += [_ClassScope(number, *scope) for scope in promotions]
        found = classes[numbers[key]]
        like = (found.currency, found.gross, found.class_id if found.compares else -1)
        members.append(_Member(account.account, found.class_id, alike.setdefault(like, found.class_id)))

    _keep(database, "classes", AccountClass, classes)
    _keep(database, "class_scopes", _ClassScope, scopes)
    _keep(database, "members", _Member, members)
    _keep(database, "wrong_accounts", _Problem, wrong)
    listed = [_List(one.price_list, one.currency, one.gross, _problem(one, loops)) for one in lists.values()]
    _keep(database, "lists", _List, listed)
    _percents(database, lines, lines_of, how)


def _percents(
    database: duckdb.DuckDBPyConnection,
    lines: Sequence[DiscountRule],
    lines_of: Sequence[frozenset[int]],
    how: Sequence[Combination],
) -> None:
    """``item_hits``: the number of the list of lines that match an item; ``class_percents``: what it is for a class."""
    import pyarrow as pa

    numbered = table(DiscountRule, lines).append_column("line", pa.array(range(len(lines)), pa.int32()))
    database.register("numbered_lines", numbered)
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE item_hits AS
        WITH discounted AS (SELECT * FROM items WHERE NOT no_discounts),
        hit AS (
            SELECT i.item, l.line FROM discounted i JOIN numbered_lines l ON l.match = 'item' AND l.matched = i.item
            UNION ALL
            SELECT i.item, l.line FROM discounted i
            JOIN numbered_lines l ON l.match = 'item_group' AND l.matched = i."group"
            UNION ALL
            SELECT i.item, l.line FROM discounted i
            JOIN numbered_lines l ON l.match = 'manufacturer' AND l.matched = i.manufacturer
            UNION ALL
            SELECT i.item, l.line FROM (SELECT item, unnest(list_distinct(properties)) AS property FROM discounted) i
            JOIN numbered_lines l ON l.match = 'property' AND l.matched = i.property
            UNION ALL
            SELECT i.item, l.line FROM discounted i JOIN numbered_lines l ON l.match = 'all'
        ),
        of_item AS (SELECT item, list(line ORDER BY line) AS lines FROM hit GROUP BY item)
        SELECT item, dense_rank() OVER (ORDER BY lines)::INTEGER AS hits, lines FROM of_item
        """
    )
    found = database.execute("SELECT DISTINCT hits, lines FROM item_hits ORDER BY hits").fetchall()
    percents = [
        _ClassPercent(number, hits, percent)
        for hits, matching in found
        for number, applicable in enumerate(lines_of)
        if (percent := of_rules([lines[at] for at in matching if at in applicable], how[number])) is not None
    ]
    _keep(database, "class_percents", _ClassPercent, percents)
    database.unregister("numbered_lines")


def _problem(one: PriceList, loops: set[str]) -> str:
    if one.price_list in loops:
        return str(Defect.CIRCULAR_PRICE_LIST)
    return "" if one.active else str(Defect.INACTIVE_PRICE_LIST)


def _label(account: Account, always: bool, ruled: Sequence[Scope], promoted: Sequence[Scope]) -> str:
    words = [account.price_list, account.currency]
    if account.policy is not Policy.DEFAULT:
        words.append(f"{account.policy} of {'all' if always else 'discounted'}")
    words += [f"discounts of {' '.join(one).strip()}" for one in ruled]
    if account.combination is not Combination.LOWEST:
        words.append(f"{account.combination} discount")
    words += [f"promotions of {' '.join(one).strip()}" for one in promoted]
    return ", ".join(words)


def _scope(scope: str, scoped_to: str) -> Scope:
    return scope, "" if scope == "all" else scoped_to


def _records(database: duckdb.DuckDBPyConnection, name: str, record: type[Any]) -> list[Any]:
    return records(database.table(name).to_arrow_table(), record)


def _keep(
    database: duckdb.DuckDBPyConnection, name: str, record: type[msgspec.Struct], rows: Iterable[msgspec.Struct]
) -> None:
    database.register("given", table(record, rows))
    database.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM given")
    database.unregister("given")
