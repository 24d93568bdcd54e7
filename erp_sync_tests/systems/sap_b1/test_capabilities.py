"""What a SAP Business One connection can do, with what its settings say otherwise."""

from __future__ import annotations

import pytest

from erp_sync.systems.sap_b1.capabilities import CAPABILITIES, capabilities_of, key_field


def test_a_connection_may_say_how_long_after_its_sends_a_write_can_still_become_visible():
    quick = capabilities_of({"settle_seconds": {"sales_order.create": 20}})
    assert quick.operation("sales_order.create").settle_seconds == 20
    assert quick.operation("sales_order.create").settle_source == "setting of the connection"
    assert quick.operation("customer.create") == CAPABILITIES.operation("customer.create")


def test_without_the_setting_ours_hold():
    assert capabilities_of({}) == CAPABILITIES
    assert key_field({}) == "U_ErpSyncKey"


@pytest.mark.parametrize("seconds", [None, 20, 900])
def test_windows_overlap_by_as_long_as_a_write_may_run(seconds: int | None):
    """A stamp is set when the save begins: it is seen below what was read by then."""
    found = capabilities_of({"settle_seconds": {"sales_order.create": seconds}} if seconds else {})
    longest = max(one.settle_seconds for one in found.operations)
    assert longest > 0
    assert all(one.lateness_seconds >= longest for one in found.readings)


def test_an_operation_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match=r"'sales_order\.make' does not exist; known are customer\.create"):
        capabilities_of({"settle_seconds": {"sales_order.make": 1}})


@pytest.mark.parametrize("name", ["NumAtCard", "U_", "U_Key eq 'x' or U_Key", "U_\u00fc"])
def test_a_field_of_our_key_that_is_no_user_defined_field_is_refused(name: str):
    with pytest.raises(ValueError, match=r"setting key_field: .* is no user-defined field"):
        capabilities_of({"key_field": name})
