"""Which prices wait for a person. Pure; DuckDB.

A price that breaks a rule keeps what the store has, for exactly those who would pay it, and everything else goes: what
is *going* to the store is what it *should have next* with those prices put back. A *ladder* is all tiers of an owner
for an item. Where a ladder changes in place it waits as a whole; where an account gets its price from another owner
than before, the account gets a ladder of its own with what it pays now until somebody has decided.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING

from erp_sync.flows.contract_prices.native import KEY_COLUMNS

if TYPE_CHECKING:
    import duckdb

LADDER = "kind, owner, item, unit"
_LADDER = "kind, owner, item, w.unit"
_LADDER_KEY = "ladder_key({0}, {1}, item, CASE WHEN w.unit = s.unit THEN '' ELSE w.unit END)"
#: Accounts with items that are looked at one by one at most; more at once is for a person to look at.
MOST_PAIRS = 5_000_000


def judge(database: duckdb.DuckDBPyConnection, most: Decimal, cost_list: str = "", map_list: str = "") -> bool:
    """Make ``waiting_ladders`` (kind, owner, item, unit, why) and ``waiting_pairs`` (account, item, unit, why), of what
    differs between ``known_…`` and ``next_…``; ``then_…`` is what the store had a day ago.

    Args:
        most: share by which a price may rise or fall at once and over a day.
    False, and nothing is made, where more accounts than `MOST_PAIRS` would pay by another rule for an item.
    """
    _changed(database)
    if not _pairs(database):
        return False
    _cases(database)
    _break_rules(database, most, cost_list, map_list)
    _collect(database)
    return True


def _changed(database: duckdb.DuckDBPyConnection) -> None:
    """``changed_ladders``: and whether the ladder is there before and after."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changed_ladders AS
        WITH differing AS (
            SELECT DISTINCT {LADDER} FROM known_rows k FULL OUTER JOIN next_rows n USING ({KEY_COLUMNS})
            WHERE n.price IS DISTINCT FROM k.price OR n.gross IS DISTINCT FROM k.gross
        )
        SELECT d.*, k.item IS NOT NULL AS before, n.item IS NOT NULL AS after
        FROM differing d
        LEFT JOIN (SELECT DISTINCT {LADDER} FROM known_rows) k USING ({LADDER})
        LEFT JOIN (SELECT DISTINCT {LADDER} FROM next_rows) n USING ({LADDER})
        """
    )


def _pairs(database: duckdb.DuckDBPyConnection) -> bool:
    """``pairs_moved`` (account, item, unit) of accounts whose price may come from another owner than before, and who
    gives it to them: ``known_winners``, ``next_winners``, ``then_winners``."""
    moved = []
    for before in ("known", "then"):
        moved.append(
            f"""
            SELECT {LADDER} FROM (SELECT DISTINCT {LADDER} FROM {before}_rows)
            ANTI JOIN (SELECT DISTINCT {LADDER} FROM next_rows) USING ({LADDER}) WHERE kind <> 'base'
            UNION
            SELECT {LADDER} FROM (SELECT DISTINCT {LADDER} FROM next_rows)
            ANTI JOIN (SELECT DISTINCT {LADDER} FROM {before}_rows) USING ({LADDER}) WHERE kind <> 'base'
            """
        )
    joined = " UNION ".join(
        f"(SELECT rule, account FROM {one}_members ANTI JOIN {other}_members USING (rule, account))"
        for before in ("known", "then")
        for one, other in ((before, "next"), ("next", before))
    )
    ranked = " UNION ".join(
        f"(SELECT rule FROM {before}_rules b JOIN next_rules n USING (rule) WHERE b.priority <> n.priority)"
        for before in ("known", "then")
    )
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE all_members AS
        SELECT rule, account FROM known_members UNION SELECT rule, account FROM next_members
        UNION SELECT rule, account FROM then_members;
        CREATE OR REPLACE TEMP TABLE rule_items AS
        SELECT DISTINCT owner AS rule, item, unit FROM known_rows WHERE kind = 'rule'
        UNION SELECT DISTINCT owner, item, unit FROM next_rows WHERE kind = 'rule'
        UNION SELECT DISTINCT owner, item, unit FROM then_rows WHERE kind = 'rule';
        CREATE OR REPLACE TEMP TABLE moved_ladders AS {" UNION ".join(moved)};
        CREATE OR REPLACE TEMP TABLE moved_rules AS
        SELECT rule, account FROM ({joined})
        UNION
        SELECT m.rule, m.account FROM all_members m SEMI JOIN ({ranked}) r USING (rule)
        """
    )
    candidates = """
        SELECT owner AS account, item, unit FROM moved_ladders WHERE kind = 'account'
        UNION
        SELECT m.account, l.item, l.unit FROM moved_ladders l JOIN all_members m ON m.rule = l.owner
        WHERE l.kind = 'rule'
        UNION
        SELECT r.account, i.item, i.unit FROM moved_rules r JOIN rule_items i USING (rule)
        """
    database.execute(f"CREATE OR REPLACE TEMP TABLE pairs_moved AS SELECT * FROM ({candidates}) LIMIT {MOST_PAIRS + 1}")
    if database.execute("SELECT count(*) FROM pairs_moved").fetchall()[0][0] > MOST_PAIRS:
        return False
    for state in ("known", "next", "then"):
        database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {state}_winners AS
            WITH ladders AS (SELECT DISTINCT {LADDER} FROM {state}_rows SEMI JOIN pairs_moved USING (item, unit)),
            found AS (
                SELECT p.account, p.item, p.unit, l.kind, l.owner, 0 AS place, 0 AS priority FROM pairs_moved p
                JOIN ladders l ON l.kind = 'account' AND l.owner = p.account AND l.item = p.item AND l.unit = p.unit
                UNION ALL
                SELECT p.account, p.item, p.unit, l.kind, l.owner, 1, -r.priority FROM pairs_moved p
                JOIN {state}_members m ON m.account = p.account JOIN {state}_rules r ON r.rule = m.rule
                JOIN ladders l ON l.kind = 'rule' AND l.owner = r.rule AND l.item = p.item AND l.unit = p.unit
                UNION ALL
                SELECT p.account, p.item, p.unit, l.kind, l.owner, 2, 0 FROM pairs_moved p
                JOIN ladders l ON l.kind = 'base' AND l.item = p.item AND l.unit = p.unit
            )
            SELECT account, item, unit, kind, owner FROM found
            QUALIFY row_number() OVER (PARTITION BY account, item, unit ORDER BY place, priority, owner) = 1
            """
        )
    return True


def _cases(database: duckdb.DuckDBPyConnection) -> None:
    """``cases``: what is compared, with the ladder of each state; ``case_prices``: at each quantity where a tier of one
    of them begins. An `account` of "" is a ladder in place."""
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE cases AS
        SELECT (row_number() OVER ())::INTEGER AS number, * FROM (
            SELECT '' AS account, item, unit, kind AS next_kind, owner AS next_owner, kind AS known_kind,
                   owner AS known_owner, kind AS then_kind, owner AS then_owner
            FROM changed_ladders WHERE before AND after
            UNION ALL
            SELECT n.account, n.item, n.unit, n.kind, n.owner, k.kind, k.owner, t.kind, t.owner
            FROM next_winners n
            LEFT JOIN known_winners k USING (account, item, unit) LEFT JOIN then_winners t USING (account, item, unit)
            LEFT JOIN changed_ladders c ON c.kind = n.kind AND c.owner = n.owner AND c.item = n.item AND c.unit = n.unit
            WHERE k.kind IS DISTINCT FROM n.kind OR k.owner IS DISTINCT FROM n.owner
               OR (c.item IS NOT NULL AND (t.kind IS DISTINCT FROM n.kind OR t.owner IS DISTINCT FROM n.owner))
        )
        """
    )
    tiers = " UNION ALL ".join(
        f"""
        SELECT c.number, '{state}' AS state, r.currency, r.quantity, r.price FROM cases c
        JOIN {state}_rows r ON r.kind = c.{state}_kind AND r.owner = c.{state}_owner AND r.item = c.item
            AND r.unit = c.unit
        """
        for state in ("known", "next", "then")
    )
    at = "coalesce(arg_max(t.price, t.quantity) FILTER (t.state = '{0}' AND t.quantity <= q.quantity), "
    at += "arg_min(t.price, t.quantity) FILTER (t.state = '{0}'))"
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE case_tiers AS {tiers};
        CREATE OR REPLACE TEMP TABLE case_prices AS
        SELECT q.number, q.currency, q.quantity, {at.format("known")} AS was, {at.format("next")} AS will,
               {at.format("then")} AS then_was
        FROM (SELECT DISTINCT number, currency, quantity FROM case_tiers) q
        JOIN case_tiers t ON t.number = q.number AND t.currency = q.currency
        GROUP BY q.number, q.currency, q.quantity
        """
    )


def _break_rules(database: duckdb.DuckDBPyConnection, most: Decimal, cost_list: str, map_list: str) -> None:
    """``broken_cases`` (number, why) and ``broken_ladders`` (kind, owner, item, unit, why)."""
    limit = f"CAST({most} AS DECIMAL(18, 6))"
    percent = f"{most * 100:f}".rstrip("0").rstrip(".") if most else "0"
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE broken_cases AS
        SELECT number, 'changes by more than {percent} %' AS why FROM case_prices
        WHERE was > 0 AND abs(will - was) > was * {limit}
        UNION ALL
        SELECT number, 'changes by more than {percent} % in a day' FROM case_prices
        WHERE then_was > 0 AND then_was IS DISTINCT FROM was AND was IS DISTINCT FROM will
          AND abs(will - then_was) > then_was * {limit}
        UNION ALL
        SELECT number, 'changes its currency' FROM case_tiers GROUP BY number
        HAVING count(*) FILTER (state = 'known') > 0 AND count(*) FILTER (state = 'next') > 0
           AND len(list_intersect(list(DISTINCT currency) FILTER (state = 'known'),
                                  list(DISTINCT currency) FILTER (state = 'next'))) = 0;

        CREATE OR REPLACE TEMP TABLE next_tiers AS
        SELECT r.* FROM next_rows r SEMI JOIN (FROM changed_ladders WHERE after) c USING ({LADDER});

        CREATE OR REPLACE TEMP TABLE broken_ladders AS
        SELECT DISTINCT {LADDER}, 'is zero' AS why FROM next_tiers
        ANTI JOIN (FROM known_rows WHERE price = 0) USING ({KEY_COLUMNS}) WHERE price <= 0
        UNION ALL
        SELECT DISTINCT {LADDER}, 'is dearer than for less' FROM (
            SELECT *, lag(price) OVER (PARTITION BY {LADDER}, currency ORDER BY quantity) AS less FROM next_tiers
        ) WHERE price > less
        """
    )
    for name, words in ((cost_list, "is below cost"), (map_list, "is below the lowest advertised price")):
        if name:
            database.execute(
                f"""
                INSERT INTO broken_ladders
                SELECT DISTINCT t.kind, t.owner, t.item, t.unit, $words FROM next_tiers t
                JOIN price_lists l ON l.price_list = $list
                JOIN list_prices p ON p.price_list = l.price_list AND p.item = t.item AND p.currency = t.currency
                JOIN items i ON i.item = t.item
                LEFT JOIN item_units u ON u.item = t.item AND u.unit = t.unit
                LEFT JOIN known_rows k ON {_same("k", "t")}
                WHERE l.gross = t.gross AND p.unit IN ('', i.unit) AND p.price > 0 AND t.price IS DISTINCT FROM k.price
                  AND t.price < p.price * CASE WHEN t.unit = i.unit THEN 1 ELSE u.factor END
                """,
                {"list": name, "words": words},
            )


