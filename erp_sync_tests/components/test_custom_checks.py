"""Rules over custom fields, as YAML declares them, judge what flows move."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from erp_sync.components.columns import record_columns
from erp_sync.components.custom_checks import FLOWS, CustomCheck, columns, problems
from erp_sync.components.documents import suite_of, transform_documents
from erp_sync.components.flow_table import FLOWS as KINDS
from erp_sync.components.records import RECORDS
from erp_sync.quality.gate import Suite, judge
from erp_sync_tests.components.two_systems import two_systems
from erp_sync_tests.e2e.business import business

# The sandbox has an item of its own besides the catalogue.
REFUSED = ("TEA", "Gift Certificate")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def broken(check: CustomCheck, *values: Any) -> list[int]:
    """Positions of the values that break the rule, by the library that judges."""
    records = [SimpleNamespace(custom={"x": value} if value is not ... else {}) for value in values]
    rows = [columns("orders", [check], record) for record in records]
    return sorted(judge(Suite(name="custom", rules=(check.rule(),)), rows).by_row())


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ({"required": True}, ["a", "", ..., 0, False], [1, 2]),
        ({"one_of": ["web", "app"]}, ["web", "shop", ..., "app"], [1]),
        ({"one_of": ["true"]}, [True, False], [1]),
        ({"matches": "[A-Z]{2}"}, ["DE", "DEU", "de", "", "DE\n"], [1, 2, 4]),
        ({"matches": "a|b"}, ["a", "ab", "b"], [1]),
        ({"at_least": 0.1}, [Decimal("0.1"), "0.0999", 3, ..., "many"], [1, 4]),
        ({"at_least": 1, "at_most": "1.5"}, [Decimal("1.5"), Decimal("1.50001"), 0], [1, 2]),
        ({"matches": "2026-.*"}, [NOW, "2025-01-01"], [1]),
    ],
)
def test_one_condition_judges_text_or_number_exactly(
    condition: dict[str, Any], values: list[Any], expected: list[int]
) -> None:
    assert broken(CustomCheck(name="rule", field="custom.x", **condition), *values) == expected


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"field": "number", "required": True}, "field"),
        ({"field": "custom.x"}, "needs one of"),
        ({"field": "custom.x", "required": True, "matches": "a"}, "needs one of"),
        ({"field": "custom.x", "matches": "("}, "no regular expression"),
    ],
)
def test_a_wrong_rule_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CustomCheck(name="rule", **wrong)


def test_only_flows_whose_records_have_custom_fields_take_them_and_names_are_unique() -> None:
    assert {name for name, kind in KINDS.items() if "custom" in record_columns(kind.entity)} == set(FLOWS)
    assert set(RECORDS) == {kind.entity for kind in KINDS.values()}
    one = CustomCheck(name="rule", field="custom.x", required=True)
    assert problems("orders", [one]) == []
    assert problems("prices", [one]) == [
        "flow prices has no custom fields: they are of orders, order_status, shipments, products, customers"
    ]
    assert problems("orders", [one, one]) == ["flow orders: two checks are called rule"]


def test_a_custom_field_is_a_column_of_the_suite_s_rules() -> None:
    check = CustomCheck(name="channel", field="custom.channel", one_of=("web",))
    assert "custom.channel" in {rule.arguments["column"] for rule in suite_of("orders", [check]).rules}
    assert len(suite_of("orders", [check]).rules) == len(suite_of("orders").rules) + 1


def test_an_order_whose_custom_field_breaks_a_rule_is_in_quarantine_and_the_others_go(tmp_path: Path) -> None:
    checks = (CustomCheck(name="light", field="custom.weight", at_most=2),)
    with business(tmp_path, payment_methods={"braintree": "5"}) as shop:
        light, heavy = shop.store.buy("ann", {"MUG": 1}), shop.store.buy("ann", {"MUG": 3})
        for number, weight in ((light, "0.5"), (heavy, "3")):
            shop.store.sql("UPDATE sales_order SET weight = ? WHERE increment_id = ?", weight, number)
        with shop.installation() as here:
            route = here.configuration.routes["us"]
            shop.extract(here, route, "orders", "run-1")
            flow = route.flows["orders"].model_copy(update={"checks": checks})
            transform_documents(here, route, KINDS["orders"], flow, run_id="run-1")
            (row,) = here.ledger.quarantine.find(flow="orders")
        assert (row.native_id, row.rule) == (str(shop.store.id_of(heavy)), "custom_light")
        assert row.problem == f"{heavy}: custom.weight is not at most 2"
        assert list(shop.states()) == [light]


def test_a_product_whose_custom_field_breaks_a_rule_is_in_quarantine_and_a_good_one_is_in_the_plan(
    tmp_path: Path,
) -> None:
    with two_systems(
        tmp_path,
        "{products: {mode: on, approval: required, "
        "checks: [{name: known, field: custom.words, matches: 'Article (?!TEA).*'}]}}",
        erp_settings={"mapping": {"product": {"add": [{"target": "custom.words", "source": "displayname"}]}}},
        store_settings={"product_attributes": {"custom.words": "words"}},
    ) as both:
        both.run("products", full=True)
        told = {(row.rule, row.problem) for row in both.here.ledger.quarantine.find(flow="products")}
        plans = both.here.ledger.plans.find(route="us", flow="products")
        table = both.here.ledger.plans.table(plans[0].id)
    assert told == {("custom_known", f"{sku}: custom.words is not Article (?!TEA).*") for sku in REFUSED}
    assert any('"custom.words"' in after for after in table.column("after").to_pylist())
