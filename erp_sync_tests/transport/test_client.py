"""What a caller is told when things go wrong on the wire, and how often something is sent."""

from __future__ import annotations

import email.utils
import gc
import socket
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from erp_sync.ports.capabilities import Limits
from erp_sync.ports.leaving import while_held
from erp_sync.ports.outcomes import Again, NotSent, Refused, Unknown
from erp_sync.transport import context
from erp_sync.transport.client import RetryPolicy, behind_by, encode_json, retry_after
from erp_sync.transport.errors import (
    NextStep,
    NotAuthenticated,
    NotSentError,
    OutcomeUnknown,
    Rejected,
    Throttled,
    TransportError,
)
from erp_sync.transport.memory import MemoryBreaker, MemorySlots
from erp_sync_tests.transport.conftest import read, write
from erp_sync_tests.transport.loopback import FAULTS, answer, drop


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_without_a_trustworthy_answer_is_unknown_and_was_sent_once(fault, server, rig):
    server.always = FAULTS[fault]
    it = rig(server.url)
    with pytest.raises(OutcomeUnknown) as raised:
        it.client.send(write())
    assert len(server.requests) == 1
    assert raised.value.next_step is NextStep.FIND
    assert (raised.value.system, raised.value.operation, raised.value.document) == (
        "erp_us",
        "sales_order.create",
        "order-1",
    )
    assert it.slots.held("erp_us") == 0
    assert [name for name, _ in it.breaker.reports] == ["failure"]
    assert [record["verdict"] for record in it.exchanges.records] == ["OutcomeUnknown"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_read_without_a_trustworthy_answer_is_repeated(fault, server, rig):
    server.script = [FAULTS[fault]]
    it = rig(server.url)
    assert it.client.send(read()).json() == {"ok": True}
    assert len(server.requests) == 2
    assert [record["attempt"] for record in it.exchanges.records] == [1, 2]
    assert [record["verdict"] for record in it.exchanges.records] == ["OutcomeUnknown", "ok"]


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520])
def test_a_write_answered_by_a_server_error_is_unknown(status, server, rig):
    server.always = answer(status)
    with pytest.raises(OutcomeUnknown) as raised:
        rig(server.url).client.send(write())
    assert raised.value.status == status
    assert len(server.requests) == 1


def test_a_write_whose_sender_lost_the_right_to_it_does_not_leave(server, rig):
    it = rig(server.url)
    with while_held(lambda: False):
        with pytest.raises(NotSentError, match="ended before it left"):
            it.client.send(write())
        assert server.requests == []
        assert it.client.send(write(repeatable=True)).json() == {"ok": True}
    assert it.client.send(write()).json() == {"ok": True}
    assert it.slots.held("erp_us") == 0
    assert [name for name, _ in it.breaker.reports] == ["success", "success"]


def test_a_value_whose_sender_lost_the_right_to_it_does_not_leave_though_it_could_be_repeated(server, rig):
    """Late it would take the place of a newer one."""
    it = rig(server.url)
    with while_held(lambda: False, everything=True), pytest.raises(NotSentError, match="ended before it left") as lost:
        it.client.send(write(repeatable=True))
    assert (server.requests, lost.value.attempts) == ([], 1)


@pytest.mark.parametrize(("status", "said", "charged"), [(200, "7", 7), (200, None, 5), (429, "3", 3)])
def test_a_call_is_charged_what_its_answer_says(status, said, charged, server, rig):
    def cost(response):
        return float(response.headers["X-Cost"]) if "X-Cost" in response.headers else None

    server.always = answer(status, {"ok": True}, headers={"X-Cost": said} if said else {})
    it = rig(server.url, cost=cost)
    with nullcontext() if status == 200 else pytest.raises(Throttled):
        it.client.send(write(cost=5))
    assert it.slots.charged == {"erp_us": charged}


def test_the_right_to_send_is_asked_for_after_the_wait_for_a_slot(server, rig):
    it = rig(server.url)
    held = [True]
    acquire = it.slots.acquire

    def slow(*arguments):
        lease = acquire(*arguments)
        held[0] = False
        return lease

    it.slots.acquire = slow
    with while_held(lambda: held[0]), pytest.raises(NotSentError):
        it.client.send(write())
    assert server.requests == []


