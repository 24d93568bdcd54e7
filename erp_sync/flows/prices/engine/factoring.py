"""From what accounts pay to few rows of a store that say the same.

The base price is what most accounts pay. Over it lie, from the lowest priority to the highest: a rule for each list
and currency, a rule for each class of accounts that pays otherwise than most of its list, and rules for sets of
accounts that share an agreement. Where these do not give what an account pays, it gets rows of its own: so the result
is right whatever rules were chosen, and the choice decides only how many rows there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine import keeping, ladders
from erp_sync.flows.prices.engine.agreements import Agreements
from erp_sync.flows.prices.engine.priorities import unique_priorities
from erp_sync.flows.prices.engine.schedules import Schedules
from erp_sync.flows.prices.engine.sharing import LEAST_SAVING
from erp_sync.model.native_prices import NATIVE, NativeRule
from erp_sync.model.price_terms import schema
from erp_sync.ports.pricing import StoreMeans

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LIST, CLASS = "list ", "class "
SAMPLE = 2_000  # items by which a class is told to be the one that the store has


class Native:
    """Rows, rules and members of rules, in the tables ``native_rows``, ``native_rules``, ``native_members``."""

    def __init__(self, database: duckdb.DuckDBPyConnection, first_quantity: int) -> None:
        self.database, self.first_quantity = database, first_quantity

    def tables(self) -> dict[str, pa.Table]:
        """As Arrow, by the names of `model.native_prices`, in the order of their keys."""
        return {
            name: self.database.sql(f"SELECT * FROM native_{name} ORDER BY ALL").to_arrow_table().cast(schema(record))
            for name, record in NATIVE.items()
        }


def factor(
    schedules: Schedules,
    means: StoreMeans,
    known: Mapping[str, pa.Table] | None = None,
    *,
    least_saving: float = LEAST_SAVING,
) -> Native:
    """Make the rows. The same input makes the same rows, names and priorities.

    Args:
        known: what the store has (`model.native_prices`): names of its rules are kept where their accounts are
            mostly the same. A table that is missing here is the database's ``known_…``, if it has one, else empty.
    """
    database = schedules.database
    register_known(database, known or {})
    ladders.know(database)
    work = _Factoring(database, means)
    work.store_steps()
    work.class_names()
    work.default_rules()
    work.shared_rules(least_saving)
    work.rules()
    work.rows()
    return Native(database, means.first_quantity)


def register_known(database: duckdb.DuckDBPyConnection, known: Mapping[str, pa.Table]) -> None:
    """The views ``known_rows``, ``known_rules``, ``known_members``."""
    there = {row[0] for row in database.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    for name, record in NATIVE.items():
        if name in known or f"known_{name}" not in there:
            database.register(f"known_{name}", known[name] if name in known else schema(record).empty_table())


class _Factoring:
    def __init__(self, database: duckdb.DuckDBPyConnection, means: StoreMeans) -> None:
        self.database, self.means = database, means

    def store_steps(self) -> None:
        """``pair_tiers`` and ``class_tiers``: steps that begin where the store lets tiers begin; ``…_sums`` of them."""
        for name, key in (("pair", "owner"), ("class", "class_id")):
            first = self.means.first_quantity
            begins = "ceil(quantity)" if self.means.whole_quantities else "quantity"
            odd = f"quantity > 0 AND (quantity <> {begins} OR quantity <= {first})"
            self.database.execute(
                f"""
                CREATE OR REPLACE TEMP TABLE odd_{name} AS
                SELECT DISTINCT {key}, unit, item FROM {name}_steps WHERE {odd};
                CREATE OR REPLACE TEMP TABLE {name}_tiers AS
                SELECT s.{key}, s.item, s.unit, CASE WHEN s.quantity = 0 THEN {first} ELSE s.quantity END AS quantity,
                       s.price
                FROM {name}_steps s ANTI JOIN odd_{name} o ON o.{key} = s.{key} AND o.unit = s.unit AND o.item = s.item
                UNION ALL
                SELECT * FROM (
                    SELECT {key}, item, unit, start AS quantity, price FROM (
                        SELECT s.{key}, s.item, s.unit, s.quantity, s.price,
                               CAST(greatest({first}, {begins}) AS DECIMAL(18, 6)) AS start
                        FROM {name}_steps s
                        SEMI JOIN odd_{name} o ON o.{key} = s.{key} AND o.unit = s.unit AND o.item = s.item
                    ) QUALIFY row_number() OVER (PARTITION BY {key}, item, unit, start ORDER BY quantity DESC) = 1
                ) QUALIFY price IS DISTINCT FROM lag(price) OVER (PARTITION BY {key}, item, unit ORDER BY quantity);
                """
            )
        begin = f"CAST({self.means.first_quantity} AS DECIMAL(18, 6))"
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE pair_sums AS
            SELECT s.*, g.item FROM (
                SELECT owner, unit, sum(hash(quantity, price)) AS paid, count(*)::INTEGER AS tiers
                FROM pair_tiers GROUP BY owner, unit
            ) s JOIN groups g USING (owner);
            CREATE OR REPLACE TEMP TABLE class_sums AS
            SELECT class_id, item, unit, sum(hash(quantity, price)) AS paid, count(*)::INTEGER AS tiers,
                   arg_min(price, quantity) AS first_price
            FROM class_tiers SEMI JOIN class_items USING (class_id, item) GROUP BY class_id, item, unit
            UNION ALL
            SELECT class_id, item, unit, hash({begin}, price)::HUGEINT, 1, price
            FROM class_tiers ANTI JOIN class_items USING (class_id, item)
            """
        )

    def class_names(self) -> None:
        """``class_rules`` (class_id, price_list, currency, rule): a class keeps the rule that most of its accounts are
        in, if they are most of those, so that a change of its discounts renames nothing."""
        import pyarrow as pa

        classes = self.database.execute("SELECT class_id, label FROM classes ORDER BY label").fetchall()
        alike = self.database.execute(
            f"""
            WITH ours AS (SELECT class_id, count(*) AS accounts FROM members GROUP BY class_id),
            theirs AS (SELECT rule, count(*) AS accounts FROM known_members GROUP BY rule)
            SELECT m.class_id, k.rule FROM known_members k JOIN members m USING (account)
            JOIN ours o ON o.class_id = m.class_id JOIN theirs t ON t.rule = k.rule
            WHERE starts_with(k.rule, '{CLASS}')
            GROUP BY m.class_id, k.rule
            HAVING 2 * count(*) > any_value(o.accounts) AND 2 * count(*) > any_value(t.accounts)
            """
        ).fetchall()
        names = dict(alike)
        taken = set(names.values())
        for number, label in classes:
            name, more = f"{CLASS}{label}", 1
            while number not in names and name in taken:
                more += 1
                name = f"{CLASS}{label} ({more})"
            taken.add(names.setdefault(number, name))
        given = pa.table(
            {"class_id": pa.array(list(names), pa.int64()), "rule": pa.array(list(names.values()), pa.string())}
        )
        self.database.register("given", given)
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE class_rules AS
            SELECT c.class_id, c.price_list, c.currency, c.gross, g.rule FROM classes c JOIN given g USING (class_id)
            """
        )
        self.database.unregister("given")
        keeping.keep_classes(self.database)

    def default_rules(self) -> None:
        """What is paid without terms of one's own: ``base_rows``, ``default_owned`` (rule, class_id, item, unit)."""
        among = max(1, int(self.database.execute("SELECT count(*) FROM sold").fetchall()[0][0]) // SAMPLE)
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE sized AS
            SELECT c.*, count(m.account) AS accounts FROM classes c JOIN members m USING (class_id) GROUP BY ALL;
            -- What the store has as base price and for a list stays that, unless another class is half as large again.
            CREATE OR REPLACE TEMP TABLE weighed AS
            WITH stored AS (
                SELECT c.class_id, c.currency, c.price_list, count(*) AS looked,
                       count(*) FILTER (s.paid = b.paid) AS as_base,
                       count(*) FILTER (s.paid = coalesce(l.paid, b.paid)) AS as_list
                FROM class_sums s JOIN classes c USING (class_id)
                LEFT JOIN (SELECT * FROM known_ladders WHERE kind = 'base' AND hash(item) % {among} = 0) b
                  ON b.currency = c.currency AND b.item = s.item AND b.unit = s.unit
                LEFT JOIN (SELECT * FROM known_ladders WHERE kind = 'rule' AND hash(item) % {among} = 0) l
                  ON l.owner = '{LIST}' || c.price_list || ' ' || c.currency AND l.item = s.item
                 AND l.unit = s.unit AND l.currency = c.currency
                WHERE hash(s.item) % {among} = 0
                GROUP BY c.class_id, c.currency, c.price_list
            ),
            most AS (
                SELECT class_id,
                       2 * as_base > looked AND as_base = max(as_base) OVER (PARTITION BY currency) AS is_base,
                       2 * as_list > looked
                           AND as_list = max(as_list) OVER (PARTITION BY currency, price_list) AS is_list
                FROM stored
            )
            SELECT s.*, s.accounts * CASE WHEN m.is_base THEN 3 ELSE 2 END AS for_base,
                   s.accounts * CASE WHEN m.is_list THEN 3 ELSE 2 END AS for_list
            FROM sized s LEFT JOIN most m USING (class_id);
            CREATE OR REPLACE TEMP TABLE base_classes AS
            SELECT class_id, currency, gross FROM weighed
            QUALIFY row_number() OVER (PARTITION BY currency ORDER BY for_base DESC, label) = 1;
            -- Where a class has no price, neither the base price nor its list's rule may give it one.
            CREATE OR REPLACE TEMP TABLE class_voids AS
            WITH counted AS (SELECT class_id, count(*) AS spots FROM class_sums GROUP BY class_id),
            incomplete AS (
                SELECT c.class_id FROM classes c LEFT JOIN counted n USING (class_id)
                WHERE coalesce(n.spots, 0) < (SELECT count(*) FROM sold)
            )
            SELECT i.class_id, s.item, s.unit FROM incomplete i CROSS JOIN sold s
            ANTI JOIN class_sums c ON c.class_id = i.class_id AND c.item = s.item AND c.unit = s.unit
            ANTI JOIN held_class_items h ON h.class_id = i.class_id AND h.item = s.item AND h.unit = s.unit;
            CREATE OR REPLACE TEMP TABLE list_classes AS
            SELECT class_id, price_list, currency, '{LIST}' || price_list || ' ' || currency AS rule FROM weighed
            QUALIFY row_number() OVER (PARTITION BY price_list, currency ORDER BY for_list DESC, label) = 1;
            CREATE OR REPLACE TEMP TABLE base_sums AS
            SELECT b.class_id, b.currency, b.gross, s.item, s.unit, s.first_price,
                   hash({self.means.first_quantity}::DECIMAL(18, 6), s.first_price)::HUGEINT AS paid
            FROM base_classes b JOIN class_sums s USING (class_id)
            ANTI JOIN (SELECT DISTINCT c.currency, v.item, v.unit FROM class_voids v JOIN classes c USING (class_id)) v
              ON v.currency = b.currency AND v.item = s.item AND v.unit = s.unit;
            CREATE OR REPLACE TEMP TABLE list_sums AS
            SELECT l.price_list, l.currency, l.rule, s.*, c.gross
            FROM list_classes l JOIN class_sums s USING (class_id) JOIN classes c USING (class_id)
            ANTI JOIN (
                SELECT DISTINCT c.price_list, c.currency, v.item, v.unit
                FROM class_voids v JOIN classes c USING (class_id)
            ) v ON v.price_list = l.price_list AND v.currency = l.currency AND v.item = s.item AND v.unit = s.unit;
            CREATE OR REPLACE TEMP TABLE default_owned AS
            SELECT l.rule, l.class_id, l.item, l.unit FROM list_sums l
            LEFT JOIN base_sums b ON b.currency = l.currency AND b.item = l.item AND b.unit = l.unit
            WHERE b.paid IS DISTINCT FROM l.paid OR b.gross <> l.gross
            UNION ALL
            SELECT c.rule, s.class_id, s.item, s.unit
            FROM class_sums s JOIN class_rules c USING (class_id)
            ANTI JOIN list_sums x ON x.class_id = s.class_id AND x.item = s.item AND x.unit = s.unit
            LEFT JOIN list_sums l ON l.price_list = c.price_list AND l.currency = c.currency AND l.item = s.item
                 AND l.unit = s.unit
            LEFT JOIN base_sums b ON b.currency = c.currency AND b.item = s.item AND b.unit = s.unit
            WHERE coalesce(l.paid, b.paid) IS DISTINCT FROM s.paid
               OR (l.paid IS NULL AND b.gross IS DISTINCT FROM c.gross)
            """
        )

    def shared_rules(self, least_saving: float) -> None:
        """``owned``: what rules for sets of accounts have; `Agreements` finds them. ``account_owned``: what no rule
        gives (account, class_id, item, unit, deal: none is the class's price). A held pair gets none."""
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE default_names AS SELECT DISTINCT rule FROM default_owned;
            CREATE OR REPLACE TEMP TABLE default_sums AS
            SELECT c.class_id, s.spot, c.paid FROM class_sums c
            JOIN (SELECT item, unit, (row_number() OVER (ORDER BY item, unit))::INTEGER AS spot FROM sold) s
              ON s.item = c.item AND s.unit = c.unit
            """
        )
        Agreements(self.database, least_saving=least_saving, most=max(1, self.means.most_rules - 2)).run((LIST, CLASS))
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE account_owned AS
            SELECT a.account, a.class_id, s.item, s.unit, l.deal
            FROM leftover l JOIN account_numbers a USING (account_no) JOIN spots s ON s.spot = l.spot
            UNION ALL
            SELECT a.account, a.class_id, s.item, s.unit, NULL
            FROM state t JOIN account_numbers a USING (account_no) JOIN deals d ON d.deal = t.given
            JOIN default_sums f ON f.class_id = a.class_id AND f.spot = t.spot JOIN spots s ON s.spot = t.spot
            ANTI JOIN pairs p ON p.account = a.account AND p.item = s.item
            WHERE t.wish IS NULL AND f.paid <> d.paid
            """
        )

    def rules(self) -> None:
        """``native_rules``: lists below classes below shared ones, of these the larger below the smaller."""
        import pyarrow as pa

        order = self._names(
            f"""
            SELECT rule FROM (
                SELECT rule, NOT starts_with(rule, '{LIST}') AS later, 0 AS rank FROM default_names
                UNION ALL
                SELECT r.rule, NULL, k.rank FROM rules r JOIN ranks k USING (rule_no)
            ) ORDER BY later NULLS LAST, rank DESC, rule
            """
        )
        known = dict(self.database.execute("SELECT rule, priority FROM known_rules").fetchall())
        stays = set(known) - set(order)  # a rule with rows that are held is there as long as they
        found = unique_priorities(order, known, [known[rule] for rule in stays])
        given = pa.table({"rule": list(found), "priority": list(found.values())}, schema=schema(NativeRule))
        self.database.register("given_rules", given)
        self.database.execute("CREATE OR REPLACE TEMP TABLE native_rules AS SELECT * FROM given_rules")
        self.database.unregister("given_rules")

    def _names(self, sql: str) -> list[str]:
        return [row[0] for row in self.database.execute(sql).fetchall()]

    def rows(self) -> None:
        """All together."""
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE native_members AS
            SELECT r.rule, a.account FROM rule_members m JOIN rules r USING (rule_no)
            JOIN account_numbers a USING (account_no)
            UNION ALL
            SELECT n.rule, m.account FROM default_names n JOIN list_classes l USING (rule)
            JOIN classes c ON c.price_list = l.price_list AND c.currency = l.currency
            JOIN members m ON m.class_id = c.class_id
            UNION ALL
            SELECT n.rule, m.account FROM default_names n JOIN class_rules c USING (rule)
            JOIN members m USING (class_id)
            """
        )
        ladders.make(self.database, self.means.first_quantity)
        ladders.compare(self.database)
        if keeping.keep(self.database):
            ladders.compare(self.database)
