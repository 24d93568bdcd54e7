"""I/O events of Commerce: proved address, two signatures, retries."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from erp_sync.sandbox.core import Request
from erp_sync.systems.magento.sandbox.events import Courier
from erp_sync_tests.systems.magento.sandbox.conftest import HOST

URL = "https://receiver.example.com/events"


class Receiver:
    """Echoes challenges and keeps what is posted; `status` is what it answers."""

    def __init__(self):
        self.status, self.posts, self.challenged = 200, [], 0

    def __call__(self, method, url, body, headers):
        if method == "GET":
            self.challenged += 1
            return 200, parse_qs(urlsplit(url).query)["challenge"][0].encode()
        self.posts.append((body, headers))
        return self.status, b""


@pytest.fixture
def pushed(open_shop):
    shop, receiver = open_shop(edition="commerce", events_url=URL), Receiver()
    shop.core.courier = Courier(URL, receiver, threaded=False)
    return shop, receiver


def test_a_placed_order_is_pushed_signed_by_two_keys(pushed):
    shop, receiver = pushed
    order = shop.order(shop.item("MUG"))
    shop.core.tick()
    assert receiver.challenged == 1
    ((body, headers),) = receiver.posts
    event = json.loads(body)
    assert event["type"] == "com.adobe.commerce.observer.sales_order_save_after"
    assert event["data"]["value"]["increment_id"] == order["increment_id"]
    assert event["recipient_client_id"] == shop.core.status()["events"]["client_id"]
    for number in (1, 2):
        path = headers[f"x-adobe-public-key{number}-path"]
        pem = shop.core.handle(Request.build("GET", HOST + path)).response.body
        key = serialization.load_pem_public_key(pem)
        signature = base64.b64decode(headers[f"x-adobe-digital-signature-{number}"])
        key.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())


def test_a_receiver_that_fails_is_asked_again_after_a_minute_then_two(pushed, clock):
    shop, receiver = pushed
    receiver.status = 500
    shop.call("PUT", "/V1/products/MUG", {"product": {"price": 30}}, rest="/rest/all")
    for wait in (0, 59, 1, 119, 1):
        clock.advance(wait)
        shop.core.tick()
        shop.core.tick()  # notes the outcome
    assert [headers["x-adobe-retry-count"] for _, headers in receiver.posts] == ["0", "1", "2"]
    receiver.status = 200
    clock.advance(240)
    shop.core.tick()
    shop.core.tick()
    clock.advance(3600)
    shop.core.tick()
    assert len(receiver.posts) == 4


def test_a_receiver_that_does_not_echo_gets_nothing(pushed, clock):
    shop, receiver = pushed
    shop.core.courier = Courier(URL, lambda *_: (200, b"something else"), threaded=False)
    shop.order(shop.item("MUG"))
    shop.core.tick()
    assert receiver.posts == []
    assert shop.database.value("SELECT count(*) AS total FROM sandbox_event WHERE delivered_at IS NULL") == 1


def test_open_source_pushes_nothing(open_shop):
    shop = open_shop(events_url=URL)
    shop.order(shop.item("MUG"))
    assert shop.core.courier is None
    assert shop.database.value("SELECT count(*) AS total FROM sandbox_event") == 0
