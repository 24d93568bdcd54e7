"""The README's rules of a company's own, as they stand there, at work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from erp_sync.components.configuration import WrongConfiguration, read_configuration
from erp_sync.components.held_plans import waiting
from erp_sync.ledger import State
from erp_sync.ledger.plans import PlanState
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.decisions import approve
from erp_sync.operations.mapping_document import mapping_document
from erp_sync.operations.mapping_texts import as_csv, markdown
from erp_sync_tests.components.two_systems import two_systems
from erp_sync_tests.e2e.business import Business, business

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
SECTION = README.partition("### Rules of your own")[2]
MODULE = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)[0]
MAPPING, FLOWS = yaml.safe_load_all(re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)[0])

FIELD = {"custom_fields": {"custbody_reference": {"type": "text", "label": "Reference"}}}


@contextmanager
def acme(folder: Path, module: str = MODULE, **flow: Any) -> Iterator[Business]:
    """The business with the README's module, and its YAML for orders; `flow`: other own rules of the flow."""
    with business(folder, payment_methods={"braintree": "5"}, flows=("orders",), erp_options=FIELD) as shop:
        defs = folder / "defs" / "us" / "defs.yaml"
        (defs.parent / "acme_rules.py").write_text(module)
        documents = list(yaml.safe_load_all(defs.read_text()))
        documents[1]["attributes"]["settings"] |= MAPPING
        documents[2]["attributes"]["flows"]["orders"] |= flow or FLOWS["orders"]
        defs.write_text(yaml.safe_dump_all(documents))
        yield shop


def test_a_mapping_function_makes_the_field_and_the_others_let_the_order_go(tmp_path: Path) -> None:
    with acme(tmp_path) as shop:
        number = shop.store.buy("ann", {"MUG": 1})
        shop.settle()
        (order,) = shop.in_erp(number)
        assert json.loads(order["custom"])["custbody_reference"] == f"WEB-{number[:1]}-{number[1:].lstrip('0')}"


def test_a_policy_holds_a_large_order_until_somebody_lets_it_pass_with_a_reason(tmp_path: Path) -> None:
    with acme(tmp_path) as shop:
        small, large = shop.store.buy("ann", {"MUG": 1}), shop.store.buy("ann", {"MUG": 20})
        shop.settle()
        held = shop.delivery(large)
        assert (held.state, held.code) == (State.HELD, "held_by_policy")
        assert re.fullmatch(r"policy large_order: [\d.]+ USD is for sales to look at\. Let it pass .*", held.reason)
        assert (len(shop.in_erp(small)), shop.in_erp(large)) == (1, [])
        with shop.installation() as here:
            with pytest.raises(CannotDo, match="needs a reason"):
                approve(here, large, who="sam", why="")
            approve(here, large, who="sam", why="called them")
        shop.settle()
        assert len(shop.in_erp(large)) == 1


def test_what_a_person_let_pass_is_not_held_again_when_the_order_changes(tmp_path: Path) -> None:
    with acme(tmp_path) as shop:
        large = shop.store.buy("ann", {"MUG": 20})
        shop.settle()
        with shop.installation() as here:
            approve(here, large, who="sam", why="called them")
        shop.settle()
        shop.store.sql("UPDATE sales_order SET updated_at = datetime('now', '+1 minute'), weight = 9")
        shop.settle()
        assert State.HELD not in {one.state for one in shop.deliveries()}
        assert len(shop.in_erp(large)) == 1


def test_a_check_puts_an_order_into_quarantine_in_the_function_s_own_words(tmp_path: Path) -> None:
    with acme(tmp_path, MODULE.replace(', "US"}', "}")) as shop:
        number = shop.store.buy("ann", {"MUG": 1})
        shop.settle()
        with shop.installation() as here:
            (row,) = here.ledger.quarantine.find(flow="orders")
        assert (row.rule, row.problem) == ("custom_destination", f"{number}: we do not ship to US")


@pytest.mark.parametrize("where", ["mapping", "check", "policy"])
def test_a_function_that_fails_stops_its_order_only(tmp_path: Path, where: str) -> None:
    breaks = {
        "mapping": ("    year, running", "    {'00000002': 1}.get(number[1:]) and 1 / 0\n    year, running"),
        "check": ("    address = order", "    order.number.endswith('2') and 1 / 0\n    address = order"),
        "policy": ("    total, currency", "    order.number.endswith('2') and 1 / 0\n    total, currency"),
    }
    with acme(tmp_path, MODULE.replace(*breaks[where])) as shop:
        first, second, third = (shop.store.buy("ann", {"MUG": 1}) for _ in range(3))
        assert second.endswith("00000002")
        shop.settle()
        assert [len(shop.in_erp(one)) for one in (first, second, third)] == [1, 0, 1]
        with shop.installation() as here:
            said = [row.problem for row in here.ledger.quarantine.find(flow="orders")]
        said += [one.reason for one in shop.deliveries() if one.number == second]
    assert any("failed: ZeroDivisionError: division by zero (acme_rules.py, line " in words for words in said)


def test_a_policy_leaves_an_order_out(tmp_path: Path) -> None:
    module = (
        "from erp_sync.model.order import SalesOrder\nfrom erp_sync.ports.own_functions import LeaveOut\n"
        "def not_ours(order: SalesOrder) -> LeaveOut | None:\n    return LeaveOut('the outlet books it itself')\n"
        "def reference(number: str) -> str: return number\n"
    )
    policies = [{"name": "outlet", "function": "acme_rules:not_ours"}]
    with acme(tmp_path, module, policies=policies) as shop:
        number = shop.store.buy("ann", {"MUG": 1})
        ran = shop.run()
        assert (ran.transformed.dropped, ran.transformed.reasons) == (1, {"left_out_by_policy": 1})
        assert shop.in_erp(number) == []


