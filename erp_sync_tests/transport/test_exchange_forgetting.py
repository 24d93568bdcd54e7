"""What was logged of an erased person since is forgotten, each exchange looked through once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from erp_sync.model.personal import PersonalTexts
from erp_sync.transport.exchange_forgetting import AGAIN, Position, forget
from erp_sync.transport.exchanges import ExchangeLog
from erp_sync_tests.model.test_remains import ERASED_AT, remains
from erp_sync_tests.transport.test_exchanges import exchange

ANN = PersonalTexts(email="ann@example.com", names=frozenset({("Ann", "Lee")}), streets=frozenset({"7 Ring"}),
                    phones=frozenset({"030 5550177"}))  # fmt: skip
LATER = ERASED_AT + timedelta(days=1)


def said(log: ExchangeLog, email: str, *, url: str = "https://shop/orders") -> None:
    body = json.dumps({"items": [{"customer_email": email}]}).encode()
    log.record(exchange(time=LATER, url=url, request_body=b"", response_body=body))


def test_bodies_and_addresses_of_calls_lose_the_person_and_others_stay(tmp_path: Path) -> None:
    log = ExchangeLog(tmp_path)
    said(log, ANN.email, url="https://shop/orders?email=ann%40example.com")
    said(log, "bo@example.com")
    done, position = forget(log, remains(ANN), Position(), LATER + AGAIN)
    assert done == {"bodies": 1, "exchanges": 1}
    gone, left = log.search()
    assert (log.response_body(gone), gone.url) == (b"", "https://shop/orders?email=erased-mark@erased.invalid")
    assert b"bo@example.com" in log.response_body(left)
    assert position == Position(id=left.id, time=LATER)
    log.close()


def test_what_was_looked_through_is_not_read_again_but_what_is_young_is(tmp_path: Path) -> None:
    log = ExchangeLog(tmp_path)
    said(log, ANN.email)
    _, young = forget(log, remains(ANN, returned=True), Position(), LATER)
    assert young == Position()
    _, after = forget(log, remains(ANN, returned=True), young, LATER + AGAIN)
    assert after.time == LATER
    assert not forget(log, remains(ANN), after, LATER + AGAIN)[0]
    said(log, ANN.email)
    assert forget(log, remains(ANN), after, LATER + AGAIN)[0] == {"bodies": 1}
    # A log that was put back from a backup has another exchange there, or none.
    elsewhere = Position(id=after.id, time=ERASED_AT)
    assert forget(log, remains(ANN), elsewhere, LATER + AGAIN)[0] == {"bodies": 1}
    log.close()
