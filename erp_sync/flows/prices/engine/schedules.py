"""What every account pays for every item, with all breaks: `question` for all at once, in DuckDB.

Pairs whose terms are the same are resolved once, and what a class of accounts pays without terms of its own is
resolved once for the class. `Schedules` keeps it that way: a million pairs are not written out.

A schedule's quantity is where a price begins, in the unit that is sold; 0 is from the first. One that begins above 1
leaves quantities without a price and is held. Equal prices that follow each other are one step. A pair is held as a
whole where any of its steps is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine.candidates import candidates_sql, off_sql, place_of
from erp_sync.flows.prices.engine.classes import sort_accounts
from erp_sync.flows.prices.engine.conversion import discounted_sql
from erp_sync.flows.prices.engine.defects import LARGEST, Defect
from erp_sync.flows.prices.engine.quarantine import find_defects, gather, register_words
from erp_sync.flows.prices.engine.rounding import rounded_sql
from erp_sync.flows.prices.engine.terms_sql import group_pairs, prepare
from erp_sync.model.price_terms import TABLES, schema
from erp_sync.ports.pricing import Precedence, PriceSource, Rounding

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

OWN = (PriceSource.AGREEMENT, PriceSource.ACCOUNT_SPECIAL)


class Schedules:
    """What `resolve` found, in the tables of its database.

    ``class_steps`` (class_id, item, unit, quantity, price, place) and ``pair_steps`` (owner, item, unit, quantity,
    price, place): `place` in the order of precedence. ``pairs`` (account, item, owner), ``members`` (account,
    class_id), ``classes``, ``quarantine``, ``held_pairs`` (owner, unit), ``held_class_items`` (class_id, item, unit).
    """

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self.database = database

    def quarantine(self) -> pa.Table:
        """account, price_list, item, rule, term (the ERP's own names of what is wrong), problem; ``""`` is everything
        that the rest is about."""
        return self.database.sql(
            "SELECT account, price_list, item, rule, term, problem FROM quarantine ORDER BY ALL"
        ).to_arrow_table()

    def of_accounts(self) -> pa.Table:
        """Every account's whole schedule, written out: account, item, unit, quantity, price, currency, gross, place.

        As large as accounts times items: for tests and for few accounts.
        """
        return self.database.sql(
            """
            SELECT p.account, s.item, s.unit, s.quantity, s.price, c.currency, c.gross, s.place
            FROM pairs p JOIN pair_steps s USING (owner) JOIN classes c ON c.class_id = p.class_id
            UNION ALL
            SELECT m.account, s.item, s.unit, s.quantity, s.price, c.currency, c.gross, s.place
            FROM members m JOIN class_steps s USING (class_id) JOIN classes c USING (class_id)
            ANTI JOIN pairs p ON p.account = m.account AND p.item = s.item
            ORDER BY ALL
            """
        ).to_arrow_table()


def resolve(
    terms: Mapping[str, pa.Table],
    precedence: Precedence,
    *,
    day: date,
    at: datetime | None = None,
    rounding: Mapping[str, Rounding] | None = None,
    database: duckdb.DuckDBPyConnection | None = None,
) -> Schedules:
    """Resolve everything that the store sells.

    Args:
        terms: canonical tables by name (`model.price_terms`). A table that is missing here is the database's, if it
            has one of that name (a view of Parquet files, say), else empty.
        at: UTC, for promotions; None is the first moment of `day`.
        database: where the tables are made; None is one in memory.

    Terms that are wrong are in quarantine and hold what they are about. Raises RuntimeError where two groups of terms
    cannot be told apart, ValueError for a table that is none of the canonical ones.
    """
    import duckdb

    unknown = sorted(set(terms) - set(TABLES))
    if unknown:
        raise ValueError(f"no table of price terms is called {unknown[0]}; there are: {', '.join(TABLES)}")
    database = database or duckdb.connect(":memory:")
    there = {row[0] for row in database.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    for name, record in TABLES.items():
        if name in terms or name not in there:
            database.register(name, terms[name] if name in terms else schema(record).empty_table())
    moment = at or datetime.combine(day, time(), UTC)
    register_words(database)
    sort_accounts(database, precedence, day, moment)
    prepare(database, precedence, day)
    group_pairs(database, day, own_decide=_own_decide(precedence))
    find_defects(database, "pair_terms", "pair_defects", day)
    find_defects(database, "list_terms", "list_defects", day)
    _Resolution(database, precedence, day, moment, rounding or {}).run()
    return Schedules(database)


def _own_decide(precedence: Precedence) -> bool:
    """A special price of an account is never discounted, and comes before all that is not the account's own."""
    place = precedence.level(PriceSource.ACCOUNT_SPECIAL)
    others = [at for at, level in enumerate(precedence.levels) if level.source not in OWN]
    return place is not None and precedence.levels[place].discount == "none" and place < min(others, default=99)


class _Resolution:
    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        precedence: Precedence,
        day: date,
        moment: datetime,
        rounding: Mapping[str, Rounding],
    ) -> None:
        self.database, self.precedence, self.rounding = database, precedence, rounding
        self.day, self.moment = day, moment

    def run(self) -> None:
        self.pair_subjects()
        self.class_subjects()
        self.other_candidates()
        self.choose()
        self.plain_classes()
        gather(self.database, self.day, self.moment)

    def execute(self, sql: str, **parameters: object) -> None:
        for statement in sql.split(";"):
            if statement.strip():
                used = {name: value for name, value in parameters.items() if f"${name}" in statement}
                self.database.execute(statement, used or None)

    def terms(self, terms: str, key: str, source: PriceSource, subjects: str = "subjects") -> str:
        return candidates_sql(self.precedence, source, terms, key, subjects)

    # -- candidates ----------------------------------------------------------------------------------

    def pair_subjects(self) -> None:
        """What is asked for pairs with terms of their own: once for each group and unit that is sold."""
        self.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE subjects AS
            SELECT row_number() OVER () AS subject, g.owner, g.class_id, g.item, s.unit, s.own_unit, s.factor,
                   c.price_list, c.currency, c.gross, c.policy, c.compares, c.always, d.percent, o.owner AS list_owner
            FROM groups g JOIN classes c USING (class_id) JOIN sold s ON s.item = g.item
            LEFT JOIN item_hits h ON h.item = g.item
            LEFT JOIN class_percents d ON d.hits = h.hits AND d.class_id = g.class_id
            LEFT JOIN list_owners o ON o.item = g.item AND o.price_list = c.price_list
            ANTI JOIN pair_defects x ON x.owner = g.owner;
            CREATE OR REPLACE TEMP TABLE candidates AS
            SELECT *, 0 AS stream FROM (
                {self.terms("pair_terms", "owner", PriceSource.AGREEMENT)}
                UNION ALL
                {self.terms("pair_terms", "owner", PriceSource.ACCOUNT_SPECIAL)}
            )
            """,
            day=self.day,
        )
        # Most are decided by their own terms alone.
        self.execute(
            """
            CREATE OR REPLACE TEMP TABLE decided AS
            WITH heads AS (
                SELECT subject, place, min(rank) <> max(rank) AS several, min(quantity) AS first
                FROM candidates GROUP BY subject, place
            ),
            top AS (SELECT subject, min(place) AS place FROM heads GROUP BY subject)
            SELECT subject, place FROM top JOIN heads USING (subject, place) JOIN subjects s USING (subject)
            WHERE NOT several AND first = 0 AND place < $others
              AND (NOT s.compares OR place IN (SELECT unnest($always)))
            """,
            always=[at for at, level in enumerate(self.precedence.levels) if level.always] or [-1],
            others=min((at for at, level in enumerate(self.precedence.levels) if level.source not in OWN), default=99),
        )

    def class_subjects(self) -> None:
        """What is asked for classes where more than the list price may count."""
        self.execute(
            """
            CREATE OR REPLACE TEMP TABLE open_promotions AS
            SELECT row_number() OVER () AS stream, p.*, i.unit AS own_unit
            FROM promotions p JOIN items i USING (item) WHERE starts <= $at AND $at < ends;
            CREATE OR REPLACE TEMP TABLE class_items AS
            SELECT c.class_id, o.item FROM classes c JOIN list_owners o USING (price_list)
            UNION
            SELECT x.class_id, p.item FROM class_scopes x
            JOIN open_promotions p ON p.scope = x.scope AND (x.scope = 'all' OR p.scoped_to = x.scoped_to);
            INSERT INTO subjects
            SELECT row_number() OVER () + (SELECT coalesce(max(subject), 0) FROM subjects), NULL, c.class_id, k.item,
                   s.unit, s.own_unit, s.factor, c.price_list, c.currency, c.gross, c.policy, c.compares, c.always,
                   d.percent, o.owner
            FROM class_items k JOIN classes c USING (class_id) JOIN sold s ON s.item = k.item
            LEFT JOIN item_hits h ON h.item = k.item
            LEFT JOIN class_percents d ON d.hits = h.hits AND d.class_id = k.class_id
            LEFT JOIN list_owners o ON o.item = k.item AND o.price_list = c.price_list
            """,
            at=self.moment,
        )

    def other_candidates(self) -> None:
        """List prices, period and volume prices, promotions: for subjects that their own terms do not decide."""
        off = off_sql(self.precedence, PriceSource.LIST_PRICE, "0")
        amount = discounted_sql("l.amount", off, self.precedence.price_digits)
        listed = place_of(self.precedence, PriceSource.LIST_PRICE)
        special = place_of(self.precedence, PriceSource.LIST_SPECIAL)
        self.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE undecided AS SELECT * FROM subjects ANTI JOIN decided USING (subject);
            INSERT INTO candidates
            SELECT s.subject, {listed}, 0, 0, TRY({amount}), l.problem, 0
            FROM undecided s JOIN listed l
              ON l.price_list = s.price_list AND l.currency = s.currency AND l.item = s.item AND l.unit = s.unit
            WHERE {listed} >= 0;
            CREATE OR REPLACE TEMP TABLE wrong_list_terms AS
            SELECT o.owner, arg_min(d.rule, w.place) AS problem
            FROM list_owners o JOIN list_defects d USING (owner) JOIN defects w ON w.rule = d.rule GROUP BY o.owner
            UNION ALL
            SELECT o.owner, l.problem FROM list_owners o JOIN lists l USING (price_list)
            ANTI JOIN list_defects d ON d.owner = o.owner WHERE l.problem <> '';
            INSERT INTO candidates
            SELECT s.subject, {special}, 0, 0, NULL, w.problem, 0
            FROM undecided s JOIN wrong_list_terms w ON w.owner = s.list_owner WHERE {special} >= 0
            """
        )
        self.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE sound_list_terms AS
            SELECT * FROM list_terms ANTI JOIN wrong_list_terms USING (owner);
            INSERT INTO candidates
            SELECT *, 0 FROM (
                {self.terms("sound_list_terms", "list_owner", PriceSource.LIST_SPECIAL, subjects="undecided")}
            )
            """,
            day=self.day,
        )
        self.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE promoted AS
            SELECT p.stream AS owner, 'promotion' AS source, s.subject, p.item,
                   CASE WHEN p.unit = '' THEN p.own_unit ELSE p.unit END AS unit, 'header' AS level, p.quantity,
                   p.price, p.discount, '' AS from_list, p.currency
            FROM undecided s JOIN class_scopes x USING (class_id) JOIN open_promotions p
              ON p.item = s.item AND p.scope = x.scope AND (x.scope = 'all' OR p.scoped_to = x.scoped_to);
            INSERT INTO candidates
            SELECT subject, place, rank, quantity, amount, problem, owner FROM (
                {self.terms("promoted", "", PriceSource.PROMOTION, subjects="undecided")}
            )
            """
        )

    # -- choosing ------------------------------------------------------------------------------------

    def choose(self) -> None:
        """``steps`` (subject, quantity, amount, place, problem): of each subject, wherever one begins."""
        always = [at for at, level in enumerate(self.precedence.levels) if level.always] or [-1]
        self.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE steps AS
            SELECT subject, quantity, amount, place, problem FROM candidates JOIN decided USING (subject, place);

            CREATE OR REPLACE TEMP TABLE kept AS
            SELECT * FROM candidates ANTI JOIN decided USING (subject)
            QUALIFY rank = min(rank) OVER (PARTITION BY subject, place, stream);

            CREATE OR REPLACE TEMP TABLE begins AS
            SELECT DISTINCT subject, quantity FROM kept UNION SELECT DISTINCT subject, 0 FROM kept;

            CREATE OR REPLACE TEMP TABLE offered AS
            WITH reached AS (
                SELECT b.subject, b.quantity, k.place, k.amount, k.problem
                FROM begins b JOIN kept k ON k.subject = b.subject AND k.quantity <= b.quantity
                QUALIFY row_number() OVER (PARTITION BY b.subject, b.quantity, k.place, k.stream
                                           ORDER BY k.quantity DESC) = 1
            )
            SELECT r.subject, r.quantity, r.place,
                   CASE WHEN bool_or(r.amount IS NULL OR r.amount < 0 OR r.amount >= {LARGEST}) THEN NULL
                        ELSE min(r.amount) END AS amount,
                   max(CASE WHEN r.problem <> '' THEN r.problem
                            WHEN r.amount < 0 THEN '{Defect.PRICE_BELOW_ZERO}'
                            WHEN r.amount IS NULL OR r.amount >= {LARGEST} THEN '{Defect.NUMBER_TOO_LARGE}'
                            ELSE '' END) AS problem
            FROM reached r GROUP BY r.subject, r.quantity, r.place;
            """
        )
        self.execute(
            """
            CREATE OR REPLACE TEMP TABLE judged AS
            SELECT o.*,
                   s.compares AND (s.always OR s.percent IS NOT NULL)
                       AND min(o.place) OVER q NOT IN (SELECT unnest($always)) AS comparing,
                   $zero_is_none AND o.amount = 0
                       AND NOT coalesce(s.percent = 100 AND o.place IN (SELECT unnest($reduced)), false) AS no_price,
                   CASE WHEN s.policy = 'lowest' THEN o.amount ELSE -o.amount END AS worth
            FROM offered o JOIN subjects s USING (subject)
            WINDOW q AS (PARTITION BY o.subject, o.quantity);

            INSERT INTO steps
            SELECT subject, quantity, amount, place, problem FROM judged
            QUALIFY row_number() OVER (
                PARTITION BY subject, quantity
                ORDER BY CASE WHEN comparing AND amount IS NULL THEN 0 ELSE 1 END,
                         CASE WHEN comparing AND no_price THEN 1 ELSE 0 END,
                         CASE WHEN comparing THEN worth END NULLS FIRST, place) = 1
            """,
            always=always,
            zero_is_none=self.precedence.zero_is_none,
            reduced=[at for at, level in enumerate(self.precedence.levels) if level.discount != "none"] or [-1],
        )
        currencies = [row[0] for row in self.database.execute("SELECT DISTINCT currency FROM classes").fetchall()]
        self.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE held_subjects AS
            SELECT subject, CASE WHEN max(problem) <> '' THEN max(problem)
                                 WHEN min(amount) < 0 THEN '{Defect.PRICE_BELOW_ZERO}'
                                 WHEN bool_or(amount IS NULL OR amount >= {LARGEST}) THEN '{Defect.NUMBER_TOO_LARGE}'
                                 ELSE '{Defect.ITEM_IN_NO_LIST}' END AS rule
            FROM steps GROUP BY subject
            HAVING max(problem) <> '' OR min(amount) < 0 OR bool_or(amount IS NULL OR amount >= {LARGEST})
                OR min(quantity) > 1;

            CREATE OR REPLACE TEMP TABLE priced AS
            WITH sound AS (
                SELECT x.subject, s.owner, s.class_id, s.item, s.unit, x.quantity, x.place,
                       {rounded_sql("x.amount", "s.currency", currencies, self.rounding)} AS price
                FROM steps x JOIN subjects s USING (subject) ANTI JOIN held_subjects h ON h.subject = x.subject
            )
            SELECT * FROM sound
            QUALIFY price IS DISTINCT FROM lag(price) OVER (PARTITION BY subject ORDER BY quantity);

            CREATE OR REPLACE TEMP VIEW pair_steps AS
            SELECT owner, item, unit, quantity, price, place FROM priced WHERE owner IS NOT NULL;
            """
        )

    def plain_classes(self) -> None:
        """Classes pay the list price, less their percentage, for items where nothing else may count."""
        place = place_of(self.precedence, PriceSource.LIST_PRICE)
        off = off_sql(self.precedence, PriceSource.LIST_PRICE, "0")
        currencies = [row[0] for row in self.database.execute("SELECT DISTINCT currency FROM classes").fetchall()]
        self.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE plain AS
            SELECT s.class_id, s.item, s.unit, s.currency, s.problem,
                   TRY({discounted_sql("s.amount", off, self.precedence.price_digits)}) AS amount
            FROM (
                SELECT l.item, l.unit, l.amount, l.problem, c.currency, c.class_id, d.percent
                FROM listed l JOIN classes c ON c.price_list = l.price_list AND c.currency = l.currency
                LEFT JOIN item_hits h ON h.item = l.item
                LEFT JOIN class_percents d ON d.hits = h.hits AND d.class_id = c.class_id
                ANTI JOIN class_items k ON k.class_id = c.class_id AND k.item = l.item
            ) s
            WHERE {place} >= 0;

            CREATE OR REPLACE TEMP TABLE held_class_items AS
            SELECT class_id, item, unit,
                   CASE WHEN problem <> '' THEN problem WHEN amount < 0 THEN '{Defect.PRICE_BELOW_ZERO}'
                        ELSE '{Defect.NUMBER_TOO_LARGE}' END AS rule
            FROM plain WHERE problem <> '' OR amount IS NULL OR amount < 0 OR amount >= {LARGEST}
            UNION ALL
            SELECT s.class_id, s.item, s.unit, h.rule FROM held_subjects h JOIN subjects s USING (subject)
            WHERE s.owner IS NULL;

            CREATE OR REPLACE TEMP TABLE class_steps AS
            SELECT p.class_id, p.item, p.unit, CAST(0 AS DECIMAL(18, 6)) AS quantity,
                   {rounded_sql("p.amount", "p.currency", currencies, self.rounding)} AS price, {place} AS place
            FROM plain p WHERE problem = '' AND amount >= 0 AND amount < {LARGEST}
            UNION ALL
            SELECT class_id, item, unit, quantity, price, place FROM priced WHERE owner IS NULL
            """
        )
