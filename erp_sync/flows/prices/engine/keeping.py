"""What is held keeps the price that the store has for it now, wherever that comes from.

A held class of accounts keeps what the store's rules for lists and classes give it, as if that were due. A held account
or pair that would get another price because rules, members or the base price change gets rows of its own, with the
tiers that it has now. So does, with its new price, an account that changes rules while rows of such a rule change: else
there would be a moment at which it is in the one and not yet in the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

LIST = "list "


def keep_classes(database: duckdb.DuckDBPyConnection) -> None:
    """Steps of ``held_class_items`` are what the store has for the class: into ``class_tiers``, ``class_sums``."""
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE kept_classes AS
        SELECT h.class_id, l.*
        FROM (SELECT DISTINCT class_id, item, unit FROM held_class_items) h JOIN class_rules c USING (class_id)
        JOIN known_ladders l ON l.item = h.item AND l.unit = h.unit AND l.currency = c.currency AND l.kind <> 'account'
             AND l.owner IN ('', c.rule, '{LIST}' || c.price_list || ' ' || c.currency)
        QUALIFY row_number() OVER (
            PARTITION BY h.class_id, l.item, l.unit
            ORDER BY CASE WHEN l.owner = c.rule THEN 0 WHEN l.kind = 'rule' THEN 1 ELSE 2 END) = 1;

        INSERT INTO class_tiers
        SELECT h.class_id, k.item, k.unit, k.quantity, k.price
        FROM kept_classes h JOIN known_rows k USING (kind, owner, item, unit, currency);

        INSERT INTO class_sums
        SELECT class_id, item, unit, paid, tiers, arg_min(price, quantity)
        FROM kept_classes h JOIN class_tiers t USING (class_id, item, unit) GROUP BY ALL
        """
    )


def keep(database: duckdb.DuckDBPyConnection) -> bool:
    """Change ``native_members`` and ``native_ladders`` so that what is held stays. True if any ladder was changed.

    Needs ``differing_ladders``; makes ``moves``.
    """
    database.execute(
        """
        INSERT INTO native_members
        SELECT rule, account FROM known_members SEMI JOIN wrong_accounts USING (account)
        SEMI JOIN native_rules USING (rule)
        """
    )
    find_moves(database)
    held = _count(database, "wrong_accounts") + _count(database, "held_pairs") + _count(database, "kept_classes")
    return (_keep_held(database) if held else False) | _shield(database)


