"""What a store charges by its own rows, and whether that is what accounts are to pay.

Written from what a store does with rows (`ports.pricing.StoreMeans`), not from how `factoring` makes them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine.schedules import Schedules
from erp_sync.model.native_prices import NATIVE, NativeRow, NativeRule, RuleMember

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Store:
    """A store's rows, for single questions."""

    def __init__(self, rows: Sequence[NativeRow], rules: Sequence[NativeRule], members: Sequence[RuleMember]) -> None:
        self._rows: dict[tuple[str, str, str, str], list[NativeRow]] = {}
        for row in rows:
            self._rows.setdefault((row.kind, row.owner, row.item, row.unit), []).append(row)
        self._order = [one.rule for one in sorted(rules, key=lambda one: (-one.priority, one.rule))]
        self._members = {(one.rule, one.account) for one in members}

    def price(self, account: str, item: str, unit: str, currency: str, quantity: Decimal) -> NativeRow | None:
        """The tier that counts; None where the store has no price in that currency."""
        owners = [("account", account)]
        owners += [("rule", rule) for rule in self._order if (rule, account) in self._members]
        for kind, owner in (*owners, ("base", "")):
            tiers = self._rows.get((kind, owner, item, unit))
            if tiers is None:
                continue
            tiers = sorted((one for one in tiers if one.currency == currency), key=lambda one: one.quantity)
            reached = [one for one in tiers if one.quantity <= quantity]
            return reached[-1] if reached else tiers[0] if tiers else None
        return None


def evaluate(database: duckdb.DuckDBPyConnection, questions: str, prefix: str, into: str) -> None:
    """Answer a table of questions (account, item, unit, currency, quantity) by the tables ``{prefix}_rows``,
    ``{prefix}_rules``, ``{prefix}_members``: the table `into` has them with price and gross, or None."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        WITH asked AS (SELECT DISTINCT account, item, unit FROM {questions}),
        tiers AS (SELECT r.* FROM {prefix}_rows r SEMI JOIN asked a ON a.item = r.item AND a.unit = r.unit),
        owned AS (SELECT DISTINCT kind, owner, item, unit FROM tiers),
        candidates AS (
            SELECT a.*, o.kind, o.owner, 0 AS place, 0 AS priority
            FROM asked a
            JOIN owned o ON o.kind = 'account' AND o.owner = a.account AND o.item = a.item AND o.unit = a.unit
            UNION ALL
            SELECT a.*, o.kind, o.owner, 1, -r.priority
            FROM asked a JOIN {prefix}_members m ON m.account = a.account JOIN {prefix}_rules r ON r.rule = m.rule
            JOIN owned o ON o.kind = 'rule' AND o.owner = r.rule AND o.item = a.item AND o.unit = a.unit
            UNION ALL
            SELECT a.*, o.kind, o.owner, 2, 0
            FROM asked a JOIN owned o ON o.kind = 'base' AND o.item = a.item AND o.unit = a.unit
        ),
        winners AS (
            SELECT * FROM candidates
            QUALIFY row_number() OVER (PARTITION BY account, item, unit ORDER BY place, priority, owner) = 1
        )
        SELECT q.account, q.item, q.unit, q.currency, q.quantity,
               coalesce(arg_max(t.price, t.quantity) FILTER (t.quantity <= q.quantity), arg_min(t.price, t.quantity))
                   AS price,
               any_value(t.gross) AS gross
        FROM {questions} q
        LEFT JOIN winners w ON w.account = q.account AND w.item = q.item AND w.unit = q.unit
        LEFT JOIN tiers t ON t.kind = w.kind AND t.owner = w.owner AND t.item = w.item AND t.unit = w.unit
             AND t.currency = q.currency
        GROUP BY q.account, q.item, q.unit, q.currency, q.quantity
        """
    )


