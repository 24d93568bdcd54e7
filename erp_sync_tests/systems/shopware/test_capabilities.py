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
