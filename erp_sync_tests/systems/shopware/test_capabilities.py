from __future__ import annotations

import pytest

from erp_sync.systems.shopware.capabilities import CAPABILITIES, PAGE_LIMIT, capabilities_of
from erp_sync.systems.shopware.criteria import LARGEST_PAGE


def test_every_reading_and_operation_cites_its_source_and_where_a_time_comes_from():
    for one in (*CAPABILITIES.readings, *CAPABILITIES.operations):
        assert "OpenAPI" in one.source or "core" in one.source or "docs" in one.source
    assert all(one.settle_source for one in CAPABILITIES.operations if one.settle_seconds)
    assert PAGE_LIMIT == LARGEST_PAGE


def test_settings_of_a_connection_are_taken():
    found = capabilities_of({"page_size": 250, "lateness_seconds": {"sales_order": 90}})
    reading = found.reading("sales_order")
    assert (reading.page_size, reading.lateness_seconds) == (250, 90.0)
    assert capabilities_of({}).reading("sales_order").page_size == 100
    with pytest.raises(ValueError, match="500"):
        capabilities_of({"page_size": 501})


def test_what_is_read_by_time_is_as_late_as_a_write_may_take():
    """A write's stamp is set as it begins and is seen once it has committed."""
    by_time = [one.entity for one in CAPABILITIES.readings if one.updated_time]
    assert by_time == ["sales_order", "product"]
    for settings in ({}, {"settle_seconds": {"sales_order.cancel": 15}}, {"settle_seconds": {"product.write": 300}}):
        found = capabilities_of(settings)
        longest = max(one.settle_seconds for one in found.operations)
        assert longest == settings.get("settle_seconds", {}).get("product.write", 60)
        assert all(found.reading(entity).lateness_seconds >= longest for entity in by_time)
    said = capabilities_of({"settle_seconds": {"product.write": 300}, "lateness_seconds": {"product": 20}})
    assert [said.reading(entity).lateness_seconds for entity in by_time] == [300.0, 20.0]
