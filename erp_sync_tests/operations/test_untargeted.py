"""Every canonical field that a source fills is read by the target, or somebody has said why not."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest

from erp_sync.components.flow_table import FLOWS
from erp_sync.model.order import LineKind, OrderDiscount, Payment, PaymentKind, PaymentState, SalesOrder
from erp_sync.operations.mapping_document import FlowMapping, MappingDocument, untargeted
from erp_sync.operations.mapping_texts import as_csv, markdown
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.mapping import Context
from erp_sync.ports.mapping_coverage import Untargeted, filled, plain
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.magento.connector import mappings as store_mappings
from erp_sync.systems.netsuite.connector import mappings
from erp_sync.systems.netsuite.mapping.deposit import DepositSource, deposits_of
from erp_sync.systems.netsuite.mapping.identity import customer_key, order_key, payment_key
from erp_sync_tests.systems.netsuite.samples import ADDRESS, D, line, order, tax

VENDORS = {"store": "magento", "erp": "netsuite"}
PAIRS = (VENDORS, {"store": "shopware", "erp": "sap_b1"})


def served(vendor: str) -> Any:
    return importlib.import_module(f"erp_sync.systems.{vendor}.contract").SERVED


def both_have(flow: str, pair: Mapping[str, str]) -> bool:
    kind = FLOWS[flow]
    sides = (pair[kind.source], kind.source_entity, "source"), (pair[kind.target], kind.entity, "target")
    return all((entity, role) in served(vendor) for vendor, entity, role in sides)


CASES = [
    pytest.param(flow, pair, id=f"{flow} {pair[FLOWS[flow].source]} to {pair[FLOWS[flow].target]}")
    for pair in PAIRS
    for flow in FLOWS
    if both_have(flow, pair)
]


def connection(vendor: str, **settings: Any) -> ConnectionSettings:
    return ConnectionSettings(name=vendor, vendor=vendor, base_url="", credentials={}, settings=settings)


def left(flow: str, pair: Mapping[str, str] = VENDORS, **settings: Any) -> dict[str, str]:
    """Field to reason; `settings` are the store's."""
    kind = FLOWS[flow]
    both = {"store": connection(pair["store"], **settings), "erp": connection(pair["erp"])}
    return {one.field: one.reason for one in untargeted(kind, both[kind.source], both[kind.target])}


@pytest.mark.parametrize(("flow", "pair"), CASES)
def test_no_field_is_forgotten(flow: str, pair: Mapping[str, str]) -> None:
    assert [field for field, reason in left(flow, pair).items() if not reason] == []


@pytest.mark.parametrize("flow", [flow for flow in FLOWS if both_have(flow, VENDORS)])
def test_reasons_are_of_fields_that_are_filled_and_reach_no_target(flow: str) -> None:
    declared = served(VENDORS[FLOWS[flow].target])[FLOWS[flow].entity, "target"].no_target
    assert sorted(set(declared) - set(left(flow))) == []


def test_an_attribute_named_for_a_field_takes_it_off_the_list() -> None:
    assert {"gtin", "weight_unit"} <= set(left("products"))
    assert not {"gtin", "weight_unit"} & set(left("products", product_attributes={"gtin": "ean", "weight_unit": "uom"}))


def test_a_custom_field_that_nobody_reads_is_listed_without_a_reason() -> None:
    overlay = {"sales_order": {"add": [{"target": "custom.channel", "source": "channel"}]}}
    assert left("orders", mapping=overlay)["custom.channel"] == ""


def test_the_document_lists_them_in_a_section_of_their_own() -> None:
    some = (
        Untargeted(field="weight_unit", source="setting weight_unit", reason="one unit a store"),
        Untargeted(field="custom.x", source="x", reason=""),
    )
    flow = FlowMapping(
        flow="products", title="products", mode="on", version="1", source="n", target="m", mappings=(), operations=(),
        undeclared=(), untargeted=some,
    )  # fmt: skip
    document = MappingDocument(route="us", flows=(flow,))
    text = markdown(document)
    assert "### Canonical fields that m does not get: 2" in text
    assert "| `weight_unit` | setting weight_unit | no target | one unit a store |" in text
    assert "| `custom.x` | x | no target | **no reason declared** |" in text
    assert "us,products,no target,m,,setting weight_unit,weight_unit,,,,,,one unit a store" in as_csv(document)
    assert msgspec.json.decode(msgspec.json.encode(document))["flows"][0]["untargeted"][0]["field"] == "weight_unit"


# What is said to be read is read ------------------------------------------------------------------


