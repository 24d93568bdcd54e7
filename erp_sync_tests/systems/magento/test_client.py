"""Searches, paging and error bodies."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.ports.outcomes import Again
from erp_sync.systems.magento.client import BadAnswer, MagentoClient, error_text, outcome, rendered, segment
from erp_sync.systems.magento.criteria import Criteria, chunks, time_text
from erp_sync.transport.errors import NotAuthenticated, NotSentError, OutcomeUnknown, Rejected, Throttled
from erp_sync_tests.systems.magento.store_fake import FakeSender, filters, parameter, search

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def test_a_search_is_written_in_the_vendors_notation():
    criteria = Criteria().since("updated_at", START).any_of("sku", ["A", "B,C"]).sorted_by("updated_at", "entity_id")
    assert criteria.paged(50, 2).only("items[sku],total_count").params() == [
        ("searchCriteria[filter_groups][0][filters][0][field]", "updated_at"),
        ("searchCriteria[filter_groups][0][filters][0][value]", "2026-01-01 00:00:00"),
        ("searchCriteria[filter_groups][0][filters][0][condition_type]", "gteq"),
        ("searchCriteria[filter_groups][1][filters][0][field]", "sku"),
        ("searchCriteria[filter_groups][1][filters][0][value]", "A"),
        ("searchCriteria[filter_groups][1][filters][0][condition_type]", "in"),
        ("searchCriteria[filter_groups][1][filters][1][field]", "sku"),
        ("searchCriteria[filter_groups][1][filters][1][value]", "B,C"),
        ("searchCriteria[filter_groups][1][filters][1][condition_type]", "eq"),
        ("searchCriteria[sortOrders][0][field]", "updated_at"),
        ("searchCriteria[sortOrders][0][direction]", "ASC"),
        ("searchCriteria[sortOrders][1][field]", "entity_id"),
        ("searchCriteria[sortOrders][1][direction]", "ASC"),
        ("searchCriteria[pageSize]", "50"),
        ("searchCriteria[currentPage]", "2"),
        ("fields", "items[sku],total_count"),
    ]


def test_a_search_for_everything_still_names_search_criteria():
    assert Criteria().params() == [("searchCriteria", "")]


def test_an_unknown_condition_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="finset"):
        Criteria().where("sku", "A", "contains")


def test_the_end_of_a_window_is_rounded_up_so_that_no_second_is_lost():
    (group,) = Criteria().before("updated_at", END.replace(microsecond=1)).groups
    assert group[0].value == "2026-01-02 00:00:01"
    with pytest.raises(ValueError, match="time zone"):
        time_text(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.lists(st.text(min_size=1, max_size=40), max_size=60), st.integers(1, 20))
def test_chunks_keep_every_value_in_order(values, count):
    parts = list(chunks(values, count, characters=300))
    assert [value for part in parts for value in part] == values
    assert all(len(part) <= count for part in parts)


def stamps(seconds: list[int]) -> list[dict]:
    return [
        {"entity_id": number, "updated_at": f"2026-01-01 00:00:{second:02d}"}
        for number, second in enumerate(seconds, start=1)
    ]


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 7))
def test_a_window_gives_every_record_once_however_many_share_a_second(seconds, page_size):
    sender = FakeSender()
    records = stamps(seconds)
    sender.answer("GET", "orders", search(records))
    pages = MagentoClient(sender).window("orders", START, END, operation="read", page_size=page_size)
    ids = [item["entity_id"] for page in pages for item in page]
    assert sorted(ids) == [one["entity_id"] for one in records]


def test_a_record_that_changes_while_we_page_hides_no_other_one():
    sender = FakeSender()
    records = stamps([1, 2, 3, 4, 5, 6])
    sender.answer("GET", "orders", search(records))
    seen = []
    for page in MagentoClient(sender).window("orders", START, END, operation="read", page_size=2):
        seen += [item["entity_id"] for item in page]
        records[0]["updated_at"] = "2026-01-03 00:00:00"  # leaves the window; later pages would shift by one
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_window_is_read_oldest_first_by_time_and_id():
    sender = FakeSender()
    sender.answer("GET", "orders", search(stamps([1])))
    list(MagentoClient(sender).window("orders", START, END, operation="read", page_size=10))
    (call,) = sender.calls
    assert call.path == "/rest/all/V1/orders"
    assert call.repeatable
    assert [one["condition_type"] for one in filters(call)] == ["lt", "gteq"]
    assert parameter(call, "searchCriteria[sortOrders][1][field]") == "entity_id"


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        (["100", "9", "10", "9"], ["9,10", "100"]),
        (["B", "9", "10"], ["10,9", "B"]),
    ],
    ids=["ids as numbers", "names as texts"],
)
def test_records_of_keys_are_read_in_the_order_of_the_keys_from_call_to_call(keys, asked):
    sender = FakeSender()
    sender.answer("GET", "orders", search([]))
    list(MagentoClient(sender).by_keys("orders", "entity_id", keys, operation="read", page_size=2))
    assert [one["value"] for call in sender.calls for one in filters(call)] == asked


def test_paging_stops_at_total_count_even_where_the_last_page_repeats_for_ever():
    sender = FakeSender()
    items = [{"sku": "A"}, {"sku": "B"}, {"sku": "C"}]

    def old_server(call):  # before 2.4: past the end comes the last page again
        page = min(int(parameter(call, "searchCriteria[currentPage]")), 2)
        return {"items": items[(page - 1) * 2 : page * 2], "total_count": 3}

    sender.answer("GET", "products", old_server)
    pages = MagentoClient(sender).all("products", Criteria(), operation="read", page_size=2, sort=("sku",))
    assert [item["sku"] for page in pages for item in page] == ["A", "B", "C"]
    assert len(sender.calls) == 2


@pytest.mark.parametrize(
    "body",
    [[], {"items": []}, {"items": "none", "total_count": 1}, {"total_count": 3}, {"items": [1], "total_count": 1}],
)
def test_an_answer_of_another_shape_is_no_empty_list(body):
    sender = FakeSender()
    sender.answer("GET", "orders", body)
    with pytest.raises(BadAnswer):
        MagentoClient(sender).page("orders", Criteria(), operation="read")


@pytest.mark.parametrize(
    ("message", "parameters", "expected"),
    [
        (
            "No such entity with %fieldName = %fieldValue",
            {"fieldName": "sku", "fieldValue": "A"},
            "No such entity with sku = A",
        ),
        ("%1 of %2", ["one", "two"], "one of two"),
        (
            "Invalid attribute SKU = %SKU. Row ID: SKU = %SKU",
            {"SKU": "A%1"},
            "Invalid attribute SKU = A%1. Row ID: SKU = A%1",
        ),
        ("%field is %fieldValue", {"field": "x", "fieldValue": "y"}, "x is y"),
        ("100 % of %unknown", {"a": "b"}, "100 % of %unknown"),
        ("%1", [["a"]], '["a"]'),
        ("plain", None, "plain"),
    ],
)
def test_placeholders_are_filled_in_for_the_reader(message, parameters, expected):
    assert rendered(message, parameters) == expected


def test_every_error_of_a_body_is_told():
    body = {
        "message": "Validation Failed",
        "errors": [
            {"message": '"%field" cannot be empty', "parameters": {"field": "sku"}},
            {"message": "Second\nline"},
        ],
    }
    assert error_text(body) == 'Validation Failed; "sku" cannot be empty; Second line'
    assert error_text({"messages": {"error": [{"code": 500, "message": "Fatal"}]}}) == "Fatal"


def answered(status: int, body: object, **headers: str) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    return httpx.Response(status, content=content, headers=headers)


def test_a_good_answer_is_no_error():
    assert outcome(answered(200, {})) is None
    assert outcome(answered(202, {})) is None


@pytest.mark.parametrize(
    ("status", "message", "code", "again"),
    [
        (404, "No such entity with %1 = %2", "not_found", Again.NEVER),
        (404, "Request does not match any route.", "unknown_route", Again.NEVER),
        (400, "Shipment Document Validation Error(s):\nThe order does not allow...", "shipment_invalid", Again.NEVER),
        (400, "Could not save a shipment, see error log for details", "could_not_save", Again.LATER),
        (400, "Not all of your products are available in the requested quantity.", "not_enough_stock", Again.LATER),
        (400, "Validation Failed: quantity", "invalid_value", Again.NEVER),
        (400, "Something else", "refused", Again.NEVER),
        (500, "SQLSTATE[40001]: Deadlock found when trying to get lock", "locked", Again.LATER),
    ],
)
def test_refusals_have_a_stable_code(status, message, code, again):
    error = outcome(answered(status, {"message": message}))
    assert isinstance(error, Rejected)
    assert (error.code, error.again) == (code, again)


@pytest.mark.parametrize(
    "body", ["<html>504 Gateway Time-out</html>", {"message": "Internal Error. Report ID: webapi-1"}]
)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_proves_nothing(status, body):
    assert isinstance(outcome(answered(status, body)), OutcomeUnknown)


def test_maintenance_did_not_reach_the_store():
    page = "<html>Service Temporarily Unavailable: maintenance downtime</html>"
    error = outcome(answered(503, page, **{"Retry-After": "120"}))
    assert isinstance(error, NotSentError)
    assert error.retry_after_seconds == 120


def test_too_many_requests_says_when_to_come_back():
    error = outcome(answered(429, {"message": "Too Many Requests", "trace": None}))
    assert isinstance(error, Throttled)
    assert error.retry_after_seconds


def test_a_token_without_permission_names_the_resource():
    body = {
        "message": "The consumer isn't authorized to access %resources.",
        "parameters": {"resources": "Magento_Sales::sales"},
    }
    error = outcome(answered(401, body))
    assert isinstance(error, NotAuthenticated)
    assert "Magento_Sales::sales" in str(error)


def test_a_nonce_seen_before_is_sent_again_with_a_new_one():
    error = outcome(answered(401, {"message": "The nonce is already being used by the consumer with key abc."}))
    assert isinstance(error, NotSentError)
    assert not isinstance(error, NotAuthenticated)


def test_a_slash_cannot_stand_in_a_path():
    assert segment("A B[1]") == "A%20B%5B1%5D"
    with pytest.raises(ValueError, match="slash"):
        segment("A/B")
