"""How long an account's log-in waits for the answer what it sees, over HTTP, on SQLite and on PostgreSQL.

The ledger knows the prices of BENCH_ACCOUNTS accounts (2,000), the first of which have 5,000 items of their own, and
all together BENCH_ROWS rows (1,000,000); each account is a member of three rules. Of the account that logs in one price
in a hundred is on its way or held. Accounts log in one after the other, each once; no system is called. The service is
a server on loopback. What the live comparison is noted by comes after the answer, and takes the ledger's time too.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import uvicorn
import yaml

from erp_sync.components.configuration import read_configuration
from erp_sync.components.installation import Installation
from erp_sync.components.table_book import book_entity
from erp_sync.ledger import migrate
from erp_sync.ledger.plan_values import PlanRow
from erp_sync.ledger.plans import NewPlan, Verdict
from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember, native_key
from erp_sync.operations.price_check import FLOW
from erp_sync.service.app import create_app
from erp_sync.service.price_checks import PriceChecks
from erp_sync.service.receiving import Receiver
from erp_sync.settings import load
from erp_sync_tests.bench.ledger import _postgresql, _sqlite

ROUTE, STORE, ERP, SECRET = "parts", "shop", "sap", "s3cret"
OWN_ITEMS, LARGE, RULES, LOGINS = 5_000, 20, 40, 60
AT_ONCE = 50_000


def measure() -> dict[str, Any]:
    rows, accounts = int(os.environ.get("BENCH_ROWS", "1000000")), int(os.environ.get("BENCH_ACCOUNTS", "2000"))
    found: dict[str, Any] = {"rows": rows, "accounts": accounts, "own_items": OWN_ITEMS, "logins": LOGINS}
    for name, place in (("sqlite", _sqlite), ("postgresql", _postgresql)):
        with place() as url, tempfile.TemporaryDirectory(prefix="erp-sync-bench-") as folder, ExitStack() as stack:
            migrate.upgrade(url)
            here = _installation(Path(folder), url)
            stack.callback(here.close)
            began = time.perf_counter()
            _fill(here, rows, accounts)
            found[f"{name}_filling_s"] = round(time.perf_counter() - began, 1)
            found |= {f"{name}_{figure}": value for figure, value in _log_ins(here).items()}
    return found


def _installation(folder: Path, ledger_url: str) -> Installation:
    defs = folder / "defs" / ROUTE
    defs.mkdir(parents=True)
    told: list[dict[str, Any]] = [
        {
            "type": "erp_sync.components.Connection",
            "attributes": {"name": name, "vendor": vendor, "base_url": "http://127.0.0.1:1", "credentials": given},
        }
        for name, vendor, given in ((STORE, "shopware", {"price_check_secret": SECRET}), (ERP, "sap_b1", {}))
    ]
    route = {"name": ROUTE, "store": STORE, "erp": ERP, "flows": {FLOW.name: {"mode": "on"}}}
    told.append({"type": "erp_sync.components.Route", "attributes": route})
    (defs / "defs.yaml").write_text(yaml.safe_dump_all(told))
    home = folder / "home"
    home.mkdir()
    settings = load(
        {"ERP_SYNC_HOME": str(home), "ERP_SYNC_DEFS": str(folder / "defs"), "ERP_SYNC_LEDGER_URL": ledger_url}
    )
    return Installation(settings, read_configuration(settings.defs))


def _fill(here: Installation, rows: int, accounts: int) -> None:
    keys: list[str] = []
    for key in _keys(rows, accounts):
        keys.append(key)
        if len(keys) == AT_ONCE:
            _know(here, keys)
            keys.clear()
    _know(here, keys)
    with here.ledger.handling(ROUTE, FLOW.name, "run-0") as work:
        work.keep_token(ERP, book_entity(ROUTE, FLOW.name, FLOW.source_entity), "compared", "")
        for held in (False, True):
            differing = [
                PlanRow(
                    key=key, before='{"price":"9.99"}', after='{"price":"8.99"}', action="update",
                    reason="9.99 becomes 8.99",
                )
                for account in range(LARGE)
                for key in [_own(account, item) for item in range(int(held), OWN_ITEMS, 100)][: OWN_ITEMS // 200]
            ]  # fmt: skip
            verdicts = (Verdict(check="rows", passed=False, words="too far"),) if held else ()
            work.add_plan(NewPlan(entity=FLOW.entity, target=STORE, rows=differing, compared=[], verdicts=verdicts))


def _know(here: Installation, keys: list[str]) -> None:
    table = pa.table(
        {
            "key": keys,
            "value": [_value(key) for key in keys],
            "source_order": [1] * len(keys),
        }
    )
    here.ledger.known.write(STORE, FLOW.entity, table)


def _value(key: str) -> str:
    if key.startswith("row/"):
        return '{"price":"9.99"}'
    return "{}" if key.startswith("member/") else '{"priority":1}'


def _keys(rows: int, accounts: int) -> Iterator[str]:
    for rule in range(RULES):
        yield native_key(NativeRule(rule=f"rule {rule}", priority=rule))
    for account in range(accounts):
        for place in range(3):
            yield native_key(RuleMember(rule=f"rule {(account + place) % RULES}", account=_name(account)))
    for account in range(LARGE):
        yield from (_own(account, item) for item in range(OWN_ITEMS))
    left = rows - RULES - 3 * accounts - LARGE * OWN_ITEMS
    for number in range(max(left, 0)):
        account, item = LARGE + number % (accounts - LARGE), number // (accounts - LARGE)
        yield _own(account, item) if number % 2 else _shared(number % RULES, number // 2)


def _name(account: int) -> str:
    return f"C{account:05d}"


def _own(account: int, item: int) -> str:
    return _row("account", _name(account), item)


def _shared(rule: int, item: int) -> str:
    return _row("rule", f"rule {rule}", item)


def _row(kind: Any, owner: str, item: int) -> str:
    one = NativeRow(
        kind=kind, owner=owner, item=f"SKU-{item:06d}", unit="", currency="EUR", quantity=Decimal(1), price=Decimal(1)
    )
    return native_key(one)


def _log_ins(here: Installation) -> dict[str, Any]:
    receiver = Receiver(here.configuration, here.ledger.inbox)
    seconds: list[float] = []
    told: dict[str, Any] = {}
    app = create_app(receiver, price_checks=PriceChecks(here))
    with _served(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        for number in range(LOGINS):
            began = time.perf_counter()
            answer = client.post(
                f"/prices/{ROUTE}/{_name(number % LARGE)}", headers={"Authorization": f"Bearer {SECRET}"}
            )
            seconds.append(time.perf_counter() - began)
            if answer.status_code != 200:
                raise RuntimeError(answer.text)
            told = answer.json()
    if told["prices"] != OWN_ITEMS or len(told["differences"]) != OWN_ITEMS // 100:
        raise RuntimeError(f"{told['prices']} prices and {len(told['differences'])} differences were told")
    ordered = sorted(seconds)
    return {
        "answer_s_p50": round(ordered[len(ordered) // 2], 3),
        "answer_s_p95": round(ordered[int(len(ordered) * 0.95)], 3),
        "answer_s_max": round(ordered[-1], 3),
    }


@contextmanager
def _served(app: Any) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
