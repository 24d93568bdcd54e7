"""A person who is everywhere is nowhere after the erasure: every file of the home, and what a warehouse has on paper.
Whoever is at work at that moment, and whatever is restored afterwards, does not bring them back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import AssetMaterialization, DagsterInstance

from erp_sync.components.housekeeping import keep_house
from erp_sync.flows.extraction import extract_named
from erp_sync.ledger import State, schema
from erp_sync.ledger.corrections import Corrections
from erp_sync.ledger.errors import WrongState
from erp_sync.model.personal import PersonalTexts
from erp_sync.operations import fallback, privacy
from erp_sync.operations.privacy_export import export
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync_tests.e2e import business as business_module
from erp_sync_tests.e2e.business import Business, business
from erp_sync_tests.e2e.test_privacy import PAYMENTS, PHONE, STREET, WORDS, ZORA, contents, erase

FOUND = re.compile("|".join(map(re.escape, WORDS)).encode(), re.IGNORECASE)
LATER = timedelta(days=2)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Business]:
    with business(tmp_path, payment_methods=PAYMENTS, erp_settings={"us": {"location": "1"}}) as running:
        yield running


def traces(shop: Business, folder: Path | None = None) -> list[tuple[str, str]]:
    """(file or table, word): every file of the home as it lies there, and every row as the ledger reads it."""
    found = {
        (Path(name).name, match[0].decode())
        for name, text in contents(folder or shop.settings.home)
        for match in FOUND.finditer(text)
    }
    with shop.installation() as here, here.ledger.database.read() as read:
        for table in schema.metadata.sorted_tables:
            for row in read.execute(sa.select(table)):
                text = str([one.decode(errors="replace") if isinstance(one, bytes) else one for one in row])
                found |= {(table.name, match[0].decode()) for match in FOUND.finditer(text.encode())}
    return sorted(found)


def buy(shop: Business) -> str:
    return shop.store.buy(ZORA, {"MUG": 1}, ship_to=ZORA.place)


def everywhere(shop: Business, warehouse: Path) -> str:
    """Zora in each place that holds anything; gives the number of her order that went all the way."""
    number = buy(shop)
    shop.settle()
    erp = shop.hands_in_erp()
    for place in ("east", "west"):
        Warehouse(erp, place, habits=Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)).ship()
    shop.settle("shipments")
    (order,) = shop.in_erp(number)
    invoice = erp.create(f"salesOrder/{order['id']}/!transform/invoice", {"memo": f"for Zora, {STREET}"})
    credit = erp.create(f"invoice/{invoice}/!transform/creditMemo", {})
    erp.create(f"creditMemo/{credit}/!transform/customerRefund", {"account": {"id": "1"}, "memo": "to Z. Quennessy"})
    erp.close()
    dead, waits = buy(shop), buy(shop)
    shop.extract_and_transform("orders")
    letter, waiting = shop.delivery(dead), shop.delivery(waits)
    with shop.installation() as here:
        ledger = here.ledger
        (claim,) = ledger.deliveries.claim("us", "orders", "netsuite_us", limit=1, owner="run:1", run_id="run")
        ledger.deliveries.dead(claim, "unmapped_carriers", f"no carrier goes to {STREET}")
        moved = letter.payload.replace(STREET.encode(), b"9 Quillback Mews")
        ledger.dead_letters.edit(letter.id, moved, "ann", f"{PHONE} says so")
        with ledger.handling("us", "orders", "run") as work:
            row = ledger.received.of("magento_us", "sales_order", [waiting.key.native_id])[0]
            work.quarantine(row, rule="malformed_address", problem=f"{STREET} of {ZORA.email} is no street")
        ledger.notices.raise_once("watch/x", "warning", f"{ZORA.email} waits")
        fallback.export(here, here.configuration.routes["us"], warehouse, who="ann")
        assert here.lake.compact("magento_us", "sales_order", datetime.now(UTC) + LATER) > 0
    logs = shop.settings.home / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "watchdog.log").write_text(f"delivered to {ZORA.email}, Zora Quennessy, {PHONE}\n")
    shop.settings.dagster_home.mkdir(exist_ok=True)
    with DagsterInstance.local_temp(str(shop.settings.dagster_home)) as instance:
        instance.report_runless_asset_event(
            AssetMaterialization("orders", description=f"an order of {ZORA.email}", metadata={"to": f"Zora, {STREET}"})
        )
    return number


def held_by(given: dict[str, Any]) -> set[tuple[str, str]]:
    """(where, what) of an export, in the words of a certificate."""
    found = {(name, str(one["entity"])) for name, some in given["systems"].items() for one in some}
    found |= {("ledger", table) for table in given["ledger"]}
    found |= {("lake", place) for place in given["lake"]}
    found |= {("fallback export", name) for name in given["handed_out"]}
    found |= {("exchange log", "bodies")} if given["exchanges"] else set()
    found |= {("logs", "words")} if given["logs"] else set()
    return found | ({("Dagster's storage", "rows")} if given["dagster"] else set())


def test_a_person_who_is_everywhere_is_nowhere_and_the_export_had_all_that_was_erased(
    shop: Business, tmp_path: Path
) -> None:
    warehouse = tmp_path / "warehouse"
    warehouse.mkdir()
    number = everywhere(shop, warehouse)
    places = {name for name, _ in traces(shop)}
    assert places >= {"received", "deliveries", "quarantine", "notices", "watchdog.log"}
    assert any(name.endswith(".parquet") for name in places)
    assert any(name.endswith(".segment") for name in places)
    assert len({name for name, _ in traces(shop, warehouse) if name.endswith((".csv", ".html"))}) == 2
    with shop.installation() as here:
        given = export(here, ZORA.email)

    certificate = erase(shop)

    assert traces(shop) == []
    assert not [one for one in traces(shop, warehouse) if one[0].endswith((".csv", ".html"))]
    (orders,) = warehouse.glob("orders-*.csv")
    assert "MUG" in orders.read_text()
    done = {(line.where, line.what) for line in certificate.lines if line.count and line.how != "kept"}
    assert done - {("exchange log", "words")} == held_by(given) - {("netsuite_us", "customerDeposit")}
    for word in (ZORA.email, STREET, PHONE):
        assert word in str(given)
    kept = {line.why for line in certificate.lines if line.how == "kept" and line.what == "customerDeposit"}
    assert len(kept) == 2
    assert [one for one in kept if "books must be kept" in one]
    assert [one for one in kept if "record type customerDeposit" in one and "N/piremoval" in one]
    for table in ("customer", '"transaction"', "transactionaddress", "customeraddressbookentityaddress"):
        assert not FOUND.search(str(shop.erp_rows(f"SELECT * FROM {table}")).encode()), table
    amounts = shop.erp_rows("SELECT type, foreigntotal FROM \"transaction\" WHERE type IN ('CustInvc', 'CustCred')")
    assert all(float(row["foreigntotal"]) > 0 for row in amounts)
    assert shop.delivery(number).state is State.DELIVERED


def once(act: Callable[[], None]) -> Callable[[], None]:
    """Also where what it does comes by here again."""
    left = [act]

    def run() -> None:
        while left:
            left.pop()()

    return run


def test_an_extraction_that_holds_the_person_while_they_are_erased_brings_nothing_in(
    shop: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = buy(shop)
    an_hour_ago = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    shop.store.sql("UPDATE sales_order SET created_at = ? WHERE increment_id = ?", an_hour_ago, number)
    land, erasing = business_module.land_records, once(lambda: erase_known(shop))

    def landing(here: Any, *given: Any) -> str:
        erasing()
        return land(here, *given)

    with monkeypatch.context() as patched:
        patched.setattr(business_module, "land_records", landing)
        shop.run()
    assert number not in shop.states()
    with shop.installation() as here:
        keep_house(here, datetime.now(UTC))
    assert traces(shop) == []


def erase_known(shop: Business) -> None:
    """Named by e-mail, though nothing was received yet: the systems tell the rest."""
    with shop.installation() as here:
        privacy.erase(here, ZORA.email, who="ann", also_open=True)


def test_a_run_that_holds_the_persons_document_in_memory_delivers_nothing(
    shop: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, other = buy(shop), shop.store.buy("walter")
    applied, erasing = Corrections.applied, once(lambda: erase_known(shop))

    def read(*given: Any) -> Any:
        rows = applied(*given)
        erasing()
        return rows

    with monkeypatch.context() as patched:
        patched.setattr(Corrections, "applied", read)
        shop.run()
    shop.settle()
    assert number not in shop.states()
    assert shop.states()[other] == ("delivered", "")
    assert shop.in_erp(number) == []
    assert traces(shop) == []


def test_what_is_being_sent_keeps_the_systems_as_they_are_until_it_is_asked_for_again(shop: Business) -> None:
    number = buy(shop)
    shop.extract_and_transform("orders")
    with shop.installation() as here:
        here.ledger.deliveries.claim("us", "orders", "netsuite_us", limit=1, owner="run:1", run_id="run")
    with pytest.raises(WrongState, match="being sent"):
        erase(shop)
    (row,) = shop.store.rows("SELECT customer_email FROM sales_order WHERE increment_id = ?", number)
    assert row["customer_email"] == ZORA.email
    shop.clock.skipped += timedelta(hours=1)
    shop.settle()
    erase(shop)
    assert len(shop.in_erp(number)) == 1
    assert not FOUND.search(str(shop.erp_rows("SELECT * FROM customer")).encode())
    assert traces(shop) == []


def test_an_event_that_comes_after_the_erasure_reads_nobody(shop: Business) -> None:
    number = buy(shop)
    shop.run()
    erase(shop)
    identity = str(shop.store.id_of(number))
    # As a store has it that was restored from its own backup.
    shop.store.sql(
        "UPDATE sales_order SET customer_email = ?, updated_at = '2030-01-01 00:00:00' WHERE entity_id = ?",
        ZORA.email,
        identity,
    )
    with shop.installation() as here:
        spec = here.configuration.routes["us"]

        def land(records: list[Any]) -> str:
            return business_module.land_records(here, "magento_us", "sales_order", "event", records)

        source = here.source(spec, "orders")
        common = {"connection": "magento_us", "entity": "sales_order", "run_id": "event"}
        done, _ = extract_named(source, here.ledger, land, native_ids=[identity], **common)
        assert done.received == 1
    shop.settle()
    assert {Path(name).suffix for name, _ in traces(shop)} == {".segment"}
    before = datetime.now(UTC)
    later = buy(shop)
    shop.run()
    with shop.installation() as here:
        assert keep_house(here, datetime.now(UTC)).removed["exchange_bodies_erased"] > 0
        assert keep_house(here, datetime.now(UTC)).removed["exchange_bodies_erased"] == 0
        # What they bought since is theirs, and its trace is whole.
        about = here.exchanges.about(PersonalTexts(email=ZORA.email))
    assert about
    assert all(one.time >= before for one in about), "nothing that is older names them"
    texts = [here.exchanges.text(one, side) for one in about for side in ("request", "response")]
    assert any(later in text for text in texts)


@pytest.mark.parametrize("restored", ["ledger", "lake"])
def test_a_backup_that_is_put_back_does_not_bring_the_person_back(
    shop: Business, tmp_path: Path, restored: str
) -> None:
    buy(shop)
    shop.run()
    home, backup = shop.settings.home, tmp_path / "backup"
    shutil.copytree(home, backup)
    erase(shop)
    assert traces(shop) == []
    if restored == "ledger":
        for file in home.glob("ledger.db*"):
            file.unlink()
        for file in backup.glob("ledger.db*"):
            shutil.copy(file, home / file.name)
    else:
        shutil.rmtree(shop.settings.lake)
        shutil.copytree(backup / shop.settings.lake.relative_to(home), shop.settings.lake)
    assert traces(shop) != []
    with shop.installation() as here:
        assert len(privacy.after_restore(here, who="ann")) == (restored == "ledger")
        assert privacy.after_restore(here, who="ann") == []
        keep_house(here, datetime.now(UTC))
    assert traces(shop) == []


def test_what_was_bought_after_the_erasure_stays_where_a_restored_ledger_forgets_again_by_hand(
    shop: Business, tmp_path: Path
) -> None:
    """Nobody ran `up`: the person bought again before somebody said `privacy again`."""
    number = buy(shop)
    shop.run()
    home, backup = shop.settings.home, tmp_path / "backup"
    shutil.copytree(home, backup)
    erase(shop)
    for file in home.glob("ledger.db*"):
        file.unlink()
    for file in backup.glob("ledger.db*"):
        shutil.copy(file, home / file.name)
    later, waits = buy(shop), buy(shop)
    shop.extract_and_transform("orders")
    with shop.installation() as here:
        assert len(privacy.again(here, who="ann")) == 1
    assert ZORA.email in shop.delivery(waits).payload.decode()
    assert ZORA.email not in shop.delivery(number).payload.decode()
    shop.run()
    for one in (later, waits):
        assert shop.states()[one] == ("delivered", "")
        (sold,) = shop.in_erp(one)
        assert sold["email"] == ZORA.email
    with shop.installation() as here:
        held = export(here, ZORA.email)
    assert {row["native_id"] for row in held["lake"]["magento_us/sales_order"]} == {
        str(shop.store.id_of(one)) for one in (later, waits)
    }
    erase(shop)
    assert traces(shop) == []
