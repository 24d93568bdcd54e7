"""The difference between the rows that a store should have and those that it is known to have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from erp_sync.flows.prices.engine.factoring import CLASS, LIST, Native, register_known
from erp_sync.model.native_prices import KEY

if TYPE_CHECKING:
    import pyarrow as pa


class PricePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written; every table is empty where nothing changed.

    Attributes:
        rows: the key of a row, action (create, update, remove), before, after (prices), gross_before, gross.
        rules: rule, action, priority (None where it is removed).
        members: rule, account, action (add, remove).
        kept: rows that are not due and stay, because what they are about is held.
    """

    rows: pa.Table
    rules: pa.Table
    members: pa.Table
    kept: int

    @property
    def empty(self) -> bool:
        return not (self.rows.num_rows or self.rules.num_rows or self.members.num_rows)


def difference(native: Native, known: Mapping[str, pa.Table] | None = None) -> PricePlan:
    """Compare by key.

    Rows of a held account, pair, or class and item stay as they are: in doubt nothing is taken away. `known` as for
    `factoring.factor`.
    """
    database = native.database
    register_known(database, known or {})
    key = ", ".join(KEY)
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE differing AS
        SELECT {key}, k.price AS before, n.price AS after, k.gross AS gross_before, n.gross,
               CASE WHEN n.price IS NULL THEN 'remove' WHEN k.price IS NULL THEN 'create' ELSE 'update' END AS action
        FROM native_rows n FULL OUTER JOIN known_rows k USING ({key})
        WHERE n.price IS DISTINCT FROM k.price OR n.gross IS DISTINCT FROM k.gross;

        CREATE OR REPLACE TEMP TABLE in_doubt AS
        SELECT 'account' AS kind, account AS owner, NULL AS item, NULL AS unit FROM wrong_accounts
        UNION ALL
        SELECT 'account', p.account, p.item, nullif(h.unit, '') FROM held_pairs h JOIN pairs p USING (owner)
        UNION ALL
        SELECT 'rule', '{LIST}' || c.price_list || ' ' || c.currency, h.item, h.unit
        FROM held_class_items h JOIN classes c USING (class_id)
        UNION ALL
        SELECT 'rule', '{CLASS}' || c.label, h.item, h.unit FROM held_class_items h JOIN classes c USING (class_id)
        UNION ALL
        SELECT 'base', '', item, unit FROM held_class_items;

        CREATE OR REPLACE TEMP TABLE staying AS
        SELECT {key} FROM differing d SEMI JOIN in_doubt x
          ON x.kind = d.kind AND x.owner = d.owner
          AND coalesce(x.item = d.item, true) AND coalesce(x.unit = d.unit, true)
        WHERE d.action = 'remove'
        """
    )
    rows = database.sql(
        f"""
        SELECT {key}, action, before, after, gross_before, gross
        FROM differing ANTI JOIN staying USING ({key}) ORDER BY {key}
        """
    ).to_arrow_table()
    # A rule that has rows which stay is not taken away, nor is a held account from its rules.
    rules = database.sql(
        """
        SELECT rule, CASE WHEN n.priority IS NULL THEN 'remove' WHEN k.priority IS NULL THEN 'create' ELSE 'update' END
                   AS action, n.priority
        FROM native_rules n FULL OUTER JOIN known_rules k USING (rule)
        WHERE n.priority IS DISTINCT FROM k.priority
          AND NOT (n.priority IS NULL AND rule IN (SELECT owner FROM staying WHERE kind = 'rule'))
        ORDER BY rule
        """
    ).to_arrow_table()
    members = database.sql(
        """
        SELECT rule, account, 'add' AS action FROM native_members ANTI JOIN known_members USING (rule, account)
        UNION ALL
        SELECT rule, account, 'remove' FROM known_members ANTI JOIN native_members USING (rule, account)
        WHERE account NOT IN (SELECT account FROM wrong_accounts)
          AND rule NOT IN (SELECT owner FROM staying WHERE kind = 'rule')
        ORDER BY rule, account
        """
    ).to_arrow_table()
    kept = database.execute("SELECT count(*) FROM staying").fetchall()[0][0]
    return PricePlan(rows=rows, rules=rules, members=members, kept=kept)