def find_moves(database: duckdb.DuckDBPyConnection) -> None:
    """``moves``: rule, account, action (add, remove)."""
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE moves AS
        SELECT rule, account, 'add' AS action FROM native_members ANTI JOIN known_members USING (rule, account)
        UNION ALL
        SELECT rule, account, 'remove' FROM known_members ANTI JOIN native_members USING (rule, account)
        """
    )


def _keep_held(database: duckdb.DuckDBPyConnection) -> bool:
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE touched AS
        SELECT DISTINCT item, unit FROM differing_ladders WHERE kind <> 'account';
        CREATE OR REPLACE TEMP TABLE own_ladders AS
        SELECT owner AS account, item, unit FROM known_ladders WHERE kind = 'account'
        UNION
        SELECT owner, item, unit FROM native_ladders WHERE kind = 'account';

        CREATE OR REPLACE TEMP TABLE asked AS
        WITH of_class AS (
            SELECT m.account, k.item, k.unit FROM kept_classes k JOIN members m USING (class_id)
            ANTI JOIN pairs p ON p.account = m.account AND p.item = k.item
        ),
        wrong AS (SELECT DISTINCT account FROM wrong_accounts)
        SELECT p.account, p.item, s.unit FROM held_pairs h JOIN pairs p USING (owner)
        JOIN sold s ON s.item = p.item AND (h.unit = '' OR s.unit = h.unit)
        UNION
        SELECT * FROM of_class SEMI JOIN touched USING (item, unit)
        UNION
        SELECT * FROM of_class SEMI JOIN moves USING (account)
        UNION
        SELECT * FROM of_class SEMI JOIN own_ladders USING (account, item, unit)
        UNION
        SELECT w.account, t.item, t.unit FROM wrong w CROSS JOIN touched t
        UNION
        SELECT o.account, o.item, o.unit FROM own_ladders o SEMI JOIN wrong USING (account)
        """
    )
    resolve(database, "known", "asked", "paid_now")
    resolve(database, "native", "asked", "paid_then")
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE kept_pairs AS
        SELECT k.* FROM paid_now k LEFT JOIN paid_then n USING (account, item, unit)
        WHERE n.paid IS DISTINCT FROM k.paid OR n.currency IS DISTINCT FROM k.currency
           OR n.gross IS DISTINCT FROM k.gross;
        DELETE FROM native_ladders
        WHERE kind = 'account' AND (owner, item, unit) IN (SELECT account, item, unit FROM kept_pairs);
        INSERT INTO native_ladders
        SELECT 'account', account, item, unit, currency, gross, paid, tiers, NULL, NULL, kind, owner FROM kept_pairs
        """
    )
    return _count(database, "kept_pairs") > 0


def _shield(database: duckdb.DuckDBPyConnection) -> bool:
    """An account leaves a rule that gets or changes a ladder, or joins one that loses a ladder."""
    if not _count(database, "moves") or not _count(database, "known_members"):
        return False
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE shielded AS
        SELECT DISTINCT v.account, d.item, d.unit
        FROM moves v SEMI JOIN members m ON m.account = v.account
        JOIN differing_ladders d ON d.kind = 'rule' AND d.owner = v.rule
             AND CASE v.action WHEN 'add' THEN NOT d.will ELSE d.will END
        ANTI JOIN known_ladders k ON k.kind = 'account' AND k.owner = v.account AND k.item = d.item AND k.unit = d.unit
        """
    )
    if not _count(database, "shielded"):
        return False
    resolve(database, "native", "shielded", "paid_then")
    before = _count(database, "native_ladders")
    database.execute(
        """
        INSERT INTO native_ladders
        SELECT 'account', s.account, s.item, s.unit, l.currency, l.gross, l.paid, l.tiers, l.pair_owner, l.class_id,
               l.kept_kind, l.kept_owner
        FROM paid_then s JOIN native_ladders l USING (kind, owner, item, unit, currency) WHERE s.kind = 'rule'
        UNION ALL
        SELECT 'account', s.account, s.item, s.unit, s.currency, s.gross, s.paid, s.tiers, NULL, m.class_id, NULL, NULL
        FROM paid_then s JOIN members m USING (account)
        SEMI JOIN class_sums c ON c.class_id = m.class_id AND c.item = s.item AND c.unit = s.unit AND c.paid = s.paid
        WHERE s.kind = 'base'
        """
    )
    return _count(database, "native_ladders") > before


def resolve(database: duckdb.DuckDBPyConnection, side: str, asked: str, into: str) -> None:
    """Which ladder of a side ("known" or "native") gives (account, item, unit) its price: the table `into`."""
    ladder = "l.kind, l.owner, l.currency, l.gross, l.paid, l.tiers"
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        WITH found AS (
            SELECT a.account, a.item, a.unit, {ladder}, 0 AS place, 0 AS priority
            FROM {asked} a JOIN {side}_ladders l
              ON l.kind = 'account' AND l.owner = a.account AND l.item = a.item AND l.unit = a.unit
            UNION ALL
            SELECT a.account, a.item, a.unit, {ladder}, 1, -r.priority
            FROM {asked} a JOIN {side}_members m ON m.account = a.account JOIN {side}_rules r ON r.rule = m.rule
            JOIN {side}_ladders l ON l.kind = 'rule' AND l.owner = m.rule AND l.item = a.item AND l.unit = a.unit
            UNION ALL
            SELECT a.account, a.item, a.unit, {ladder}, 2, 0
            FROM {asked} a JOIN accounts c ON c.account = a.account
            JOIN {side}_ladders l
              ON l.kind = 'base' AND l.currency = c.currency AND l.item = a.item AND l.unit = a.unit
        )
        SELECT * EXCLUDE (place, priority) FROM found
        QUALIFY row_number() OVER (PARTITION BY account, item, unit ORDER BY place, priority, owner) = 1
        """
    )


def _count(database: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(database.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
