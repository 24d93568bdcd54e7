"""What is wrong with price terms, for all of them at once: the SQL of `defects`.

The terms of an owner (a group of like pairs, or a list and an item) are looked at together.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine.defects import LARGEST, ORDER, WORDS, Defect
from erp_sync.flows.prices.engine.terms_sql import ALIVE

if TYPE_CHECKING:
    import duckdb

# Far enough, and the same as Python's own.
_FROM = "coalesce(valid_from, DATE '0001-01-01')"
_TO = "coalesce(valid_to, DATE '9999-12-31')"


def register_words(database: duckdb.DuckDBPyConnection) -> None:
    """The table ``defects``: rule, place, words."""
    database.execute("CREATE OR REPLACE TEMP TABLE defects (rule VARCHAR, place INTEGER, words VARCHAR)")
    database.executemany("INSERT INTO defects VALUES (?, ?, ?)", [[str(one), ORDER[one], WORDS[one]] for one in Defect])


def find_defects(database: duckdb.DuckDBPyConnection, terms: str, found: str, day: date) -> None:
    """Make the table `found` (owner, rule) of the table `terms`, whose `unit` is never empty."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE looks AS
        SELECT owner,
               bool_or(valid_from > valid_to) AS backwards,
               bool_or(mixed) OR min(hash(currency)) FILTER (source <> 'agreement')
                   <> max(hash(currency)) FILTER (source <> 'agreement') AS currencies,
               bool_or(price IS NULL AND discount IS NULL) AS without_price,
               count(*) FILTER (source = 'agreement') > 1
                   OR min({_FROM}) <> max({_FROM}) OR min({_TO}) <> max({_TO})
                   OR min(hash(unit)) <> max(hash(unit))
                   OR (bool_or(level = 'period') AND bool_or(level = 'header')) AS several,
               bool_or(unit <> own_unit) AS other_units,
               bool_or(abs(price) >= {LARGEST} OR quantity >= {LARGEST} OR quantity <= -{LARGEST}) AS too_large,
               bool_or(discount NOT BETWEEN -100 AND 100) AS out_of_range,
               count(*) > 1 AS steps
        FROM {terms} WHERE {ALIVE} GROUP BY owner
        """,
        {"day": day},
    )
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {found} AS
        WITH alive AS (
            SELECT t.*, {_FROM} AS since, {_TO} AS until FROM {terms} t
            JOIN looks l ON l.owner = t.owner AND l.steps
            WHERE {ALIVE}
        ),
        spans AS (
            SELECT DISTINCT owner, source, level, unit, since, until, 0 AS line FROM alive
            WHERE source <> 'agreement' AND owner IN (SELECT owner FROM looks WHERE several)
            UNION ALL
            SELECT owner, source, level, unit, since, until, row_number() OVER () FROM alive
            WHERE source = 'agreement' AND owner IN (SELECT owner FROM looks WHERE several)
        ),
        after AS (
            SELECT owner, since <= max(until) OVER (
                       PARTITION BY owner, source, level, unit ORDER BY since, until, line
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                   ) AS crossing
            FROM spans
        )
        SELECT owner, '{Defect.DATES_BACKWARDS}' AS rule FROM looks WHERE backwards
        UNION ALL
        SELECT DISTINCT owner, '{Defect.DATES_OVERLAP}' FROM after WHERE crossing
        UNION ALL
        SELECT DISTINCT owner, '{Defect.EQUAL_BREAKS}' FROM (
            SELECT owner FROM alive WHERE source <> 'agreement'
            GROUP BY owner, level, unit, since, until, quantity HAVING count(*) > 1
        )
        UNION ALL
        SELECT owner, '{Defect.TWO_CURRENCIES}' FROM looks WHERE currencies
        UNION ALL
        SELECT DISTINCT t.owner, '{Defect.UNIT_DOES_NOT_CONVERT}' FROM {terms} t
        JOIN looks l ON l.owner = t.owner AND l.other_units
        LEFT JOIN item_units u ON u.item = t.item AND u.unit = t.unit
        WHERE t.unit <> t.own_unit AND (coalesce(u.factor, 0) <= 0 OR u.factor >= {LARGEST}) AND {ALIVE}
        UNION ALL
        SELECT owner, '{Defect.NUMBER_TOO_LARGE}' FROM looks WHERE too_large
        UNION ALL
        SELECT owner, '{Defect.PERCENT_OUT_OF_RANGE}' FROM looks WHERE out_of_range
        UNION ALL
        SELECT owner, '{Defect.NO_PRICE_GIVEN}' FROM looks WHERE without_price
        """,
        {"day": day},
    )


