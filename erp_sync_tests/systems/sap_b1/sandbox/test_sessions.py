"""Log-in, cookies, and sessions that end."""

from __future__ import annotations

import json

import pytest

from erp_sync.sandbox.core import Request
from erp_sync.systems.sap_b1.sandbox.options import Options, WrongOption
from erp_sync_tests.systems.sap_b1.sandbox.conftest import HOST

CREDENTIALS = {"CompanyDB": "SBODEMOUS", "UserName": "manager", "Password": "sandbox"}


def login(company, **changes):
    return company.call("POST", "Login", {**CREDENTIALS, **changes})


def asked(company, cookie, path="Items", version="v2"):
    """The error number with which authentication refuses, or None."""
    request = Request.build("GET", f"{HOST}/b1s/{version}/{path}", headers={"cookie": cookie})
    refusal = company.core.authenticate(request)
    return None if refusal is None else json.loads(refusal.body)["error"]["code"]


def session_of(answer):
    return f"B1SESSION={answer.body['SessionId']}"


def test_a_login_gives_a_session_and_two_cookies(company):
    answer = login(company)
    assert {name: answer.body[name] for name in ("Version", "SessionTimeout")} == {
        "Version": "1000110",
        "SessionTimeout": 30,
    }
    cookies = [value for name, value in answer.headers.items() if name.lower() == "set-cookie"]
    assert cookies == [f"B1SESSION={answer.body['SessionId']};HttpOnly;", "ROUTEID=.node1; path=/b1s"]
    assert asked(company, session_of(answer)) is None


def test_wrong_credentials_are_refused(company):
    answer = login(company, Password="guess")
    assert (answer.status, answer.code, answer.message) == (401, "-304", "Fail to get DB Credentials from SLD")


def test_without_a_session_nothing_is_answered(company):
    assert asked(company, "") == "301"
    assert asked(company, "B1SESSION=made-up", version="v1") == 301


def test_a_session_ends_after_half_an_hour_without_a_call(company):
    cookie = session_of(login(company))
    company.clock.advance(29 * 60)
    assert asked(company, cookie) is None  # and lives on from here
    company.clock.advance(29 * 60)
    assert asked(company, cookie) is None
    company.clock.advance(30 * 60)
    assert asked(company, cookie) == "301"


def test_a_session_ends_with_logout(company):
    cookie = session_of(login(company))
    assert company.call("POST", "Logout", cookie=cookie).status == 204
    assert asked(company, cookie) == "301"


def test_a_login_beyond_the_number_of_sessions_is_refused(make_company):
    company = make_company(max_sessions=2)
    first = session_of(login(company))
    login(company)
    assert login(company).status == 500
    company.call("POST", "Logout", cookie=first)
    assert login(company).status == 200


def test_sessions_go_round_the_nodes_and_only_those_of_the_sick_one_fail(make_company):
    company = make_company(nodes=2, sick_node=".node2")
    routes = [login(company).headers["Set-Cookie"].partition(";")[0] for _ in range(3)]
    assert routes == ["ROUTEID=.node1", "ROUTEID=.node2", "ROUTEID=.node1"]
    assert company.call("GET", "Items", cookie=routes[0]).status == 200
    assert company.call("GET", "Items").status == 200  # ROUTEID is optional
    sick = company.call("GET", "Items", cookie=f"B1SESSION=x; {routes[1]}")
    assert (sick.status, sick.code) == (500, "407")
    company.core.seed({"sick_node": None})
    assert company.call("GET", "Items", cookie=routes[1]).status == 200


def test_a_restart_of_service_layer_ends_all_sessions(company):
    cookie = session_of(login(company))
    company.core.seed({"restart": True})
    assert asked(company, cookie) == "301"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"nodes": 0}, "option nodes is 0; expected a whole number, at least 1"),
        ({"sick_node": ".node9"}, "option sick_node is '.node9'; expected one of .node1, .node2"),
        ({"timezone": "Mars/Base"}, "option timezone is 'Mars/Base'; expected an IANA time zone, e.g. Europe/Berlin"),
        ({"approval_answer": "maybe"}, "option approval_answer is 'maybe'; expected not_found or created"),
        ({"price_decimals": 7}, "option price_decimals is 7; expected 0 to 6"),
    ],
)
def test_a_wrong_option_is_named(option, message):
    with pytest.raises(WrongOption) as wrong:
        Options.of(option)
    assert str(wrong.value) == message


def test_the_proxy_answers_what_is_not_service_layer_and_what_is_too_much(make_company):
    company = make_company(capacity=1)
    request = Request.build("GET", f"{HOST}/other")
    assert company.core.handle(request).response.status == 404
    assert company.core.admit(request, 0) is None
    refusal = company.core.admit(request, 1)
    assert (refusal.status, refusal.headers["content-type"][:9]) == (503, "text/html")
    for kind, status in (("too_many_requests", 503), ("server_error", 502), ("maintenance", 503)):
        assert company.core.fault_response(kind, request).status == status


def test_a_call_that_expects_to_continue_may_get_an_empty_failure(make_company):
    answer = make_company(empty_expect=True).call("POST", "Orders", {}, expect="100-continue")
    assert (answer.status, answer.body) == (500, None)
