"""The difference between the rows that a store should have and those that it is known to have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from erp_sync.flows.prices.engine import keeping, ladders, together
from erp_sync.flows.prices.engine.factoring import Native, register_known
from erp_sync.model.native_prices import KEY

if TYPE_CHECKING:
    import pyarrow as pa

LAST = 1_000_000  # steps from here on take away


class PricePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written; every table is empty where nothing changed.

    All have `group` (what is held is held with its whole group) and `step` (the order in which to apply, see
    `together`); rows of one ladder come so that each quantity has its old or its new price in between.

    Attributes:
        rows: the key of a row, action (create, update, remove), before, after (prices), gross_before, gross.
        rules: rule, action, priority (None where it is removed). They are of no group: a rule without rows or members
            says nothing.
        members: rule, account, action (add, remove).
        kept: rows that the store keeps, though the terms do not give them, because what they are about is held.
    """

    rows: pa.Table
    rules: pa.Table
    members: pa.Table
    kept: int

    @property
    def empty(self) -> bool:
        return not (self.rows.num_rows or self.rules.num_rows or self.members.num_rows)


def difference(native: Native, known: Mapping[str, pa.Table] | None = None) -> PricePlan:
    """Compare by key. `known` as for `factoring.factor`, which has seen to it that what is held stays."""
    database = native.database
    if known:
        register_known(database, known)
        ladders.know(database)
        ladders.compare(database)
        keeping.find_moves(database)
    ladders.compare_rows(database, native.first_quantity)
    together.group(database)
    key = ", ".join(f"d.{name}" for name in KEY)
    rows = database.sql(
        f"""
        SELECT {key}, action, before, after, gross_before, d.gross, l.label AS "group",
               (CASE WHEN d.kind = 'account' THEN CASE WHEN x.will THEN 10 ELSE 2 * {LAST} END
                     WHEN x.will THEN 100 + 2 * coalesce(p.place, {LAST // 4})
                     ELSE {LAST} + {LAST // 2} - 2 * coalesce(p.place, {LAST // 4}) END)::INTEGER AS step
        FROM differing d JOIN differing_ladders x USING ({", ".join(ladders.LADDER)})
        JOIN nodes n USING (kind, owner, item, currency) JOIN labels l USING (node)
        LEFT JOIN rule_places p ON p.rule = d.owner AND d.kind = 'rule'
        ORDER BY step, d.kind, d.owner, d.item, d.unit, d.currency,
                 action = 'remove', CASE action WHEN 'remove' THEN d.quantity ELSE -d.quantity END
        """
    ).to_arrow_table()
    rules = database.sql(
        f"""
        SELECT rule, CASE WHEN n.priority IS NULL THEN 'remove' WHEN k.priority IS NULL THEN 'create' ELSE 'update' END
                   AS action, n.priority, '' AS "group",
               (CASE WHEN n.priority IS NULL THEN 2 * {LAST} + 1 ELSE 0 END)::INTEGER AS step
        FROM native_rules n FULL OUTER JOIN known_rules k USING (rule)
        WHERE n.priority IS DISTINCT FROM k.priority
        ORDER BY step, rule
        """
    ).to_arrow_table()
    members = database.sql(
        f"""
        SELECT v.rule, v.account, v.action, l.label AS "group",
               (CASE v.action WHEN 'add' THEN 101 + 2 * p.place
                              ELSE {LAST} + {LAST // 2} - 2 * p.place - 1 END)::INTEGER AS step
        FROM moves v JOIN move_nodes n ON n.account = v.account JOIN labels l USING (node)
        JOIN rule_places p ON p.rule = v.rule
        ORDER BY step, v.rule, v.account
        """
    ).to_arrow_table()
    kept = database.execute(
        """
        SELECT coalesce(sum(n.tiers), 0) FROM native_ladders n
        LEFT JOIN kept_classes c ON n.kind = 'rule' AND c.class_id = n.class_id AND c.item = n.item AND c.unit = n.unit
        WHERE n.kept_kind IS NOT NULL OR c.paid IS NOT NULL
        """
    ).fetchall()[0][0]
    return PricePlan(rows=rows, rules=rules, members=members, kept=int(kept))
