"""Paths into records, compiled once: the source and target language of mappings.

=====================================  =================================================
``billing_address.city``               keys of mappings or attributes of structs
``payments[0].amount``                 element of a list; negative counts from the end
``attributes[code=color].value``       first element whose ``code`` is ``color`` (as text)
``lines[*].sku``                       list of what follows, of every element
``"o:weird.name".x``                   a name that contains a dot or bracket
``$.currency``                         from the outermost record of a nested mapping
``^.items``                            from the record one level up
``@`` or an empty path                 the record itself
=====================================  =================================================

A path that leads nowhere gives `MISSING`; nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from erp_sync.model.advice import Advice


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()

Getter = Callable[[Any], Any]

_STEP = re.compile(r"""(?:"(?P<quoted>[^"]+)"|(?P<name>[^.\[\]"]+))|\[(?P<index>-?\d+)\]|\[(?P<every>\*)\]|\[(?P<key>[^=\]]+)=(?P<value>[^\]]*)\]""")  # fmt: skip  # noqa: E501


class BadPath(ValueError):
    """A path that does not follow the language of this module."""

    advice = Advice(
        means="A mapping of the YAML names a field in a way that cannot be read: the route is not loaded.",
        look=("erp-sync mapping",),
        do="Correct the path in the connection's mapping overlay.",
    )

    def __init__(self, path: str, problem: str) -> None:
        self.path, self.problem = path, problem
        super().__init__(f"path {path!r}: {problem}")


def _child(value: Any, name: str) -> Any:
    if type(value) is dict:
        return value.get(name, MISSING)
    if isinstance(value, Mapping):
        return value.get(name, MISSING)
    if value is None or value is MISSING or isinstance(value, (str, int, list, tuple)):
        return MISSING
    return getattr(value, name, MISSING)


def _element(value: Any, index: int) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str) and -len(value) <= index < len(value):
        return value[index]
    return MISSING


def _match(value: Any, key: str, wanted: str) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        for element in value:
            if str(_child(element, key)) == wanted:
                return element
    return MISSING


def _steps(path: str) -> list[re.Match[str]]:
    steps, position = [], 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise BadPath(path, f"not understood from {path[position:]!r}")
        steps.append(match)
        position = match.end()
        if position < len(path) and path[position] == ".":
            position += 1
            if position == len(path):
                raise BadPath(path, "ends with a dot")
    return steps


def getter(path: str) -> Getter:
    """Compile a path relative to one record. Raises BadPath."""
    if path in ("", "@"):
        return lambda record: record
    steps = _steps(path)
    names = [step["quoted"] or step["name"] for step in steps]
    if len(names) == 1 and names[0]:
        only = names[0]
        return lambda record: _child(record, only)
    return _walk(steps)


def _walk(steps: list[re.Match[str]]) -> Getter:
    moves: list[Getter] = []
    for position, step in enumerate(steps):
        name = step["quoted"] or step["name"]
        if name:
            moves.append(lambda value, name=name: _child(value, name))  # type: ignore[misc]
        elif step["index"]:
            moves.append(lambda value, index=int(step["index"]): _element(value, index))  # type: ignore[misc]
        elif step["key"]:
            moves.append(lambda value, key=step["key"], wanted=step["value"]: _match(value, key, wanted))  # type: ignore[misc]
        else:
            rest = _walk(steps[position + 1 :]) if position + 1 < len(steps) else (lambda value: value)
            moves.append(lambda value, rest=rest: _spread(value, rest))  # type: ignore[misc]
            break

    def get(record: Any) -> Any:
        value = record
        for move in moves:
            value = move(value)
            if value is MISSING or value is None:
                return value
        return value

    return get


def _spread(value: Any, rest: Getter) -> Any:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return MISSING
    found = (rest(element) for element in value)
    return [element for element in found if element is not MISSING]


@cache
def setter(path: str) -> Callable[[dict[str, Any], Any], None]:
    """Compile a target path of plain names; missing dictionaries on the way are made. Raises BadPath."""
    steps = _steps(path)
    names = [step["quoted"] or step["name"] for step in steps]
    if not names or not all(names):
        raise BadPath(path, "a target path has names only")
    *parents, last = names

    def put(record: dict[str, Any], value: Any) -> None:
        here = record
        for name in parents:
            here = here.setdefault(name, {})
        here[last] = value

    return put


def plain_name(path: str) -> str:
    """The name that a path of one name is, "" for every other path."""
    return path if path and path != "@" and re.fullmatch(r"[^.\[\]\"$^]+", path) else ""


def leaves(record: Any, prefix: str = "") -> list[str]:
    """Paths of all values in a record, list elements as ``[]``; for finding what a mapping does not read."""
    if isinstance(record, Mapping):
        paths = [
            path for name, value in record.items() for path in leaves(value, f"{prefix}.{name}" if prefix else name)
        ]
    elif isinstance(record, (list, tuple)):
        paths = [path for value in record for path in leaves(value, f"{prefix}[]")]
    else:
        paths = [prefix]
    return list(dict.fromkeys(paths))