@pytest.mark.parametrize(("seconds", "behind"), [(0, 0.0), (-90, 0.0), (90, 89.0)])
def test_how_far_the_vendors_clock_is_behind_is_known_from_its_answers(seconds, behind, server, rig):
    it = rig(server.url)
    date = email.utils.format_datetime(datetime.now(UTC) - timedelta(seconds=seconds), usegmt=True)
    server.always = answer(200, {"ok": True}, headers={"Date": date})
    it.client.send(read())
    assert behind <= it.client.behind_seconds <= behind + 30  # what the answer took counts, too
    if not behind:
        assert it.client.behind_seconds < 30


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 32 Foo 2026"])
def test_an_answer_without_a_readable_date_changes_nothing(date):
    response = httpx.Response(200, headers={"Date": date} if date else {})
    assert behind_by(response, datetime.now(UTC), 7.0) == 7.0


def test_a_refused_connection_was_never_sent(rig):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    it = rig(f"http://127.0.0.1:{port}")
    with pytest.raises(NotSentError) as raised:
        it.client.send(write())
    assert raised.value.next_step is NextStep.SEND_AGAIN
    assert it.breaker.reports[0][0] == "failure"
    assert it.pauses == []


def test_a_refused_connection_is_tried_again_for_a_read_only(rig):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    it = rig(f"http://127.0.0.1:{port}")
    with pytest.raises(NotSentError) as raised:
        it.client.send(read())
    assert raised.value.attempts == 3
    assert len(it.pauses) == 2


def test_a_full_pool_was_never_sent_and_is_no_fault_of_the_vendor(server, rig):
    server.always = FAULTS["silence"]
    it = rig(server.url, connections=1, connect_timeout=0.05, timeout=10.0)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(it.client.send, write())
        while not server.requests:
            time.sleep(0.001)
        with pytest.raises(NotSentError, match="pool"):
            it.client.send(write())
        assert it.breaker.reports == []
        server.let_go.set()
        assert isinstance(waiting.exception(), OutcomeUnknown)
    assert len(server.requests) == 1


def test_too_many_calls_pauses_everybody_as_long_as_the_vendor_says(server, rig):
    server.script = [answer(429, {"message": "slow down"}, {"Retry-After": "7"})]
    slots = MemorySlots()
    paused: list[tuple[str, float]] = []
    slots.pause = lambda connection, seconds: paused.append((connection, seconds))  # type: ignore[method-assign]
    it = rig(server.url, slots=slots)
    with pytest.raises(Throttled) as raised:
        it.client.send(write())
    assert raised.value.retry_after_seconds == 7
    assert paused == [("erp_us", 7.0)]
    assert [name for name, _ in it.breaker.reports] == ["success"]
    assert raised.value.as_outcome() == NotSent(why=str(raised.value), retry_after_seconds=7.0)


def test_a_read_waits_at_least_as_long_as_the_vendor_says(server, rig):
    server.script = [answer(429, None, {"Retry-After": "7"})]
    slots = MemorySlots()
    slots.pause = lambda connection, seconds: None  # type: ignore[method-assign]
    it = rig(server.url, slots=slots)
    it.client.send(read())
    assert it.pauses == [7.0]
    assert len(server.requests) == 2


def test_a_read_does_not_wait_beyond_its_deadline(server, rig):
    server.always = answer(429, None, {"Retry-After": "600"})
    it = rig(server.url)
    with pytest.raises(Throttled):
        it.client.send(read(deadline_seconds=5))
    assert it.pauses == []
    assert len(server.requests) == 1


def test_an_absurd_retry_after_stops_the_installation_for_an_hour_at_most(server, rig):
    server.always = answer(429, None, {"Retry-After": "99999999"})
    slots = MemorySlots()
    paused: list[float] = []
    slots.pause = lambda connection, seconds: paused.append(seconds)  # type: ignore[method-assign]
    with pytest.raises(Throttled):
        rig(server.url, slots=slots).client.send(write())
    assert paused == [3600.0]


def test_a_write_keeps_its_whole_time_out_when_the_deadline_is_near(server, rig):
    def late(connection, loopback):
        loopback.let_go.wait(0.3)
        return answer(200, {"id": 7})(connection, loopback)

    server.always = late
    it = rig(server.url, timeout=20.0)
    assert it.client.send(write(deadline_seconds=0.05)).json() == {"id": 7}
    assert it.client.send(write(timeout=15.0, deadline_seconds=0.05)).json() == {"id": 7}


@pytest.mark.timeout(15)
def test_a_read_ends_at_its_deadline(server, rig):
    server.always = FAULTS["silence"]
    with pytest.raises(OutcomeUnknown, match="no answer in time") as raised:
        rig(server.url, timeout=25.0).client.send(read(deadline_seconds=0.1))
    assert raised.value.attempts == 1


