"""What SAP Business One tells by itself: signed, at least once, keys only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from erp_sync.ports.notifications import BadSignature, Malformed, NotExpected
from erp_sync.systems.sap_b1.events import verify
from erp_sync_tests.systems.sap_b1.conftest import CREDENTIALS, connection

KEY = "a key of the subscription"
TOLD = msgspec.structs.replace(connection(), credentials=CREDENTIALS | {"webhook_secret": KEY})


def event(name: str, data: dict[str, str], **changes: Any) -> dict[str, Any]:
    return {
        "id": "6f1c", "specversion": "1.0", "source": "https://sap.example:50000/b1s/v2", "subject": "C1,BOLT",
        "type": f"sap.b1.{name}.Updated.v1", "time": "2026-11-30T12:00:00.000Z", "datacontenttype": "application/json",
        "data": data, **changes,
    }  # fmt: skip


def delivered(*events: dict[str, Any], key: str = KEY) -> tuple[dict[str, str], bytes]:
    body = json.dumps(events).encode()
    signature = base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()
    return {"x-b1-webhook-signature": signature}, body


def test_a_special_price_that_changed_is_named_as_the_source_names_it():
    (told,) = verify(*delivered(event("SpecialPrices", {"CardCode": "C1", "ItemCode": "A/B"})), TOLD)
    assert (told.entity, told.native_ids, told.event_id) == ("price_terms", ("SpecialPrices/C1/A%2FB",), "6f1c")
    assert told.sent_at == datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_an_item_is_a_product_and_decides_prices():
    told = verify(*delivered(event("Items", {"ItemCode": "BOLT"})), TOLD)
    assert [(one.entity, one.native_ids) for one in told] == [("product", ("BOLT",)), ("price_terms", ("Items/BOLT",))]
    assert len({one.event_id for one in told}) == 2


def test_many_events_are_told_in_their_order_and_others_are_about_nothing():
    told = verify(
        *delivered(event("PriceLists", {"PriceListNo": "3"}, id="1"), event("Orders", {"DocEntry": "9"}, id="2")), TOLD
    )
    assert [(one.entity, one.native_ids) for one in told] == [("price_terms", ("PriceLists/3",)), ("", ())]


def test_the_key_before_is_taken_while_it_is_replaced():
    replacing = msgspec.structs.replace(TOLD, credentials={"webhook_secret": "new", "webhook_secret_before": KEY})
    assert len(verify(*delivered(event("PriceLists", {"PriceListNo": "3"})), replacing)) == 1


def test_what_is_not_signed_by_the_key_is_refused():
    headers, body = delivered(event("PriceLists", {"PriceListNo": "3"}), key="another")
    with pytest.raises(BadSignature, match="does not fit"):
        verify(headers, body, TOLD)
    with pytest.raises(BadSignature, match="is missing"):
        verify({}, body, TOLD)
    with pytest.raises(NotExpected, match="no credential webhook_secret"):
        verify(headers, body, connection())


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"id": ""}, "id, type"),
        ({"time": "2026-11-30T12:00:00"}, "the zone of its time"),
        ({"time": "noon"}, "Invalid RFC3339"),
        ({"data": {"CardCode": "C1"}}, "lacks CardCode, ItemCode"),
    ],
)
def test_what_is_signed_and_not_understood_is_named(sent: dict[str, Any], words: str):
    with pytest.raises(Malformed, match=words):
        verify(*delivered(event("SpecialPrices", {"CardCode": "C1", "ItemCode": "BOLT"}) | sent), TOLD)


def test_a_body_that_is_no_array_is_refused():
    body = b'{"id": "1"}'
    signature = base64.b64encode(hmac.new(KEY.encode(), body, hashlib.sha256).digest()).decode()
    with pytest.raises(Malformed):
        verify({"x-b1-webhook-signature": signature}, body, TOLD)
