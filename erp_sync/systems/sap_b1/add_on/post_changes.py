"""Post what the company's procedure has noted, in the form of SAP's own webhooks. Stands alone; see INSTALL.md.

Rows go in the order of their numbers and are deleted once the receiver has taken them (2xx). The id of an event is made
of the company and the row's number: what is posted twice has the same id. The key of the signature comes from the
environment, ERP_SYNC_EVENT_KEY.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import importlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

MOST = 1024
LIFE = timedelta(days=7)
TIMEOUT_SECONDS = 10
TABLES = {"sql_server": "ERP_SYNC.dbo.changes", "hana": '"ERP_SYNC"."changes"'}
COLUMNS = ("number", "object_type", "transaction_type", "key_columns", "key_values", "noted_at")
#: Number of the object to its name and the columns of its key, each with the property of the Service Layer.
OBJECTS: dict[str, tuple[str, dict[str, str]]] = {
    "2": ("BusinessPartners", {"CardCode": "CardCode"}),
    "4": ("Items", {"ItemCode": "ItemCode"}),
    "6": ("PriceLists", {"ListNum": "PriceListNo"}),
    "7": ("SpecialPrices", {"CardCode": "CardCode", "ItemCode": "ItemCode"}),
    "10": ("BusinessPartnerGroups", {"GroupCode": "Code"}),
    "1250000025": ("BlanketAgreements", {"AbsID": "AgreementNo"}),
}
TRANSACTIONS = {"A": "Created", "U": "Updated", "D": "Deleted"}

Send = Callable[[str, bytes, dict[str, str]], int]
"""URL, body, headers -> status. Raises OSError when nothing answered."""


def event(company: str, row: Sequence[Any]) -> dict[str, Any] | None:
    """The event of a noted row (`COLUMNS`); None for an object, transaction or key that is none of ours."""
    number, object_type, transaction, names, values, noted_at = row
    name, columns = OBJECTS.get(str(object_type).strip(), ("", {}))
    word = TRANSACTIONS.get(str(transaction).strip())
    found = dict(zip(str(names).split("\t"), str(values).split("\t"), strict=False))
    if not name or word is None or not set(columns) <= set(found):
        return None
    data = {prop: found[column].strip() for column, prop in columns.items()}
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{company}/{number}")),
        "specversion": "1.0",
        "source": company,
        "type": f"sap.b1.{name}.{word}.v1",
        "subject": ",".join(data.values()),
        "time": str(noted_at),
        "datacontenttype": "application/json",
        "data": data,
    }


def signature(key: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


def send(url: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def is_old(row: Sequence[Any], now: datetime) -> bool:
    """Noted longer ago than `LIFE`: the receiver would not take it any more, and its comparisons have found it."""
    return now - datetime.fromisoformat(str(row[5]).replace("Z", "+00:00")) > LIFE


def post_once(connection: Any, table: str, company: str, url: str, key: str, send: Send = send) -> int:
    """Post the oldest rows of the company, at most `MOST`; how many are done with. Old ones are dropped.

    `connection` is of the Python database API, with question marks as its parameters; `table` is ours. Raises OSError
    when nothing answered, and RuntimeError for an answer that is not 2xx: the rows stay.
    """
    cursor = connection.cursor()
    number, owner = _quoted("number", table), _quoted("company", table)
    columns = ", ".join(_quoted(name, table) for name in COLUMNS)
    cursor.execute(f"SELECT {columns} FROM {table} WHERE {owner} = ? ORDER BY {number}", (company,))
    rows = cursor.fetchmany(MOST)
    if not rows:
        return 0
    now = datetime.now(timezone.utc)  # noqa: UP017 (runs on Python 3.10 as well)
    events = [one for row in rows if not is_old(row, now) and (one := event(company, row)) is not None]
    if events:
        body = json.dumps(events).encode()
        headers = {"Content-Type": "application/json", "X-B1-Webhook-Signature": signature(key, body)}
        try:
            status = send(url, body, headers)
        except OSError:
            connection.rollback()
            raise
        if not 200 <= status < 300:
            connection.rollback()
            raise RuntimeError(f"{url} answered {status}: {len(rows)} changes stay")
    # One by one: a lower number may have been committed meanwhile, and was not posted.
    cursor.executemany(f"DELETE FROM {table} WHERE {number} = ?", [(row[0],) for row in rows])
    connection.commit()
    return len(rows)


def _quoted(name: str, table: str) -> str:
    """HANA folds names that are not in quotes to upper case."""
    return f'"{name}"' if table.startswith('"') else name


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Post what changed in a company of SAP Business One.")
    parser.add_argument("--driver", required=True, help="module of the database driver: pyodbc, hdbcli.dbapi")
    parser.add_argument("--connect", required=True, help="what its connect() takes: a text, or arguments as JSON")
    parser.add_argument("--database", choices=sorted(TABLES), default="sql_server")
    parser.add_argument("--company", required=True, help="name of the company's database or schema")
    parser.add_argument("--url", required=True, help="address of erp_sync for this connection's events")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two looks")
    told = parser.parse_args(arguments)
    key = os.environ.get("ERP_SYNC_EVENT_KEY")
    if not key:
        parser.error("ERP_SYNC_EVENT_KEY is not set: the receiver takes signed events only")
    connect = importlib.import_module(told.driver).connect
    connection = connect(**json.loads(told.connect)) if told.connect.startswith("{") else connect(told.connect)
    while True:
        try:
            if post_once(connection, TABLES[told.database], told.company, told.url, key) == MOST:
                continue
        except (OSError, RuntimeError) as error:
            print(error, file=sys.stderr)
        time.sleep(told.every)


if __name__ == "__main__":
    main()
