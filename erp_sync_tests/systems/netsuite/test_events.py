"""The change push is verified over its raw body; signed here by another library than the one that verifies."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import BadSignature, Malformed, NotExpected
from erp_sync.systems.netsuite.capabilities import CAPABILITIES
from erp_sync.systems.netsuite.events import SIGNATURE, verify

SECRET = "s3cret-of-the-deployment"
PUSH = {
    "id": "itemfulfillment-20007-shipment-create-2026-11-23T09:00:00.000Z",
    "entity": "shipment",
    "record": "itemfulfillment",
    "native_id": "20007",
    "items": [],
    "change": "create",
    "sent_at": "2026-11-23T09:00:00.000Z",
}
BODY = json.dumps(PUSH).encode()
UNTIMED = settings(deadline=None)


def connection(**credentials: str) -> ConnectionSettings:
    return ConnectionSettings(name="netsuite_us", vendor="netsuite", base_url="https://e.test", credentials=credentials)


ACCOUNT = connection(push_secret=SECRET)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    signer = HMAC(secret.encode(), SHA256())
    signer.update(body)
    return {SIGNATURE: f"sha256={signer.finalize().hex()}", "content-type": "application/json"}


def pushed(**changes: object) -> list:
    body = json.dumps({**PUSH, **changes}).encode()
    return verify(signed(body), body, ACCOUNT)


def test_a_signed_push_names_the_record_to_read():
    [event] = verify(signed(BODY), BODY, ACCOUNT)
    assert (event.event_id, event.entity, event.native_ids) == (PUSH["id"], "shipment", ("20007",))
    assert (event.topic, event.sent_at.isoformat()) == ("itemfulfillment.create", "2026-11-23T09:00:00+00:00")


def test_stock_is_read_by_the_items_that_a_record_moved():
    [event] = pushed(entity="stock_level", items=["1001", "1002", "1001"])
    assert event.native_ids == ("1001", "1002")


def test_a_saved_item_may_have_another_price():
    product, price = pushed(entity="product", record="inventoryitem", native_id="1001")
    assert (product.entity, price.entity) == ("product", "price")
    assert product.event_id != price.event_id


def test_what_a_newer_script_sends_is_about_nothing_known():
    [event] = pushed(entity="employee")
    assert event.entity == ""


@UNTIMED
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_no_byte_of_the_body_can_be_changed(position: int, difference: int):
    changed = bytearray(BODY)
    changed[position] ^= difference
    with pytest.raises(BadSignature):
        verify(signed(BODY), bytes(changed), ACCOUNT)


@UNTIMED
@given(st.integers(0, len(BODY)), st.binary(min_size=1, max_size=4))
def test_nothing_can_be_put_into_the_body(position: int, more: bytes):
    with pytest.raises(BadSignature):
        verify(signed(BODY), BODY[:position] + more + BODY[position:], ACCOUNT)


@UNTIMED
@given(st.text(max_size=80))
def test_no_other_signature_is_taken(signature: str):
    headers = signed(BODY)
    if signature != headers[SIGNATURE]:
        with pytest.raises(BadSignature):
            verify({**headers, SIGNATURE: signature}, BODY, ACCOUNT)


def test_a_signature_is_one_text_only():
    right = signed(BODY)[SIGNATURE]
    for wrong in (right.upper(), right.removeprefix("sha256="), f"{right} ", f"{right}, {right}", right[:-1]):
        with pytest.raises(BadSignature):
            verify({SIGNATURE: wrong}, BODY, ACCOUNT)


def test_a_push_without_a_signature_is_not_parsed():
    with pytest.raises(BadSignature):
        verify({}, b"{not even JSON", ACCOUNT)


def test_while_a_secret_is_replaced_both_are_good():
    both = connection(push_secret="new", push_secret_before=SECRET)
    assert verify(signed(BODY), BODY, both)
    assert verify(signed(BODY, "new"), BODY, both)
    with pytest.raises(BadSignature):
        verify(signed(BODY, "another"), BODY, both)


def test_without_a_secret_nothing_is_taken():
    with pytest.raises(NotExpected, match="push_secret"):
        verify(signed(BODY, ""), BODY, connection())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "object"),
        (b"{}", "missing required field"),
        (b"\xff", "malformed"),
        (json.dumps({**PUSH, "native_id": 7}).encode(), "native_id"),
        (json.dumps({**PUSH, "native_id": ""}).encode(), "empty"),
        (json.dumps({**PUSH, "sent_at": "2026-11-23T09:00:00"}).encode(), "time zone"),
    ],
)
def test_signed_and_not_understood_says_why(body: bytes, words: str):
    with pytest.raises(Malformed, match=words):
        verify(signed(body), body, ACCOUNT)


def test_every_entity_that_the_script_sends_is_declared():
    assert {"shipment", "stock_level", "product", "order_status"} <= set(CAPABILITIES.notifications.entities)
