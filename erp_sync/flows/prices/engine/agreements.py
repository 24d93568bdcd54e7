"""Rules for accounts that share agreements: begun with those that the store has, and better in rounds.

A round looks at every pair with terms of its own and at what the rules say of it. A rule takes for an item what most of
its accounts pay that no rule gives them, accounts whose prices are a rule's join it, accounts that it only harms leave
it; when nothing more is gained, sets of accounts among the pairs that are left become new rules. Rounds end when none
gains anything, so the same terms over their own result change nothing.

An item and unit is a ``spot``, one schedule of it a ``deal``; both are numbers here, and so are accounts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from erp_sync.flows.prices.engine.sharing import AccountSet, choose, new_name

if TYPE_CHECKING:
    import duckdb

ROUNDS = 12
SAMPLES = 12  # schedules that are looked at for who belongs to a set


class Agreements:
    """Works in the tables of `factoring`: ``pairs``, ``pair_sums``, ``class_sums``, ``known_…``."""

    def __init__(self, database: duckdb.DuckDBPyConnection, *, least_saving: float, most: int) -> None:
        self.database, self.least_saving, self.most = database, least_saving, most

    def run(self, default_rules: tuple[str, ...]) -> None:
        """Make ``rules`` (rule, rule_no), ``rule_members`` (rule_no, account_no), ``owned`` (rule_no, spot, deal), and
        ``state``: for each pair what is wished and what the rules give.

        Args:
            default_rules: beginnings of names that are not ours to keep.
        """
        self.number()
        self.begin(default_rules)
        for _ in range(ROUNDS):
            self.look()
            if self.vote() | self.move():
                continue
            if not (self.discover() and self.vote(new_only=True)):
                break
        else:
            self.look()
        self.database.execute("DELETE FROM rules WHERE rule_no NOT IN (SELECT rule_no FROM owned)")
        self.database.execute("DELETE FROM rule_members WHERE rule_no NOT IN (SELECT rule_no FROM owned)")

    def number(self) -> None:
        """``spots``, ``account_numbers``, ``deals``, ``wished`` (account_no, class_id, spot, deal, tiers); of
        ``held_spots`` nobody says anything, in ``void_spots`` an account may have no price."""
        self.database.execute(
            """
            CREATE OR REPLACE TEMP TABLE spots AS
            SELECT item, unit, (row_number() OVER (ORDER BY item, unit))::INTEGER AS spot FROM sold;
            CREATE OR REPLACE TEMP TABLE account_numbers AS
            SELECT account, class_id, (row_number() OVER (ORDER BY account))::INTEGER AS account_no FROM members;
            CREATE OR REPLACE TEMP TABLE owner_sums AS
            SELECT s.owner, o.spot, c.currency, c.gross, s.paid, s.tiers
            FROM pair_sums s JOIN spots o ON o.item = s.item AND o.unit = s.unit
            JOIN groups g ON g.owner = s.owner JOIN classes c ON c.class_id = g.class_id;
            CREATE OR REPLACE TEMP TABLE deals AS
            SELECT (row_number() OVER ())::INTEGER AS deal, * FROM (
                SELECT spot, currency, gross, paid, any_value(tiers)::SMALLINT AS tiers, min(owner) AS owner
                FROM owner_sums GROUP BY spot, currency, gross, paid
            );
            CREATE OR REPLACE TEMP TABLE owner_deals AS
            SELECT s.owner, s.spot, d.deal, d.tiers FROM owner_sums s
            JOIN deals d ON d.spot = s.spot AND d.paid = s.paid AND d.currency = s.currency AND d.gross = s.gross;
            CREATE OR REPLACE TEMP TABLE wished AS
            SELECT a.account_no, a.class_id, o.spot, o.deal, o.tiers
            FROM pairs p JOIN owner_deals o USING (owner) JOIN account_numbers a ON a.account = p.account;
            CREATE OR REPLACE TEMP TABLE held_spots AS
            SELECT DISTINCT a.account_no, s.spot FROM held_pairs h JOIN pairs p USING (owner)
            JOIN account_numbers a ON a.account = p.account
            JOIN spots s ON s.item = p.item AND (h.unit = '' OR s.unit = h.unit);
            CREATE OR REPLACE TEMP TABLE void_spots AS
            SELECT a.account_no, s.spot FROM class_voids v JOIN spots s ON s.item = v.item AND s.unit = v.unit
            SEMI JOIN deals d ON d.spot = s.spot JOIN account_numbers a ON a.class_id = v.class_id
            ANTI JOIN wished w ON w.account_no = a.account_no AND w.spot = s.spot
            ANTI JOIN held_spots h ON h.account_no = a.account_no AND h.spot = s.spot
            """
        )

    def begin(self, default_rules: tuple[str, ...]) -> None:
        """The rules that the store has, as far as their schedules and accounts are there."""
        foreign = " OR ".join(f"starts_with(rule, '{one}')" for one in default_rules)
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE rules AS
            SELECT rule, (row_number() OVER (ORDER BY rule))::INTEGER AS rule_no FROM known_rules WHERE NOT ({foreign});
            CREATE OR REPLACE TEMP TABLE rule_members AS
            SELECT r.rule_no, a.account_no FROM known_members m JOIN rules r USING (rule)
            JOIN account_numbers a ON a.account = m.account;
            CREATE OR REPLACE TEMP TABLE owned AS
            WITH stored AS (
                SELECT r.rule_no, s.spot, k.currency, k.gross, k.paid
                FROM known_ladders k JOIN rules r ON r.rule = k.owner
                JOIN spots s ON s.item = k.item AND s.unit = k.unit
                WHERE k.kind = 'rule'
            )
            SELECT s.rule_no, s.spot, d.deal FROM stored s
            JOIN deals d ON d.spot = s.spot AND d.paid = s.paid AND d.currency = s.currency AND d.gross = s.gross
            """
        )

    def look(self) -> None:
        """``ranks`` (the smaller a rule, the more it says of its accounts; one that the store has stays in its place
        when accounts join or leave), ``state``, ``leftover``.

        A rule gives up what one of its accounts may have no price for: an account's rows cannot say so.
        """
        self.database.execute(
            """
            DELETE FROM owned WHERE (rule_no, spot) IN (
                SELECT m.rule_no, v.spot FROM void_spots v JOIN rule_members m USING (account_no)
            );
            CREATE OR REPLACE TEMP TABLE ranks AS
            WITH sized AS (
                SELECT r.rule_no, r.rule, any_value(k.priority) AS priority, count(m.account_no) AS accounts
                FROM rules r LEFT JOIN rule_members m USING (rule_no) LEFT JOIN known_rules k ON k.rule = r.rule
                GROUP BY r.rule_no, r.rule
            ),
            placed AS (
                SELECT *, coalesce(priority, (
                           SELECT min(o.priority) FROM sized o WHERE o.accounts <= s.accounts
                       ), 2147483647) AS place
                FROM sized s
            )
            SELECT rule_no, accounts,
                   (row_number() OVER (ORDER BY place DESC, priority NULLS LAST, accounts, rule))::INTEGER AS rank
            FROM placed;
            CREATE OR REPLACE TEMP TABLE covered AS
            SELECT m.account_no, o.spot, min(k.rank)::INTEGER AS rank, arg_min(o.deal, k.rank) AS deal
            FROM owned o JOIN rule_members m USING (rule_no) JOIN ranks k USING (rule_no)
            GROUP BY m.account_no, o.spot;
            DELETE FROM covered WHERE (account_no, spot) IN (SELECT account_no, spot FROM held_spots);
            CREATE OR REPLACE TEMP TABLE state AS
            SELECT account_no, spot, w.class_id, w.deal AS wish, w.tiers, c.deal AS given, c.rank
            FROM wished w FULL OUTER JOIN covered c USING (account_no, spot);
            CREATE OR REPLACE TEMP TABLE leftover AS
            SELECT s.account_no, s.spot, s.wish AS deal, s.tiers, s.rank FROM state s
            JOIN deals d ON d.deal = s.wish
            LEFT JOIN default_sums f ON f.class_id = s.class_id AND f.spot = s.spot
            WHERE s.wish IS DISTINCT FROM s.given AND NOT (s.given IS NULL AND coalesce(f.paid = d.paid, false))
            """
        )

    def vote(self, *, new_only: bool = False) -> bool:
        """Rules take what most of their accounts pay. True if any did."""
        before = self._count("owned")
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE harm AS
            SELECT k.rule_no, s.spot, count(*) FILTER (s.wish = s.given) AS good,
                   count(*) FILTER (s.wish IS NULL) AS bad
            FROM state s JOIN ranks k USING (rank) GROUP BY k.rule_no, s.spot;
            CREATE OR REPLACE TEMP TABLE taken AS
            WITH sized AS (SELECT rule_no, count(*) AS accounts FROM rule_members GROUP BY rule_no),
            votes AS (
                SELECT m.rule_no, l.spot, l.deal, any_value(l.tiers) AS tiers, count(*) AS votes
                FROM leftover l JOIN rule_members m USING (account_no) LEFT JOIN ranks k ON k.rule_no = m.rule_no
                WHERE (l.rank IS NULL OR k.rank IS NULL OR l.rank >= k.rank)
                  {"AND m.rule_no NOT IN (SELECT rule_no FROM ranks)" if new_only else ""}
                GROUP BY m.rule_no, l.spot, l.deal HAVING count(*) > 1
            ),
            judged AS (
                SELECT v.rule_no, v.spot, v.deal, d.paid, r.rule,
                       (v.votes - 1) * v.tiers - CASE WHEN o.deal IS NULL THEN z.accounts - v.votes
                                                      ELSE coalesce(h.good, 0) * v.tiers END AS saving
                FROM votes v JOIN sized z USING (rule_no) JOIN deals d ON d.deal = v.deal
                JOIN rules r ON r.rule_no = v.rule_no
                LEFT JOIN owned o ON o.rule_no = v.rule_no AND o.spot = v.spot
                LEFT JOIN harm h ON h.rule_no = v.rule_no AND h.spot = v.spot
                ANTI JOIN (
                    SELECT m.rule_no, x.spot FROM void_spots x JOIN rule_members m USING (account_no)
                ) x ON x.rule_no = v.rule_no AND x.spot = v.spot
            ),
            best AS (
                SELECT * FROM judged WHERE saving > 0
                QUALIFY row_number() OVER (PARTITION BY rule_no, spot ORDER BY saving DESC, paid) = 1
            )
            SELECT rule_no, spot, deal FROM best
            QUALIFY row_number() OVER (PARTITION BY deal ORDER BY saving DESC, rule) = 1
            """
        )
        gained = self._count("taken")
        self.database.execute(
            """
            DELETE FROM owned WHERE (rule_no, spot) IN (SELECT rule_no, spot FROM taken);
            INSERT INTO owned SELECT rule_no, spot, deal FROM taken
            """
        )
        if new_only:
            return gained > 0
        # What a rule says of an item and nobody pays, or what harms more than it helps.
        self.database.execute(
            """
            DELETE FROM owned WHERE (rule_no, spot) NOT IN (SELECT rule_no, spot FROM taken) AND (rule_no, spot) IN (
                SELECT o.rule_no, o.spot FROM owned o JOIN deals d ON d.deal = o.deal
                LEFT JOIN harm h ON h.rule_no = o.rule_no AND h.spot = o.spot
                WHERE coalesce(h.good, 0) * d.tiers <= coalesce(h.bad, 0)
            )
            """
        )
        return gained > 0 or self._count("owned") != before

    def move(self) -> bool:
        """Accounts join rules whose prices they pay, and leave those that only harm them. True if any did."""
        self.database.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE joining AS
            WITH sized AS (SELECT rule_no, count(*) AS spots FROM owned GROUP BY rule_no),
            alike AS (
                SELECT o.rule_no, l.account_no, count(*) AS spots, sum(l.tiers) AS saved
                FROM leftover l JOIN owned o ON o.deal = l.deal AND o.spot = l.spot GROUP BY ALL
            )
            SELECT a.rule_no, a.account_no
            FROM alike a JOIN sized z USING (rule_no) JOIN rules r ON r.rule_no = a.rule_no
            ANTI JOIN rule_members m ON m.rule_no = a.rule_no AND m.account_no = a.account_no
            WHERE 2 * a.spots > z.spots AND a.saved >= {self.least_saving / 2}
            QUALIFY row_number() OVER (PARTITION BY a.account_no ORDER BY a.saved DESC, r.rule) = 1;

            CREATE OR REPLACE TEMP TABLE leaving AS
            SELECT k.rule_no, s.account_no
            FROM state s JOIN ranks k USING (rank) GROUP BY k.rule_no, s.account_no
            HAVING coalesce(sum(s.tiers) FILTER (s.wish = s.given), 0) < count(*) FILTER (s.wish IS NULL)
            """
        )
        moved = self._count("joining") + self._count("leaving")
        self.database.execute(
            """
            INSERT INTO rule_members SELECT * FROM joining;
            DELETE FROM rule_members WHERE (rule_no, account_no) IN (SELECT rule_no, account_no FROM leaving)
            """
        )
        return moved > 0

    def discover(self) -> bool:
        """Add rules for sets of accounts among the pairs that are left. True if there are any."""
        found = self.database.execute(
            f"""
            WITH paying AS (
                SELECT l.deal, any_value(d.currency) AS currency, any_value(d.gross) AS gross,
                       any_value(l.tiers) AS tiers, any_value(d.spot) AS spot, any_value(d.paid) AS paid,
                       count(*) AS accounts,
                       min(hash(l.account_no, 1)) AS one, min(hash(l.account_no, 2)) AS two
                FROM leftover l JOIN deals d USING (deal) GROUP BY l.deal HAVING count(*) > 1
            ),
            alike AS (
                SELECT *, dense_rank() OVER (ORDER BY currency, gross, one, two) AS set_no,
                       sum((accounts - 1) * tiers) OVER q AS saving, count(*) OVER q AS deals,
                       row_number() OVER (PARTITION BY currency, gross, one, two
                                          ORDER BY accounts DESC, spot, paid) AS place
                FROM paying WINDOW q AS (PARTITION BY currency, gross, one, two)
            ),
            samples AS (SELECT * FROM alike WHERE saving >= {self.least_saving / 2} AND place <= {SAMPLES}),
            belonging AS (
                SELECT s.set_no, l.account_no, any_value(s.saving) AS saving FROM samples s JOIN leftover l USING (deal)
                GROUP BY s.set_no, l.account_no HAVING 2 * count(*) >= any_value(least(s.deals, {SAMPLES}))
            )
            SELECT any_value(b.saving), list(a.account) FROM belonging b JOIN account_numbers a USING (account_no)
            GROUP BY b.set_no
            """
        ).fetchall()
        existing = self.database.execute(
            """
            SELECT r.rule, list(a.account) FROM rules r JOIN rule_members m USING (rule_no)
            JOIN account_numbers a USING (account_no) GROUP BY r.rule
            """
        ).fetchall()
        chosen = choose(
            [AccountSet(frozenset(accounts), float(saving)) for saving, accounts in found],
            [accounts for _, accounts in existing],
            least_saving=self.least_saving,
            most=self.most,
        )
        names = {
            row[0]
            for row in self.database.execute("SELECT rule FROM rules UNION SELECT rule FROM known_rules").fetchall()
        }
        number = self.database.execute("SELECT coalesce(max(rule_no), 0) FROM rules").fetchall()[0][0]
        rules, members = [], []
        for accounts in chosen:
            number += 1
            name = new_name(accounts, names)
            names.add(name)
            rules.append((name, number))
            members += [(number, account) for account in accounts]
        self._add(rules, members)
        return bool(chosen)

    def _add(self, rules: list[tuple[str, int]], members: list[tuple[int, str]]) -> None:
        import pyarrow as pa

        if not rules:
            return
        given = pa.table(
            {"rule": [one[0] for one in rules], "rule_no": pa.array([one[1] for one in rules], pa.int32())}
        )
        joined = pa.table(
            {"rule_no": pa.array([one[0] for one in members], pa.int32()), "account": [one[1] for one in members]}
        )
        self.database.register("given_rules", given)
        self.database.register("given_members", joined)
        self.database.execute(
            """
            INSERT INTO rules SELECT rule, rule_no FROM given_rules;
            INSERT INTO rule_members SELECT g.rule_no, a.account_no
            FROM given_members g JOIN account_numbers a USING (account)
            """
        )
        self.database.unregister("given_rules")
        self.database.unregister("given_members")

    def _count(self, table: str) -> int:
        return int(self.database.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