def test_pauses_grow_and_have_jitter():
    policy = RetryPolicy(attempts=9, first_pause=0.25, longest_pause=2.0)
    assert [policy.pause(attempt, lambda: 1.0) for attempt in range(1, 6)] == [0.25, 0.5, 1.0, 2.0, 2.0]
    assert policy.pause(1, lambda: 0.0) == 0.125


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_pause": -1.0}, {"first_pause": 5.0, "longest_pause": 1.0}])
def test_a_retry_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="retry policy"):
        RetryPolicy(**wrong)


def test_the_vendors_word_comes_before_the_status(server, rig):
    server.always = answer(503, {"maintenance": True}, {"Retry-After": "30"})

    def outcome(response: httpx.Response) -> TransportError | None:
        return NotSentError("maintenance") if response.json().get("maintenance") else None

    with pytest.raises(NotSentError, match="maintenance") as raised:
        rig(server.url, outcome=outcome).client.send(write())
    assert raised.value.retry_after_seconds == 30


def test_an_error_inside_a_200_is_raised(server, rig):
    server.always = answer(200, [{"message": "Invalid SKU"}])

    def outcome(response: httpx.Response) -> TransportError | None:
        return Rejected(response.status_code, "unknown_item", response.json()[0]["message"])

    it = rig(server.url, outcome=outcome)
    with pytest.raises(Rejected) as raised:
        it.client.send(write())
    assert raised.value.as_outcome() == Refused(code="unknown_item", message="Invalid SKU")
    assert [name for name, _ in it.breaker.reports] == ["success"]


def test_a_vendors_body_that_outcome_cannot_read_is_unknown(server, rig):
    server.always = answer(400, b"<html>")
    with pytest.raises(OutcomeUnknown):
        rig(server.url, outcome=lambda response: response.json()).client.send(write())


def test_a_deadlock_is_repeated_where_the_connector_says_so(server, rig):
    server.script = [answer(400, {"message": "deadlock"})]

    def outcome(response: httpx.Response) -> TransportError | None:
        if response.status_code == 400:
            return Rejected(400, "deadlock", "Could not save", again=Again.LATER, retry_after_seconds=0.5)
        return None

    it = rig(server.url, outcome=outcome)
    it.client.send(write(repeatable=True))
    assert len(server.requests) == 2


def test_a_refusal_is_not_repeated(server, rig):
    server.always = answer(400, {"message": "no"})
    it = rig(server.url)
    with pytest.raises(Rejected) as raised:
        it.client.send(read())
    assert (raised.value.status, raised.value.code, raised.value.again) == (400, "http_400", Again.NEVER)
    assert len(server.requests) == 1
    assert [name for name, _ in it.breaker.reports] == ["success"]


def test_wrong_credentials_are_not_repeated(server, rig):
    server.always = answer(401)
    it = rig(server.url)
    with pytest.raises(NotAuthenticated):
        it.client.send(read())
    assert len(server.requests) == 1
    assert [name for name, _ in it.breaker.reports] == ["success"]


def test_an_expected_status_is_an_answer(server, rig):
    server.always = answer(404, {"message": "No such entity"})
    reply = rig(server.url).client.send(read(expected=(404,)))
    assert reply.status == 404
    assert reply.json() == {"message": "No such entity"}


def test_a_redirect_is_not_followed(server, rig):
    server.always = answer(302, None, {"Location": "https://elsewhere.example/"})
    with pytest.raises(Rejected) as raised:
        rig(server.url).client.send(read())
    assert raised.value.code == "redirected"


def test_credentials_go_to_no_other_host(server, rig):
    with pytest.raises(ValueError, match="no host of this connection"):
        rig(server.url).client.send(read(path="https://elsewhere.example/next"))
    assert server.requests == []


def test_a_next_link_of_the_same_host_is_followed(server, rig):
    rig(server.url).client.send(read(path=f"{server.url}/orders?page=2", params={"limit": "5"}))
    assert server.requests[0].target == "/orders?page=2&limit=5"


def test_a_further_host_may_be_named(server, rig):
    it = rig("http://api.example.invalid", hosts=[f"127.0.0.1:{server.port}"])
    it.client.send(read(path=f"{server.url}/x"))
    assert len(server.requests) == 1


def test_parameters_are_encoded_with_percent_only(server, rig):
    rig(server.url).client.send(read(params=[("searchCriteria[pageSize]", "a b+c&d"), ("a", "ä"), ("a", "~")]))
    assert server.requests[0].target == "/orders?searchCriteria%5BpageSize%5D=a%20b%2Bc%26d&a=%C3%A4&a=~"


