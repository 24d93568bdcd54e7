"""What was shipped by hand and is booked in the ERP, where something is in doubt: lists that were corrected, answers
that were lost, somebody who booked it as well."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.ledger import State
from erp_sync.operations.fallback_import import import_list
from erp_sync.operations.repairing import reconcile_route
from erp_sync_tests.e2e.business import Business, business

LIST = ("order", "sku", "quantity", "carrier", "tracking", "location")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("by-hand")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("erp_sync.runtime.storage.initialise", lambda settings, *, anyway=False: False)
        with business(folder, erp_settings={"us": {"location": "1"}}, flows=("orders", "shipments")) as shop:
            yield shop


def command(shop: Business, *arguments: str, exit_code: int = 0) -> Any:
    environment = {"ERP_SYNC_HOME": str(shop.settings.home), "ERP_SYNC_DEFS": str(shop.settings.defs)}
    done = CliRunner(env=environment).invoke(app, [*arguments, "--json"])
    assert done.exit_code == exit_code, done.output
    return json.loads(done.stdout)


def shipped_list(folder: Path, *rows: tuple[str, ...]) -> Path:
    file = folder / "shipped.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([LIST, *rows])
    return file


def sold(shop: Business, who: str, lines: dict[str, int]) -> str:
    """An order that is in the ERP."""
    number = shop.store.buy(who, lines)
    shop.settle()
    assert len(shop.in_erp(number)) == 1
    return number


def shipments(shop: Business, number: str) -> list[dict[str, Any]]:
    return shop.store.rows("SELECT * FROM sales_shipment WHERE order_id = ?", shop.store.id_of(number))


def fulfilled(shop: Business, number: str) -> list[dict[str, int]]:
    """Goods of each fulfillment that the order has in the ERP."""
    (order,) = shop.in_erp(number)
    found = shop.erp_rows(
        'SELECT t.id, i.itemid, tl.quantity FROM "transaction" t JOIN transactionline tl ON tl."transaction" = t.id '
        "JOIN item i ON i.id = tl.item WHERE t.type = 'ItemShip' AND t.createdfrom = ? AND tl.quantity IS NOT NULL "
        "AND tl.mainline = 'F' ORDER BY t.id",
        order["id"],
    )
    goods: dict[int, dict[str, int]] = {}
    for row in found:
        some = goods.setdefault(row["id"], {})
        some[row["itemid"]] = some.get(row["itemid"], 0) + abs(int(float(row["quantity"])))
    return [{sku: count for sku, count in some.items() if count} for some in goods.values()]


def test_two_lists_that_name_one_parcel_book_the_goods_of_both(shop: Business, tmp_path: Path) -> None:
    number = sold(shop, "ann", {"MUG": 1, "TEA": 1})
    first = (number, "MUG", "1", "UPS", "1Z ANN", "east")
    taken = command(
        shop,
        *("fallback", "import"),
        str(shipped_list(tmp_path, first, (number, "TEA", "9", "UPS", "1Z ANN", "east"))),
        exit_code=1,
    )
    assert (taken["rows"], len(taken["problems"])) == (1, 1)
    shop.settle("shipments")
    taken = command(
        shop,
        *("fallback", "import"),
        str(shipped_list(tmp_path, first, (number, "TEA", "1", "UPS", "1Z ANN", "east"))),
    )
    assert (taken["rows"], taken["already"]) == (1, 1)
    shop.settle("shipments")
    assert fulfilled(shop, number) == [{"MUG": 1}, {"TEA": 1}]
    shop.settle("shipments")
    assert len(shipments(shop, number)) == 2
    assert {one.state.value for one in shop.deliveries("shipments")} == {"delivered"}


def test_a_parcel_that_somebody_booked_is_not_booked_again_however_its_number_is_written(
    shop: Business, tmp_path: Path
) -> None:
    number = sold(shop, "bob", {"MUG": 2})
    (order,) = shop.in_erp(number)
    erp = shop.hands_in_erp()
    erp.create(
        f"salesOrder/{order['id']}/!transform/itemFulfillment",
        {
            "shipStatus": {"id": "C"},
            "item": {"items": [{"orderLine": 1, "itemReceive": True, "quantity": 1}]},
            "package": {"items": [{"packageTrackingNumber": "1z-bob 7"}]},
        },
    )
    erp.close()
    command(shop, "fallback", "import", str(shipped_list(tmp_path, (number, "MUG", "1", "UPS", "1ZBOB7", "east"))))
    shop.settle("shipments")
    assert fulfilled(shop, number) == [{"MUG": 1}]


@pytest.mark.parametrize("fault", [("timeout_after_commit", None), ("drop_connection", None), ("late_commit", 0.7)])
def test_a_booking_whose_answer_is_lost_is_not_made_twice(
    shop: Business, tmp_path: Path, fault: tuple[str, float | None]
) -> None:
    kind, seconds = fault
    number = sold(shop, "cid", {"MUG": 3})
    when = {"when": "after"} if kind == "drop_connection" else {}
    shop.erp.fault(kind, "*transform*", method="POST", times=1, seconds=seconds, **when)
    file = shipped_list(tmp_path, (number, "MUG", "1", "UPS", f"1Z CID {kind}", "east"))
    command(shop, "fallback", "import", str(file))
    try:
        shop.settle("shipments")
    finally:
        shop.erp.clear_faults()
    assert fulfilled(shop, number) == [{"MUG": 1}]
    # That a transform refuses a second external id is unconfirmed: it is looked for once it has settled.
    path = f"salesOrder/{shop.in_erp(number)[0]['id']}/!transform/"
    sent = [call for call in shop.erp.journal(method="POST") if path in call["path"]]
    assert len(sent) == 1, [call["path"] for call in sent]
    standing = command(shop, "fallback", "status")[0]
    assert standing["open"] == []


def reconciled(shop: Business) -> Any:
    """What the daily comparison of shipments finds."""
    shop.runs += 1
    with shop.installation() as here:
        done = reconcile_route(here, here.configuration.routes["us"], f"reconcile-{shop.runs}")
    (found,) = [one.found for one in done if one.flow == "shipments"]
    return found


def differing(shop: Business, number: str) -> list[Any]:
    """What it finds of one order."""
    found = reconciled(shop).differences
    return [one for one in found if number in one.key or f"order {shop.store.id_of(number)} " in one.words]


def test_the_daily_comparison_knows_what_left_by_hand(shop: Business, tmp_path: Path) -> None:
    number = sold(shop, "dee", {"CUP": 2})
    command(shop, "fallback", "import", str(shipped_list(tmp_path, (number, "CUP", "2", "UPS", "1Z DEE", "east"))))
    shop.settle("shipments")
    shop.settle("shipments")
    found = reconciled(shop)
    assert [one for one in found.differences if number in (one.key, one.words)] == []
    assert found.agrees, found.differences
    assert found.counts["shipped_by_hand"] >= 1
    (shipment,) = shipments(shop, number)
    shop.store.sql("DELETE FROM sales_shipment WHERE entity_id = ?", shipment["entity_id"])
    (missing,) = [one for one in reconciled(shop).differences if one.kind == "missing"]
    assert missing.key.startswith(f"{number}-")


def test_another_figure_in_the_erp_waits_for_a_person_and_is_told_to_the_store_once(
    shop: Business, tmp_path: Path
) -> None:
    number = sold(shop, "eve", {"CUP": 3})
    (order,) = shop.in_erp(number)
    erp = shop.hands_in_erp()
    erp.create(
        f"salesOrder/{order['id']}/!transform/itemFulfillment",
        {
            "shipStatus": {"id": "C"},
            "item": {"items": [{"orderLine": 1, "itemReceive": True, "quantity": 3}]},
            "package": {"items": [{"packageTrackingNumber": "1Z EVE"}]},
        },
    )
    erp.close()
    command(shop, "fallback", "import", str(shipped_list(tmp_path, (number, "CUP", "2", "UPS", "1Z EVE", "east"))))
    shop.settle("shipments")
    shop.settle("shipments")
    assert (len(shipments(shop, number)), fulfilled(shop, number)) == (1, [{"CUP": 3}])
    (held,) = [one for one in shop.deliveries("shipments") if one.state is State.HELD]
    assert held.code == "differs_from_hand"
    assert "CUP: 3 in the ERP, 2 by hand" in held.reason
    rejected = command(shop, "reject", str(held.id), "--why", "counted again")
    assert rejected
    shop.settle("shipments")
    assert len(shipments(shop, number)) == 1


def test_what_the_warehouse_books_itself_is_booked_by_nobody_else(shop: Business, tmp_path: Path) -> None:
    file = shop.settings.defs / "us" / "defs.yaml"
    documents = list(yaml.safe_load_all(file.read_text()))
    flows, before = documents[2]["attributes"]["flows"], file.read_text()
    flows["shipments"] = {**flows["shipments"], "rules": {"booked_by": "warehouse"}}
    file.write_text(yaml.safe_dump_all(documents))
    try:
        number = sold(shop, "fay", {"CUP": 2})
        taken = command(
            shop, "fallback", "import", str(shipped_list(tmp_path, (number, "CUP", "2", "UPS", "1Z FAY", "east")))
        )
        assert taken["booked_by"] == "warehouse"
        shop.settle("shipments")
        assert (len(shipments(shop, number)), fulfilled(shop, number)) == (1, [])
        assert command(shop, "fallback", "status")[0]["open"] == [number]
        assert differing(shop, number) == []  # the store has it, and the ERP knows nothing of it yet
        (order,) = shop.in_erp(number)
        erp = shop.hands_in_erp()
        erp.create(
            f"salesOrder/{order['id']}/!transform/itemFulfillment",
            {"shipStatus": {"id": "C"}, "package": {"items": [{"packageTrackingNumber": "1ZFAY"}]}},
        )
        erp.close()
        shop.settle("shipments")
        assert (len(shipments(shop, number)), fulfilled(shop, number)) == (1, [{"CUP": 2}])
        assert differing(shop, number) == []
        assert command(shop, "fallback", "status")[0]["open"] == []
    finally:
        file.write_text(before)


def test_two_imports_of_one_list_at_once_take_it_once(shop: Business, tmp_path: Path) -> None:
    numbers = [sold(shop, f"gus{one}", {"CUP": 1}) for one in range(3)]
    file = shipped_list(tmp_path, *((one, "CUP", "1", "UPS", f"1Z {one}", "east") for one in numbers))
    together = threading.Barrier(3)

    def take(who: str) -> tuple[int, int]:
        with shop.installation() as here:
            here.lookups(here.configuration.routes["us"])
            together.wait()
            done = import_list(here, here.configuration.routes["us"], file, who=who)
            return done.rows, done.already

    with ThreadPoolExecutor(max_workers=3) as pool:
        done = sorted(pool.map(take, ("ann", "bob", "cid")))
    assert done == [(0, 3), (0, 3), (3, 0)]
    shop.settle("shipments")
    assert [(len(shipments(shop, one)), fulfilled(shop, one)) for one in numbers] == [(1, [{"CUP": 1}])] * 3
