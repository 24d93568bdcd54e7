"""Webhooks and apps: what is told, signed, tried again and given up."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from erp_sync.sandbox.testing import running
from erp_sync.systems.shopware.sandbox import create
from erp_sync.systems.shopware.sandbox.bootstrap import country
from erp_sync.systems.shopware.sandbox.courier import Courier
from erp_sync.systems.shopware.sandbox.names import LIVE_VERSION
from erp_sync_tests.systems.shopware.sandbox.conftest import CATALOGUE, equals, price
from erp_sync_tests.systems.shopware.sandbox.shopping import Shopper

ADDRESS = "http://127.0.0.1:9/hook"
APP = {
    "name": "ErpSync", "version": "1.2.0", "registration_url": "http://127.0.0.1:9/register", "secret": "app-secret",
    "permissions": ["product:read", "order:read"],
    "webhooks": [
        {"name": "products", "url": ADDRESS, "event": "product.written"},
        {"name": "customers", "url": ADDRESS, "event": "customer.written"},
        {"name": "placed", "url": ADDRESS, "event": "checkout.order.placed"},
    ],
}  # fmt: skip


def signed(text, key):
    return hmac.new(key.encode(), text if isinstance(text, bytes) else text.encode(), hashlib.sha256).hexdigest()


class Receiver:
    """The other side: an app's server that keeps what it gets and answers as it is told to."""

    def __init__(self, shop):
        self.got, self.status, self.registered, self.shop_secret = [], 200, [], "s" * 64
        self.proof_key = "app-secret"
        shop.core.courier = Courier(self.carry, threaded=False)

    def carry(self, method, url, body, headers):
        if "register" in url:
            return self.register(url, headers)
        if "confirm" in url:
            assert headers["shopware-shop-signature"] == signed(body, self.shop_secret)
            self.registered.append(json.loads(body))
            return 200, b""
        self.got.append((json.loads(body), body, dict(headers)))
        if self.status == 0:
            raise OSError("nobody answers")
        return self.status, b""

    def register(self, url, headers):
        query = urlsplit(url).query
        assert headers["shopware-app-signature"] == signed(query, "app-secret")
        given = {name: values[0] for name, values in parse_qs(query).items()}
        proof = signed(given["shop-id"] + given["shop-url"] + "ErpSync", self.proof_key)
        answer = {"proof": proof, "secret": self.shop_secret, "confirmation_url": "http://127.0.0.1:9/confirm"}
        return 200, json.dumps(answer).encode()

    @property
    def events(self):
        return [body["data"]["event"] for body, _, _ in self.got]


def hook(shop, event, **more):
    shop.call("POST", "/api/webhook", {"name": event, "eventName": event, "url": ADDRESS, **more})


def test_a_written_product_is_told_with_ids_only(shop):
    receiver = Receiver(shop)
    hook(shop, "product.written")
    mug = shop.product()["id"]
    shop.upsert("product", {"id": mug, "stock": 3})
    ((body, _, headers),) = receiver.got
    (one,) = body["data"]["payload"]
    assert (one["entity"], one["operation"], one["primaryKey"]) == ("product", "update", mug)
    assert "stock" in one["updatedFields"]
    assert one["versionId"] == LIVE_VERSION
    assert set(body["source"]) == {"url", "eventId"}
    assert body["timestamp"] == int(shop.clock.wall().timestamp())
    assert "shopware-shop-signature" not in headers  # no app, no signature


def test_a_child_s_write_is_one_of_its_owner_without_fields(shop):
    receiver = Receiver(shop)
    hook(shop, "product.written")
    hook(shop, "product_price.deleted")
    mug = shop.product()["id"]
    shop.upsert("rule", {"id": "c" * 32, "name": "Trade", "priority": 1})
    shop.upsert(
        "product_price", {"id": "d" * 32, "productId": mug, "ruleId": "c" * 32, "quantityStart": 1, "price": [price(9)]}
    )
    ((body, _, _),) = receiver.got
    assert body["data"]["payload"] == [
        {"entity": "product", "operation": "update", "primaryKey": mug, "updatedFields": []}
    ]
    shop.call("DELETE", f"/api/product-price/{'d' * 32}")
    gone = next(body for body, _, _ in receiver.got if body["data"]["event"] == "product_price.deleted")
    assert "updatedFields" not in gone["data"]["payload"][0]