def _same(one: str, other: str) -> str:
    return " AND ".join(f"{one}.{column.strip()} = {other}.{column.strip()}" for column in KEY_COLUMNS.split(","))


def _collect(database: duckdb.DuckDBPyConnection) -> None:
    """The rules that are broken, by what waits for it."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE waiting_ladders AS
        SELECT {_LADDER}, {_LADDER_KEY.format("kind", "owner")} AS ladder,
               string_agg(DISTINCT why, ', ' ORDER BY why) AS why FROM (
            SELECT c.next_kind AS kind, c.next_owner AS owner, c.item, c.unit, b.why
            FROM broken_cases b JOIN cases c USING (number) WHERE c.account = ''
            UNION ALL
            SELECT b.* FROM broken_ladders b JOIN changed_ladders c USING ({LADDER})
            WHERE c.before OR c.kind <> 'account'
        ) w LEFT JOIN store_units s USING (item) GROUP BY {_LADDER}, s.unit;

        CREATE OR REPLACE TEMP TABLE waiting_pairs AS
        SELECT account, item, w.unit, {_LADDER_KEY.format("'account'", "account")} AS ladder,
               string_agg(DISTINCT why, ', ' ORDER BY why) AS why FROM (
            SELECT c.account, c.item, c.unit, b.why FROM broken_cases b JOIN cases c USING (number)
            WHERE c.account <> ''
            UNION ALL
            SELECT owner, item, unit, why FROM broken_ladders JOIN changed_ladders c USING ({LADDER})
            WHERE kind = 'account' AND NOT c.before
            UNION ALL
            SELECT c.account, c.item, c.unit, w.why FROM cases c JOIN waiting_ladders w
              ON w.kind = c.next_kind AND w.owner = c.next_owner AND w.item = c.item AND w.unit = c.unit
            WHERE c.account <> '' AND (c.known_kind IS DISTINCT FROM c.next_kind
                                       OR c.known_owner IS DISTINCT FROM c.next_owner)
        ) w LEFT JOIN store_units s USING (item) GROUP BY account, item, w.unit, s.unit
        """
    )


