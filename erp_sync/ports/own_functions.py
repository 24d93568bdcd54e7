"""A company's own rules: Python functions of its own module, named in YAML as ``module:function``.

The module is a file of the installation's definitions (``acme_rules.py`` anywhere below the folder that has the
``defs.yaml`` files), or an installed package. It is imported when the first of its functions is needed, never to load
definitions. A function is typed: what its first parameter takes and what it gives are read off its annotations, shown
by ``erp-sync mapping``, and held to when it is called. Its first line of documentation says what it is for.

========  ==============================================  ==============================================
kind      takes                                           gives
========  ==============================================  ==============================================
mapping   a value: ``str``, ``int``, ``Decimal``,         what the field gets, ``None``: left empty
          ``bool``, ``datetime`` or ``Any``; with a
          second parameter also the record around it
check     the canonical record                            what is wrong with it, ``None``: nothing
policy    the canonical document                          `Hold`, `LeaveOut`, or ``None``: it goes
row       a `Change`: one row of a plan                   why it waits for a person, ``None``: it goes
plan      `Changes`: all rows of a plan                   why the plan waits for a person, or ``None``
========  ==============================================  ==============================================

A function that fails stops the record that it was asked about, and says so; the others go. It is asked again about the
same record whenever that is looked at anew, and must answer from what it is given alone.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import msgspec

from erp_sync.model.advice import Advice

Kind = Literal["mapping", "check", "policy", "row", "plan"]
PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"


class Hold(msgspec.Struct, frozen=True):
    """A policy's answer: the document waits until a person lets it pass (`erp-sync approve`) or refuses it."""

    why: str


class LeaveOut(msgspec.Struct, frozen=True):
    """A policy's answer: the document is none of this route's business."""

    why: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a plan.

    Attributes:
        key: the target's, e.g. SKU and place.
        before: what the target holds; None where it has no such row.
        after: what it is to hold; None where the row is taken away. Amounts are Decimal as text.
    """

    key: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of a plan, and how many were compared for it."""

    rows: Sequence[Change]
    compared: int


class OwnFunctionMistake(ValueError):
    """A function that the YAML names cannot be used. Attributes: reference, problem."""

    advice = Advice(
        means="A function of the company's own module that the YAML names is not there, or is not typed as its place "
        "demands: the route does not work until it is.",
        look=("erp-sync mapping", "erp-sync doctor ROUTE"),
        do="Correct the module or the name, then `erp-sync down` and `erp-sync up`: the module is read once a process.",
    )

    def __init__(self, reference: str, problem: str) -> None:
        self.reference, self.problem = reference, problem
        super().__init__(f"function {reference}: {problem}")


class OwnFunctionFailed(ValueError):
    """A company's own function raised an exception, or gave what it does not say that it gives. It stops the record
    that it was asked about. Attributes: reference, problem."""

    advice = Advice(
        means="A function of the company's own module failed with one record. That record waits, or is in quarantine; "
        "the others go.",
        look=("erp-sync deadletters", "erp-sync mapping"),
        do="Mend the function at the line that the reason names, or correct the record; then `erp-sync down` and "
        "`erp-sync up`, and `erp-sync retry ID`.",
    )

    def __init__(self, reference: str, problem: str) -> None:
        self.reference, self.problem = reference, problem
        super().__init__(f"own function {reference} failed: {problem}")