def differences(
    schedules: Schedules, native: Mapping[str, pa.Table] | None = None, *, pairs: int | None = None, seed: int = 0
) -> pa.Table:
    """Questions to which the store's rows answer otherwise than the terms: none, if all is right.

    Asked is at, below and above every step and tier, from one piece on. Where nothing is due and nothing held the store
    has to have no price.

    Args:
        native: the store's tables; None are those that `factoring.factor` made in the same database.
        pairs: how many (account, item): a third of them with terms of their own, a third with rows of their own in the
            store, the rest any account and any item; None is every one there is.

    Returns account, item, unit, currency, quantity, due (the price by the terms; None where there is none), price,
    gross_due, gross.
    """
    database = schedules.database
    if native is not None:
        for name in NATIVE:
            database.register(f"checked_{name}", native[name])
    prefix = "checked" if native is not None else "native"
    if pairs is None:
        database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE chosen AS
            SELECT account, item FROM members CROSS JOIN items
            UNION SELECT account, item FROM pairs
            UNION SELECT owner, item FROM {prefix}_rows WHERE kind = 'account'
            """
        )
    else:
        _choose(database, pairs, seed, prefix)
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE due_steps AS
        SELECT k.account, k.item, s.unit, c.currency, c.gross, s.quantity, s.price
        FROM chosen k JOIN pairs p ON p.account = k.account AND p.item = k.item
        JOIN pair_steps s ON s.owner = p.owner JOIN classes c ON c.class_id = p.class_id
        UNION ALL
        SELECT k.account, k.item, s.unit, c.currency, c.gross, s.quantity, s.price
        FROM chosen k JOIN members m ON m.account = k.account
        JOIN class_steps s ON s.class_id = m.class_id AND s.item = k.item JOIN classes c ON c.class_id = m.class_id
        ANTI JOIN pairs p ON p.account = k.account AND p.item = k.item;

        -- What is held keeps what the store has: nothing is due, and nothing is wrong.
        CREATE OR REPLACE TEMP TABLE checked_holds AS
        SELECT k.account, k.item, '' AS unit FROM chosen k SEMI JOIN wrong_accounts w ON w.account = k.account
        UNION
        SELECT k.account, k.item, h.unit FROM chosen k
        JOIN pairs p ON p.account = k.account AND p.item = k.item JOIN held_pairs h ON h.owner = p.owner
        UNION
        SELECT k.account, k.item, h.unit FROM chosen k JOIN members m ON m.account = k.account
        JOIN held_class_items h ON h.class_id = m.class_id AND h.item = k.item
        ANTI JOIN pairs p ON p.account = k.account AND p.item = k.item;

        CREATE OR REPLACE TEMP TABLE checked_spots AS
        SELECT * FROM (
            SELECT account, item, unit, currency FROM due_steps
            UNION
            SELECT k.account, k.item, s.unit, c.currency FROM chosen k JOIN members m ON m.account = k.account
            JOIN classes c USING (class_id) JOIN sold s ON s.item = k.item
            UNION
            SELECT k.account, k.item, r.unit, r.currency FROM chosen k JOIN {prefix}_rows r
              ON r.kind = 'account' AND r.owner = k.account AND r.item = k.item
            UNION
            SELECT k.account, k.item, r.unit, r.currency FROM chosen k JOIN {prefix}_members m ON m.account = k.account
            JOIN {prefix}_rows r ON r.kind = 'rule' AND r.owner = m.rule AND r.item = k.item
        ) a ANTI JOIN checked_holds h
          ON h.account = a.account AND h.item = a.item AND (h.unit = '' OR h.unit = a.unit);

        CREATE OR REPLACE TEMP TABLE checked_questions AS
        WITH starts AS (
            SELECT account, item, unit, currency, 1 AS start FROM checked_spots
            UNION
            SELECT account, item, unit, currency, ceil(quantity) FROM due_steps
            UNION
            SELECT d.account, d.item, d.unit, d.currency, ceil(r.quantity) FROM checked_spots d
            JOIN {prefix}_rows r ON r.item = d.item AND r.unit = d.unit
                AND (r.kind <> 'account' OR r.owner = d.account) AND r.currency = d.currency
        )
        SELECT DISTINCT account, item, unit, currency, CAST(start + beside AS DECIMAL(18, 6)) AS quantity
        FROM starts, (VALUES (-1), (0), (1)) AS near(beside) WHERE start + beside >= 1
        """
    )
    evaluate(database, "checked_questions", prefix, "store_answers")
    return database.sql(
        """
        WITH due AS (
            SELECT q.account, q.item, q.unit, q.currency, q.quantity, arg_max(s.price, s.quantity) AS due,
                   any_value(s.gross) AS gross_due
            FROM checked_questions q LEFT JOIN due_steps s
              ON s.account = q.account AND s.item = q.item AND s.unit = q.unit AND s.currency = q.currency
             AND s.quantity <= q.quantity
            GROUP BY ALL
        )
        SELECT d.account, d.item, d.unit, d.currency, d.quantity, d.due, a.price, d.gross_due, a.gross
        FROM due d LEFT JOIN store_answers a USING (account, item, unit, currency, quantity)
        WHERE d.due IS DISTINCT FROM a.price OR d.gross_due IS DISTINCT FROM a.gross
        ORDER BY ALL
        """
    ).to_arrow_table()


def _choose(database: duckdb.DuckDBPyConnection, pairs: int, seed: int, prefix: str) -> None:
    """The table ``chosen`` (account, item), the same for the same seed."""
    draw = random.Random(seed)
    accounts = [row[0] for row in database.execute("SELECT account FROM members ORDER BY account").fetchall()]
    items = [row[0] for row in database.execute("SELECT item FROM items ORDER BY item").fetchall()]
    import pyarrow as pa

    third = pairs // 3
    any_pairs = pairs - 2 * third if accounts and items else 0
    drawn = pa.table(
        {
            "account": pa.array([draw.choice(accounts) for _ in range(any_pairs)], pa.string()),
            "item": pa.array([draw.choice(items) for _ in range(any_pairs)], pa.string()),
        }
    )
    database.register("drawn", drawn)
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE chosen AS
        WITH stored AS (SELECT DISTINCT owner AS account, item FROM {prefix}_rows WHERE kind = 'account')
        SELECT DISTINCT account, item FROM (
            SELECT account, item FROM drawn
            UNION ALL
            (SELECT account, item FROM pairs ORDER BY hash(account, item, $seed), account, item LIMIT $third)
            UNION ALL
            (SELECT account, item FROM stored ORDER BY hash(account, item, $seed), account, item LIMIT $third)
        )
        """,
        {"seed": seed, "third": third},
    )
    database.unregister("drawn")
