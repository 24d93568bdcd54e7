"""The connector over real HTTP: tokens, limits, and what is refused before anything is called."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.mapping import MappingMistake
from erp_sync.systems.shopware.connector import ShopwareConnector, connect
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.transport.errors import NotAuthenticated, Throttled
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.shopware.samples import identity, order
from erp_sync_tests.systems.shopware.test_contract import problems_of
from erp_sync_tests.transport.loopback import Loopback, answer

CREDENTIALS = {"client_id": "SWIAKEY", "client_secret": "v3ry-s3cret"}
EMPTY = {"total": 0, "data": [], "aggregations": []}


@pytest.fixture
def server() -> Iterator[Loopback]:
    loopback = Loopback()
    numbers = itertools.count(1)

    def give(connection: Any, loopback: Any) -> None:
        body = {"token_type": "Bearer", "expires_in": 600, "access_token": f"token-{next(numbers)}"}
        answer(200, body)(connection, loopback)

    loopback.routes["/api/oauth/token"] = give
    loopback.always = answer(200, EMPTY)
    yield loopback
    loopback.close()


@pytest.fixture
def shop(server: Loopback) -> Iterator[Callable[..., ShopwareConnector]]:
    made: list[ShopwareConnector] = []

    def build(credentials: dict[str, str] = CREDENTIALS, **settings: Any) -> ShopwareConnector:
        own = ConnectionSettings(
            name="shopware_de", vendor="shopware", base_url=server.url, credentials=credentials, settings=settings
        )
        one = connect(
            own,
            slots=MemorySlots(),
            breaker=MemoryBreaker(),
            exchanges=MemoryExchanges(),
            sleep=lambda seconds: None,
        )
        made.append(one)
        return one

    yield build
    for one in made:
        one.close()


def read(connector: ShopwareConnector) -> Any:
    return connector.client.search("order", Criteria().at_most(1), operation="sales_order.read")


def test_a_token_is_asked_for_once_as_the_contract_says_and_goes_with_every_call(server, shop):
    connector = shop()
    read(connector)
    read(connector)
    asked, *called = server.requests
    assert asked.target == "/api/oauth/token"
    assert problems_of("/oauth/token", "post", json.loads(asked.body)) == []
    assert json.loads(asked.body) == {"grant_type": "client_credentials", **CREDENTIALS}
    assert [one.target for one in called] == ["/api/search/order"] * 2
    assert {one.headers["authorization"] for one in called} == {"Bearer token-1"}
    assert {one.headers["accept"] for one in called} == {"application/json"}


def test_an_expired_token_is_replaced_and_a_read_is_sent_again(server, shop):
    refusals = iter([401, 200])
    body = {"errors": [{"code": "9", "status": "401", "detail": "Access token could not be verified"}]}

    def answering(connection: Any, loopback: Any) -> None:
        status = next(refusals)
        answer(status, body if status == 401 else EMPTY)(connection, loopback)

    server.always = answering
    assert read(shop()).rows == []
    assert [one.headers.get("authorization") for one in server.requests] == [
        None,
        "Bearer token-1",
        None,
        "Bearer token-2",
    ]


def test_a_wrong_secret_is_not_tried_again(server, shop):
    """Ten wrong logins would lock everybody behind this address out for a while."""
    server.routes["/api/oauth/token"] = answer(401, {"errors": [{"code": "4", "status": "401", "title": "no"}]})
    with pytest.raises(NotAuthenticated, match="access key"):
        read(shop())
    assert len(server.requests) == 1


def test_the_login_limiter_stops_all_calls_for_as_long_as_it_says(server, shop):
    body = {
        "errors": [
            {
                "code": "FRAMEWORK__AUTH_THROTTLED",
                "status": "429",
                "detail": "Auth throttled for 3600 seconds.",
                "meta": {"parameters": {"seconds": 3600}},
            }
        ]
    }
    server.routes["/api/oauth/token"] = answer(429, body)
    with pytest.raises(Throttled) as raised:
        read(shop())
    assert raised.value.retry_after_seconds == 3600.0
    assert len(server.requests) == 1


def test_orders_come_over_the_wire_with_exact_numbers(server, shop):
    record = order()
    text = json.dumps({"total": 1, "data": [record], "aggregations": []}, default=str)
    text = text.replace('"11.90"', "11.899999999999999")
    server.always = answer(200, json.loads(text))
    source = shop().port("sales_order", "source")
    ((raw,),) = source.fetch([identity("order 1")])
    found = source.to_canonical(raw, shop().lookups)
    assert str(found.totals.grand_total) == "11.90"


@pytest.mark.parametrize(
    ("credentials", "settings", "problem"),
    [
        ({"client_id": "a"}, {}, "credential client_secret is missing"),
        ({"client_secret": "a"}, {}, "credential client_id is missing"),
        (CREDENTIALS, {"page_size": 501}, "above the vendor's limit of 500"),
        (CREDENTIALS, {"lateness_seconds": {"order": 3}}, "known are sales_order"),
    ],
)
def test_a_wrong_connection_is_refused_before_anything_is_called(server, shop, credentials, settings, problem):
    with pytest.raises(ValueError, match=problem):
        shop(credentials, **settings)
    assert server.requests == []


def test_an_overlay_of_a_mapping_that_does_not_exist_is_refused(shop):
    with pytest.raises(MappingMistake, match="sales_order"):
        shop(mapping={"salesorder": {"drop": ["number"]}})


def test_a_port_that_there_is_not_is_told_with_those_that_there_are(shop):
    with pytest.raises(KeyError, match="sales_order source"):
        shop().port("price", "source")