class Tables(Passthrough):
    """Every look-up table answers, but for one shipping method."""

    def get(self, table: str, key: str) -> str | None:
        return None if key == "unknown" else key


def sent(document: SalesOrder, **more: Any) -> Any:
    """All that NetSuite gets of an order by its mappings, on an account with SuiteTax; or why it gets nothing.

    `more`: settings of the account.
    """
    places = ("view", "web", "base", "magento_us")
    settings = connection(
        "netsuite",
        websites={one: {"subsidiary": one, "location": one, "base_currency": "USD"} for one in places},
        tax_type="1",
        **more,
    )
    own = mappings(settings)
    known = {
        "entity": document.customer.native_id,
        "currency": document.currency,
        "items": {line.sku: line.sku for line in document.lines},
        "sales_order": "900",
    }

    def apply(name: str, record: Any, external_id: str) -> Any:
        return own[name].apply(record, Context(settings, Tables(), {**known, "external_id": external_id}))

    try:
        return (
            apply("sales_order", document, order_key(document)),
            apply("customer", document, customer_key(document, settings.settings)),
            [
                apply("customer_deposit", DepositSource(payment=one, order=document), payment_key(document, one))
                for _, one in deposits_of(document, settings.settings)
            ],
        )
    except MappingProblem as problem:
        return str(problem)


def others(value: Any) -> list[Any]:
    """Values of the same kind."""
    if isinstance(value, Enum):
        return [one for one in type(value) if one is not value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, Decimal):
        return [value + 1]
    if isinstance(value, datetime):
        return [value + timedelta(days=3)]
    if isinstance(value, tuple):
        return [(*value, ("size", "S") if value and isinstance(value[0], tuple) else "more")]
    return [f"{value or ''}x"]


def changed(record: Any, path: list[str]) -> Iterator[Any]:
    """The record with another value at a path, in each of the places that there are."""
    value = getattr(record, path[0])
    if len(path) == 1:
        for other in others(value):
            yield msgspec.structs.replace(record, **{path[0]: other})
    elif isinstance(value, tuple):
        for place, element in enumerate(value):
            for one in changed(element, path[1:]):
                yield msgspec.structs.replace(record, **{path[0]: (*value[:place], one, *value[place + 1 :])})
    else:
        for one in changed(value, path[1:]):
            yield msgspec.structs.replace(record, **{path[0]: one})


def documents() -> list[SalesOrder]:
    """Orders that between them make use of every field."""
    taxed = {"taxes": (tax("8.25", "12.00", "0.99"),), "tax_amount": D("0.99")}
    whole = order(
        store_view="view",
        website="web",
        lines=(
            *order().lines,
            line("3", "SET", "1", "9.00", kind=LineKind.BUNDLE, options=(("size", "L"),), **taxed),
            line("4", "PART-1", "1", "1.00", parent_line_id="3", kind=LineKind.COMPONENT, amount=D("0.00")),
            line("5", "PART-2", "2", "3.00", parent_line_id="3", kind=LineKind.COMPONENT, amount=D("0.00")),
        ),
        payments=(
            *order().payments,
            Payment(
                payment_id="2", kind=PaymentKind.CASH_ON_DELIVERY, method="cashondelivery",
                state=PaymentState.AUTHORISED, amount=D("10.00"), authorisation_reference="C1",
            ),
        ),
        shipping_address=msgspec.structs.replace(ADDRESS, city="Berkeley"),
        discounts=(OrderDiscount(reason="Summer sale", amount=D("5.00"), coupon_code="SPRING"),),
    )  # fmt: skip
    elsewhere = msgspec.structs.replace(whole, store_view="", website="")
    company = msgspec.structs.replace(whole.customer, company="Engines Ltd")
    return [whole, msgspec.structs.replace(whole, store_view="", customer=company), elsewhere]


def test_an_order_s_fields_reach_the_erp_as_the_document_says() -> None:
    unread = {plain(field) for field in left("orders")}
    filled_ones = filled(store_mappings(connection("magento"))["sales_order"])
    ways: list[dict[str, str]] = [{}, {"discounts": "discount_lines", "discount_item": "88"}]
    asked = [(document, way, sent(document, **way)) for document in documents() for way in ways]
    assert [answer for _, _, answer in asked if isinstance(answer, str)] == []
    wrong = {}
    for path in filled_ones:
        if "custom." in path:
            continue
        reaches = any(
            sent(other, **way) != answer
            for document, way, answer in asked
            for other in changed(document, plain(path).split("."))
        )
        if reaches is (plain(path) in unread):
            wrong[path] = "reaches the ERP" if reaches else "reaches it not"
    assert wrong == {}
