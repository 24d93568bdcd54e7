"""A person is erased everywhere: not one byte of theirs is left in the home, and nothing brings them back."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from erp_sync.ledger import State
from erp_sync.operations import privacy
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.privacy_export import export
from erp_sync.packing import EVENTS, packed, unpacked
from erp_sync.sandbox.people import Person, Place
from erp_sync.transport.segments import unpacked_body
from erp_sync_tests.e2e.business import MEMBERS, Business, business, today

PAYMENTS = {"braintree": "5", "checkmo": "2"}
STREET, PHONE = "77 Quillback Terrace", "(303) 555-0177"
ZORA = Person(
    household=7,
    first_name="Zora",
    last_name="Quennessy",
    email="zora.quennessy@example.org",
    phone=PHONE,
    place=Place(STREET, "Denver", "CO", "80202"),
    registered=False,
    password="",
)
SPOUSE = replace(ZORA, first_name="Basil", email="basil.quennessy@example.org")
WORDS = ("zora.quennessy@example.org", "zora.quennessy%40example.org", "Quennessy", "Quillback", "555-0177", "Zora")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    with business(tmp_path_factory.mktemp("privacy"), payment_methods=PAYMENTS) as running:
        yield running


def contents(home: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it lies on the disk, and what is packed in it: bodies of exchanges, columns of Parquet, values of
    databases."""
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        yield str(path), content
        if path.suffix == ".parquet":
            yield str(path), repr(duckdb.sql(f"SELECT * FROM '{path}'").fetchall()).encode()
        if content.startswith(b"SQLite format 3"):
            yield str(path), b" ".join(packed_values(path))
        if path.suffix == ".segment":
            for start in range(len(content)):
                if content[start] == 0x78:
                    try:
                        yield str(path), zlib.decompressobj().decompress(content[start:])
                    except zlib.error:
                        continue
                if content.startswith(b"\x28\xb5\x2f\xfd", start):
                    yield str(path), unpacked_body(content[start:])


def packed_values(path: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):
                yield from (unpacked(value) for value in row if isinstance(value, bytes))


def traces(home: Path, words: tuple[str, ...] = WORDS) -> list[tuple[str, str]]:
    pattern = re.compile("|".join(map(re.escape, words)).encode(), re.IGNORECASE)
    return sorted(
        {(Path(name).name, match[0].decode()) for name, text in contents(home) for match in pattern.finditer(text)}
    )


def buy(shop: Business, who: Person) -> str:
    number = shop.store.buy(who, {"MUG": 1}, ship_to=who.place)
    shop.run()
    return number


def erase(shop: Business, what: str = ZORA.email, **given: bool) -> privacy.Certificate:
    with shop.installation() as here:
        return privacy.erase(here, what, who="ann", also_open=True, **given)


def log_of(shop: Business, text: str) -> Path:
    path = shop.settings.home / "logs" / "webserver.log"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_not_one_byte_of_an_erased_person_is_left_and_a_backfill_brings_nothing_back(shop: Business) -> None:
    number = buy(shop, ZORA)
    home = shop.settings.home
    log = log_of(shop, f"delivered to {ZORA.email}, Zora Quennessy\nanother line\n")
    dagster = home / "dagster" / "event_logs.db"
    dagster.parent.mkdir(exist_ok=True)
    with sqlite3.connect(dagster) as events:
        events.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY, event TEXT)")
        told = f'{{"reason": "no postcode of {ZORA.email}"}}'
        events.execute("INSERT INTO event_logs (event) VALUES (?)", [told])
        told = f'{{"reason": "no postcode of {ZORA.email}", "rows": [{", ".join(["0"] * 100)}]}}'
        events.execute("INSERT INTO event_logs (event) VALUES (?)", [packed(told.encode(), EVENTS)])
    events.close()
    assert {word for _, word in traces(home)} >= {"Quennessy", "Zora"}
    assert [word for word in packed_values(dagster) if ZORA.email.encode() in word]

    certificate = erase(shop)

    assert traces(home) == []
    assert shop.delivery(number).state is State.DELIVERED
    assert "another line" in log.read_text()
    assert ZORA.email not in str(shop.store.rows("SELECT * FROM sales_order WHERE increment_id = ?", number))
    addresses = shop.store.rows("SELECT * FROM sales_order_address WHERE parent_id = ?", shop.store.id_of(number))
    assert len(addresses) == 2
    assert not re.search("Quennessy|Quillback|0177", str(addresses))
    for table in ("customer", "transactionaddress", "customeraddressbookentityaddress"):
        assert not re.search("Quennessy|Quillback|0177|zora", str(shop.erp_rows(f"SELECT * FROM {table}")), re.I)
    assert {(line.where, line.how) for line in certificate.lines} >= {
        ("magento_us", "anonymised"), ("netsuite_us", "anonymised"), ("netsuite_us", "kept"), ("lake", "deleted"),
    }  # fmt: skip
    assert "Remove Personal Information" in Path(certificate.file).with_suffix(".md").read_text()

    ran = shop.run(days=today())
    shop.settle()
    assert traces(home) == []
    assert ran.transformed.accepted == 0
    assert shop.states()[number] == ("delivered", "")
    # A store that was restored from its own backup has them again; we do not.
    shop.store.sql(
        "UPDATE sales_order SET customer_email = ?, updated_at = '2030-01-01 00:00:00' WHERE increment_id = ?",
        ZORA.email,
        number,
    )
    with shop.installation() as here:
        spec = here.configuration.routes["us"]
        records = [one for page in here.source(spec, "orders").fetch([str(shop.store.id_of(number))]) for one in page]
        assert [one.payload for one in here.ledger.privacy.forget("magento_us", "sales_order", records)] == [
            {"erased": True}
        ]


