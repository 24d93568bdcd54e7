"""Tokens of ten minutes, the back-off of wrong secrets, and what an integration may."""

from __future__ import annotations

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.systems.shopware.sandbox.limiter import interval

SEARCH = ("POST", "/api/search/product")


def test_a_token_holds_for_ten_minutes(shop, clock):
    body = shop.call("POST", "/api/oauth/token", shop.grant())
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["aud"] == shop.keys["client_id"]
    bearer = {"authorization": f"Bearer {body['access_token']}"}
    clock.advance(599)
    shop.call(*SEARCH, {}, **bearer)
    clock.advance(1)
    answer = shop.refused(*SEARCH, {}, **bearer)
    assert answer.status == 401
    assert answer.error["detail"] == "Access token could not be verified"
    assert answer.error["title"] == "The resource owner or authorization server denied the request."


def test_a_token_of_another_installation_is_none(shop):
    forged = jwt.encode({"aud": shop.keys["client_id"], "exp": 9999999999}, "x" * 32, algorithm="HS256")
    assert shop.refused(*SEARCH, {}, authorization=f"Bearer {forged}").status == 401
    assert shop.refused(*SEARCH, {}, authorization="").status == 401


def test_a_wrong_secret_is_refused_and_a_wrong_grant_too(shop):
    answer = shop.refused("POST", "/api/oauth/token", shop.grant(client_secret="guess"))
    assert (answer.status, answer.error["code"]) == (401, "4")
    assert shop.refused("POST", "/api/oauth/token", shop.grant(grant_type="magic")).status == 400


def test_after_ten_failures_one_waits_ten_seconds_even_with_the_right_secret(shop, clock):
    for _ in range(10):
        assert shop.refused("POST", "/api/oauth/token", shop.grant(client_secret="guess")).status == 401
    answer = shop.refused("POST", "/api/oauth/token", shop.grant())
    assert answer.status == 429
    assert answer.error["code"] == "FRAMEWORK__AUTH_THROTTLED"
    assert answer.error["detail"] == "Auth throttled for 10 seconds."
    assert answer.error["meta"]["parameters"] == {"seconds": 10}
    clock.advance(10)
    shop.call("POST", "/api/oauth/token", shop.grant())
    assert shop.refused("POST", "/api/oauth/token", shop.grant(client_secret="guess")).status == 401  # forgotten


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 0), (10, 0), (11, 10), (15, 10), (16, 30), (20, 30), (21, 60), (500, 60)]
)
def test_the_back_off_grows_in_three_steps(attempt, seconds):
    assert interval(attempt) == seconds


@given(st.integers(min_value=1, max_value=60))
def test_the_back_off_never_shrinks(attempt):
    assert interval(attempt) <= interval(attempt + 1)


def test_an_integration_reads_only_what_it_has_the_right_to(open_shop):
    shop = open_shop(privileges=["product:read"])
    assert shop.search("product")
    answer = shop.refused("POST", "/api/search/order", {})
    assert (answer.status, answer.error["code"]) == (403, "FRAMEWORK__MISSING_PRIVILEGE_ERROR")
    assert json.loads(answer.error["detail"]) == {"message": "Missing privilege", "missingPrivileges": ["order:read"]}
    answer = shop.refused("POST", "/api/search/product", {"associations": {"categories": {}}})
    assert json.loads(answer.error["detail"])["missingPrivileges"] == ["category:read"]


def test_a_write_without_the_right_changes_nothing(open_shop):
    shop = open_shop(privileges=["product:read"])
    mug = shop.product()
    answer = shop.refused("PATCH", f"/api/product/{mug['id']}", {"stock": 1})
    assert json.loads(answer.error["detail"])["missingPrivileges"] == ["product:update"]
    assert shop.product()["stock"] == 15


def test_an_unknown_route_is_answered_by_the_router(shop):
    answer = shop.refused("GET", "/api/nonsense", authorization="")
    assert (answer.status, answer.error["title"]) == (404, "Not Found")
