"""An unknown SKU from the shop's checkout to the ERP's order: what the command proposes is accepted and remembered."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.ledger import State
from erp_sync.sandbox.people import Place
from erp_sync_tests.e2e.business import HOME, Business, business


@pytest.fixture(autouse=True)
def storage_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the ledger that the test made; Dagster's storage is not needed."""
    monkeypatch.setattr("erp_sync.runtime.storage.initialise", lambda settings, *, anyway=False: False)


def command(shop: Business, *words: str) -> Any:
    done = invoked(shop, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def invoked(shop: Business, *words: str) -> Any:
    environment = {"ERP_SYNC_HOME": str(shop.settings.home), "ERP_SYNC_DEFS": str(shop.settings.defs)}
    return CliRunner(env=environment).invoke(app, words)


def given(shop: Business, words: str, **values: str) -> Any:
    """A command as it is shown, with what a person fills in."""
    for name, value in values.items():
        words = words.replace(name, value)
    return command(shop, *shlex.split(words.removeprefix("erp-sync ")))


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


NOWHERE = Place("1 Main St", "Springfield", "IL", "627O1")


def test_a_bad_postcode_is_corrected_by_the_command_that_show_prints(tmp_path: Path):
    """The record in quarantine is the store's own: `edit` knew none of the fields that the reason names."""
    with business(tmp_path, flows=("orders",)) as shop:
        number = shop.store.buy("ann", ship_to=NOWHERE)
        shop.settle()
        (letter,) = command(shop, "deadletters", "--each")
        assert (letter["number"], letter["code"], shop.in_erp(number)) == (number, "malformed_address", [])

        shown = command(shop, "deadletters", "show", number)
        (printed,) = re.findall(r"`(erp-sync deadletters edit .*?)`", shown["can_do"][0])
        assert printed in shown["can_do"]
        given(shop, printed, VALUE=HOME.postcode, TEXT="asked")
        shop.settle()
        assert shop.delivery(number).state is State.DELIVERED
        assert len(shop.in_erp(number)) == 1
        assert json.loads(shop.delivery(number).payload)["shipping_address"]["postcode"] == HOME.postcode
        assert command(shop, "deadletters") == []


def test_a_misspelt_field_of_a_record_in_quarantine_is_refused(tmp_path: Path):
    with business(tmp_path, flows=("orders",)) as shop:
        shop.store.buy("ann", ship_to=NOWHERE)
        shop.settle()
        for field, meant in (
            ("shipping_address.postcod", "shipping_address.postcode"),
            ("billing_address.postcod", "billing_address.postcode"),
        ):
            refused = invoked(shop, "deadletters", "edit", "q1", "--set", f"{field}=62701", "--why", "asked")
            assert refused.exit_code == 2
            assert f"{field} is no field of it; {meant} is" in refused.stderr
