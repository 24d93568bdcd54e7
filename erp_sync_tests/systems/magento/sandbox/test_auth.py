"""Who calls: signatures that another library made, nonces that work once, tokens that end."""

from __future__ import annotations

import pytest
from oauthlib.oauth1 import Client

from erp_sync.sandbox.core import Request
from erp_sync_tests.systems.magento.sandbox.conftest import HOST, search


@pytest.fixture
def shop(open_shop):
    """Takes signatures of its integration and nothing else, as a shop does unless it is told otherwise."""
    return open_shop(integration_as_bearer=False)


def test_a_signature_over_bracketed_criteria_is_verified(shop):
    path = "/V1/orders" + search(("created_at", "gteq", "2026-01-01 00:00:00"), ("status", "in", "pending,processing"))
    assert shop.call("GET", path)["total_count"] == 0


def test_a_request_is_good_once(shop):
    request = shop.request("GET", "/V1/store/websites")
    assert shop.send(request).status == 200
    again = shop.send(request)
    assert (again.status, again.message) == (401, "The nonce is already being used by the consumer with ID %1.")
    assert again.body["parameters"] == ["1"]


def test_a_changed_query_breaks_the_signature(shop):
    request = shop.request("GET", "/V1/orders" + search(("status", "eq", "pending")))
    other = Request.build("GET", request.url.replace("pending", "complete"), headers=request.headers)
    answer = shop.send(other)
    assert (answer.status, answer.message) == (401, "The signature is invalid. Verify and try again.")


def test_without_credentials_the_resource_is_named_beside_the_message(shop):
    answer = shop.refused("GET", "/V1/orders" + search(), as_user="")
    assert answer.status == 401
    assert answer.body == {
        "message": "The consumer isn't authorized to access %resources.",
        "parameters": {"resources": "Magento_Sales::actions_view"},
    }


def test_the_access_token_alone_is_no_bearer_token(shop, open_shop):
    token = shop.core.status()["credentials"]["access_token"]
    assert shop.refused("GET", "/V1/store/websites", as_user=token).status == 401
    assert open_shop(integration_as_bearer=True).call("GET", "/V1/store/websites", as_user=token)


def test_a_timestamp_from_the_future_is_refused_and_an_old_one_is_not(shop, clock):
    request = shop.request("GET", "/V1/store/websites")
    clock.advance(3600)
    assert shop.send(request).status == 200
    keys = shop.core.status()["credentials"]
    late = str(int(clock.wall().timestamp()) + 601)
    client = Client(
        keys["consumer_key"], keys["consumer_secret"], keys["access_token"], keys["access_token_secret"],
        signature_method="HMAC-SHA256", timestamp=late,
    )  # fmt: skip
    url = f"{HOST}/rest/default/V1/store/websites"
    _, headers, _ = client.sign(url)
    answer = shop.send(Request.build("GET", url, headers=headers))
    assert (answer.status, answer.message) == (400, "The timestamp value in the oauth_timestamp parameter is invalid.")


@pytest.mark.parametrize("absent", ["oauth_timestamp", "oauth_token", "oauth_signature"])
def test_a_missing_parameter_is_named(shop, absent):
    request = shop.request("GET", "/V1/store/websites")
    header = ", ".join(part for part in request.headers["authorization"].split(", ") if f"{absent}=" not in part)
    answer = shop.send(Request.build("GET", request.url, headers={"authorization": header}))
    assert (answer.status, answer.body["parameters"]) == (400, {"fieldName": absent})
    assert answer.message == '"%fieldName" is required. Enter and try again.'


def test_an_administrator_is_signed_in_for_four_hours(shop, clock):
    keys = shop.core.status()["credentials"]
    body = {"username": keys["admin_username"], "password": keys["admin_password"]}
    token = shop.call("POST", "/V1/integration/admin/token", body, as_user="")
    assert shop.call("GET", "/V1/store/websites", as_user=token)
    clock.advance(4 * 3600)
    assert shop.refused("GET", "/V1/store/websites", as_user=token).status == 401
    body["password"] = "wrong"
    assert shop.refused("POST", "/V1/integration/admin/token", body, as_user="").status == 401


def test_with_two_factors_the_plain_token_endpoint_is_closed(open_shop):
    from erp_sync.systems.magento.sandbox import auth

    shop = open_shop(two_factor=True)
    keys = shop.core.status()["credentials"]
    body = {"username": keys["admin_username"], "password": keys["admin_password"]}
    refused = shop.refused("POST", "/V1/integration/admin/token", body, as_user="")
    assert refused.body["parameters"] == {"active_providers": ["google"]}
    code = min(auth.one_time_codes(shop.core.shop))
    token = shop.call("POST", "/V1/tfa/provider/google/authenticate", {**body, "otp": code}, as_user="")
    assert shop.call("GET", "/V1/store/websites", as_user=token)


def test_a_customer_reaches_what_is_their_own_only(shop):
    token = shop.sign_in()
    assert shop.call("GET", "/V1/customers/me", as_user=token)["email"] == "grace@example.com"
    assert shop.refused("GET", "/V1/orders" + search(), as_user=token).status == 401
    assert shop.refused("GET", "/V1/customers/me").status == 401


def test_an_integration_without_a_resource_is_told_which(shop):
    shop.core.refused_resources = frozenset({"Magento_Sales::ship"})
    order = shop.order(shop.item("MUG"))
    answer = shop.refused("POST", f"/V1/order/{order['entity_id']}/ship", {})
    assert answer.body["parameters"] == {"resources": "Magento_Sales::ship"}
