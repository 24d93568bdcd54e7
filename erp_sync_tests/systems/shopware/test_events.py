"""Webhooks are verified over their raw body; signed here by another library than the one that verifies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import BadSignature, Malformed, NotExpected
from erp_sync.systems.shopware.capabilities import CAPABILITIES
from erp_sync.systems.shopware.events import SIGNATURE, verify
from erp_sync_tests.systems.shopware.samples import identity

SECRET = "the-secret-of-the-shop" * 4
OLDER = "the-secret-before" * 4
ORDER, DRAFT = identity("order 1"), "d" * 32
SOURCE = {"url": "https://shop.example", "appVersion": "1.0.0", "shopId": "abc", "eventId": "e-1"}


def written(entity: str, *keys: Any, **more: Any) -> dict[str, Any]:
    payload = [
        {"entity": entity, "operation": "update", "primaryKey": key, "updatedFields": [], **more} for key in keys
    ]
    return {
        "data": {"payload": payload, "event": f"{entity}.written"},
        "source": SOURCE,
        "timestamp": 1_796_000_000,
    }


def connection(**credentials: str) -> ConnectionSettings:
    return ConnectionSettings(
        name="shopware_de", vendor="shopware", base_url="https://shop.example", credentials=credentials
    )


SHOP = connection(webhook_secret=SECRET)
BODY = json.dumps(written("order", ORDER)).encode()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    signer = HMAC(secret.encode(), SHA256())
    signer.update(body)
    return {SIGNATURE: signer.finalize().hex(), "sw-version": "6.7.10.1", "content-type": "application/json"}


def told(webhook: Any) -> Any:
    body = json.dumps(webhook).encode()
    (event,) = verify(signed(body), body, SHOP)
    return event


def test_an_order_that_was_written_is_named():
    event = told(written("order", ORDER, {"id": "a" * 32, "versionId": "b" * 32}, ORDER))
    assert (event.entity, event.native_ids) == ("sales_order", (ORDER, "a" * 32))
    assert (event.event_id, event.topic) == ("e-1", "order.written")
    assert event.sent_at.isoformat() == "2026-11-30T00:53:20+00:00"


def test_a_draft_of_an_order_is_nobodys_order():
    event = told(written("order", DRAFT, versionId="f" * 32))
    assert (event.entity, event.native_ids) == ("", ())
    both = written("order", DRAFT, versionId="f" * 32)
    both["data"]["payload"] += written("order", ORDER)["data"]["payload"]
    assert told(both).native_ids == (ORDER,)


@pytest.mark.parametrize(
    ("topic", "payload", "entity", "ids"),
    [
        ("checkout.order.placed", {"order": {"id": ORDER}}, "sales_order", (ORDER,)),
        ("state_enter.order_delivery.state.shipped", {"order": {"id": ORDER}}, "sales_order", (ORDER,)),
        ("state_enter.order_transaction.state.paid", {}, "sales_order", ()),
        ("customer.written", [{"primaryKey": ORDER}], "customer", (ORDER,)),
        ("product.deleted", [{"primaryKey": ORDER}], "product", (ORDER,)),
        ("product_price.written", [{"primaryKey": ORDER}], "", ()),
        ("app.updated", {}, "", ()),
    ],
)
def test_topics_are_about_what_is_read_here(topic, payload, entity, ids):
    event = told({"data": {"payload": payload, "event": topic}, "source": SOURCE, "timestamp": 1})
    assert (event.entity, event.native_ids) == (entity, ids)


def test_a_drafts_business_event_is_not_told_either():
    event = told(
        {
            "data": {"payload": {"order": {"id": DRAFT, "versionId": "f" * 32}}, "event": "checkout.order.placed"},
            "source": SOURCE,
            "timestamp": 1,
        }
    )
    assert event.native_ids == ()


@settings(deadline=None)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_no_byte_of_the_body_can_be_changed(position: int, difference: int):
    changed = bytearray(BODY)
    changed[position] ^= difference
    with pytest.raises(BadSignature):
        verify(signed(BODY), bytes(changed), SHOP)


@pytest.mark.parametrize(
    "headers",
    [{}, {SIGNATURE: ""}, {SIGNATURE: "\udcff"}, signed(BODY, "another"), {SIGNATURE: signed(BODY)[SIGNATURE].upper()}],
)
def test_what_is_not_signed_by_the_shop_is_refused(headers):
    with pytest.raises(BadSignature):
        verify(headers, BODY, SHOP)


def test_while_a_secret_is_replaced_both_are_taken():
    both = connection(webhook_secret=SECRET, webhook_secret_before=OLDER)
    assert verify(signed(BODY, OLDER), BODY, both)
    assert verify(signed(BODY), BODY, both)
    with pytest.raises(BadSignature):
        verify(signed(BODY, OLDER), BODY, SHOP)


def test_without_a_secret_nothing_is_expected():
    with pytest.raises(NotExpected, match="webhook_secret"):
        verify(signed(BODY), BODY, connection())


@pytest.mark.parametrize(
    "webhook",
    [
        [],
        {},
        {**written("order", ORDER), "timestamp": "soon"},
        {**written("order", ORDER), "timestamp": 10**18},
        {**written("order", ORDER), "source": {"eventId": ""}},
        {**written("order", ORDER), "data": {}},
    ],
)
def test_what_is_signed_and_not_understood_is_said_so(webhook):
    body = json.dumps(webhook).encode()
    with pytest.raises(Malformed):
        verify(signed(body), body, SHOP)


def test_the_capabilities_name_what_events_are_about():
    rules = CAPABILITIES.notifications
    assert set(rules.entities) == {"sales_order", "customer", "product"}
    assert len(BODY) < rules.body_bytes