def test_numbers_are_exact_both_ways(server, rig):
    server.always = answer(200, b'{"price": 29.949999999999999, "qty": 3, "small": 0.10}')
    reply = rig(server.url).client.send(write(json={"price": Decimal("10.10"), "qty": 2}))
    assert server.requests[0].body == b'{"price":10.10,"qty":2}'
    assert reply.json() == {"price": Decimal("29.949999999999999"), "qty": 3, "small": Decimal("0.10")}
    assert str(reply.json()["small"]) == "0.10"


def test_a_float_is_not_sent():
    with pytest.raises(TypeError, match="float"):
        encode_json({"items": [{"price": 1.5}]})


def test_two_bodies_are_refused():
    with pytest.raises(ValueError, match="one of json, content and form"):
        write(content=b"x")


def test_a_base_url_that_is_none_is_refused(rig):
    with pytest.raises(ValueError, match="absolute"):
        rig("example.com/rest")


def test_every_call_says_for_which_flow_it_is(server, rig):
    it = rig(server.url)
    it.client.send(read())
    with context.call_context(flow="orders"):
        it.client.send(read())
    assert [request.headers["user-agent"] for request in server.requests] == ["erp-sync", "erp-sync (orders)"]


def test_cookies_are_not_sent_back(server, rig):
    server.always = answer(200, {}, {"Set-Cookie": "PHPSESSID=abc; Path=/"})
    it = rig(server.url)
    it.client.send(read())
    it.client.send(read())
    assert "cookie" not in server.requests[1].headers
    assert len(it.client._http.cookies) == 0


def test_a_connection_is_used_again(server, rig):
    it = rig(server.url)
    peers = set()
    server.always = lambda connection, loopback: (
        peers.add(connection.getpeername()) or answer(200, {})(connection, loopback)
    )
    for _ in range(5):
        it.client.send(read())
    assert len(peers) == 1


def test_a_slot_is_held_for_the_attempt_only(server, rig):
    it = rig(server.url, slots=MemorySlots({"erp_us": Limits(concurrency=2)}))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: it.client.send(read(deadline_seconds=20)), range(40)))
    assert it.slots.most["erp_us"] <= 2
    assert it.slots.held("erp_us") == 0
    assert len(server.requests) == 40


def test_no_slot_in_time_was_never_sent(server, rig):
    slots = MemorySlots({"erp_us": Limits(concurrency=1)})
    lease = slots.acquire("erp_us", "normal", time.monotonic() + 1)
    with pytest.raises(NotSentError, match="slots"):
        rig(server.url, slots=slots).client.send(read(deadline_seconds=0.01))
    slots.release(lease)
    assert server.requests == []


def test_an_open_breaker_lets_nothing_through(server, rig):
    breaker = MemoryBreaker(threshold=2, open_seconds=100)
    server.script = [drop, drop]
    it = rig(server.url, breaker=breaker)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            it.client.send(write())
    with pytest.raises(NotSentError, match="breaker"):
        it.client.send(write())
    assert len(server.requests) == 2
    assert it.slots.held("erp_us") == 0


def test_a_probe_closes_the_breaker(server, rig):
    now = [0.0]
    breaker = MemoryBreaker(threshold=1, open_seconds=10, clock=lambda: now[0])
    server.script = [drop]
    it = rig(server.url, breaker=breaker)
    with pytest.raises(OutcomeUnknown):
        it.client.send(write())
    now[0] = 11.0
    it.client.send(write())
    it.client.send(write())
    assert not breaker.is_open("erp_us")


def test_calls_of_a_thread_pool_carry_the_context(server, rig):
    it = rig(server.url)
    with context.call_context(run_id="r1", lane="now", flow="orders", route="a-b", document="outer"):
        send = context.carried(it.client.send)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(send, [read(), read(document="inner")]))
    assert {record["run_id"] for record in it.exchanges.records} == {"r1"}
    assert {record["document"] for record in it.exchanges.records} == {"outer", "inner"}
    assert {lane for _, lane in it.slots.acquired} == {"now"}
    assert context.current().run_id == ""


def test_a_context_inside_keeps_what_it_does_not_name():
    with context.call_context(run_id="r1", lane="bulk"), context.call_context(document="d") as inner:
        assert (inner.run_id, inner.lane, inner.document) == ("r1", "bulk", "d")
    with pytest.raises(ValueError, match="lane"), context.call_context(lane="fast"):
        pass


