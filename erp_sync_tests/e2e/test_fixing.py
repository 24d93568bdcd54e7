"""An unknown SKU from the shop's checkout to the ERP's order: what the command proposes is accepted and remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.ledger import State
from erp_sync_tests.e2e.business import Business, business


@pytest.fixture(autouse=True)
def storage_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the ledger that the test made; Dagster's storage is not needed."""
    monkeypatch.setattr("erp_sync.runtime.storage.initialise", lambda settings, *, anyway=False: False)


def command(shop: Business, *words: str) -> Any:
    environment = {"ERP_SYNC_HOME": str(shop.settings.home), "ERP_SYNC_DEFS": str(shop.settings.defs)}
    done = CliRunner(env=environment).invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def lines(shop: Business, number: str) -> set[str]:
    """SKUs of the ERP's order."""
    (order,) = shop.in_erp(number)
    found = shop.erp_rows(
        'SELECT item.itemid FROM transactionline JOIN item ON item.id = transactionline.item WHERE "transaction" = ?',
        order["id"],
    )
    return {row["itemid"] for row in found}


def test_an_unknown_sku_is_fixed_once_and_never_asked_about_again(tmp_path: Path):
    with business(tmp_path, flows=("orders",)) as shop:
        shop.seed_erp(items=[{"sku": "NEW1", "name": "Article NEW-1", "price": "5.00"}])
        waits, goes = shop.store.buy("ann", {"NEW-1": 2, "MUG": 1}), shop.store.buy("bob")
        shop.settle()
        assert (shop.delivery(waits).state, shop.in_erp(waits), len(shop.in_erp(goes))) == (State.WAITING, [], 1)

        (proposed,) = command(shop, "deadletters", "fix", waits)
        assert (proposed["cause"], proposed["key"], proposed["count"]) == ("sku", "NEW-1", 1)
        assert proposed["candidates"][0]["value"] == "NEW1"
        shop.settle()
        assert shop.in_erp(waits) == [], "nothing goes before somebody accepts it"

        (fixed,) = command(shop, "deadletters", "fix", waits, "--accept", "--remember", "--who", "ann")
        assert (fixed["value"], fixed["remembered"], fixed["refused"]) == ("NEW1", True, {})
        shop.settle()
        assert shop.delivery(waits).state is State.DELIVERED
        assert lines(shop, waits) >= {"NEW1", "MUG"}
        # The checker knows no mapped SKUs: that line has another name in the ERP, and nothing else differs.
        differing = shop.report().orders.differences
        assert [one for one in differing if one.part != "lines" or one.what.split()[-1] not in ("NEW-1", "NEW1")] == []

        later = shop.store.buy("cid", {"NEW-1": 1})
        shop.settle()
        assert lines(shop, later) >= {"NEW1"}
        shown = command(shop, "trace", waits)
        assert [one["actor"] for one in shown["entries"] if one["kind"] == "edited"] == ["ann"]
        assert command(shop, "deadletters") == []
