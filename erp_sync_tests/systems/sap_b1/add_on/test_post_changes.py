"""What a company's procedure has noted is posted once the receiver takes it, in the form of the vendor's webhooks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import Notification
from erp_sync.sandbox.clock import ManualClock
from erp_sync.systems.sap_b1.add_on import post_changes
from erp_sync.systems.sap_b1.add_on.post_changes import MOST, event, post_once, signature
from erp_sync.systems.sap_b1.events import verify
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync_tests.systems.sap_b1.sandbox.conftest import CATALOGUE, Company

KEY, URL = "secret", "https://erp-sync.example/events"
AT = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
NOTED = (
    ("7", "A", "ItemCode\tCardCode", "BOLT\tC1"),
    ("6", "U", "ListNum", "1"),
    ("4", "U", "ItemCode", "NUT"),
    ("2", "U", "CardCode", "C1"),
    ("1250000025", "A", "AbsID", "1"),
    ("10", "U", "GroupCode", "100"),
    ("7", "D", "ItemCode\tCardCode", "BOLT\tC1"),
)


class Receiver:
    def __init__(self, *answers: int) -> None:
        self.answers, self.bodies = list(answers), []

    def __call__(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        assert (url, headers["X-B1-Webhook-Signature"]) == (URL, signature(KEY, body))
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.bodies.append(json.loads(body))
        return status


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE changes (number INTEGER PRIMARY KEY, company, object_type, transaction_type, key_columns, "
        "key_values, noted_at)"
    )
    yield connection
    connection.close()


def note(database: sqlite3.Connection, *rows: tuple[str, str, str, str], company: str = "SBO") -> None:
    database.executemany(
        "INSERT INTO changes (company, object_type, transaction_type, key_columns, key_values, noted_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [(company, *row, AT) for row in rows],
    )
    database.commit()


def posted(database: sqlite3.Connection, receiver: Receiver, company: str = "SBO") -> int:
    return post_once(database, "changes", company, URL, KEY, receiver)


def left(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT COUNT(*) FROM changes").fetchone()[0])


def test_events_are_those_that_the_vendors_webhooks_would_post(database: sqlite3.Connection):
    """The same changes, told by the sandbox: all but id, source and time are equal."""
    note(database, *NOTED)
    receiver = Receiver()
    assert posted(database, receiver) == len(NOTED)
    assert [_told(one) for one in receiver.bodies[0]] == [_told(one) for one in _by_the_vendor()]


def _told(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "id": "", "source": "", "time": ""}


def _by_the_vendor() -> list[dict[str, Any]]:
    company = Company(create(":memory:", ManualClock(), {"webhook_plain_http": True}), ManualClock())
    bodies: list[dict[str, Any]] = []
    company.core.courier.threaded = False
    company.core.courier.send = lambda method, url, body, headers: (200, bodies.extend(json.loads(body)) or b"")
    company.core.seed({**CATALOGUE, "add_on_events": {"url": URL, "key": KEY}})
    company.made("SpecialPrices", {"CardCode": "C1", "ItemCode": "BOLT", "Price": 9, "Currency": "USD"})
    company.changed("PriceLists(1)", {"PriceListName": "Retail"})
    company.changed("Items('NUT')", {"ItemName": "Nut"})
    company.changed("BusinessPartners('C1')", {"CardName": "Works"})
    terms = {"BPCode": "C1", "StartDate": "2026-01-01", "EndDate": "2026-12-31"}
    company.made("BlanketAgreements", terms)
    company.changed("BusinessPartnerGroups(100)", {"Name": "Workshops"})
    company.call("DELETE", "SpecialPrices(CardCode='C1',ItemCode='BOLT')")
    company.core.tick()
    company.core.close()
    return bodies


def test_the_service_takes_what_is_posted(database: sqlite3.Connection):
    """Signature, keys and times as the project's own receiver asks for them."""
    connection = ConnectionSettings(
        name="sap_de", vendor="sap_b1", base_url="https://sap.example", credentials={"webhook_secret": KEY}
    )
    told: list[Notification] = []

    def service(url: str, body: bytes, headers: dict[str, str]) -> int:
        told.extend(verify({name.lower(): value for name, value in headers.items()}, body, connection))
        return 202

    note(database, *NOTED)
    assert post_once(database, "changes", "SBO", URL, KEY, service) == len(NOTED)
    assert {one.native_ids for one in told} >= {("SpecialPrices/C1/BOLT",), ("PriceLists/1",), ("NUT",)}


