"""What is wrong with price terms, for all of them at once: the SQL of `defects`.

The terms of an owner (a group of like pairs, or a list and an item) are looked at together.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine.defects import ORDER, WORDS, Defect

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
               count(*) > 1 AS steps
        FROM {terms} GROUP BY owner
        """
    )
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {found} AS
        WITH alive AS (
            SELECT t.*, {_FROM} AS since, {_TO} AS until FROM {terms} t
            JOIN looks l ON l.owner = t.owner AND l.steps
            WHERE t.active AND {_TO} >= $day
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
        WHERE t.unit <> t.own_unit AND coalesce(u.factor, 0) <= 0
        UNION ALL
        SELECT owner, '{Defect.NO_PRICE_GIVEN}' FROM looks WHERE without_price
        """,
        {"day": day},
    )
