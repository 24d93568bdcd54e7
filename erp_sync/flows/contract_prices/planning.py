"""From the book and what the store is known to have to rows of a plan, as tables. Pure; DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from erp_sync.flows.contract_prices import native
from erp_sync.flows.contract_prices.rules import GUARDS, Rules, limit
from erp_sync.flows.guards import GuardVerdict, Share, judge_shares
from erp_sync.flows.prices.engine.factoring import LIST, factor
from erp_sync.flows.prices.engine.plan import difference
from erp_sync.flows.prices.engine.schedules import resolve
from erp_sync.ports.pricing import Precedence, StoreMeans

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Wished(msgspec.Struct, frozen=True, kw_only=True):
    """What the store should have, and how it differs from what it is known to have.

    Attributes:
        quarantine: account, price_list, item, rule, term, problem.
        kept: rows that the store keeps because what they are about is in quarantine.
        rows: how many the store should have.
    """

    quarantine: pa.Table
    kept: int
    rows: int


def work_out(
    database: duckdb.DuckDBPyConnection,
    precedence: Precedence,
    means: StoreMeans,
    rules: Rules,
    *,
    day: date,
    at: datetime,
) -> Wished:
    """Make ``next_rules``, ``next_members``, ``next_rows``: what the store should have by the canonical tables of the
    database, named as the store names them. ``known_…`` are there."""
    schedules = resolve({}, precedence, day=day, at=at, rounding=rules.rounding, database=database)
    made = factor(schedules, means)
    found = difference(made)
    for name in ("rules", "members"):
        database.register(f"changed_{name}", getattr(found, name))
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE next_rules AS
        SELECT k.rule, k.priority FROM known_rules k ANTI JOIN changed_rules c USING (rule)
        UNION ALL SELECT rule, priority FROM changed_rules WHERE action <> 'remove';

        CREATE OR REPLACE TEMP TABLE next_members AS
        SELECT rule, account FROM known_members ANTI JOIN changed_members USING (rule, account)
        UNION ALL SELECT rule, account FROM changed_members WHERE action = 'add';

        CREATE OR REPLACE TEMP TABLE next_rows AS
        SELECT kind, owner, item, unit, currency, quantity, price, gross FROM native_rows
        """
    )
    count = database.execute("SELECT count(*) FROM next_rows").fetchall()[0][0]
    return Wished(quarantine=schedules.quarantine(), kept=found.kept, rows=count)


def plan_rows(database: duckdb.DuckDBPyConnection, before: str, after: str) -> pa.Table:
    """Rows of a plan between two states by their prefixes: key, before, after (values as text, None: not there),
    action, reason; in the order in which they are to be applied, `phase`.

    A product's base price is never taken away: it would have none, and stores refuse that.

    What gives accounts prices comes before what takes them away: first rules, then rows of accounts, of rules and base
    prices, then members, and what is to go in the opposite order. So an account never falls to a price of others.
    """
    key = native.KEY_COLUMNS
    return database.sql(
        f"""
        SELECT phase, key, before, after, action, reason FROM (
            SELECT rule_key(rule) AS key, rule_value(b.priority) AS before, rule_value(a.priority) AS after,
                   CASE WHEN b.priority IS NULL THEN 'create' WHEN a.priority IS NULL THEN 'remove' ELSE 'update' END
                       AS action,
                   CASE action WHEN 'create' THEN 'accounts share these prices' WHEN 'remove' THEN
                       'no account has these prices any more' ELSE 'comes at another place' END AS reason,
                   CASE action WHEN 'remove' THEN 9 ELSE 1 END AS phase
            FROM {before}_rules b FULL OUTER JOIN {after}_rules a USING (rule)
            WHERE a.priority IS DISTINCT FROM b.priority
            UNION ALL
            SELECT member_key(rule, account), NULL, '{{}}', 'create', account || ' has these prices', 4
            FROM {after}_members ANTI JOIN {before}_members USING (rule, account)
            UNION ALL
            SELECT member_key(rule, account), '{{}}', NULL, 'remove', account || ' has these prices no more', 6
            FROM {before}_members ANTI JOIN {after}_members USING (rule, account)
            UNION ALL
            SELECT row_key(kind, owner, item, CASE WHEN r.unit = u.unit THEN '' ELSE r.unit END, currency, quantity),
                   row_value(was, gross_was), row_value(price, gross), what,
                   CASE what WHEN 'create' THEN 'not there yet; ' || plain(price) || ' ' || currency
                       WHEN 'remove' THEN plain(was) || ' ' || currency || ' does not hold any more'
                       ELSE plain(was) || ' becomes ' || plain(price) || ' ' || currency
                            || CASE WHEN was > 0 AND price <> was THEN
                                   ' (' || printf('%+.1f', CAST((price / was - 1) * 100 AS DOUBLE)) || ' %)'
                               ELSE '' END END,
                   CASE WHEN what = 'remove' AND NOT stays THEN CASE kind WHEN 'account' THEN 8 ELSE 7 END
                        ELSE CASE kind WHEN 'account' THEN 2 ELSE 3 END END
            FROM (
                SELECT {key}, b.price AS was, b.gross AS gross_was, a.price, a.gross,
                       CASE WHEN b.price IS NULL THEN 'create' WHEN a.price IS NULL THEN 'remove' ELSE 'update' END
                           AS what,
                       a.price IS NULL AND EXISTS (FROM {after}_rows o WHERE o.kind = coalesce(b.kind, a.kind)
                           AND o.owner = b.owner AND o.item = b.item AND o.unit = b.unit) AS stays
                FROM {before}_rows b FULL OUTER JOIN {after}_rows a USING ({key})
                WHERE a.price IS DISTINCT FROM b.price OR a.gross IS DISTINCT FROM b.gross
            ) r LEFT JOIN store_units u USING (item)
            WHERE NOT (kind = 'base' AND what = 'remove' AND NOT stays)
        ) ORDER BY phase, key
        """
    ).to_arrow_table()


