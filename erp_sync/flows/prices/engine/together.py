"""Which changes belong together, and in which order they are made: so that no account ever pays what is neither its old
nor its new price, at no moment of applying and whatever is held.

Order (`step`): rules; rows of accounts that come or change; then from the highest priority to the lowest each rule's
rows and members that come, base prices last; then from the lowest to the highest what goes, members before rows; rows
of accounts that go; rules that go. In every state of this order the ladder that counts for an account and item is the
old one or the new one.

Groups: changes of one (account, item) are in one group, and so are groups that have a change in common. A group is held
as a whole. An account's rows that only change stand for themselves, for they hide whatever else happens. A ladder
(kind, owner, item) that comes or goes is one write; of one that changes, tiers that come are written before those that
go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import numpy as np

MANY = 3_000_000  # (account, item) that changes of shared rows reach; beyond, an item's changes are one group


def group(database: duckdb.DuckDBPyConnection) -> None:
    """``nodes`` (kind, owner, item, currency, node, label) of ``differing_ladders``, ``move_nodes`` (account, node,
    label) of ``moves``, ``rule_places`` (rule, place: 1 is the highest priority)."""
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE rule_places AS
        SELECT rule, (row_number() OVER (ORDER BY priority DESC, rule))::INTEGER AS place FROM (
            SELECT rule, coalesce(n.priority, k.priority) AS priority
            FROM native_rules n FULL OUTER JOIN known_rules k USING (rule)
        );
        CREATE OR REPLACE TEMP TABLE nodes AS
        SELECT *, (row_number() OVER (ORDER BY kind, owner, item, currency) - 1)::INTEGER AS node FROM (
            SELECT kind, owner, item, currency, bool_and(was AND will) AS stays
            FROM differing_ladders GROUP BY kind, owner, item, currency
        );
        CREATE OR REPLACE TEMP TABLE move_nodes AS
        SELECT account, ((SELECT count(*) FROM nodes)
                         + row_number() OVER (ORDER BY account) - 1)::INTEGER AS node FROM (
            SELECT DISTINCT account FROM moves
        );
        """
    )
    if database.execute("SELECT count(*) FROM nodes").fetchall() == [(0,)]:
        database.execute("CREATE OR REPLACE TEMP TABLE links (node INTEGER, meeting UBIGINT)")
    else:
        _links(database)
    _label(database)


def _links(database: duckdb.DuckDBPyConnection) -> None:
    """``links`` (node, meeting): changes that meet at one account and item, or at one account that changes rules."""
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE every_member AS
        SELECT rule, account FROM known_members UNION SELECT rule, account FROM native_members;
        CREATE OR REPLACE TEMP TABLE several AS
        SELECT item FROM nodes WHERE NOT (kind = 'account' AND stays) GROUP BY item HAVING count(*) > 1;
        CREATE OR REPLACE TEMP TABLE movers AS
        SELECT account, node FROM move_nodes WHERE EXISTS (SELECT 1 FROM known_ladders);
        """
    )
    reached = database.execute(
        """
        SELECT coalesce(sum(m.accounts), 0) FROM nodes n SEMI JOIN several s ON s.item = n.item
        JOIN (SELECT rule, count(*) AS accounts FROM every_member GROUP BY rule) m ON m.rule = n.owner
        WHERE n.kind = 'rule'
        """
    ).fetchall()[0][0]
    meeting = (
        "SELECT node, hash(item) AS meeting FROM nodes SEMI JOIN several USING (item) "
        "WHERE NOT (kind = 'account' AND stays)"
        if reached > MANY
        else """
        SELECT node, hash(account, item) AS meeting FROM shared
        UNION
        SELECT n.node, hash(n.owner, n.item) FROM nodes n SEMI JOIN several s ON s.item = n.item
        WHERE n.kind = 'account' AND NOT n.stays
        UNION
        SELECT n.node, hash(a.account, n.item) FROM nodes n SEMI JOIN several s ON s.item = n.item
        JOIN accounts a ON a.currency = n.currency
        JOIN beside b ON b.account = a.account AND b.item = n.item
        WHERE n.kind = 'base'"""
    )
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE links AS
        WITH shared AS (
            SELECT n.node, m.account, n.item FROM nodes n SEMI JOIN several s ON s.item = n.item
            JOIN every_member m ON m.rule = n.owner WHERE n.kind = 'rule'
        ),
        beside AS (
            SELECT DISTINCT account, item FROM shared
            UNION
            SELECT owner, item FROM nodes WHERE kind = 'account' AND NOT stays
        ),
        changed_rules AS (
            SELECT DISTINCT v.account, l.item FROM moves v SEMI JOIN movers o ON o.account = v.account
            JOIN (SELECT owner, item FROM known_ladders WHERE kind = 'rule'
                  UNION SELECT owner, item FROM native_ladders WHERE kind = 'rule') l ON l.owner = v.rule
            SEMI JOIN nodes n ON n.item = l.item
        ),
        met AS (
            SELECT o.node AS mover, n.node FROM movers o JOIN every_member m USING (account)
            JOIN nodes n ON n.kind = 'rule' AND n.owner = m.rule
            SEMI JOIN changed_rules c ON c.account = o.account AND c.item = n.item
            UNION
            SELECT o.node, n.node FROM movers o JOIN accounts a USING (account)
            JOIN changed_rules c ON c.account = o.account
            JOIN nodes n ON n.kind = 'base' AND n.currency = a.currency AND n.item = c.item
            UNION
            SELECT o.node, n.node FROM movers o JOIN nodes n ON n.kind = 'account' AND n.owner = o.account
            WHERE NOT n.stays
        )
        {meeting}
        UNION ALL
        SELECT node, hash('account', mover) FROM met
        UNION ALL
        SELECT mover, hash('account', mover) FROM met
        """
    )


def _label(database: duckdb.DuckDBPyConnection) -> None:
    """``labels`` (node, label): the smallest node of the group."""
    import numpy as np
    import pyarrow as pa

    count = database.execute("SELECT (SELECT count(*) FROM nodes) + (SELECT count(*) FROM move_nodes)").fetchall()[0][0]
    links = database.sql("SELECT node, meeting FROM links").to_arrow_table()
    labels: np.ndarray = np.arange(count, dtype=np.int64)
    if links.num_rows:
        node = links.column("node").to_numpy()
        _, meeting = np.unique(links.column("meeting").to_numpy(), return_inverse=True)
        while True:
            least = np.full(int(meeting.max()) + 1, count, dtype=np.int64)
            np.minimum.at(least, meeting, labels[node])
            lower = labels.copy()
            np.minimum.at(lower, node, least[meeting])
            lower = lower[lower]
            if np.array_equal(lower, labels):
                break
            labels = lower
    database.register("given", pa.table({"node": np.arange(count, dtype=np.int32), "label": labels}))
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE labels AS
        SELECT g.node, CASE WHEN n.node IS NULL THEN 'account ' || v.account
                            ELSE concat_ws(' ', n.kind, nullif(n.owner, ''), n.item, n.currency) END AS label
        FROM given g LEFT JOIN nodes n ON n.node = g.label LEFT JOIN move_nodes v ON v.node = g.label
        """
    )
    database.unregister("given")
