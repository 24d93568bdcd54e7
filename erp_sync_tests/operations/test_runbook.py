"""The runbook has an entry for everything that may happen, and none for what cannot; everything links to it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import erp_sync
from erp_sync.components.documents import flow_module
from erp_sync.components.flow_table import FLOWS
from erp_sync.flows import convergence
from erp_sync.ledger.leases import OWNER_DIED
from erp_sync.ledger.notices import Notice
from erp_sync.model.advice import Advice, anchor, best, cause_of
from erp_sync.monitoring import alerting, reasons
from erp_sync.operations import runbook
from erp_sync.ports.documents import Requirement
from erp_sync.systems.magento import client as magento
from erp_sync.systems.netsuite import errors as netsuite

ROOT = Path(erp_sync.__path__[0])
RUNBOOK = ROOT.parent / "docs" / "runbook.md"

# Calls whose argument is a reason: (name, keyword or None, position). `Decision` counts where it holds.
CALLS = (
    ("Refused", "code", None),
    ("Rejected", "code", 1),
    ("MappingProblem", "code", 0),
    ("CannotShip", "code", 0),
    ("CannotBook", "code", 0),
    ("Refusal", "rule", None),
    ("Unusable", "rule", None),
    ("Decision", "code", None),
    ("choice", "code", None),
    ("problem", "code", None),
    ("end_claim", "code", None),
    ("dead", "code", 1),
    ("_Meaning", "code", 1),
)


@cache
def sources() -> tuple[tuple[str, ast.Module], ...]:
    names = {path: "erp_sync." + ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py")}
    return tuple(
        (name, ast.parse(path.read_text()))
        for path, name in sorted(names.items())
        if not set(name.split(".")) & {"sandbox", "demo", "migrations"}
    )


@cache
def nodes() -> tuple[ast.AST, ...]:
    return tuple(node for _, tree in sources() for node in ast.walk(tree))


def value_of(node: ast.expr | None, names: dict[str, str]) -> str | None:
    """A constant text, an f-string with braces for what varies, or a name that is one of them."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part)[1:-1].split('.')[-1]}}}"
            for part in node.values
        )
    return names.get(node.id) if isinstance(node, ast.Name) else None


@cache
def constants() -> dict[str, str]:
    """Module constants that are texts, by name: one that two modules have differently is ambiguous, and left out."""
    found: dict[str, str] = {}
    for _, tree in sources():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Tuple):
                target, value = node.targets[0], node.value
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = value.elts if isinstance(value, ast.Tuple) else [value]
                for name, one in zip(names, values, strict=False):
                    if isinstance(name, ast.Name) and (text := value_of(one, {})) is not None:
                        found[name.id] = text
    return found


@cache
def codes() -> set[str]:
    """Every reason that the source gives, found in its text."""
    names, found = constants(), set()
    for node in nodes():
        if isinstance(node, ast.Call):
            called = _called(node)
            for name, keyword, position in CALLS:
                if called != name:
                    continue
                given = {one.arg: one.value for one in node.keywords}
                if name == "Decision" and value_of(given.get("action"), {}) != "hold":
                    continue
                argument = given.get(keyword) or (
                    node.args[position] if position is not None and len(node.args) > position else None
                )
                ways = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
                found |= {text for way in ways if (text := value_of(way, names))}
            if called == "append" and node.args and isinstance(node.args[0], ast.Tuple):
                found |= _rejected(node.args[0], names)  # (row, rule, field, words)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "problem" and len(node.args) < 4:
                found.add("invalid_value")
    found |= {rule[0] for flow in FLOWS for rule in flow_module(flow, "checks").RULES}
    found |= {one[2] for one in netsuite._RULES if one[2]} | {one.code for one in magento._MEANINGS}
    found |= {code for code, _ in flow_module("orders", "transform").HELD.values()}
    found |= {"tax_difference", "total_difference", "held_by_policy"}  # of `ports.differences.code_of`
    found |= {"doubtful_match", "doubtful_customer"}  # of `ports.adoption`
    found.add("custom_{name}")  # of `components.custom_checks`
    found.add("edited_at_target")  # of `operations.putting_back`
    found.add(OWNER_DIED)  # of `ledger.leases`
    found.add(convergence.waiting_code(Requirement(entity="product", key="MUG")))
    return found


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _rejected(node: ast.Tuple, names: dict[str, str]) -> set[str]:
    code = value_of(node.elts[1], names) if len(node.elts) == 4 else None
    return {code} if code and re.fullmatch("[a-z_]+", code) else set()


@cache
def causes() -> set[str]:
    """Every cause of a notice, found in the source's text: the key's first part."""
    names, found = constants(), set()
    for function in (node for node in nodes() if isinstance(node, ast.FunctionDef)):
        inside = list(ast.walk(function))
        calls = [node for node in inside if isinstance(node, ast.Call) and _called(node) in ("raise_once", "Condition")]
        scope = dict(names)
        for node in inside if calls else ():
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                text = value_of(node.value, names)
                if text and "/" in text:
                    scope[node.targets[0].id] = text
        for node in calls:
            given = [*node.args, *(one.value for one in node.keywords if one.arg == "key")]
            if not given:
                continue  # threading's
            argument = given[0]
            if isinstance(argument, ast.BinOp):
                continue  # the watchdog raises its conditions, which are found themselves
            if isinstance(argument, ast.Call):
                found.add("breaker")  # `breakers.matter`; else what was raised before stays, and is found there
                continue
            text = value_of(argument, scope)
            assert text, f"the key of {ast.unparse(node)} is not understood"
            for name, value in names.items():
                text = text.replace(f"{{{name}}}", value)
            found.add(cause_of(text))
    return found


