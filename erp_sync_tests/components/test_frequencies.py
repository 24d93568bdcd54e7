"""A frequency that the vendor's limit cannot carry is refused with the arithmetic."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from erp_sync.components.configuration import (
    Configuration,
    ConnectionSpec,
    FlowSpec,
    RouteSpec,
    WrongConfiguration,
    read_configuration,
)
from erp_sync.components.frequencies import check_frequencies, demand

DEFS = Path(__file__).resolve().parents[2] / "erp_sync"


def configuration(every: timedelta, **limits) -> Configuration:
    store = ConnectionSpec(name="shop", vendor="magento", base_url="http://shop.invalid")
    erp = ConnectionSpec(name="erp", vendor="netsuite", base_url="http://erp.invalid", settings={"limits": limits})
    flow = FlowSpec.model_validate({"mode": "on", "every": every})
    route = RouteSpec(name="route", store="shop", erp="erp", flows={"inventory": flow})
    return Configuration(connections={"shop": store, "erp": erp}, routes={"route": route})


def test_the_shipped_routes_are_within_the_limits():
    for folder in ("defs", "demo/defs"):
        check_frequencies(read_configuration(DEFS / folder))


def test_a_look_every_five_minutes_fits_every_account():
    check_frequencies(configuration(timedelta(minutes=5)))


def test_too_frequent_looks_are_refused_with_the_arithmetic():
    with pytest.raises(WrongConfiguration) as refused:
        check_frequencies(configuration(timedelta(seconds=0.1), concurrency=5))
    assert "20.00 calls a second (route/inventory 2 calls every 0.1 s)" in str(refused.value)
    assert "50% of 16.67 (5 calls at once of 0.3 s each) are 8.33" in str(refused.value)


def test_a_daily_quota_decides_where_it_is_the_tightest():
    with pytest.raises(WrongConfiguration, match="1000 calls a day"):
        check_frequencies(configuration(timedelta(minutes=1), quota_per_day=1000))


def test_flows_that_are_off_cost_nothing():
    quiet = configuration(timedelta(seconds=0.1))
    off = quiet.routes["route"].model_copy(update={"flows": {"inventory": FlowSpec()}})
    assert demand(quiet.model_copy(update={"routes": {"route": off}}), "erp").calls_per_second == 0
