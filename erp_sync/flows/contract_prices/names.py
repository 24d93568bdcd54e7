"""Accounts and items as the store names them: the canonical tables of the book, for the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from erp_sync.model.price_terms import TABLES
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.raw import MappingProblem

if TYPE_CHECKING:
    import duckdb

ITEMS, ACCOUNTS = "sku_map", "customer_map"

#: Columns that name an item or an account, by table; with the condition under which the column does.
_ITEM = dict.fromkeys(
    ("items", "item_units", "list_prices", "special_prices", "agreements", "promotions"), ("item", "true")
) | {"discount_rules": ("matched", "t.match = 'item'")}
_ACCOUNT = dict.fromkeys(("accounts", "special_prices", "agreements"), ("account", "t.account <> ''")) | {
    name: ("scoped_to", "t.scope = 'account'") for name in ("discount_rules", "promotions")
}


def rename(database: duckdb.DuckDBPyConnection, lookups: Lookups) -> dict[str, str]:
    """Make the canonical tables of the views ``term_<table>``. A name of the ERP that is several in the store makes
    rows for each; one that is none there makes none.

    Gives what cannot be turned round, by name of the ERP, with words.
    """
    problems: dict[str, str] = {}
    others = {}
    for kind, lookup, table in (("item", ITEMS, "items"), ("account", ACCOUNTS, "accounts")):
        known = database.execute(f"SELECT DISTINCT {kind} FROM term_{table}").fetchall()
        turned = _turned((row[0] for row in known), partial(lookups.reverse, lookup), problems)
        pairs = [[erp, store] for erp, some in turned.items() for store in _or_none(some)]
        others[kind] = [pair for pair in pairs if turned[str(pair[0])] != [pair[0]]]
        database.execute(f"CREATE OR REPLACE TEMP TABLE {kind}_names (erp VARCHAR, store VARCHAR)")
        if others[kind]:
            database.executemany(f"INSERT INTO {kind}_names VALUES (?, ?)", others[kind])
    for name in TABLES:
        joins, replaced, conditions = "", [], []
        for kind, places in (("item", _ITEM), ("account", _ACCOUNT)):
            if name not in places or not others[kind]:
                continue
            column, condition = places[name]
            joins += f" LEFT JOIN {kind}_names {kind}_n ON {condition} AND {kind}_n.erp = t.{column}"
            replaced.append(f"CASE WHEN {kind}_n.erp IS NULL THEN t.{column} ELSE {kind}_n.store END AS {column}")
            conditions.append(f"({kind}_n.erp IS NULL OR {kind}_n.store IS NOT NULL)")
        if name == "items":
            replaced.append("t.sold_in[1:1] AS sold_in")  # a product of a store is sold in one unit
        columns = "t.* EXCLUDE (native_id)" + (f" REPLACE ({', '.join(replaced)})" if replaced else "")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        database.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {columns} FROM term_{name} t{joins}{where}")
    return problems


def _turned(
    names: Iterable[str], reverse: Callable[[str], list[str]], problems: dict[str, str]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        try:
            found[name] = reverse(name)
        except MappingProblem as problem:
            found[name] = []
            problems[name] = str(problem)
    return found


def _or_none(names: list[str]) -> list[str | None]:
    return [*names] if names else [None]