def test_it_is_up_to_date() -> None:
    assert RUNBOOK.read_text() == runbook.text(), "next: erp-sync runbook --write docs/runbook.md"


def test_every_reason_has_an_entry_of_its_own() -> None:
    """One test for all: one for each would read the whole source in every process that collects tests."""
    entries, told = {code: reasons.of(code).code for code in codes()}, RUNBOOK.read_text()
    assert len(entries) > 100
    nowhere = sorted(code for code, entry in entries.items() if entry == "{other}")
    assert not nowhere, "explained nowhere: add a Reason beside its definition"
    assert [code for code, one in entries.items() if f'<a id="{anchor("reason", one)}"></a>' not in told] == []


def test_no_reason_is_explained_that_nothing_gives() -> None:
    used = {reasons.of(code).code for code in codes()}
    templates = [_template(code) for code in codes() if "{" in code]
    by_template = {one.code for one in reasons.known() if any(best([each], one.code) for each in templates)}
    assert {one.code for one in reasons.known()} - used - by_template - {"{other}"} == set()


def _template(code: str) -> reasons.Reason:
    return reasons.Reason(code=re.sub(r"\{.*?\}", "{any}", code), means="", do="")


def test_every_reason_is_explained_once() -> None:
    codes = [one.code for one in reasons.known()]
    assert sorted(codes) == sorted(set(codes))


def test_the_scan_finds_reasons_of_every_part() -> None:
    assert {
        "unknown_item",
        "unknown_sku",
        "outcome_unknown",
        "defect",
        "malformed_record",
        "negative_quantity",
    } <= codes()
    assert {"unmapped_{table}", "changed_after_delivery", "pending_payment", "negative_quantity"} <= codes()


def test_every_alert_has_an_entry_and_no_entry_is_of_none() -> None:
    assert {one.cause for one in runbook.alerts()} == causes()


@pytest.mark.parametrize("error", runbook.errors(), ids=lambda one: one.__name__)
def test_every_error_class_says_what_to_do(error: type[Exception]) -> None:
    advice = vars(error).get("advice")
    assert isinstance(advice, Advice), f"{error.__module__}.{error.__name__} needs an `advice` of its own"
    assert all((advice.means, advice.do, advice.look))


def test_every_command_that_the_runbook_names_exists() -> None:
    from typer.main import get_command

    from erp_sync.cli import app

    group = get_command(app)
    named = set(re.findall(r"erp-sync ([a-z]+)(?: ([a-z]+))?", RUNBOOK.read_text()))
    assert len(named) > 10
    for command, sub in named:
        assert command in group.commands, f"there is no `erp-sync {command}`"  # type: ignore[attr-defined]
        inner = getattr(group.commands[command], "commands", None)  # type: ignore[attr-defined]
        if inner and sub:
            assert sub in inner, f"there is no `erp-sync {command} {sub}`"


def test_anchors_are_unique() -> None:
    anchors = re.findall(r'<a id="([^"]+)">', RUNBOOK.read_text())
    assert len(anchors) == len(set(anchors)) > 100


def test_a_template_is_filled_with_what_the_code_says() -> None:
    assert "payment_methods.csv" in reasons.remedy("unmapped_payment_methods")
    assert reasons.of("invalid_state").code == "invalid_state"
    assert reasons.of("invalid_location").code == "invalid_{field}"
    assert reasons.of("never_heard_of").code == "{other}"


def test_an_alert_links_to_its_entry_and_one_of_dead_letters_to_that_of_their_reason() -> None:
    from datetime import UTC, datetime

    at = datetime(2026, 11, 28, tzinfo=UTC)
    given = {"severity": "error", "text": "What is wrong.", "link": "", "raised_at": at, "last_at": at, "times": 1}
    dead = Notice(key="watch/dead/us/orders/unmapped_carriers", sent_at=None, **given)
    told = alerting.message_of(dead, "shop", runbook="https://wiki.example/runbook").text
    assert "https://wiki.example/runbook#reason-unmapped_table" in told
    assert "https://wiki.example/runbook#alert-dead" in told
    held = Notice(key="plan_held/us/inventory", sent_at=None, **given)
    assert "docs/runbook.md#alert-plan_held" in alerting.message_of(held, "shop").text


@pytest.mark.parametrize("word", ["malformed_address", "MALFORMED_ADDRESS", "docs/runbook.md#reason-malformed_address"])
def test_one_entry_is_found_by_its_name_and_by_what_links_to_it(word: str) -> None:
    (entry,) = runbook.entries_of(word)
    assert entry.startswith("### malformed_address\n")
    assert entry in runbook.text()
    assert entry.count("###") == 1


def test_of_a_code_that_is_one_of_several_the_entry_speaks_of_it() -> None:
    (entry,) = runbook.entries_of("unmapped_carrier")
    assert entry.startswith("### unmapped_carrier\n")
    assert "`erp-sync lookups export carrier carrier.csv`" in entry
    assert "{" not in entry


def test_an_entry_that_there_is_none_of_is_not_made_up() -> None:
    assert runbook.entries_of("malformed_adress") == runbook.entries_of("") == []
    assert runbook.nearest("malformed_adress")[0] == "malformed_address"
