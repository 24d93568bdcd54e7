"""The tables that resolution stands on: units that are sold, rates of the day, what lists have, terms of owners."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine.conversion import converted_sql
from erp_sync.flows.prices.engine.defects import LARGEST, Defect
from erp_sync.ports.pricing import Precedence

if TYPE_CHECKING:
    import duckdb

ONE = "CAST(1 AS DECIMAL(18, 6))"
ALIVE = "active AND greatest(coalesce(valid_to, DATE '9999-12-31'), coalesce(valid_from, DATE '0001-01-01')) >= $day"


def prepare(database: duckdb.DuckDBPyConnection, precedence: Precedence, day: date) -> None:
    """``sold``, ``rates`` (up and down: see `conversion`), ``listed``."""
    zero_is_none = precedence.zero_is_none
    first = "arg_min({'price': price, 'kept_in': kept_in, 'place': place}, {'place': place, 'kept_in': kept_in})"
    amount = converted_sql(
        "CAST(b.kept.price AS DECIMAL(38, 6))",
        f"CASE WHEN b.kept.place >= 4 THEN s.factor ELSE {ONE} END",
        "r",
        "b.kept.place % 4 = 0",
        precedence.price_digits,
    )
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
        WITH newest AS (
            SELECT * FROM (
                SELECT currency, "into", arg_max(rate, day) AS rate FROM exchange_rates
                WHERE day <= $day AND currency <> "into" GROUP BY ALL
            ) WHERE rate > 0 AND rate < {LARGEST}
        ),
        ways AS (
            SELECT currency, "into", rate AS up, {ONE} AS down, 0 AS place, '' AS by_way_of FROM newest
            UNION ALL
            SELECT "into", currency, {ONE}, rate, 1, '' FROM newest
            UNION ALL
            SELECT a.currency, b.currency, a.rate, b.rate, 2, a."into" FROM newest a
            JOIN newest b ON b."into" = a."into" AND b.currency <> a.currency
        )
        SELECT currency, "into", up, down FROM ways
        QUALIFY row_number() OVER (PARTITION BY currency, "into" ORDER BY place, by_way_of) = 1
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
        SELECT n.price_list, n.currency, l.currency AS own_currency, l.problem
        FROM named n JOIN lists l USING (price_list);

        CREATE OR REPLACE TEMP TABLE listed AS
        WITH found AS (
            SELECT w.price_list, w.currency, s.item, s.unit, p.price, p.currency AS kept_in,
                   CASE WHEN p.unit = s.unit OR (p.unit = '' AND s.unit = s.own_unit) THEN 0 ELSE 4 END
                   + CASE p.currency WHEN w.currency THEN 0 WHEN w.own_currency THEN 1 ELSE 2 END AS place
            FROM wanted w JOIN list_prices p USING (price_list) JOIN sold s USING (item)
            WHERE w.problem = '' AND (p.unit IN ('', s.own_unit) OR p.unit = s.unit)
              {"AND (p.price <> 0 OR p.currency <> w.currency OR p.currency = w.own_currency)" if zero_is_none else ""}
        ),
        best AS (
            SELECT price_list, currency, item, unit,
                   {first} FILTER (place < 4) AS in_unit, {first} FILTER (place >= 4) AS in_own_unit
            FROM found GROUP BY ALL
        ),
        chosen AS (
            SELECT * FROM (
                SELECT price_list, currency, item, unit,
                       CASE WHEN in_unit IS NULL {"OR in_unit.price = 0" if zero_is_none else ""} THEN in_own_unit
                            ELSE in_unit END AS kept
                FROM best
            ) WHERE kept IS NOT NULL {"AND kept.price <> 0" if zero_is_none else ""}
        )
        SELECT b.price_list, b.currency, b.item, b.unit, TRY({amount}) AS amount,
               CASE WHEN abs(b.kept.price) >= {LARGEST} THEN '{Defect.NUMBER_TOO_LARGE}'
                    WHEN b.kept.place % 4 > 0 AND r.up IS NULL THEN '{Defect.NO_EXCHANGE_RATE}' ELSE '' END AS problem
        FROM chosen b JOIN sold s ON s.item = b.item AND s.unit = b.unit
        LEFT JOIN rates r ON r.currency = b.kept.kept_in AND r."into" = b.currency
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
            its group need not be of one class. Of an item that is sold in several units it may not be for all.

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
                   {own_decide} AND item NOT IN (SELECT item FROM sold WHERE unit <> own_unit) AND min(quantity) = 0
                       AND (bool_and(level = 'period') OR bool_and(level = 'header'))
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
