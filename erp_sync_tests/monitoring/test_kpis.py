"""The arithmetic of key figures: what is not known is not called good or bad."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.components.configuration import Decision
from erp_sync.ledger.performance import BY_PEOPLE
from erp_sync.monitoring.kpis import (
    ASSUMED,
    KPIS,
    Figure,
    Target,
    aim,
    cost,
    in_window,
    per_order,
    percentile,
    quantiles,
    ratio,
    text,
    window_text,
)

COUNTS = st.integers(0, 10**6)
SECONDS = st.floats(0, 10**7, allow_nan=False)


@given(COUNTS, COUNTS)
def test_a_ratio_and_the_ratio_of_the_rest_are_one(part: int, rest: int):
    found, others = ratio(part, part + rest), ratio(rest, part + rest)
    if part + rest == 0:
        assert (found, others) == (None, None)
    else:
        assert found is not None
        assert others is not None
        assert 0 <= found <= 1
        assert found + others == pytest.approx(1)


@pytest.mark.parametrize(("part", "whole"), [(2, 1), (-1, 1)])
def test_what_is_no_share_is_refused(part: int, whole: int):
    with pytest.raises(ValueError, match="is no share"):
        ratio(part, whole)


@given(st.lists(SECONDS, min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(values: list[float], hundredths: int):
    share = hundredths / 100
    found = percentile(values, share)
    assert found in values
    enough = Decimal(hundredths) * len(values) / 100
    assert sum(1 for value in values if value <= found) >= enough
    assert all(sum(1 for other in values if other <= value) < enough for value in values if value < found)


@given(st.lists(SECONDS, min_size=1))
def test_percentiles_grow_and_stay_between_the_least_and_the_most(values: list[float]):
    found = list(quantiles(values).values())
    assert found == sorted(found, key=float)
    assert min(values) <= found[0] <= found[-1] <= max(values)


def test_percentiles_of_nothing_are_unknown_and_exact_of_twenty():
    assert quantiles([]) == {"p50": None, "p95": None, "p99": None}
    assert quantiles([float(one) for one in range(1, 21)]) == {"p50": 10.0, "p95": 19.0, "p99": 20.0}
    with pytest.raises(ValueError, match="no share"):
        percentile([1.0], 0)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(1, 50), COUNTS), max_size=5), st.floats(0, 200))
def test_windows_that_meet_hold_together_what_the_whole_holds(spans: list[tuple[float, float, int]], middle: float):
    amounts = {(begin, begin + length): amount for begin, length, amount in spans}
    both = in_window(amounts, 0, middle) + in_window(amounts, middle, 200)
    assert both == pytest.approx(sum(amounts.values()), rel=1e-6, abs=1e-3)


@given(COUNTS, COUNTS)
def test_cost_grows_with_calls_and_a_month_is_thirty_days_of_it(calls: int, more: int):
    rate = Decimal("0.0004")
    assert cost(Decimal(calls + more), per_call=rate) == cost(Decimal(calls), per_call=rate) + more * rate
    days = [cost(Decimal(0), per_month=Decimal(90), window=timedelta(days=1)) for _ in range(30)]
    assert sum(days) == pytest.approx(Decimal(90))


def test_cost_per_order_without_an_order_is_unknown():
    assert per_order(Decimal(10), 0) is None
    assert per_order(Decimal(10), 4) == 2.5


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (Target(least=0.995), 0.996, True),
        (Target(least=0.995), 0.995, False),
        (Target(least=0.995), None, None),
        (Target(most=0.001), 0.0, True),
        (Target(most=0.001), 0.001, False),
    ],
)
def test_a_target_is_met_missed_or_unknown(target: Target, value: float | None, met: bool | None):
    assert target.met(value) is met


def test_a_figure_without_a_target_is_neither_good_nor_bad():
    assert Figure(kpi="latency", route="us", value=5.0).met is None
    assert Figure(kpi="success_rate", route="us", value=1.0).met is True


@pytest.mark.parametrize(
    ("name", "value", "label", "words"),
    [
        ("success_rate", None, "", "unknown"),
        ("success_rate", 1.0, "", "100.00 %"),
        ("success_rate", 0.99996, "", "99.996 %"),
        ("success_rate", 0.5, "", "50.00 %"),
        ("oversell_rate", 0.0005, "", "0.05 %"),
        ("latency", 4.25, "p50", "4.2 s"),
        ("latency", 90 * 60, "p50", "90.0 min"),
        ("latency", 3 * 86_400, "p50", "3.0 d"),
        ("queue_depth", 1200, "due", "1,200 documents"),
        ("cost_per_order", 0.0125, "USD", "0.0125 USD"),
        ("cancelled_revenue", 1250.5, "USD", "1,250.50 USD"),
    ],
)
def test_figures_are_told_with_their_unit(name: str, value: float | None, label: str, words: str):
    assert text(KPIS[name], value, label) == words


def test_targets_and_windows_are_told():
    assert aim(KPIS["success_rate"]) == "above 99.5 %"
    assert aim(KPIS["oversell_rate"]) == "below 0.1 %"
    assert aim(KPIS["latency"]) == ""
    assert [window_text(KPIS[name]) for name in ("latency", "documents_per_hour", "queue_depth")] == [
        "24 h",
        "1 h",
        "now",
    ]


def test_names_of_metrics_tell_their_base_unit_and_are_used_once():
    names = [kpi.metric for kpi in KPIS.values()]
    assert len(set(names)) == len(names)
    for kpi in KPIS.values():
        assert kpi.metric.startswith("erp_sync_")
        if kpi.unit in ("ratio", "seconds"):
            assert kpi.metric.endswith(f"_{kpi.unit}")


def test_of_every_kind_of_decision_it_is_assumed_how_long_it_takes_and_a_route_may_say_so():
    assert set(ASSUMED) == set(BY_PEOPLE) == set(get_args(Decision))
