"""A company's own functions: what fits its place is taken, everything else refused in words; a failure is told."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.model.order import SalesOrder
from erp_sync.ports import own_functions
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.mapping import Context, Direction, Field, MappingMistake, RecordMapping
from erp_sync.ports.mapping_functions import functions_of
from erp_sync.ports.mapping_overlay import overlaid
from erp_sync.ports.own_functions import Kind, OwnFunctionFailed, OwnFunctionMistake, check_there, own_function
from erp_sync.ports.raw import MappingProblem

MODULE = '''
from __future__ import annotations
from datetime import datetime
from decimal import Decimal
from typing import Any
from erp_sync.model.order import SalesOrder
from erp_sync.ports.own_functions import Change, Changes, Hold, LeaveOut

PRICES = {"a": Decimal("1.5")}

def price(code: str) -> Decimal | None:
    """What a code costs.

    More words.
    """
    return PRICES[code] if code else None

def whole(quantity: int, record: Any) -> str:
    return f"{quantity} of {record['unit']}"

def doubled(amount: Decimal) -> Decimal: return amount * 2
def yes(flag: bool) -> bool: return flag
def at(when: datetime) -> str: return when.isoformat()
def lies(code: str) -> Decimal: return "no number"
def untyped(code): return code
def half_typed(code: str): return code
def inexact(code: str) -> float: return 0.1
def of_list(code: list) -> str: return ""
def many(a: str, b: Any, c: Any) -> str: return a
def unknown(code: Nowhere) -> str: return ""
def check(order: SalesOrder) -> str | None: return None
def check_of_text(order: str) -> str | None: return None
def check_that_holds(order: SalesOrder) -> Hold | None: return None
def policy(order: SalesOrder) -> Hold | LeaveOut | None: return Hold("look")
def row(change: Change) -> str | None: return None
def plan(changes: Changes) -> str | None: return None
THING = 3
'''


@pytest.fixture
def defs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(own_functions, "_folder", tmp_path)
    (tmp_path / "us").mkdir()
    (tmp_path / "us" / "acme_rules.py").write_text(MODULE)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "given", "answer", "signature"),
    [
        ("price", ("a",), Decimal("1.5"), "str to Decimal | None"),
        ("price", ("",), None, "str to Decimal | None"),
        ("whole", (3, {"unit": "box"}), "3 of box", "int to str"),
        ("doubled", (Decimal("0.1"),), Decimal("0.2"), "Decimal to Decimal"),
    ],
)
@pytest.mark.usefixtures("defs")
def test_a_function_is_called_as_it_says(name: str, given: tuple[Any, ...], answer: Any, signature: str) -> None:
    function = own_function(f"acme_rules:{name}", "mapping")
    assert (function(*given), function.signature) == (answer, signature)


@pytest.mark.usefixtures("defs")
def test_the_first_line_of_its_documentation_says_what_it_is_for() -> None:
    assert own_function("acme_rules:price", "mapping").words == "What a code costs."


@pytest.mark.parametrize("name", ["price", "lies"])
@pytest.mark.usefixtures("defs")
def test_a_failure_names_function_reason_and_line(name: str) -> None:
    with pytest.raises(OwnFunctionFailed) as failed:
        own_function(f"acme_rules:{name}", "mapping")("z")
    reason = {
        "price": "KeyError: 'z' (acme_rules.py, line 16)",
        "lies": "gave 'no number', which is no Decimal: Invalid decimal string",
    }[name]
    assert str(failed.value) == f"own function acme_rules:{name} failed: {reason}"


WRONG: list[tuple[str, Kind, str]] = [
    ("acme_rules", "mapping", "write it as module:function"),
    ("nowhere_rules:price", "mapping", "no module nowhere_rules below"),
    ("acme_rules:cost", "mapping", "has no such function"),
    ("acme_rules:THING", "mapping", "has no such function"),
    ("acme_rules:untyped", "mapping", "is not typed: annotate code and return"),
    ("acme_rules:half_typed", "mapping", "is not typed: annotate return"),
    ("acme_rules:inexact", "mapping", "gives float, which cannot hold amounts"),
    ("acme_rules:of_list", "mapping", "takes list; a mapping function takes one of str, int, Decimal"),
    ("acme_rules:many", "mapping", "a mapping function takes a value, or a value and its record"),
    ("acme_rules:whole", "check", "a check function takes one thing"),
    ("acme_rules:unknown", "mapping", "its annotations cannot be read"),
    ("acme_rules:check_of_text", "check", "takes str; here it is given SalesOrder"),
    ("acme_rules:check_that_holds", "check", "gives Hold | None; a check function gives str | None"),
    ("acme_rules:check", "policy", "a policy function gives Hold | LeaveOut | None"),
    ("acme_rules:plan", "row", "takes Changes; here it is given Change"),
    ("acme_rules:row", "plan", "takes Change; here it is given Changes"),
]


@pytest.mark.parametrize(("reference", "kind", "words"), WRONG)
@pytest.mark.usefixtures("defs")
def test_what_does_not_fit_its_place_is_refused(reference: str, kind: Kind, words: str) -> None:
    with pytest.raises(OwnFunctionMistake) as mistake:
        own_function(reference, kind, SalesOrder)
    assert str(mistake.value).startswith(f"function {reference}: ")
    assert words in str(mistake.value)


@pytest.mark.parametrize(("name", "kind"), [("check", "check"), ("policy", "policy"), ("row", "row"), ("plan", "plan")])
@pytest.mark.usefixtures("defs")
def test_what_fits_its_place_is_taken(name: str, kind: Kind) -> None:
    assert own_function(f"acme_rules:{name}", kind, SalesOrder).reference == f"acme_rules:{name}"


def test_whether_a_function_is_there_is_seen_without_importing_its_module(defs: Path) -> None:
    (defs / "loud_rules.py").write_text("raise SystemExit('imported')\ndef one(x: str) -> str: return x\n")
    check_there("loud_rules:one")
    with pytest.raises(OwnFunctionMistake, match=r"loud_rules.py has no such function; it has: one"):
        check_there("loud_rules:two")
    (defs / "broken_rules.py").write_text("def one(:\n")
    with pytest.raises(OwnFunctionMistake, match=r"broken_rules.py, line 1"):
        check_there("broken_rules:one")
    (defs / "acme_rules.py").write_text("")
    with pytest.raises(OwnFunctionMistake, match=r"several modules are called acme_rules: acme_rules.py, us"):
        check_there("acme_rules:price")


def test_a_module_that_cannot_be_imported_is_told_with_its_line(defs: Path) -> None:
    (defs / "bad_rules.py").write_text("\n1 / 0\n")
    with pytest.raises(OwnFunctionMistake, match=r"cannot be imported: ZeroDivisionError: division by zero"):
        own_function("bad_rules:one", "mapping")


def test_a_function_of_an_installed_package_is_taken() -> None:
    with pytest.raises(OwnFunctionMistake, match="is not typed: annotate s and return"):
        own_function("html:unescape", "mapping")


# -- in mappings ----------------------------------------------------------------------

BASE = RecordMapping("order", Direction.TO_VENDOR, (Field("number", "number"),))
CONTEXT = Context(ConnectionSettings(name="erp", vendor="netsuite", base_url="", credentials={}))


def with_function(name: str, source: str) -> RecordMapping:
    entry = {"target": "made", "source": source, "function": f"acme_rules:{name}"}
    return overlaid(BASE, {"order": {"add": [entry]}})


@pytest.mark.parametrize(
    ("name", "source", "made"),
    [
        ("price", "code", Decimal("1.5")),
        ("whole", "quantity", "3 of box"),
        ("doubled", "amount", Decimal("0.2")),
        ("yes", "flag", True),
        ("at", "when", "2026-01-02T03:04:05+00:00"),
        ("price", "empty", ...),
    ],
)
@pytest.mark.usefixtures("defs")
def test_a_mapping_s_value_is_read_as_the_type_that_the_function_takes(name: str, source: str, made: Any) -> None:
    record = {
        "number": "1",
        "code": "a",
        "quantity": "3.0",
        "unit": "box",
        "amount": "0.1",
        "flag": "true",
        "when": "2026-01-02T03:04:05Z",
        "empty": "",
    }
    assert with_function(name, source).apply(record, CONTEXT).get("made", ...) == made


@pytest.mark.usefixtures("defs")
def test_a_function_that_fails_stops_its_record_and_no_other() -> None:
    mapping = with_function("price", "code").repeated(CONTEXT)
    assert mapping({"code": "a"}, "1") == {"made": Decimal("1.5")}
    with pytest.raises(MappingProblem, match="own function acme_rules:price failed: KeyError: 'z'"):
        mapping({"code": "z"}, "2")
    assert mapping({"code": "a"}, "3") == {"made": Decimal("1.5")}


@pytest.mark.usefixtures("defs")
def test_the_mapping_document_names_function_and_types() -> None:
    (_, row) = with_function("price", "code").rows()
    assert row.rule == "function acme_rules:price (str to Decimal | None)"


@pytest.mark.usefixtures("defs")
def test_a_wrong_function_is_a_mistake_of_its_mapping() -> None:
    with pytest.raises(MappingMistake, match=r"mapping order: made: function acme_rules:untyped: is not typed"):
        with_function("untyped", "code")
    with pytest.raises(MappingMistake, match="needs one of type, lookup and function"):
        overlaid(BASE, {"order": {"add": [{"target": "x", "source": "y", "type": "text", "function": "a:b"}]}})


def test_the_mapping_s_version_changes_with_the_module(defs: Path) -> None:
    before = with_function("price", "code").version
    assert with_function("price", "code").version == before
    (defs / "us" / "acme_rules.py").write_text(MODULE.replace("1.5", "1.6"))
    assert with_function("price", "code").version != before


def test_functions_of_an_overlay_are_found_whatever_else_it_holds() -> None:
    overlay = {"order": {"add": [{"function": "a:b"}, {"target": "x"}, 3], "drop": ["y"], "replace": None}, "other": []}
    assert list(functions_of(overlay)) == ["a:b"]
    assert list(functions_of(None)) == []


def test_a_module_that_was_rewritten_within_a_second_is_read_anew(defs: Path) -> None:
    file, answers = defs / "quick_rules.py", []
    for turn, word in enumerate("ab"):
        file.write_text(f"def one(x: str) -> str: return '{word}'\n")
        os.utime(file, ns=(turn, 1_700_000_000_000_000_000 + turn))
        answers.append(own_function("quick_rules:one", "mapping")(""))
    assert answers == ["a", "b"]
    assert not (defs / "__pycache__").exists()
