"""From what accounts pay to few rows of a store that say the same.

The base price is what most accounts pay. Over it lie, from the lowest priority to the highest: a rule for each list
and currency, a rule for each class of accounts that pays otherwise than most of its list, and rules for sets of
accounts that share an agreement. Where these do not give what an account pays, it gets rows of its own: so the result
is right whatever rules were chosen, and the choice decides only how many rows there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine.schedules import Schedules
from erp_sync.flows.prices.engine.sharing import LEAST_SAVING, AccountSet, choose
from erp_sync.model.native_prices import NATIVE, NativeRule, RuleMember
from erp_sync.model.price_terms import schema, table
from erp_sync.ports.pricing import StoreMeans

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LIST, CLASS = "list ", "class "
LIST_PRIORITY, CLASS_PRIORITY, SHARED_PRIORITY = 1, 2, 1_000_000


class Native:
    """Rows, rules and members of rules, in the tables ``native_rows``, ``native_rules``, ``native_members``."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self.database = database

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
    work = _Factoring(database, means)
    work.store_steps()
    work.default_rules()
    work.shared_rules(least_saving)
    work.shared_rows()
    work.account_rows()
    work.rows()
    return Native(database)


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

                CREATE OR REPLACE TEMP TABLE {name}_sums AS
                SELECT {key}, any_value(item) AS item, unit, sum(hash(quantity, price)) AS paid,
                       count(*)::INTEGER AS tiers,
                       arg_min(price, quantity) AS first_price
                FROM {name}_tiers GROUP BY {key}, unit{"" if name == "pair" else ", item"}
                """
            )

    def default_rules(self) -> None:
        """What is paid without terms of one's own: ``base_rows``, ``default_owned`` (rule, class_id, item, unit)."""
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE sized AS
            SELECT c.*, count(m.account) AS accounts FROM classes c JOIN members m USING (class_id) GROUP BY ALL;
            CREATE OR REPLACE TEMP TABLE base_classes AS
            SELECT class_id, currency, gross FROM sized
            QUALIFY row_number() OVER (PARTITION BY currency ORDER BY accounts DESC, label) = 1;
            CREATE OR REPLACE TEMP TABLE list_classes AS
            SELECT class_id, price_list, currency, '{LIST}' || price_list || ' ' || currency AS rule FROM sized
            QUALIFY row_number() OVER (PARTITION BY price_list, currency ORDER BY accounts DESC, label) = 1;
            CREATE OR REPLACE TEMP TABLE base_sums AS
            SELECT b.currency, b.gross, s.item, s.unit, hash({self.means.first_quantity}::DECIMAL(18, 6), s.first_price)
                   ::HUGEINT AS paid, s.first_price
            FROM base_classes b JOIN class_sums s USING (class_id);
            CREATE OR REPLACE TEMP TABLE list_sums AS
            SELECT l.price_list, l.currency, l.rule, s.*, c.gross
            FROM list_classes l JOIN class_sums s USING (class_id) JOIN classes c USING (class_id);
            CREATE OR REPLACE TEMP TABLE default_owned AS
            SELECT l.rule, l.class_id, l.item, l.unit FROM list_sums l
            LEFT JOIN base_sums b ON b.currency = l.currency AND b.item = l.item AND b.unit = l.unit
            WHERE b.paid IS DISTINCT FROM l.paid OR b.gross <> l.gross
            UNION ALL
            SELECT '{CLASS}' || c.label, s.class_id, s.item, s.unit
            FROM class_sums s JOIN classes c USING (class_id)
            ANTI JOIN list_classes x ON x.class_id = s.class_id
            LEFT JOIN list_sums l ON l.price_list = c.price_list AND l.currency = c.currency AND l.item = s.item
                 AND l.unit = s.unit
            LEFT JOIN base_sums b ON b.currency = c.currency AND b.item = s.item AND b.unit = s.unit
            WHERE coalesce(l.paid, b.paid) IS DISTINCT FROM s.paid
               OR (l.paid IS NULL AND b.gross IS DISTINCT FROM c.gross)
            """
        )

    def shared_rules(self, least_saving: float) -> None:
        """``native_rules`` and ``native_members``, and what sets of accounts there are: ``same`` (who pays the same for
        an item: owners, accounts), ``set_members``."""
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE same AS
            SELECT s.item, s.unit, c.currency, c.gross, s.paid, any_value(s.tiers) AS tiers, min(s.owner) AS owner,
                   sum(g.accounts)::BIGINT AS accounts, sum(g.accounts_hash) AS accounts_hash
            FROM pair_sums s JOIN groups g USING (owner) JOIN classes c ON c.class_id = g.class_id
            GROUP BY s.item, s.unit, c.currency, c.gross, s.paid;

            CREATE OR REPLACE TEMP TABLE sets AS
            SELECT row_number() OVER () AS set_id, * FROM (
                SELECT currency, gross, accounts_hash, accounts, sum((accounts - 1) * tiers)::BIGINT AS saving,
                       min(hash(item, unit, paid)) AS example
                FROM same WHERE accounts > 1 GROUP BY currency, gross, accounts_hash, accounts
            );

            CREATE OR REPLACE TEMP TABLE set_members AS
            WITH examples AS (
                SELECT t.set_id, s.* FROM sets t JOIN same s
                  ON hash(s.item, s.unit, s.paid) = t.example AND s.currency = t.currency AND s.gross = t.gross
                  AND s.accounts_hash = t.accounts_hash AND s.accounts = t.accounts
            ),
            owners AS (
                SELECT e.set_id, p.owner FROM examples e JOIN pair_sums p
                  ON p.item = e.item AND p.unit = e.unit AND p.paid = e.paid
                JOIN groups g ON g.owner = p.owner JOIN classes c ON c.class_id = g.class_id
                WHERE c.currency = e.currency AND c.gross = e.gross
            )
            SELECT o.set_id, p.account FROM owners o JOIN pairs p ON p.owner = o.owner
            """
        )
        found = self.database.execute(
            """
            SELECT any_value(s.saving), list(m.account) FROM sets s JOIN set_members m USING (set_id)
            WHERE s.saving >= $least GROUP BY s.set_id
            """,
            {"least": least_saving / 2},
        ).fetchall()
        known = self.database.execute(
            f"""
            SELECT rule, list(account) FROM known_members SEMI JOIN members USING (account)
            WHERE NOT starts_with(rule, '{LIST}') AND NOT starts_with(rule, '{CLASS}') GROUP BY rule
            """
        ).fetchall()
        rules = choose(
            [AccountSet(frozenset(accounts), float(saving)) for saving, accounts in found],
            dict(known),
            least_saving=least_saving,
            most=max(1, self.means.most_rules - 2),
        )
        # The smaller a set the more it says about its accounts.
        natives = [NativeRule(rule=one.name, priority=SHARED_PRIORITY - len(one.accounts)) for one in rules]
        members = [RuleMember(rule=one.name, account=name) for one in rules for name in sorted(one.accounts)]
        self.database.register("given_rules", table(NativeRule, natives))
        self.database.register("given_members", table(RuleMember, members))
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE shared_rules AS SELECT * FROM given_rules;
            CREATE OR REPLACE TEMP TABLE shared_members AS SELECT * FROM given_members;
            CREATE OR REPLACE TEMP TABLE default_names AS SELECT DISTINCT rule FROM default_owned
            """
        )
        self.database.unregister("given_rules")
        self.database.unregister("given_members")

    def shared_rows(self) -> None:
        """``shared_owned`` (rule, item, unit, owner, paid): a schedule goes to the rule where it saves most, a rule has
        for an item the schedule that most of its accounts pay."""
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE common AS
            WITH size AS (SELECT rule, count(*) AS accounts FROM shared_members GROUP BY rule)
            SELECT s.set_id, r.rule, count(*) AS common, any_value(z.accounts) AS accounts
            FROM set_members s JOIN shared_members r USING (account) JOIN size z ON z.rule = r.rule
            GROUP BY s.set_id, r.rule HAVING count(*) > 1;

            CREATE OR REPLACE TEMP TABLE shared_owned AS
            WITH offered AS (
                SELECT o.rule, s.item, s.unit, s.owner, s.paid, s.tiers,
                       (o.common - 1) * s.tiers - (o.accounts - o.common) AS saving
                FROM same s JOIN sets t ON t.accounts_hash = s.accounts_hash AND t.accounts = s.accounts
                     AND t.currency = s.currency AND t.gross = s.gross
                JOIN common o ON o.set_id = t.set_id
                WHERE (o.common - 1) * s.tiers > o.accounts - o.common
                QUALIFY row_number() OVER (PARTITION BY s.item, s.unit, s.owner
                                           ORDER BY saving DESC, o.accounts, o.rule) = 1
            )
            SELECT * FROM offered
            QUALIFY row_number() OVER (PARTITION BY rule, item, unit ORDER BY saving DESC, paid) = 1
            """
        )

    def account_rows(self) -> None:
        """``account_owned``: what the rules do not give (account, item, unit, whose tiers it has: an owner's, or the
        class's). A held pair gets none."""
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE covered AS
            SELECT m.account, o.item, o.unit, arg_max(o.paid, (r.priority, -r.place)) AS paid
            FROM shared_owned o JOIN shared_members m USING (rule)
            JOIN (SELECT *, row_number() OVER (ORDER BY rule) AS place FROM shared_rules) r ON r.rule = o.rule
            GROUP BY m.account, o.item, o.unit;

            CREATE OR REPLACE TEMP TABLE wished AS
            SELECT p.account, p.class_id, s.item, s.unit, s.owner, s.paid, s.tiers
            FROM pairs p JOIN pair_sums s ON s.owner = p.owner;

            CREATE OR REPLACE TEMP TABLE account_owned AS
            SELECT w.account, w.class_id, w.item, w.unit, w.owner
            FROM wished w
            LEFT JOIN covered v ON v.account = w.account AND v.item = w.item AND v.unit = w.unit
            LEFT JOIN class_sums d ON d.class_id = w.class_id AND d.item = w.item AND d.unit = w.unit
            WHERE coalesce(v.paid, d.paid) IS DISTINCT FROM w.paid
            UNION ALL
            SELECT v.account, m.class_id, v.item, v.unit, NULL
            FROM covered v JOIN members m ON m.account = v.account
            JOIN class_sums d ON d.class_id = m.class_id AND d.item = v.item AND d.unit = v.unit
            ANTI JOIN pairs p ON p.account = v.account AND p.item = v.item
            WHERE d.paid <> v.paid
            """
        )

    def rows(self) -> None:
        """All together."""
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE native_rules AS
            SELECT r.rule, r.priority FROM shared_rules r SEMI JOIN shared_owned o USING (rule)
            UNION ALL
            SELECT rule, (CASE WHEN starts_with(rule, '{LIST}') THEN {LIST_PRIORITY} ELSE {CLASS_PRIORITY} END)::INTEGER
            FROM default_names;

            CREATE OR REPLACE TEMP TABLE native_members AS
            SELECT m.rule, m.account FROM shared_members m SEMI JOIN shared_owned o USING (rule)
            UNION ALL
            SELECT n.rule, m.account FROM default_names n JOIN list_classes l USING (rule)
            JOIN classes c ON c.price_list = l.price_list AND c.currency = l.currency
            JOIN members m ON m.class_id = c.class_id
            UNION ALL
            SELECT n.rule, m.account FROM default_names n JOIN classes c ON n.rule = '{CLASS}' || c.label
            JOIN members m USING (class_id);

            CREATE OR REPLACE TEMP TABLE native_rows AS
            SELECT 'base' AS kind, '' AS owner, b.item, b.unit, b.currency,
                   {self.means.first_quantity}::DECIMAL(18, 6) AS quantity, b.first_price AS price, b.gross
            FROM base_sums b
            UNION ALL
            SELECT 'rule', o.rule, t.item, t.unit, c.currency, t.quantity, t.price, c.gross
            FROM default_owned o JOIN class_tiers t ON t.class_id = o.class_id AND t.item = o.item AND t.unit = o.unit
            JOIN classes c ON c.class_id = o.class_id
            UNION ALL
            SELECT 'rule', o.rule, t.item, t.unit, c.currency, t.quantity, t.price, c.gross
            FROM shared_owned o JOIN pair_tiers t ON t.owner = o.owner AND t.unit = o.unit
            JOIN groups g ON g.owner = o.owner JOIN classes c ON c.class_id = g.class_id
            UNION ALL
            SELECT 'account', o.account, t.item, t.unit, c.currency, t.quantity, t.price, c.gross
            FROM account_owned o JOIN pair_tiers t ON t.owner = o.owner AND t.unit = o.unit
            JOIN classes c ON c.class_id = o.class_id
            UNION ALL
            SELECT 'account', o.account, t.item, t.unit, c.currency, t.quantity, t.price, c.gross
            FROM account_owned o JOIN class_tiers t ON t.class_id = o.class_id AND t.item = o.item AND t.unit = o.unit
            JOIN classes c ON c.class_id = o.class_id
            WHERE o.owner IS NULL
            """
        )
