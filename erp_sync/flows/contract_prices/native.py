"""Rows of the store between the ledger, which keeps them by key and value (`model.native_prices.native_key`,
`native_values`), and tables of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from erp_sync.model.native_prices import KEY

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
KEY_COLUMNS = ", ".join(KEY)


def store_units(database: duckdb.DuckDBPyConnection) -> list[str]:
    """Make ``store_units`` (item, unit): the unit in which the store sells each item, which is ``""`` in its own rows.
    Gives items that are to be sold in several: a product of a store has one, so that only the first counts."""
    database.execute(
        """
        CREATE OR REPLACE TEMP TABLE store_units AS
        SELECT item, any_value(CASE WHEN len(sold_in) = 0 THEN unit ELSE sold_in[1] END) AS unit
        FROM items GROUP BY item
        """
    )
    return [
        row[0]
        for row in database.execute("SELECT item FROM term_items WHERE len(sold_in) > 1 ORDER BY item").fetchall()
    ]


def known_tables(database: duckdb.DuckDBPyConnection, known: pa.Table, name: str = "known") -> None:
    """Make ``<name>_rules``, ``<name>_members`` and ``<name>_rows`` of rows (key, value, sure), and ``<name>_doubted``:
    keys of which nobody knows what the store has; what it was known to have counts. `store_units` is there.
    """
    database.register(f"{name}_state", known)
    parsed = f"SELECT key, value, string_split(key, '/') AS parts FROM {name}_state WHERE value IS NOT NULL"
    decoded = "replace(replace(parts[{at}], '%2F', '/'), '%25', '%')"

    def at(position: int) -> str:
        return decoded.format(at=position)

    amount = 'CAST(regexp_extract(value, \'"price":"?(-?[0-9.]+)\', 1) AS DECIMAL(18, 6))'
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {name}_rules AS
        SELECT {at(2)} AS rule, CAST(regexp_extract(value, '"priority":"?(-?[0-9]+)', 1) AS INTEGER) AS priority
        FROM ({parsed} AND starts_with(key, 'rule/'));

        CREATE OR REPLACE TEMP TABLE {name}_members AS
        SELECT {at(2)} AS rule, {at(3)} AS account FROM ({parsed} AND starts_with(key, 'member/'));

        CREATE OR REPLACE TEMP TABLE {name}_rows AS
        SELECT r.* REPLACE (CASE WHEN r.unit = '' THEN coalesce(u.unit, '') ELSE r.unit END AS unit) FROM (
            SELECT {at(2)} AS kind, {at(3)} AS owner, {at(4)} AS item, {at(5)} AS unit, {at(6)} AS currency,
                   CAST({at(7)} AS DECIMAL(18, 6)) AS quantity, {amount} AS price,
                   value LIKE '%"gross":true%' AS gross
            FROM ({parsed} AND starts_with(key, 'row/'))
        ) r LEFT JOIN store_units u USING (item);

        CREATE OR REPLACE TEMP TABLE {name}_doubted AS SELECT key FROM {name}_state WHERE NOT sure
        """
    )


def then_tables(database: duckdb.DuckDBPyConnection, then: pa.Table | None) -> None:
    """Make ``then_…``: what was known with other values of the keys (key, value) of `then`. ``known_…`` are there."""
    if then is None or not then.num_rows:
        for name in ("rules", "members", "rows"):
            database.execute(f"CREATE OR REPLACE TEMP VIEW then_{name} AS FROM known_{name}")
        return
    database.register("then_changes", then)
    state = database.sql(
        """
        SELECT key, value, sure FROM known_state ANTI JOIN then_changes USING (key)
        UNION ALL SELECT key, value, true FROM then_changes
        """
    ).to_arrow_table()
    known_tables(database, state, "then")


def make_macros(database: duckdb.DuckDBPyConnection) -> None:
    """Keys and values as the ledger keeps them: ``rule_key``, ``member_key``, ``row_key``, ``rule_value``,
    ``row_value``."""
    database.execute(
        """
        CREATE OR REPLACE TEMP MACRO key_part(name) AS replace(replace(name, '%', '%25'), '/', '%2F');
        CREATE OR REPLACE TEMP MACRO plain(number) AS rtrim(rtrim(CAST(number AS VARCHAR), '0'), '.');
        CREATE OR REPLACE TEMP MACRO rule_key(rule) AS 'rule/' || key_part(rule);
        CREATE OR REPLACE TEMP MACRO member_key(rule, account) AS
            'member/' || key_part(rule) || '/' || key_part(account);
        CREATE OR REPLACE TEMP MACRO row_key(kind, owner, item, unit, currency, quantity) AS
            concat_ws('/', 'row', kind, key_part(owner), key_part(item), key_part(unit), key_part(currency),
                      plain(quantity));
        CREATE OR REPLACE TEMP MACRO ladder_key(kind, owner, item, unit) AS
            concat_ws('/', 'row', kind, key_part(owner), key_part(item), key_part(unit));
        CREATE OR REPLACE TEMP MACRO rule_value(priority) AS
            CASE WHEN priority IS NULL THEN NULL ELSE '{"priority":' || CAST(priority AS VARCHAR) || '}' END;
        CREATE OR REPLACE TEMP MACRO row_value(price, gross) AS
            CASE WHEN price IS NULL THEN NULL
                 ELSE CASE WHEN gross THEN '{"gross":true,"price":"' ELSE '{"price":"' END || plain(price) || '"}' END
        """
    )


def ladder_of(key: str) -> str:
    """Of a row's key, what all tiers of its owner for its item have in common."""
    return key.rsplit("/", 2)[0]
