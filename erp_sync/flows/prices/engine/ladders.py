"""Ladders: all tiers of one owner for one item and unit. Two sides are compared by ladder, then tiers of what differs.

``native_ladders`` and ``known_ladders`` (kind, owner, item, unit, currency, gross, paid, tiers): `paid` is the sum of a
hash of 64 bits of each tier, so that ladders that say the same have the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from erp_sync.model.native_prices import KEY

if TYPE_CHECKING:
    import duckdb

LADDER = ("kind", "owner", "item", "unit", "currency")
PAID = "sum(hash(quantity, price))"


def know(database: duckdb.DuckDBPyConnection) -> None:
    """``known_ladders`` of ``known_rows``."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE known_ladders AS
        SELECT {", ".join(LADDER)}, gross, {PAID} AS paid, count(*)::INTEGER AS tiers FROM known_rows GROUP BY ALL
        """
    )


def make(database: duckdb.DuckDBPyConnection, first_quantity: int) -> None:
    """``native_ladders`` of what `factoring` found, and the view ``native_rows`` of their tiers.

    A ladder's tiers are those of a group of pairs (`pair_owner`), of a class (`class_id`), or those that the store has
    of another ladder (`kept_kind`, `kept_owner`); a base price has one.
    """
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE native_ladders AS
        SELECT 'base' AS kind, '' AS owner, b.item, b.unit, b.currency, b.gross, b.paid, 1::INTEGER AS tiers,
               NULL::UBIGINT AS pair_owner, b.class_id, NULL::VARCHAR AS kept_kind, NULL::VARCHAR AS kept_owner
        FROM base_sums b
        UNION ALL
        SELECT 'rule', o.rule, o.item, o.unit, c.currency, c.gross, s.paid, s.tiers, NULL, o.class_id, NULL, NULL
        FROM default_owned o JOIN class_sums s ON s.class_id = o.class_id AND s.item = o.item AND s.unit = o.unit
        JOIN classes c ON c.class_id = o.class_id
        UNION ALL
        SELECT 'rule', r.rule, s.item, s.unit, d.currency, d.gross, d.paid, d.tiers, d.owner, NULL, NULL, NULL
        FROM owned o JOIN rules r USING (rule_no) JOIN deals d ON d.deal = o.deal JOIN spots s ON s.spot = o.spot
        UNION ALL
        SELECT 'account', o.account, o.item, o.unit, d.currency, d.gross, d.paid, d.tiers, d.owner, NULL, NULL, NULL
        FROM account_owned o JOIN deals d ON d.deal = o.deal
        UNION ALL
        SELECT 'account', o.account, o.item, o.unit, c.currency, c.gross, s.paid, s.tiers, NULL, o.class_id, NULL, NULL
        FROM account_owned o
        JOIN class_sums s ON s.class_id = o.class_id AND s.item = o.item AND s.unit = o.unit
        JOIN classes c ON c.class_id = o.class_id
        WHERE o.deal IS NULL;

        CREATE OR REPLACE TEMP VIEW native_rows AS {tiers_sql("native_ladders", first_quantity)}
        """
    )


def tiers_sql(ladders: str, first_quantity: int) -> str:
    """SQL of the rows of ladders, a table like ``native_ladders``."""
    common = "l.kind, l.owner, l.item, l.unit, l.currency"
    return f"""
        SELECT {common}, {first_quantity}::DECIMAL(18, 6) AS quantity, b.first_price AS price, l.gross
        FROM {ladders} l JOIN base_sums b ON b.currency = l.currency AND b.item = l.item AND b.unit = l.unit
        WHERE l.kind = 'base'
        UNION ALL
        SELECT {common}, t.quantity, t.price, l.gross
        FROM {ladders} l JOIN class_tiers t ON t.class_id = l.class_id AND t.item = l.item AND t.unit = l.unit
        WHERE l.kind <> 'base'
        UNION ALL
        SELECT {common}, t.quantity, t.price, l.gross
        FROM {ladders} l JOIN pair_tiers t ON t.owner = l.pair_owner AND t.unit = l.unit
        UNION ALL
        SELECT {common}, k.quantity, k.price, l.gross
        FROM {ladders} l JOIN known_rows k ON k.kind = l.kept_kind AND k.owner = l.kept_owner AND k.item = l.item
             AND k.unit = l.unit AND k.currency = l.currency"""


def compare(database: duckdb.DuckDBPyConnection) -> None:
    """``differing_ladders``: the key, and whether the store has it (`was`) and should have it (`will`)."""
    key = ", ".join(LADDER)
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE differing_ladders AS
        SELECT {key}, bool_or(k.paid IS NOT NULL) AS was, bool_or(n.paid IS NOT NULL) AS will
        FROM native_ladders n FULL OUTER JOIN known_ladders k USING ({key})
        WHERE n.paid IS DISTINCT FROM k.paid OR n.gross IS DISTINCT FROM k.gross
        GROUP BY ALL
        """
    )


def compare_rows(database: duckdb.DuckDBPyConnection, first_quantity: int) -> None:
    """``differing``: the rows of ``differing_ladders`` that differ, as `plan.PricePlan` has them."""
    key, ladder = ", ".join(KEY), ", ".join(LADDER)
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE written_ladders AS
        SELECT n.* FROM native_ladders n SEMI JOIN differing_ladders d USING ({ladder});

        CREATE OR REPLACE TEMP TABLE differing AS
        SELECT {key}, k.price AS before, n.price AS after, k.gross AS gross_before, n.gross,
               CASE WHEN n.price IS NULL THEN 'remove' WHEN k.price IS NULL THEN 'create' ELSE 'update' END AS action
        FROM ({tiers_sql("written_ladders", first_quantity)}) n
        FULL OUTER JOIN (SELECT * FROM known_rows SEMI JOIN differing_ladders USING ({ladder})) k USING ({key})
        WHERE n.price IS DISTINCT FROM k.price OR n.gross IS DISTINCT FROM k.gross
        """
    )