ROW = [{"name": "ending", "of": "row", "function": "acme_rules:ending"}]
PLAN = [{"name": "calm", "of": "plan", "function": "acme_rules:calm"}]
CALM = MODULE + (
    "\nfrom erp_sync.ports.own_functions import Changes\n"
    "def calm(changes: Changes) -> str | None:\n"
    "    return f'{len(changes.rows)} of {changes.compared} on one day' if len(changes.rows) > 1 else None\n"
)


@pytest.mark.parametrize(
    ("guards", "module", "held", "went"),
    [
        (ROW, MODULE, {"base/0/MUG"}, {"TEA": "3.30"}),
        (ROW, MODULE.replace("if change.after is None", "if 1 / 0"), {"base/0/MUG", "base/0/TEA"}, {}),
        (PLAN, CALM, {"base/0/MUG", "base/0/TEA"}, {}),
        (PLAN, CALM.replace("> 1 ", "> 2 "), set(), {"TEA": "3.30", "MUG": "11.29"}),
    ],
    ids=["a row waits", "one that fails lets all rows wait", "all of a plan waits", "a plan passes"],
)
def test_own_guards_of_a_plan(tmp_path: Path, guards: Any, module: str, held: set[str], went: dict[str, str]) -> None:
    flows = f"{{prices: {{mode: on, own_guards: {yaml.safe_dump(guards, default_flow_style=True).strip()}}}}}"
    (tmp_path / "world" / "defs").mkdir(parents=True)
    (tmp_path / "world" / "defs" / "acme_rules.py").write_text(CALM)
    settings = {"price_levels": {"1": "base"}}
    with two_systems(tmp_path / "world", flows, erp_settings=settings) as both:
        both.run("prices", full=True)
        (tmp_path / "world" / "defs" / "acme_rules.py").write_text(module)
        for sku, amount in (("MUG", "11.29"), ("TEA", "3.30")):
            both.erp_sql(
                "UPDATE itemprice SET price = ? WHERE pricelevel = 1 AND item = (SELECT id FROM item WHERE itemid = ?)",
                (amount, sku),
            )
        before = prices(both)
        both.run("prices", full=True)
        plans = both.here.ledger.plans.find(states=[PlanState.HELD])
        keys = {key for plan in plans for key in both.here.ledger.plans.table(plan.id).column("key").to_pylist()}
        assert keys == held
        assert waiting(both.here, "us", "prices", "magento_us") == len(held)
        after = prices(both)
        assert {sku: amount for sku, amount in after.items() if before[sku] != amount} == {
            sku: Decimal(amount) for sku, amount in went.items()
        }


def prices(both: Any) -> dict[str, Decimal]:
    rows = both.store_rows("SELECT sku, price FROM catalog_product_entity")
    return {sku: Decimal(str(price)) for sku, price in rows}


def test_the_mapping_document_lists_them_with_their_types_and_words(tmp_path: Path) -> None:
    with acme(tmp_path) as shop, shop.installation() as here:
        document = mapping_document(here, here.configuration.routes["us"], traffic=False)
    text, table = markdown(document), as_csv(document)
    assert "| function acme_rules:reference (str to str) |" in text
    row = "| policy | large_order | `acme_rules:large_order` | `SalesOrder to Hold \\| None` | Sales looks at large"
    assert row in text
    assert "own check" in table
    assert "We ship to some countries only." in table


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        (("acme_rules:destination", "acme_rules:destiny"), "flows.orders", "has no such function; it has: reference,"),
        (("acme_rules:reference", "acme:reference"), "settings.mapping", "no module acme below"),
    ],
)
def test_yaml_that_names_what_is_not_there_is_refused_with_its_file(
    tmp_path: Path, change: tuple[str, str], field: str, words: str
) -> None:
    with acme(tmp_path) as shop:
        defs = tmp_path / "defs" / "us" / "defs.yaml"
        defs.write_text(defs.read_text().replace(*change))
        with pytest.raises(WrongConfiguration) as wrong:
            read_configuration(shop.settings.defs)
    assert (wrong.value.file, wrong.value.field) == (str(defs), field)
    assert words in wrong.value.problem


@pytest.mark.parametrize(
    ("flow", "rule", "words"),
    [
        ("orders", {"own_guards": ROW}, "flow orders: own_guards judge plans, and it has none; use policies"),
        ("inventory", {"policies": [{"name": "a", "function": "a:b"}]}, "policies judge documents"),
        ("orders", {"policies": [{"name": "a", "function": "a:b"}] * 2}, "two rules are called a"),
        ("orders", {"policies": [{"name": "a", "function": "a.b"}]}, "should match pattern"),
        ("orders", {"checks": [{"name": "a", "function": "a:b", "field": "custom.x"}]}, "leave field and conditions"),
    ],
)
def test_a_rule_of_the_wrong_flow_or_form_is_refused(tmp_path: Path, flow: str, rule: Any, words: str) -> None:
    with business(tmp_path, flows=("orders", "inventory")):
        defs = tmp_path / "defs" / "us" / "defs.yaml"
        documents = list(yaml.safe_load_all(defs.read_text()))
        documents[2]["attributes"]["flows"][flow] |= rule
        defs.write_text(yaml.safe_dump_all(documents))
        with pytest.raises(WrongConfiguration) as wrong:
            read_configuration(tmp_path / "defs")
    assert words in str(wrong.value)
