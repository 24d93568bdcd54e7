"""What a NetSuite connection can do, with what its settings say otherwise."""

from __future__ import annotations

import pytest

from erp_sync.systems.netsuite.capabilities import CAPABILITIES, capabilities_of


def test_a_connection_may_say_how_long_after_its_sends_a_write_can_still_become_visible():
    quick = capabilities_of({"settle_seconds": {"sales_order.create": 20}})
    assert quick.operation("sales_order.create").settle_seconds == 20
    assert quick.operation("sales_order.create").settle_source == "setting of the connection"
    assert quick.operation("customer.create") == CAPABILITIES.operation("customer.create")
    assert quick.limits == CAPABILITIES.limits


def test_without_the_setting_the_vendor_s_own_figures_hold():
    assert capabilities_of({}) == CAPABILITIES


def test_reasons_of_cancellations_are_told_where_a_field_of_them_is_named():
    told = capabilities_of({"cancel_reason_field": "custbody_why", "settle_seconds": {"sales_order.create": 20}})
    assert {one.entity for one in told.readings if one.tells_reason} == {"order_status"}
    assert told.operation("sales_order.create").settle_seconds == 20
    assert not any(one.tells_reason for one in CAPABILITIES.readings)


@pytest.mark.parametrize("name", ["memo", "custbody", "custbody_a, t.memo", "custbody_\u00fc"])
def test_a_field_of_reasons_that_is_no_custom_body_field_is_refused(name: str):
    with pytest.raises(ValueError, match=r"setting cancel_reason_field: .* is no script id"):
        capabilities_of({"cancel_reason_field": name})


def test_an_operation_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"'sales_order\.make' does not exist; known are customer\.create"):
        capabilities_of({"settle_seconds": {"sales_order.make": 1}})
