"""What the UI shows of an asset before it ever ran."""

from __future__ import annotations

from datetime import timedelta

import pytest

from erp_sync.components import descriptions
from erp_sync.components.columns import columns_of, record_columns
from erp_sync.components.configuration import ConnectionSpec, FlowSpec, RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.route import Route


@pytest.mark.parametrize("kind", FLOWS.values(), ids=lambda kind: kind.name)
def test_every_field_of_the_canonical_record_is_a_column_with_a_type(kind):
    for name, (of_type, _) in record_columns(kind.entity).items():
        assert of_type, name


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("number", ("string", "what customer and operator call it, e.g. 000000123")),
        ("connection", ("string", "the system it comes from")),
        ("exchange_rate", ("decimal", "")),
        ("placed_at", ("timestamp[us, UTC]", "")),
        ("coupon_codes", ("list<string>", "")),
        ("custom", ("map<string, any>", "fields of this installation, typed")),
    ],
)
def test_columns_are_read_off_the_model(field, expected):
    assert record_columns("sales_order")[field] == expected


def test_a_nested_record_names_its_fields_and_an_enumeration_its_values():
    columns = record_columns("sales_order")
    assert columns["lines"][0] == "list<struct>"
    assert columns["lines"][1].startswith("each with line_id, parent_line_id, kind, sku")
    assert columns["status"] == (
        "string",
        "pending_payment, open, on_hold, partially_fulfilled, fulfilled, closed, cancelled",
    )
    assert record_columns("product")["variant_options"][0] == "list<struct<string, string>>"


def test_columns_are_made_once_for_all_routes():
    assert columns_of("transformed", True, "sales_order") is columns_of("transformed", True, "sales_order")


CONNECTIONS = {
    "shop": ConnectionSpec(name="shop", vendor="magento", base_url="http://127.0.0.1:9"),
    "erp": ConnectionSpec(name="erp", vendor="netsuite", base_url="http://127.0.0.1:9"),
}


def route(mode: str = "on", **flow) -> RouteSpec:
    orders = FlowSpec.model_validate({"mode": mode, "start": "2026-01-01T00:00:00Z", **flow})
    return RouteSpec(name="us", store="shop", erp="erp", flows={"orders": orders}, owners=("team:commerce",))


def test_every_asset_of_a_route_has_a_description_columns_owners_and_kinds():
    defs = Route(route(), connections=CONNECTIONS).build_defs(None)
    for asset in defs.assets or ():
        (spec,) = asset.specs
        assert spec.description
        assert spec.metadata["dagster/column_schema"].columns
        assert list(spec.owners) == ["team:commerce"]
    kinds = {asset.key.path[-1]: set(asset.specs_by_key[asset.key].kinds) for asset in defs.assets or ()}
    assert kinds == {
        "extracted": {"magento", "parquet"},
        "transformed": {"python", "document"},
        "loaded": {"netsuite"},
    }


def test_a_loaded_asset_says_how_sure_each_write_is_and_how_often_it_looks():
    spec = route(every="90s", latest="10m")
    text = descriptions.loaded(spec, FLOWS["orders"], spec.flows["orders"], CONNECTIONS)
    assert "| `sales_order.create` | A | sent again: the vendor refuses a second |" in text
    assert "looked at every 90 s; older than 10 minutes is late." in text
    assert "Shadow" not in text


def test_a_shadow_flow_says_first_that_it_writes_nothing():
    spec = route(mode="shadow")
    text = descriptions.loaded(spec, FLOWS["orders"], spec.flows["orders"], CONNECTIONS)
    assert text.startswith("**Shadow mode: shows what it would do and writes nothing.**")


def test_guards_and_approval_are_told_where_a_plan_is_judged():
    flow = FlowSpec.model_validate({"mode": "on", "approval": "required", "guards": {"max_zeroed_share": 0.2}})
    text = descriptions.transformed(FLOWS["products"], flow, "erp", "shop")
    assert "Every plan waits for approval." in text
    assert "- `max_zeroed_share`: 0.2" in text


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(seconds=90), "90 s"),
        (timedelta(minutes=1), "minute"),
        (timedelta(minutes=5), "5 minutes"),
        (timedelta(hours=1), "hour"),
        (timedelta(days=1), "day"),
    ],
)
def test_durations_read_as_words(span, expected):
    assert descriptions.words(span) == expected
