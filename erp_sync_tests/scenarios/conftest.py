"""The vocabulary of the scenarios: a shop and its ERP, what befalls them, and what must be true of both afterwards.

A shop is both sandboxes over HTTP and an installation between them (`business`). What is asserted is the checker's
word, or stands in a sandbox's own database or journal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from erp_sync.sandbox.checker.orders import Orders
from erp_sync.sandbox.core import Handled, Request
from erp_sync.sandbox.testing import RunningSandbox
from erp_sync_tests.e2e.business import Business, business

#: Where lists of orders are read.
ORDERS = "/V1/orders"
PAYMENTS = {"braintree": "5", "checkmo": "2"}
PATIENCE = 60.0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Business]:
    """A store and an ERP with orders, order status and shipments on."""
    with business(tmp_path, erp_settings={"us": {"location": "1"}}, payment_methods=PAYMENTS) as running:
        yield running


# -- given ---------------------------------------------------------------------------------------------------


def placed(shop: Business, number: str, *, ago: timedelta) -> str:
    """The order was placed, and saved last, that long ago."""
    moment = f"{datetime.now(UTC) - ago:%Y-%m-%d %H:%M:%S}"
    shop.store.sql(
        "UPDATE sales_order SET created_at = ?, updated_at = ? WHERE increment_id = ?", moment, moment, number
    )
    return number


@contextmanager
def configured(shop: Business) -> Iterator[list[dict[str, Any]]]:
    """An operator edits the installation's YAML: attributes of the store, the ERP and the route."""
    (defs,) = shop.settings.defs.rglob("defs.yaml")
    documents = list(yaml.safe_load_all(defs.read_text()))
    yield [document["attributes"] for document in documents]
    defs.write_text(yaml.safe_dump_all(documents))


@contextmanager
def altered(sandbox: RunningSandbox, path: str, alter: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Answers to reads of this path are changed before they leave."""
    core: Any = sandbox.core
    handle = core.handle

    def handled(request: Request) -> Handled:
        done: Handled = handle(request)
        if request.method == "GET" and request.path.endswith(path) and done.response.status == 200:
            answer = json.loads(done.response.body)
            alter(answer)
            done.response.body = json.dumps(answer).encode()
        return done

    core.handle = handled
    try:
        yield
    finally:
        del core.handle


def until(holds: Callable[[], bool], what: str) -> None:
    """Look again and again, for a minute."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def lists_read(shop: Business) -> int:
    """How many pages of orders were asked for, by the store's journal."""
    return len([call for call in shop.store.sandbox.journal(method="GET") if call["path"].endswith(ORDERS)])


# -- then ----------------------------------------------------------------------------------------------------


def in_step(shop: Business, *, but: Collection[str] = ()) -> None:
    """The checker's word: every order of the store is in the ERP once, with one customer, its deposits and the same
    amounts. `but` are not there, and erp_sync says so of exactly these."""
    agreed(shop.report().orders, but)


def agreed(orders: Orders, but: Collection[str] = ()) -> None:
    """See `in_step`."""
    assert orders.lost == []
    assert (orders.duplicated, orders.customers_duplicated, orders.deposits_duplicated) == ([], [], [])
    assert (orders.differences, orders.false_claims, orders.not_from_store) == ([], {}, [])
    assert {*orders.held, *orders.dead_lettered} == set(but)
    assert set(orders.in_erp) == set(orders.placed) - set(but)


def asked_to_create(shop: Business, number: str) -> int:
    """How often the ERP was asked to make this order, by its journal."""
    return len(shop.erp.journal(endpoint="salesOrder.create", document=_external_id(shop, number)))


def created(shop: Business, number: str) -> int:
    """How often the ERP made it, by its journal."""
    return len(shop.erp.commits(entity="salesOrder", document=_external_id(shop, number), change="create"))


def _external_id(shop: Business, number: str) -> str:
    return f"magento_us_{shop.store.id_of(number)}"