def test_a_poll_that_found_nothing_is_marked(server, rig):
    server.always = answer(200, {"items": []})
    it = rig(server.url)
    it.client.send(read(found_nothing=lambda reply: not reply.json()["items"]))
    assert [(record["found_nothing"], record["response_body"]) for record in it.exchanges.records] == [(True, b"")]


def test_of_a_look_that_went_well_everything_is_kept_but_the_answer(server, rig):
    """The run that it starts reads the same again; looks of a busy hour held every order thirty times."""
    it = rig(server.url)
    server.always = answer(200, {"items": [{"increment_id": "1"}]})
    with context.call_context(look=True):
        assert it.client.send(read()).json()["items"]
    it.client.send(read())
    server.always = answer(401, {"message": "who are you?"})
    with context.call_context(look=True), pytest.raises(NotAuthenticated):
        it.client.send(read())
    kept = [(record["status"], record["verdict"], record["response_body"]) for record in it.exchanges.records]
    assert kept[0] == (200, "ok", b"")
    assert kept[1] == (200, "ok", b'{"items": [{"increment_id": "1"}]}')
    assert kept[-1] == (401, "NotAuthenticated", b'{"message": "who are you?"}')
    assert all(record["response_headers"] for record in it.exchanges.records)


def test_secrets_of_the_connection_reach_no_record(server, rig):
    server.always = answer(200, {"echo": "top-secret-value", "access_token": "abc123"})
    it = rig(
        server.url, credentials={"consumer_secret": "top-secret-value"}, headers={"Authorization": "Bearer zzzzzz"}
    )
    it.client.send(write(params={"q": "top-secret-value"}, json={"password": "hunter22"}))
    text = repr(it.exchanges.records)
    assert server.requests[0].body == b'{"password":"hunter22"}'
    for secret in ("top-secret-value", "abc123", "zzzzzz", "hunter22"):
        assert secret not in text


def test_a_body_beyond_the_limit_is_given_up(server, rig):
    server.always = answer(200, b"[" + b" " * 5000 + b"]")
    with pytest.raises(OutcomeUnknown):
        rig(server.url, most_bytes=1000).client.send(write())


def test_a_body_that_is_not_json_fails_when_asked(server, rig):
    server.always = answer(200, b"<html></html>", {"Content-Type": "text/html"})
    it = rig(server.url)
    with pytest.raises(OutcomeUnknown):
        it.client.send(write())
    reply = it.client.send(write(json_reply=False))
    assert reply.text == "<html></html>"
    with pytest.raises(OutcomeUnknown):
        reply.json()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0),
        ("1.5", 1.5),
        ("Mon, 23 Nov 2026 12:00:10 GMT", 10.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-3", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    response = httpx.Response(429, headers=[(b"Retry-After", header.encode())])
    assert retry_after(response, datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)) == seconds


def test_errors_become_outcomes():
    assert OutcomeUnknown("gone").as_outcome() == Unknown(why="gone")
    assert NotSentError("closed", retry_after_seconds=3).as_outcome() == NotSent(why="closed", retry_after_seconds=3)
    refused = Rejected(400, "c", "m", again=Again.AFTER_DEPENDENCY, requirement=("product", "A"), whole_batch=True)
    assert refused.as_outcome() == Refused(
        code="c", message="m", again=Again.AFTER_DEPENDENCY, requirement=("product", "A"), whole_batch=True
    )


def test_a_client_in_a_forked_child_opens_its_own_pool(server, rig, monkeypatch):
    it = rig(server.url)
    it.client.send(read())
    before = it.client._http
    monkeypatch.setattr("os.getpid", lambda: -1)
    with ThreadPoolExecutor(4) as threads:
        barrier = threading.Barrier(4)
        list(threads.map(lambda _: (barrier.wait(), it.client.send(read())), range(4)))
    assert it.client._http is not before
    before.close()


def test_nothing_of_an_exchange_stays_once_its_call_is_over(server, rig):
    """Not even until Python looks for garbage, which a process of many objects seldom does."""
    seen: list[weakref.ref] = []

    def outcome(response):
        seen.extend((weakref.ref(response), weakref.ref(response.request)))

    it = rig(server.url, outcome=outcome)
    gc.disable()
    try:
        for _ in range(3):
            assert it.client.send(read()).json() == {"ok": True}
            it.client.send(write())
        assert len(seen) == 12
        assert [one for one in seen if one() is not None] == []
    finally:
        gc.enable()