def without(rows: pa.Table, others: Mapping[str, str | None]) -> tuple[pa.Table, list[str]]:
    """The rows that are not among others (key to after), and the keys of those that are."""
    import pyarrow as pa

    keys, afters = rows.column("key").to_pylist(), rows.column("after").to_pylist()
    among = [key in others and others[key] == after for key, after in zip(keys, afters, strict=True)]
    return rows.filter(pa.array([not one for one in among], pa.bool_())), [
        key for key, one in zip(keys, among, strict=True) if one
    ]


def with_why(database: duckdb.DuckDBPyConnection, rows: pa.Table) -> pa.Table:
    """Rows that wait, with the rules that they break in `reason` and alone in `why`."""
    database.register("rows_that_wait", rows)
    return database.sql(
        """
        SELECT r.* REPLACE (r.reason || ': ' || coalesce(w.why, 'belongs to what waits') AS reason),
               coalesce(w.why, '') AS why
        FROM rows_that_wait r LEFT JOIN (
            SELECT ladder, string_agg(DISTINCT why, ', ' ORDER BY why) AS why FROM (
                SELECT ladder, why FROM waiting_ladders UNION SELECT ladder, why FROM waiting_pairs
            ) GROUP BY ladder
        ) w ON w.ladder = regexp_replace(r.key, '/[^/]*/[^/]*$', '')
        ORDER BY r.phase, r.key
        """
    ).to_arrow_table()


def counted(held: pa.Table) -> dict[str, int]:
    """How many rows wait for each reason."""
    return dict(Counter(held.column("why").to_pylist()).most_common())


def afters(rows: pa.Table) -> dict[str, str | None]:
    """What rows make of their keys."""
    return dict(zip(rows.column("key").to_pylist(), rows.column("after").to_pylist(), strict=True))


def verdicts(database: duckdb.DuckDBPyConnection, rows: pa.Table, limits: Mapping[str, float]) -> list[GuardVerdict]:
    """Of limits of the whole: articles whose prices change at once, price lists that vanished."""
    database.register("rows_that_go", rows)
    changed, whole = database.execute(
        """
        WITH there AS (SELECT DISTINCT item FROM known_rows)
        SELECT (SELECT count(DISTINCT item) FROM (
                   SELECT replace(replace(string_split(key, '/')[4], '%2F', '/'), '%25', '%') AS item
                   FROM rows_that_go WHERE starts_with(key, 'row/')
               ) SEMI JOIN there USING (item)),
               (SELECT count(*) FROM there)
        """
    ).fetchall()[0]
    share = Share(guard="max_changed_share", part=changed, whole=whole, words="articles change their price at once")
    found = judge_shares([share], limits, GUARDS)
    lists = database.execute(
        """
        SELECT DISTINCT l.price_list FROM known_rules k
        JOIN (SELECT regexp_extract(rule, $named, 1) AS price_list, rule FROM known_rules) l USING (rule)
        ANTI JOIN price_lists p USING (price_list) WHERE l.price_list <> '' ORDER BY 1
        """,
        {"named": f"^{LIST}(.*) [^ ]+$"},
    ).fetchall()
    most = limit(limits, "max_vanished_lists")
    names = ", ".join(row[0] for row in lists[:5])
    found.append(
        GuardVerdict(
            guard="max_vanished_lists",
            passed=len(lists) <= most,
            words=f"price list {names} is no more, and the shop has prices of it",
            figure=str(len(lists)),
            limit=f"{most:f}",
        )
    )
    return found