def test_stock_that_an_order_moves_is_told_to_nobody(shop):
    receiver = Receiver(shop)
    for event in (
        "product.written",
        "order.written",
        "checkout.order.placed",
        "state_enter.order_delivery.state.shipped",
    ):
        hook(shop, event)
    shopper = Shopper(shop)
    shopper.register_guest()
    order = shopper.order(("MUG", 1))
    assert sorted(receiver.events) == ["checkout.order.placed", "order.written"]
    (placed,) = (body["data"]["payload"]["order"] for body, _, _ in receiver.got if "order" in body["data"]["payload"])
    receiver.got.clear()
    assert (placed["orderNumber"], placed["lineItems"][0]["quantity"]) == (order["orderNumber"], 1)
    (delivery,) = order["deliveries"]
    shop.call("POST", f"/api/_action/order_delivery/{delivery['id']}/state/ship", {"sendMail": False})
    assert sorted(receiver.events) == ["order.written", "state_enter.order_delivery.state.shipped"]
    told = [body["data"]["payload"] for body, _, _ in receiver.got]
    assert [one["order"]["id"] for one in told if "order" in one] == [order["id"]]


def test_a_refused_write_is_not_told(shop):
    receiver = Receiver(shop)
    hook(shop, "product.written")
    shop.refused("PATCH", f"/api/product/{shop.product()['id']}", {"stock": "many"})
    assert receiver.got == []


def test_with_the_admin_worker_what_does_not_arrive_is_lost(shop, clock):
    receiver = Receiver(shop)
    hook(shop, "product.written")
    receiver.status = 500
    shop.upsert("product", {"id": shop.product()["id"], "stock": 3})
    clock.advance(3600)
    shop.core.tick()
    assert len(receiver.got) == 1


def test_a_queue_tries_three_more_times_with_the_same_event_id(open_shop, clock):
    shop = open_shop(admin_worker=False)
    receiver = Receiver(shop)
    hook(shop, "product.written")
    receiver.status = 0
    shop.upsert("product", {"id": shop.product()["id"], "stock": 3})
    counts = []
    for seconds in (0, 1, 1.9, 0.1, 4, 60):
        clock.advance(seconds)
        shop.core.tick()
        counts.append(len(receiver.got))
        shop.core.tick()
    assert counts == [1, 2, 2, 3, 4, 4]
    assert len({body["source"]["eventId"] for body, _, _ in receiver.got}) == 1
    (found,) = shop.search("webhook")
    assert (found["errorCount"], found["active"]) == (1, True)


def test_ten_failures_switch_a_webhook_off_and_a_success_forgets_them(open_shop, clock):
    shop = open_shop(admin_worker=False)
    receiver = Receiver(shop)
    hook(shop, "product.written")
    mug = shop.product()["id"]

    def write():
        shop.upsert("product", {"id": mug, "stock": 3})
        for _ in range(9):  # four attempts, each noted before the next
            shop.core.tick()
            clock.advance(4)

    receiver.status = 500
    for _ in range(9):
        write()
    receiver.status = 200
    write()
    assert shop.search("webhook")[0]["errorCount"] == 0
    receiver.status = 500
    for _ in range(10):
        write()
    (found,) = shop.search("webhook")
    assert (found["active"], found["errorCount"]) == (False, 0)
    told = len(receiver.got)
    write()
    assert len(receiver.got) == told