def test_who_buys_again_after_they_were_erased_is_served(shop: Business) -> None:
    erase(shop)
    number = buy(shop, ZORA)
    shop.settle()
    assert shop.states()[number] == ("delivered", "")
    assert len(shop.in_erp(number)) == 1


def test_an_erasure_that_is_cut_short_goes_on_where_it_is_asked_for_again(
    shop: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy(shop, ZORA)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("_in_dagster", "_papers", "_of_record"):
        with monkeypatch.context() as cut:
            cut.setattr(privacy, name, killed)
            with pytest.raises(KeyboardInterrupt):
                erase(shop)
    erase(shop)
    assert traces(shop.settings.home) == []
    assert not list((shop.settings.home / "privacy").glob("under-way*"))


def test_erasing_twice_changes_nothing_more(shop: Business) -> None:
    erase(shop)
    again = erase(shop)  # the log has this erasure's own search for them, which goes with it
    assert (
        sum(
            line.count
            for line in again.lines
            if line.how not in ("none found", "kept") and line.where != "exchange log"
        )
        == 0
    )


def test_a_dry_run_changes_nothing_and_an_open_order_is_not_erased_unasked(shop: Business) -> None:
    number = buy(shop, ZORA)
    with shop.installation() as here:
        foreseen = privacy.erase(here, ZORA.email, who="ann", dry_run=True)
        with pytest.raises(CannotDo, match="goods are still to be sent"):
            privacy.erase(here, ZORA.email, who="ann")
    assert {line.where for line in foreseen.lines} >= {"magento_us", "netsuite_us", "ledger", "lake", "exchange log"}
    assert ZORA.email in shop.delivery(number).payload.decode()


def test_an_export_has_what_every_part_holds(shop: Business) -> None:
    buy(shop, ZORA)
    with shop.installation() as here:
        given = export(here, ZORA.email)
    assert {name for name, some in given["systems"].items() if some} == {"magento_us", "netsuite_us"}
    assert {"received", "deliveries"} <= given["ledger"].keys()
    assert list(given["lake"]) == ["magento_us/sales_order"]
    assert any(STREET in one["response"] for one in given["exchanges"])


def test_a_dead_letter_of_an_erased_person_is_dismissed_and_empty(shop: Business) -> None:
    number = shop.store.buy(ZORA, {"MUG": 1}, ship_to=ZORA.place)
    shop.extract_and_transform("orders")
    with shop.installation() as here:
        (claim,) = here.ledger.deliveries.claim("us", "orders", "netsuite_us", limit=1, owner="run:1", run_id="run")
        here.ledger.deliveries.dead(claim, "unmapped_carriers", f"no carrier goes to {STREET}")
    erase(shop)
    assert shop.delivery(number).state is State.DISMISSED
    assert traces(shop.settings.home) == []


def test_a_customer_with_an_account_is_deleted_in_the_store(shop: Business) -> None:
    member = MEMBERS[0]
    shop.store.buy(member)
    shop.run()
    (row,) = shop.store.rows("SELECT entity_id FROM customer_entity WHERE email = ?", member.email)
    erase(shop, f"magento_us:{row['entity_id']}")
    assert shop.store.rows("SELECT * FROM customer_entity WHERE email = ?", member.email) == []
    assert traces(shop.settings.home, (member.email,)) == []


def test_a_ledger_restored_from_before_the_erasure_forgets_again(shop: Business) -> None:
    buy(shop, ZORA)
    backup = shop.settings.home.parent / "backup.db"
    with shop.installation() as here:
        source, target = sqlite3.connect(here.settings.home / "ledger.db"), sqlite3.connect(backup)
        source.backup(target)
        source.close()
        target.close()
    erase(shop)
    with shop.installation() as here:
        erased_at = here.ledger.privacy.erased_at(ZORA.email)
        assert erased_at is not None
    for suffix in ("", "-wal", "-shm"):
        (shop.settings.home / f"ledger.db{suffix}").unlink(missing_ok=True)
    (shop.settings.home / "ledger.db").write_bytes(backup.read_bytes())
    with shop.installation() as here:
        assert len(privacy.again(here, who="ann")) == 1
        # Not of now: what they bought since they were erased may have to be read again.
        assert max(one.erased_at for one in here.ledger.privacy.buried()) == erased_at
    assert traces(shop.settings.home) == []


def test_others_keep_what_is_theirs_also_of_the_same_household(shop: Business) -> None:
    spouse, other = buy(shop, SPOUSE), shop.store.buy("walter")
    buy(shop, ZORA)
    shop.run()
    erase(shop)
    for number, name in ((spouse, "Basil"), (other, "Walter")):
        assert name in shop.delivery(number).payload.decode()
        assert name in str(shop.store.rows("SELECT * FROM sales_order WHERE increment_id = ?", number))
    assert shop.states()[spouse] == shop.states()[other] == ("delivered", "")


def test_what_an_erased_person_buys_later_is_a_new_customers_and_the_erased_one_stays_nobody(shop: Business) -> None:
    first = buy(shop, ZORA)
    shop.settle()
    erase(shop)
    second = buy(shop, ZORA)
    shop.settle()
    (before,), (after,) = shop.in_erp(first), shop.in_erp(second)
    assert after["entity"] != before["entity"]
    (old,) = shop.erp_rows("SELECT * FROM customer WHERE id = ?", before["entity"])
    assert not re.search("Quennessy|Quillback|0177|zora", str(old), re.I)
    (new,) = shop.erp_rows("SELECT * FROM customer WHERE id = ?", after["entity"])
    assert new["email"] == ZORA.email
    erase(shop)
    assert traces(shop.settings.home, (ZORA.email, ZORA.first_name)) == []
