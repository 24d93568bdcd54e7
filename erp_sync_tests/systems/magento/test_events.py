"""Adobe I/O Events are verified over their raw body, whoever of Adobe's two keys signed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.notifications import BadSignature, Malformed, NotExpected, NotificationRefused
from erp_sync.systems.magento.capabilities import CAPABILITIES, capabilities_of
from erp_sync.systems.magento.events import TOPICS, verify
from erp_sync_tests.systems.magento.io_events import CLIENT_ID, event, signed, signing_key

BODY = event({"entity_id": "673", "increment_id": "000000617", "customer_email": "ann@example.com"})
FEW = settings(max_examples=40, deadline=None)  # a signature costs milliseconds, the first one a key


def store(known: tuple[str, ...] = ("one", "two"), edition: str = "commerce", **more: Any) -> ConnectionSettings:
    events = {"client_id": CLIENT_ID, "keys": {signing_key(name).path: signing_key(name).pem for name in known}, **more}
    return ConnectionSettings(
        name="magento_us",
        vendor="magento",
        base_url="https://e.test",
        credentials={},
        settings={"edition": edition, "events": events},
    )


def test_a_signed_event_names_the_order_to_read():
    [one] = verify(signed(BODY, "one", "two"), BODY, store())
    assert (one.entity, one.native_ids) == ("sales_order", ("673",))
    assert (one.event_id, one.topic) == (
        "bdc6d818-d6d8-4e80-b78f-d8c47890ff40",
        "observer.sales_order_save_commit_after",
    )
    assert one.detail == {"increment_id": "000000617"}, "personal data stays out"


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ({"payment": {"parent_id": "673"}, "increment_id": "617"}, ("673",)),
        ({"items": [{"sku": "A", "order_id": "673"}]}, ("673",)),
        ({"increment_id": "617"}, ()),
        ({"items": 5, "payment": "x"}, ()),
    ],
)
def test_a_new_order_is_known_by_what_names_it(value: dict[str, Any], ids: tuple[str, ...]):
    body = event(value)
    [one] = verify(signed(body, "one"), body, store())
    assert one.native_ids == ids


def test_one_signature_with_a_known_key_is_enough():
    assert verify(signed(BODY, "rotated", "two"), BODY, store(known=("two",)))
    with pytest.raises(BadSignature, match=r"events\.keys"):
        verify(signed(BODY, "rotated", "foreign"), BODY, store())


def test_a_wrong_signature_of_a_known_key_condemns_the_event():
    headers = signed(BODY, "one", "two") | {"x-adobe-digital-signature-1": signing_key("two").sign(BODY)}
    with pytest.raises(BadSignature, match="signature-1"):
        verify(headers, BODY, store())


@FEW
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_no_byte_of_the_body_can_be_changed(position: int, difference: int):
    changed = bytearray(BODY)
    changed[position] ^= difference
    with pytest.raises(BadSignature):
        verify(signed(BODY, "one", "two"), bytes(changed), store())


HEADERS = [f"x-adobe-{name}" for name in (
    "digital-signature-1", "digital-signature-2", "public-key1-path", "public-key2-path", "event-id")]  # fmt: skip


@FEW
@given(st.sampled_from(HEADERS), st.data())
def test_a_changed_header_is_refused_or_changes_nothing(name: str, data: st.DataObject):
    """Headers are not signed: nothing of an unsigned one may get into an event."""
    headers = signed(BODY, "one", "two")
    value = headers[name]
    position = data.draw(st.integers(0, len(value) - 1))
    changed = value[:position] + data.draw(st.characters(codec="latin-1")) + value[position + 1 :]
    try:
        assert verify({**headers, name: changed}, BODY, store()) == verify(headers, BODY, store())
    except NotificationRefused:
        assert changed != value
    else:
        assert changed == value or not name.startswith("x-adobe-digital-signature")


@FEW
@given(st.integers(0, 343), st.characters(codec="latin-1"))
def test_with_one_key_no_character_of_the_signature_can_be_changed(position: int, character: str):
    headers = signed(BODY, "one")
    value = headers["x-adobe-digital-signature-1"]
    if value[position] != character:
        headers["x-adobe-digital-signature-1"] = value[:position] + character + value[position + 1 :]
        with pytest.raises(BadSignature):
            verify(headers, BODY, store())


def test_an_event_for_another_project_is_refused():
    body = event({"entity_id": "1"}, client_id="somebody else")
    with pytest.raises(BadSignature, match="recipient"):
        verify(signed(body, "one"), body, store())


def test_without_a_signature_nothing_is_parsed():
    with pytest.raises(BadSignature):
        verify({}, b"{not even JSON", store())


def test_other_events_are_about_nothing_that_is_read():
    body = event({"id": "5"}, topic="observer.cms_page_save_after")
    [one] = verify(signed(body, "one"), body, store())
    assert one.entity == ""


def test_signed_and_not_understood_says_why():
    for body in (b"[]", b"{}", event({}, time="2026-11-23T09:00:00"), b"\xff"):
        with pytest.raises(Malformed):
            verify(signed(body, "one"), body, store())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"edition": "open_source"}, "Open Source"),
        ({"client_id": ""}, "client_id"),
        ({"keys": {}}, "keys"),
        ({"keys": {"/prod/keys/pub-key-one.pem": "no PEM"}}, "PEM"),
    ],
)
def test_what_cannot_be_verified_is_not_expected(settings: dict[str, Any], words: str):
    with pytest.raises(NotExpected, match=words):
        verify(signed(BODY, "one"), BODY, store(**settings))


def test_only_commerce_declares_notifications():
    assert capabilities_of({"edition": "commerce"}).notifications is not None
    assert capabilities_of({}).notifications is None
    assert set(TOPICS.values()) == set(CAPABILITIES.notifications.entities)