@pytest.mark.parametrize("answer", [500, 404])
def test_what_was_not_taken_stays_and_keeps_its_id(database: sqlite3.Connection, answer: int):
    note(database, *NOTED)
    receiver = Receiver(answer)
    with pytest.raises(RuntimeError, match=f"answered {answer}: 7 changes stay"):
        posted(database, receiver)
    assert left(database) == len(NOTED)
    assert posted(database, receiver) == len(NOTED)
    assert left(database) == 0
    again = event("SBO", (1, *NOTED[0], AT))
    assert again is not None
    assert receiver.bodies[0][0]["id"] == again["id"]


def test_a_receiver_that_is_away_loses_nothing(database: sqlite3.Connection):
    note(database, NOTED[0])

    def away(url: str, body: bytes, headers: dict[str, str]) -> int:
        raise ConnectionRefusedError

    with pytest.raises(OSError):
        post_once(database, "changes", "SBO", URL, KEY, away)
    assert left(database) == 1


def test_a_lower_number_that_is_committed_while_others_are_posted_is_not_lost(database: sqlite3.Connection):
    note(database, NOTED[1], NOTED[2])
    database.execute("UPDATE changes SET number = number + 10")

    def late(url: str, body: bytes, headers: dict[str, str]) -> int:
        note(database, NOTED[3])
        database.execute("UPDATE changes SET number = 5 WHERE object_type = '2'")
        return 200

    assert post_once(database, "changes", "SBO", URL, KEY, late) == 2
    receiver = Receiver()
    assert posted(database, receiver) == 1
    assert receiver.bodies[0][0]["type"] == "sap.b1.BusinessPartners.Updated.v1"


def test_what_nobody_took_for_a_week_stands_in_nobodys_way(database: sqlite3.Connection):
    note(database, NOTED[0], NOTED[1])
    database.execute("UPDATE changes SET noted_at = '2026-01-01T12:00:00.000Z' WHERE object_type = '7'")
    receiver = Receiver()
    assert posted(database, receiver) == 2
    assert [one["type"] for one in receiver.bodies[0]] == ["sap.b1.PriceLists.Updated.v1"]
    assert left(database) == 0


def test_at_most_as_many_as_a_webhook_has_go_at_once(database: sqlite3.Connection):
    note(database, *[("4", "U", "ItemCode", f"P{number}") for number in range(MOST + 1)])
    receiver = Receiver()
    assert [posted(database, receiver) for _ in range(3)] == [MOST, 1, 0]
    assert [len(body) for body in receiver.bodies] == [MOST, 1]


def test_other_companies_and_objects_are_left_alone(database: sqlite3.Connection):
    note(database, ("17", "A", "DocEntry", "1"), ("4", "C", "ItemCode", "X"))
    note(database, NOTED[0], company="OTHER")
    receiver = Receiver()
    assert posted(database, receiver) == 2
    assert (receiver.bodies, left(database)) == ([], 1)


def test_without_a_key_it_does_not_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.delenv("ERP_SYNC_EVENT_KEY", raising=False)
    with pytest.raises(SystemExit):
        post_changes.main(["--driver", "sqlite3", "--connect", ":memory:", "--company", "SBO", "--url", URL])
    assert "ERP_SYNC_EVENT_KEY is not set" in capsys.readouterr().err