def let_go(database: duckdb.DuckDBPyConnection, ladders: Collection[str]) -> None:
    """These do not wait: somebody has decided on them. As keys of their rows without currency and quantity."""
    if not ladders:
        return
    for table in ("waiting_ladders", "waiting_pairs"):
        database.execute(f"DELETE FROM {table} WHERE list_contains($ladders, ladder)", {"ladders": list(ladders)})


def nothing_waits(database: duckdb.DuckDBPyConnection) -> None:
    """All that should be next is going."""
    for name in ("rules", "members", "rows"):
        database.execute(f"CREATE OR REPLACE TEMP VIEW going_{name} AS FROM next_{name}")
    database.execute("CREATE OR REPLACE TEMP TABLE waiting_ladders (ladder VARCHAR, why VARCHAR)")
    database.execute("CREATE OR REPLACE TEMP TABLE waiting_pairs (ladder VARCHAR, why VARCHAR)")


def put_back(database: duckdb.DuckDBPyConnection) -> None:
    """Make ``going_rules``, ``going_members``, ``going_rows``: what the store should have next, without what waits."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW going_rules AS FROM next_rules;
        CREATE OR REPLACE TEMP VIEW going_members AS FROM next_members;
        CREATE OR REPLACE TEMP TABLE held_own AS
        SELECT 'account' AS kind, account AS owner, item, unit FROM waiting_pairs;

        CREATE OR REPLACE TEMP TABLE going_rows AS
        SELECT * FROM next_rows ANTI JOIN waiting_ladders USING ({LADDER}) ANTI JOIN held_own USING ({LADDER})
        UNION ALL
        SELECT k.* FROM known_rows k SEMI JOIN waiting_ladders USING ({LADDER}) ANTI JOIN held_own USING ({LADDER})
        UNION ALL
        SELECT 'account', p.account, r.item, r.unit, r.currency, r.quantity, r.price, r.gross
        FROM waiting_pairs p JOIN known_winners w USING (account, item, unit)
        JOIN known_rows r ON r.kind = w.kind AND r.owner = w.owner AND r.item = w.item AND r.unit = w.unit
        """
    )