def test_an_app_registers_and_what_it_hears_is_signed(shop):
    receiver = Receiver(shop)
    shop.core.seed({"apps": [APP]})
    shop.core.tick()
    assert shop.core.status()["apps"] == {"ErpSync": "registering"}
    shop.core.tick()
    assert shop.core.status()["apps"] == {"ErpSync": "registered"}
    (confirmed,) = receiver.registered
    token = shop.call("POST", "/api/oauth/token", {
        "grant_type": "client_credentials", "client_id": confirmed["apiKey"], "client_secret": confirmed["secretKey"],
    })["access_token"]  # fmt: skip
    bearer = {"authorization": f"Bearer {token}"}
    assert (
        shop.call("POST", "/api/search/product", {"filter": [equals("productNumber", "MUG")]}, **bearer)["total"] == 1
    )
    assert shop.refused("POST", "/api/search/customer", {}, **bearer).status == 403
    shop.upsert("product", {"id": shop.product()["id"], "stock": 3})
    ((body, raw, headers),) = receiver.got
    assert headers["shopware-shop-signature"] == signed(raw, receiver.shop_secret)
    assert body["source"]["appVersion"] == "1.2.0"
    assert body["source"]["shopId"] == confirmed["shopId"]


def test_an_app_hears_only_what_it_may_read(shop):
    receiver = Receiver(shop)
    shop.core.seed({"apps": [APP]})
    shop.core.tick()
    shop.core.tick()
    Shopper(shop).register_guest()
    assert "customer.written" not in receiver.events


def test_a_server_with_another_secret_is_not_registered(shop):
    receiver = Receiver(shop)
    receiver.proof_key = "guess"
    shop.core.seed({"apps": [APP]})
    shop.core.tick()
    shop.core.tick()
    assert shop.core.status()["apps"]["ErpSync"] == "failed: The app server provided an invalid proof"
    shop.upsert("product", {"id": shop.product()["id"], "stock": 3})
    assert receiver.got == []


@pytest.fixture
def listening():
    """A server on the loopback address; the bodies it got come through a queue."""
    got: queue.Queue[bytes] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.put(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_over_http_a_webhook_arrives(listening):
    url, got = listening
    with running(create, vendor="shopware") as served:
        served.control("POST", "seed", {**CATALOGUE, "apps": []})
        shop = served.core.shop
        with shop.database.transaction():
            writer = shop.writer(system=True)
            writer.upsert(shop.entity("webhook"), {"name": "p", "eventName": "checkout.order.placed", "url": url}, "/0")
            writer.execute()
        shopper = _HttpShopper(served)
        shopper.buy("TEA")
        body = json.loads(got.get(timeout=30))
    assert body["data"]["event"] == "checkout.order.placed"
    assert body["data"]["payload"]["order"]["orderNumber"] == "10000"


class _HttpShopper:
    """A guest over HTTP."""

    def __init__(self, served):
        status = served.status()
        self.headers = {"sw-access-key": status["credentials"]["access_key"], "sw-context-token": "somebody"}
        self.client = httpx.Client(base_url=f"{served.base_url}/store-api", timeout=30)

    def call(self, method, path, body=None):
        answer = self.client.request(method, path, json=body, headers=self.headers)
        assert answer.status_code < 300, answer.text
        self.headers["sw-context-token"] = answer.headers["sw-context-token"]
        return answer.json()

    def buy(self, sku):
        found = self.call("POST", "/product", {"filter": [equals("productNumber", sku)]})["elements"][0]
        place = {"street": "1 Main", "city": "Dayton", "countryId": country("US")}
        guest = {"email": "g@example.com", "firstName": "G", "lastName": "H", "guest": True, "billingAddress": place}
        self.call("POST", "/account/register", guest)
        item = {"type": "product", "referencedId": found["id"], "quantity": 1}
        self.call("POST", "/checkout/cart/line-item", {"items": [item]})
        order = self.call("POST", "/checkout/order", {})
        self.client.close()
        return order
