"""The tables that resolution stands on: units that are sold, rates of the day, what lists have, terms of owners."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine.defects import LARGEST, Defect

if TYPE_CHECKING:
    import duckdb

ONE = "CAST(1 AS DECIMAL(18, 6))"
ALIVE = "active AND greatest(coalesce(valid_to, DATE '9999-12-31'), coalesce(valid_from, DATE '0001-01-01')) >= $day"


def prepare(database: duckdb.DuckDBPyConnection, day: date, *, zero_is_none: bool = False) -> None:
    """``sold``, ``rates``, ``listed``: see `ports.pricing.Precedence.zero_is_none`."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE wished_units AS
        SELECT item, own_unit, CASE WHEN unit = '' THEN own_unit ELSE unit END AS unit
        FROM (SELECT item, unit AS own_unit, unnest(CASE WHEN len(sold_in) = 0 THEN [unit] ELSE sold_in END) AS unit
              FROM items);
        CREATE OR REPLACE TEMP TABLE sold AS
        SELECT DISTINCT w.item, w.unit, w.own_unit, CASE WHEN w.unit = w.own_unit THEN {ONE} ELSE u.factor END AS factor
        FROM wished_units w LEFT JOIN item_units u ON u.item = w.item AND u.unit = w.unit
        WHERE w.unit = w.own_unit OR (u.factor > 0 AND u.factor < {LARGEST})
        """
    )
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE rates AS
        SELECT * FROM (
            SELECT currency, "into", arg_max(rate, day) AS rate FROM exchange_rates
            WHERE day <= $day AND currency <> "into" GROUP BY ALL
        ) WHERE rate > 0 AND rate < {LARGEST}
        """,
        {"day": day},
    )
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE wanted AS
        WITH named AS (
            SELECT price_list, currency FROM classes
            UNION
            SELECT f.from_list, c.currency
            FROM (SELECT DISTINCT from_list FROM special_prices WHERE price IS NULL AND from_list <> '') f
            CROSS JOIN (SELECT DISTINCT currency FROM classes) c
        )
        SELECT n.price_list, n.currency, l.currency AS own_currency, l.problem,
               CASE WHEN n.currency = l.currency THEN {ONE} ELSE r.rate END AS rate
        FROM named n JOIN lists l USING (price_list)
        LEFT JOIN rates r ON r.currency = l.currency AND r."into" = n.currency;

        CREATE OR REPLACE TEMP TABLE listed AS
        WITH found AS (
            SELECT w.price_list, w.currency, s.item, s.unit, p.price,
                   CASE WHEN p.unit = s.unit OR (p.unit = '' AND s.unit = s.own_unit) THEN 0 ELSE 2 END
                   + CASE WHEN p.currency = w.currency THEN 0 ELSE 1 END AS place
            FROM wanted w JOIN list_prices p USING (price_list) JOIN sold s USING (item)
            WHERE w.problem = '' AND p.currency IN (w.currency, w.own_currency)
              AND (p.unit IN ('', s.own_unit) OR p.unit = s.unit) {"AND p.price <> 0" if zero_is_none else ""}
        ),
        best AS (
            SELECT price_list, currency, item, unit, min(place) AS place, arg_min(price, place) AS price
            FROM found GROUP BY ALL
        )
        SELECT b.price_list, b.currency, b.item, b.unit,
               TRY(CAST(b.price AS DECIMAL(38, 6))
                   * CASE WHEN b.place >= 2 THEN s.factor ELSE {ONE} END
                   * CASE WHEN b.place % 2 = 0 THEN {ONE} ELSE w.rate END) AS amount,
               CASE WHEN abs(b.price) >= {LARGEST} THEN '{Defect.NUMBER_TOO_LARGE}'
                    WHEN b.place % 2 = 1 AND w.rate IS NULL THEN '{Defect.NO_EXCHANGE_RATE}' ELSE '' END AS problem
        FROM best b JOIN sold s ON s.item = b.item AND s.unit = b.unit
        JOIN wanted w ON w.price_list = b.price_list AND w.currency = b.currency
        UNION ALL
        SELECT w.price_list, w.currency, s.item, s.unit, NULL, w.problem
        FROM wanted w CROSS JOIN sold s WHERE w.problem <> ''
        """
    )


def group_pairs(database: duckdb.DuckDBPyConnection, day: date, *, own_decide: bool) -> None:
    """``pairs`` with terms of their own, ``groups`` of those that a class of accounts has alike, ``pair_terms`` of one
    account of each group, ``list_terms`` of everybody who buys from a list.

    Args:
        own_decide: an account's special price that is there from the first piece is all that counts by default, so that
            its group need not be of one class.

    Terms are compared by a hash of 64 bits for each row; that two groups got one number is found out and refused.
    """
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE mixed AS
        SELECT account, agreement FROM agreements WHERE {ALIVE}
        GROUP BY ALL HAVING min(currency) <> max(currency)
        """,
        {"day": day},
    )
    database.execute(
        """
        CREATE OR REPLACE TEMP VIEW own_terms AS
        SELECT 'account_special' AS source, account, item, unit, level, quantity, price, discount, from_list, currency,
               valid_from, valid_to, true AS active, false AS mixed
        FROM special_prices WHERE account <> ''
        UNION ALL
        SELECT 'agreement', a.account, a.item, a.unit, 'header', 0, a.price, NULL, '', a.currency,
               a.valid_from, a.valid_to, a.active, m.agreement IS NOT NULL
        FROM agreements a LEFT JOIN mixed m USING (account, agreement);
        """
    )
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE pairs AS
        WITH hashed AS (
            SELECT account, item,
                   sum(hash(source, unit, level, quantity, price, discount, from_list, currency, valid_from, valid_to,
                            active, mixed)) AS terms,
                   {own_decide} AND min(quantity) = 0 AND (bool_and(level = 'period') OR bool_and(level = 'header'))
                       AND bool_and(source = 'account_special' AND price IS NOT NULL AND unit = ''
                                    AND coalesce(valid_from <= $day, true) AND coalesce($day <= valid_to, true))
                       AS decide
            FROM own_terms GROUP BY account, item
        )
        SELECT h.account, h.item, m.class_id, h.terms,
               CASE WHEN h.decide THEN m.like_class ELSE m.class_id END AS as_class,
               hash(as_class, h.item, h.terms) AS owner
        FROM hashed h JOIN members m USING (account)
        """,
        {"day": day},
    )
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE groups AS
        SELECT owner, min(item) AS item, min(as_class) AS class_id, min(account) AS account, count(*) AS accounts,
               min(item) <> max(item) OR min(as_class) <> max(as_class) OR min(terms) <> max(terms) AS mistaken
        FROM pairs GROUP BY owner;
        """
    )
    if database.execute("SELECT count(*) FROM groups WHERE mistaken").fetchall() != [(0,)]:
        raise RuntimeError("two groups of price terms got one number: nothing is resolved; report this")
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE pair_terms AS
        SELECT g.owner, g.class_id, t.* REPLACE (CASE WHEN t.unit = '' THEN i.unit ELSE t.unit END AS unit),
               i.unit AS own_unit
        FROM own_terms t JOIN groups g ON g.account = t.account AND g.item = t.item JOIN items i ON i.item = t.item;

        CREATE OR REPLACE TEMP TABLE list_owners AS
        SELECT row_number() OVER (ORDER BY price_list, item) AS owner, price_list, item
        FROM (SELECT DISTINCT price_list, item FROM special_prices WHERE price_list <> '' AND account = '');

        CREATE OR REPLACE TEMP TABLE list_terms AS
        SELECT o.owner, 'list_special' AS source, s.* EXCLUDE (account, rule)
               REPLACE (CASE WHEN s.unit = '' THEN i.unit ELSE s.unit END AS unit),
               true AS active, false AS mixed, i.unit AS own_unit
        FROM special_prices s JOIN list_owners o USING (price_list, item) JOIN items i USING (item)
        WHERE s.account = ''
        """
    )
