"""Webhooks: the handshake, signed arrays of keys, retries, and what becomes of a receiver that is down."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from erp_sync.sandbox.testing import running
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync.systems.sap_b1.sandbox.courier import Undelivered
from erp_sync_tests.systems.sap_b1.sandbox.conftest import CATALOGUE, order_body

SECRET = "secret"
SUBSCRIPTION = {
    "WebhookID": "erp",
    "WebhookURL": "https://service.example/sap",
    "AuthenticationType": "HMAC",
    "AuthenticationCred": json.dumps({"Key": SECRET, "Algorithm": "HMACSha256"}),
    "Handshake": "tYES",
    "EventCollection": [
        {"BusinessObject": "Orders", "TransactionType": "Created"},
        {"BusinessObject": "Orders", "TransactionType": "Cancelled"},
        {"BusinessObject": "Items", "TransactionType": "Updated"},
    ],
}


def signature(content: bytes) -> str:
    return base64.b64encode(hmac.new(SECRET.encode(), content, hashlib.sha256).digest()).decode()


class Receiver:
    """Stands at the address: echoes challenges and keeps what is delivered."""

    def __init__(self) -> None:
        self.answers: list[int | None] = []
        self.bodies: list[bytes] = []
        self.echo = True

    def __call__(self, method, url, body, headers):
        if method == "GET":
            token = headers["X-B1-Webhook-Token"]
            assert headers["X-B1-Webhook-Signature"] == signature(token.encode())
            return 200, json.dumps({"Challenge": token if self.echo else "?"}).encode()
        assert headers["X-B1-Webhook-Signature"] == signature(body)
        status = self.answers.pop(0) if self.answers else 200
        if status is None:
            raise Undelivered("connection refused")
        self.bodies.append(body)
        return status, b""

    @property
    def events(self):
        return [(event["type"], event["subject"]) for body in self.bodies for event in json.loads(body)]


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def hooked(make_company, receiver):
    """A company with webhooks on, whose courier carries to the receiver at once."""

    def make(**options):
        company = make_company(webhooks=True, **options)
        company.core.courier.send, company.core.courier.threaded = receiver, False
        return company

    return make


def subscribe(company, **changes):
    return company.call("POST", "EventSubscriptions", {**SUBSCRIPTION, **changes})


def status(company):
    return company.get("EventSubscriptions('erp')")["Status"]


def test_they_are_off_until_an_administrator_turns_them_on(company, receiver):
    company.core.courier.send = receiver
    assert subscribe(company).code == "-10"
    assert company.call("POST", "CompanyService_GetAdminInfo").body["EnableWebhook"] == "tNO"
    company.done("CompanyService_UpdateAdminInfo", {"AdminInfo": {"EnableWebhook": "tYES"}})
    assert subscribe(company).status == 201
    assert company.call("GET", "EventSubscriptions", version="v1").code == "200"


def test_a_change_is_told_by_its_key(hooked, receiver):
    company = hooked()
    assert subscribe(company).body["Status"] == "Active"
    company.order()
    company.changed("Orders(1)", {"Comments": "nobody asked for updates"})
    company.done("Orders(1)/Cancel")
    company.changed("Items('BOLT')", {"ItemName": "Bolt"})
    company.core.tick()
    (body,) = receiver.bodies
    events = json.loads(body)
    assert receiver.events == [
        ("sap.b1.Orders.Created.v1", "1"),
        ("sap.b1.Orders.Cancelled.v1", "1"),
        ("sap.b1.Items.Updated.v1", "BOLT"),
    ]
    assert events[0]["data"] == {"DocEntry": "1"}
    assert (events[0]["specversion"], events[0]["time"]) == ("1.0", "2026-11-02T08:00:00.000Z")
    assert len({event["id"] for event in events}) == 3
    company.core.tick()
    assert len(receiver.bodies) == 1


def test_an_order_whose_rows_are_closed_was_updated(hooked, receiver):
    company = hooked()
    company.order({"ItemCode": "BOLT"}, {"ItemCode": "NUT"})
    kinds = [{"BusinessObject": "Orders", "TransactionType": kind} for kind in ("Updated", "Closed")]
    assert subscribe(company, EventCollection=kinds).status == 201
    company.changed("Orders(1)", {"DocumentLines": [{"LineNum": 0, "LineStatus": "bost_Close"}]})
    company.core.tick()
    assert receiver.events == [("sap.b1.Orders.Updated.v1", "1")]


def test_what_is_refused_is_not_told(hooked, receiver):
    company = hooked()
    subscribe(company)
    company.call("POST", "Orders", order_body(CardCode="NOBODY"))
    company.core.tick()
    assert receiver.bodies == []


@pytest.mark.parametrize("failure", [500, 503, 408, 429, None])
def test_a_failure_is_tried_again_after_two_seconds_in_order(hooked, receiver, failure):
    company = hooked()
    subscribe(company)
    receiver.answers = [failure]
    company.order()
    company.core.tick()
    company.order()
    company.clock.advance(1)
    company.core.tick()
    assert len(receiver.events) == (1 if failure else 0)
    company.clock.advance(1)
    company.core.tick()
    assert receiver.events[-2:] == [("sap.b1.Orders.Created.v1", "1"), ("sap.b1.Orders.Created.v1", "2")]
    assert status(company) == "Active"


def test_after_the_last_try_it_is_inactive_until_resumed(hooked, receiver):
    company = hooked(webhook_retries=1)
    subscribe(company)
    receiver.answers = [None, None]
    company.order()
    for _ in range(2):
        company.core.tick()
        company.clock.advance(2)
    assert status(company) == "Inactive"
    company.order()
    company.core.tick()
    assert receiver.events == []
    company.done("EventSubscriptions('erp')/Resume")
    company.core.tick()
    assert [subject for _, subject in receiver.events] == ["1", "2"]


def test_a_plain_refusal_is_not_tried_again(hooked, receiver):
    company = hooked()
    subscribe(company)
    receiver.answers = [404]
    company.order()
    company.core.tick()
    assert status(company) == "Inactive"


def test_events_live_for_a_day(hooked, receiver):
    company = hooked()
    subscribe(company)
    company.done("EventSubscriptions('erp')/Pause")
    company.order()
    company.clock.advance(24 * 3600 + 1)
    company.order()
    company.core.tick()
    company.done("EventSubscriptions('erp')/Resume")
    company.core.tick()
    assert [subject for _, subject in receiver.events] == ["2"]
    company.done("EventSubscriptions('erp')/Replay")
    company.core.tick()
    assert [subject for _, subject in receiver.events] == ["2", "2"]


def test_deliveries_may_come_twice_with_the_same_ids(hooked, receiver):
    company = hooked(webhook_duplicate_every=1)
    subscribe(company)
    company.order()
    company.core.tick()
    company.core.tick()
    assert receiver.bodies[0] == receiver.bodies[1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"WebhookURL": "http://service.example/sap"}, "-10"),
        ({"AuthenticationCred": "secret"}, "-10"),
        ({"AuthenticationType": "Basic"}, "-10"),
        ({"EventCollection": [{"BusinessObject": "SpecialPrices", "TransactionType": "Updated"}]}, "-10"),
        ({"EventCollection": [{"BusinessObject": "Orders", "TransactionType": "Eaten"}]}, "-10"),
        ({"EventCollection": []}, "-1000"),
        ({"Unknown": 1}, "-1000"),
    ],
)
def test_a_wrong_subscription_is_refused(hooked, change, code):
    assert subscribe(hooked(), **change).code == code


def test_a_receiver_that_does_not_echo_the_challenge_is_refused(hooked, receiver):
    receiver.echo = False
    assert subscribe(hooked()).message == "Handshake failed: status 200, the challenge did not come back"


def test_sixteen_are_enough(hooked):
    company = hooked()
    for number in range(16):
        assert subscribe(company, WebhookID=f"w{number}").status == 201
    assert subscribe(company).code == "-10"
    assert company.call("DELETE", "EventSubscriptions('w1')").status == 204
    assert subscribe(company).status == 201
    assert company.call("PATCH", "EventSubscriptions('erp')", {"Handshake": "tNO"}).status == 204
    assert len(company.get("EventSubscriptions")["value"]) == 16


def test_the_catalogue_lists_the_installations_objects(make_company):
    company = make_company(webhook_objects=["Orders", "SpecialPrices"])
    catalog = company.get("EventSubscriptionsService_GetEventCatalog")["value"]
    assert [row["BusinessObject"] for row in catalog] == ["Orders", "SpecialPrices"]


def test_they_arrive_over_http():
    arrived = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(json.dumps({"Challenge": self.headers["X-B1-Webhook-Token"]}).encode())

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["X-B1-Webhook-Signature"] == signature(body)
            self._answer(b"")
            arrived.set()

        def _answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    options = {"webhooks": True, "webhook_plain_http": True}
    try:
        with running(create, vendor="sap_b1", options=options) as sandbox:
            sandbox.control("POST", "seed", CATALOGUE)
            client = httpx.Client(base_url=f"{sandbox.base_url}/b1s/v2/")
            login = {"CompanyDB": "SBODEMOUS", "UserName": "manager", "Password": "sandbox"}
            assert client.post("Login", json=login).status_code == 200
            address = f"http://127.0.0.1:{server.server_port}/sap"
            made = client.post("EventSubscriptions", json={**SUBSCRIPTION, "WebhookURL": address})
            assert made.status_code == 201, made.text
            assert client.post("Orders", json=order_body()).status_code == 201
            assert arrived.wait(20)
            client.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_add_on_posts_keys_of_prices_that_changed_where_the_vendor_has_no_events(make_company, receiver):
    company = make_company(webhook_plain_http=True)
    company.core.courier.send, company.core.courier.threaded = receiver, False
    company.core.seed({"add_on_events": {"url": "http://service.example/changes", "key": SECRET}})
    company.made("SpecialPrices", {"CardCode": "C1", "ItemCode": "BOLT", "Price": 9, "Currency": "USD"})
    company.changed("SpecialPrices(CardCode='C1',ItemCode='BOLT')", {"Price": 8})
    company.changed("PriceLists(1)", {"PriceListName": "Retail"})
    company.changed("Items('NUT')", {"ItemPrices": [{"PriceList": 1, "Price": 4}]})
    company.changed("BusinessPartners('C1')", {"EffectivePrice": "epLowestPrice"})
    company.order()  # none of its objects
    company.call("DELETE", "SpecialPrices(CardCode='C1',ItemCode='BOLT')")
    company.core.tick()
    assert receiver.events == [
        ("sap.b1.SpecialPrices.Created.v1", "C1,BOLT"),
        ("sap.b1.SpecialPrices.Updated.v1", "C1,BOLT"),
        ("sap.b1.PriceLists.Updated.v1", "1"),
        ("sap.b1.Items.Updated.v1", "NUT"),
        ("sap.b1.BusinessPartners.Updated.v1", "C1"),
        ("sap.b1.SpecialPrices.Deleted.v1", "C1,BOLT"),
    ]
    (first, *_) = json.loads(receiver.bodies[0])
    assert first["data"] == {"CardCode": "C1", "ItemCode": "BOLT"}


def test_the_add_on_is_none_of_the_vendors_subscriptions(hooked, receiver):
    company = hooked()
    company.core.seed({"add_on_events": {"url": "https://service.example/changes", "key": SECRET}})
    company.changed("PriceLists(1)", {"PriceListName": "Retail"})
    assert company.get("EventSubscriptions")["value"] == []
    assert company.call("GET", "EventSubscriptions('sandbox add-on')").status == 404
    company.core.seed({"add_on_events": None})
    company.changed("PriceLists(1)", {"PriceListName": "List"})
    company.core.tick()
    assert receiver.events == []
