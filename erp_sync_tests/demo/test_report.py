"""The demo's report reads well and hides nothing."""

from __future__ import annotations

from erp_sync.demo.report import text

REPORT = {
    "orders_placed": 482,
    "orders_in_erp": 478,
    "orders_held": 1,
    "orders_dead_lettered": 1,
    "orders_cancelled": 8,
    "orders_duplicated": 0,
    "orders_lost": 0,
    "order_latency_s": {"count": 478, "p50": 4.2, "p95": 9.9, "max": 20.0},
    "stock_latency_s": {"count": 0},
    "shipment_latency_s": {"count": 3, "p50": 1.0, "p95": 2.0, "max": 3.0},
    "order_total_mismatches": {"header": 0, "lines": 0, "tax": 0, "payments": 0, "orders": 0},
    "shipments_in_erp": 3,
    "shipments_in_store": 3,
    "shipping_emails": 3,
    "shipping_emails_early": 0,
    "shipping_emails_twice": 0,
    "oversold_units": 4,
    "stock_mismatches": 0,
    "stock_compared": 7436,
    "price_mismatches": 0,
    "prices_compared": 3718,
    "api_calls": {
        "netsuite": {
            "total": 9,
            "by_kind": {"read": 2, "create": 7},
            "by_flow": {"orders": 6, "shipments": 3},
            "vendor_seconds": 1.0,
            "slots_in_use_max": 5,
            "refused": 0,
        }
    },
    "own": {
        "dead_letters": {"shipments/quantity_above_open": 2, "orders/malformed_address": 1},
        "not_in_erp": [{"order": "000000017", "is": "dead_lettered", "reason": "malformed_address: no postcode"}],
        "plans_held": {"13 products": 3},
        "runs": {"SUCCESS": 51},
        "products_waiting_approval": 3,
        "runs_by_events": {"shipments": 4, "inventory": 2},
        "events": {"shipment: read": 9, "stock_level: left to the next poll": 5},
    },
    "articles": {
        "new": 3,
        "new_in_store": 0,
        "changed": 4,
        "changed_in_store": 4,
        "ended": 1,
        "ended_disabled_in_store": 1,
        "approved": 5,
    },
    "profile": "demo",
    "wall_s": 230.1,
}


def line_of(words: str) -> str:
    (found,) = [line for line in text(REPORT).splitlines() if words in line]
    return found


def test_a_figure_that_has_to_be_zero_says_whether_it_is():
    assert line_of("  lost").split()[-2:] == ["0", "ok"]
    assert line_of("Units oversold").split()[-2:] == ["4", "LOOK"]


def test_orders_that_were_cancelled_after_their_goods_had_left_have_a_line_of_their_own():
    told = text({**REPORT, "orders_cancelled_after_shipping": 2})
    (line,) = [line for line in told.splitlines() if "goods had left" in line]
    assert line.split()[-5:] == ["2", "erp-sync", "deadletters", "names", "them"]
    assert "goods had left" not in text(REPORT)
    assert line_of("cancelled on one side only").split()[-2:] == ["0", "ok"]


def test_a_report_of_a_day_that_was_not_over_says_so():
    assert "still under way" in text({**REPORT, "settled": False})
    assert "still under way" not in text({**REPORT, "settled": True})


def test_what_is_not_in_the_erp_is_named_with_its_reason():
    assert line_of("000000017").strip() == "order 000000017 is dead lettered: malformed_address: no postcode"
    assert line_of("dead letters, with a reason").endswith("malformed_address 1")


def test_dead_letters_of_all_flows_and_calls_of_each_are_told():
    assert line_of("dead letters of all flows").split()[5:] == [
        "3",
        "shipments/quantity_above_open",
        "2,",
        "orders/malformed_address",
        "1",
    ]
    assert line_of("for orders").split() == ["for", "orders", "6,", "shipments", "3"]


def test_a_held_plan_says_how_to_let_it_pass():
    assert "erp-sync approve p13" in line_of("plan p13 of products")


def test_a_latency_that_nothing_was_measured_of_is_left_out():
    assert "stock: changed" not in text(REPORT)
    assert line_of("order: placed").split()[-4:] == ["478", "4.2", "9.9", "20.0"]


def test_articles_that_wait_and_what_events_started_are_told():
    assert line_of("Products that wait for approval").split()[-1] == "3"
    assert line_of("  ended").split()[:2] == ["ended", "1"]
    assert line_of("started by events").split()[3:] == ["6", "shipments", "4,", "inventory", "2"]
    assert line_of("Events of the ERP taken in").split()[6] == "14"