def gather(database: duckdb.DuckDBPyConnection, day: date, at: datetime) -> None:
    """``quarantine`` (account, price_list, item, rule, term, problem), and what it holds of pairs: ``held_pairs``
    (owner, unit, rule; every unit is ``""``)."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE held_pairs AS
        SELECT owner, '' AS unit, rule FROM pair_defects
        UNION ALL
        SELECT s.owner, s.unit, h.rule FROM held_subjects h JOIN subjects s USING (subject) WHERE s.owner IS NOT NULL;
        CREATE OR REPLACE TEMP TABLE wrong_pairs AS
        SELECT p.account, p.item, h.rule FROM pairs p JOIN held_pairs h USING (owner)
        UNION
        SELECT p.account, p.item, '{Defect.UNKNOWN_ITEM}' FROM pairs p ANTI JOIN items i ON i.item = p.item
        """
    )
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE living_terms AS
        WITH specials AS (
            SELECT account, price_list, item, rule AS term FROM special_prices WHERE {ALIVE.replace("active", "true")}
        ),
        own AS (
            SELECT account, '' AS price_list, item, term FROM specials WHERE account <> ''
            UNION ALL
            SELECT account, '', item, agreement FROM agreements WHERE {ALIVE}
        ),
        of_lists AS (SELECT * FROM specials WHERE account = ''),
        looked_at AS (
            SELECT o.* FROM own o SEMI JOIN wrong_pairs w ON w.account = o.account AND w.item = o.item
            UNION
            SELECT o.* FROM own o ANTI JOIN accounts a ON a.account = o.account
            UNION
            SELECT l.* FROM of_lists l
            SEMI JOIN (SELECT price_list, item FROM list_owners JOIN list_defects USING (owner)) w
              ON w.price_list = l.price_list AND w.item = l.item
            UNION
            SELECT l.* FROM of_lists l ANTI JOIN price_lists p ON p.price_list = l.price_list
        )
        SELECT account, price_list, item, CASE WHEN term <> '' THEN term WHEN account <> ''
            THEN 'special price of ' || account || ' for ' || item ELSE 'volume price of ' || price_list END AS term
        FROM looked_at
        """,
        {"day": day},
    )
    scoped = "CASE WHEN scope = 'account' THEN scoped_to ELSE '' END"
    matched = "CASE WHEN match = 'item' THEN matched ELSE '' END"
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE quarantine AS
        WITH called AS (
            SELECT account, price_list, item, string_agg(DISTINCT term, ', ' ORDER BY term) AS term
            FROM living_terms GROUP BY ALL
        ),
        named AS (
            SELECT account, '' AS price_list, '' AS item, rule, '' AS term FROM wrong_accounts
            UNION
            SELECT w.account, '', w.item, w.rule, c.term FROM wrong_pairs w
            JOIN called c ON c.account = w.account AND c.item = w.item AND c.price_list = ''
            UNION
            SELECT t.account, '', '', '{Defect.UNKNOWN_ACCOUNT}', string_agg(DISTINCT t.term, ', ' ORDER BY t.term)
            FROM living_terms t ANTI JOIN accounts a ON a.account = t.account WHERE t.account <> '' GROUP BY t.account
            UNION
            SELECT '', o.price_list, o.item, d.rule, coalesce(c.term, '') FROM list_owners o
            JOIN list_defects d USING (owner)
            LEFT JOIN called c ON c.account = '' AND c.price_list = o.price_list AND c.item = o.item
            UNION
            SELECT '', c.price_list, c.item, '{Defect.UNKNOWN_PRICE_LIST}', c.term FROM called c
            ANTI JOIN price_lists l ON l.price_list = c.price_list WHERE c.account = ''
            UNION
            SELECT '', price_list, '', problem, '' FROM lists WHERE problem = '{Defect.CIRCULAR_PRICE_LIST}'
            UNION
            SELECT '', price_list, '', problem, '' FROM lists SEMI JOIN classes USING (price_list)
            WHERE problem = '{Defect.INACTIVE_PRICE_LIST}'
            UNION
            SELECT '', c.price_list, h.item, h.rule, '' FROM held_class_items h JOIN classes c USING (class_id)
            WHERE h.rule NOT IN ('{Defect.CIRCULAR_PRICE_LIST}', '{Defect.INACTIVE_PRICE_LIST}')
            UNION
            SELECT '', '', w.item, '{Defect.UNIT_DOES_NOT_CONVERT}', w.unit FROM wished_units w
            ANTI JOIN sold s ON s.item = w.item AND s.unit = w.unit
            UNION
            SELECT '', '', i.item, '{Defect.ITEM_IN_NO_LIST}', '' FROM items i
            ANTI JOIN list_prices p ON p.item = i.item
            UNION
            SELECT {scoped}, '', {matched}, '{Defect.DATES_BACKWARDS}', rule FROM discount_rules
            WHERE valid_from > valid_to AND {ALIVE}
            UNION
            SELECT {scoped}, '', {matched}, '{Defect.PERCENT_OUT_OF_RANGE}', rule FROM discount_rules
            WHERE percent NOT BETWEEN -100 AND 100 AND {ALIVE}
            UNION
            SELECT {scoped}, '', item, '{Defect.DATES_BACKWARDS}', promotion FROM promotions
            WHERE starts >= ends AND starts >= $at
        )
        SELECT n.*, d.words AS problem FROM named n JOIN defects d USING (rule)
        """,
        {"day": day, "at": at},
    )