class OwnFunction(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    takes, gives: the types of its annotations.
    with_record: it takes the record around the value, too.
    words: the first line of its documentation.
    code: changes with the module's text.
    """

    reference: str
    call: Callable[..., Any]
    takes: Any
    gives: Any
    with_record: bool
    words: str
    code: str

    @property
    def signature(self) -> str:
        return f"{name_of(self.takes)} to {name_of(self.gives)}"

    def __call__(self, *given: Any) -> Any:
        """Raises OwnFunctionFailed for whatever it raises but want of memory: it must stop this record only."""
        try:
            answer = self.call(*given)
        except MemoryError:
            raise
        except Exception as failure:
            raise OwnFunctionFailed(self.reference, _told(failure)) from failure
        try:
            return msgspec.convert(answer, self.gives) if self.gives is not Any else answer
        except msgspec.ValidationError as wrong:
            problem = f"gave {answer!r}, which is no {name_of(self.gives)}: {wrong}"
            raise OwnFunctionFailed(self.reference, problem) from wrong


def look_in(folder: Path) -> None:
    """Where the own modules of this installation are: below the folder of its definitions."""
    global _folder
    _folder = folder


_folder: Path | None = None


def check_there(reference: str) -> None:
    """Raises OwnFunctionMistake where module or function are not there. Imports nothing of it."""
    module, function = _parts(reference)
    file = _file(reference, module, _folder)
    if file is None:
        return  # an installed package: its text may be anything that Python imports
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise OwnFunctionMistake(reference, f"{file.name}, line {error.lineno}: {error.msg}") from error
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    imported = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in node.names
    ]
    if function not in {*defined, *imported}:
        has = ", ".join(name for name in defined if not name.startswith("_")) or "none"
        raise OwnFunctionMistake(reference, f"{file.name} has no such function; it has: {has}")


def own_function(reference: str, kind: Kind, record: Any = None) -> OwnFunction:
    """The function, typed as its place demands.

    Args:
        record: the canonical class that a check or a policy is given.

    Raises OwnFunctionMistake.
    """
    module, _ = _parts(reference)
    file = _file(reference, module, _folder)
    return _typed(reference, kind, record, file, file.stat().st_mtime_ns if file is not None else 0)


@cache
def _typed(reference: str, kind: Kind, record: Any, file: Path | None, changed: int) -> OwnFunction:
    """Once for each text of the module: it is asked for with every record. Raises OwnFunctionMistake."""
    module, name = _parts(reference)
    loaded, code = _load(reference, module, file)
    call = getattr(loaded, name, None)
    if not callable(call):
        raise OwnFunctionMistake(reference, f"module {module} has no such function")
    parameters = [one for one in inspect.signature(call).parameters.values() if one.default is inspect.Parameter.empty]
    most = 2 if kind == "mapping" else 1
    if not 1 <= len(parameters) <= most or any(
        one.kind not in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters
    ):
        takes = "a value, or a value and its record" if most == 2 else "one thing"
        raise OwnFunctionMistake(reference, f"a {kind} function takes {takes}")
    try:
        hints = typing.get_type_hints(call)
    except NameError as error:
        raise OwnFunctionMistake(reference, f"its annotations cannot be read: {error}") from error
    missing = [what for what in (parameters[0].name, "return") if what not in hints]
    if missing:
        raise OwnFunctionMistake(reference, f"is not typed: annotate {' and '.join(missing)}")
    takes, gives = hints[parameters[0].name], hints["return"]
    _check_types(reference, kind, takes, gives, record)
    return OwnFunction(
        reference=reference,
        call=call,
        takes=takes,
        gives=gives,
        with_record=len(parameters) == 2,
        words=(inspect.getdoc(call) or "").partition("\n")[0],
        code=code,
    )


#: What a mapping function may take.
VALUES: tuple[Any, ...] = (str, int, Decimal, bool, datetime, Any)


def _check_types(reference: str, kind: Kind, takes: Any, gives: Any, record: Any) -> None:
    wanted: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
        "check": ((record,), (str | None,)),
        "policy": ((record,), (Hold | LeaveOut | None, Hold | None, LeaveOut | None)),
        "row": ((Change,), (str | None,)),
        "plan": ((Changes,), (str | None,)),
    }
    if kind == "mapping":
        if takes not in VALUES:
            known = ", ".join(map(name_of, VALUES))
            raise OwnFunctionMistake(reference, f"takes {name_of(takes)}; a mapping function takes one of {known}")
        if float in (gives, *typing.get_args(gives)):
            raise OwnFunctionMistake(reference, "gives float, which cannot hold amounts; give Decimal, int or str")
        return
    may_take, may_give = wanted[kind]
    if takes not in may_take:
        raise OwnFunctionMistake(reference, f"takes {name_of(takes)}; here it is given {name_of(may_take[0])}")
    if gives not in may_give:
        raise OwnFunctionMistake(reference, f"gives {name_of(gives)}; a {kind} function gives {name_of(may_give[0])}")


def name_of(kind: Any) -> str:
    """A type as people write it."""
    if kind is type(None):
        return "None"
    arguments = typing.get_args(kind)
    if arguments and typing.get_origin(kind) not in (list, tuple, dict):
        return " | ".join(map(name_of, arguments))
    return getattr(kind, "__name__", str(kind)) if not arguments else str(kind)


def _parts(reference: str) -> tuple[str, str]:
    module, colon, function = reference.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), function)):
        raise OwnFunctionMistake(reference, "write it as module:function")
    return module, function


@cache
def _file(reference: str, module: str, folder: Path | None) -> Path | None:
    """The module's file below the definitions; None where it is an installed one. Looked for once. Raises
    OwnFunctionMistake."""
    path = Path(*module.split(".")).with_suffix(".py")
    found = sorted(folder.rglob(str(path))) if folder is not None else []
    if len(found) > 1:
        places = ", ".join(str(one.relative_to(folder)) for one in found if folder is not None)
        raise OwnFunctionMistake(reference, f"several modules are called {module}: {places}")
    if found:
        return found[0]
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        where = f"below {folder}, and no installed package" if folder is not None else "as an installed package"
        raise OwnFunctionMistake(reference, f"no module {module} {where}")
    return None


def _load(reference: str, module: str, file: Path | None) -> tuple[ModuleType, str]:
    try:
        if file is None:
            loaded = importlib.import_module(module)
            origin = getattr(loaded, "__file__", None)
            return loaded, _digest(Path(origin)) if origin and origin.endswith(".py") else module
        return _of_file(module, file, file.stat().st_mtime_ns)
    except MemoryError:
        raise
    except Exception as failure:
        raise OwnFunctionMistake(reference, f"module {module} cannot be imported: {_told(failure)}") from failure


@cache
def _of_file(module: str, file: Path, changed: int) -> tuple[ModuleType, str]:
    """`changed`: when, so that a test or a shell that goes on sees the new text."""
    name = f"erp_sync_own.{module}"
    loaded = ModuleType(name)
    loaded.__file__ = str(file)
    sys.modules[name] = loaded  # its own classes are looked up there
    # From the text itself: a compiled copy is told from a newer text by its second and its length only.
    exec(compile(file.read_bytes(), str(file), "exec"), loaded.__dict__)
    return loaded, _digest(file)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _told(failure: Exception) -> str:
    """The exception, and where in the company's module it was raised."""
    frames = [one for one in traceback.extract_tb(failure.__traceback__)[1:] if not one.filename.startswith("<frozen")]
    theirs = [one for one in frames if one.filename == frames[0].filename]
    where = f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
    return f"{type(failure).__name__}: {failure}"[:500].strip(": ") + where
