"""Names that YAML may use where it is free text by shape: vendors, a connection's settings, guards and rules of flows.

One that does not exist would be ignored without a word: a guard that is misspelt holds nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

# Of every connection, whatever its vendor; what is inside limits and cost is refused where they are read.
SETTINGS = ("cost", "limits", "mapping", "seconds_a_call")
# Limits of plans by flow; `few` and the floor of jumps belong to them.
GUARDS: Mapping[str, tuple[str, ...]] = {
    "inventory": ("few", "jump_floor", "max_jump_factor", "max_missing_share", "max_zeroed_share"),
    "prices": ("few", "max_changed_share", "max_jump_factor", "max_missing_share"),
    "products": ("few", "max_disabled_share", "max_missing_share"),
}
RULES: Mapping[str, tuple[str, ...]] = {
    "inventory": ("backorders", "safety_stock"),
    "prices": ("rounding",),
    "products": ("kinds",),
    "order_status": ("lack_of_stock",),
}


@cache
def vendors() -> tuple[str, ...]:
    """Those that erp_sync has a folder for."""
    systems = Path(__file__).resolve().parents[1] / "systems"
    return tuple(sorted(file.parent.name for file in systems.glob("*/capabilities.py")))


def wrong_of_connection(vendor: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Field and problem of each name that does not exist."""
    if vendor not in vendors():
        yield "vendor", f"{vendor!r} is unknown; known are {', '.join(vendors())}"
        return
    own = importlib.import_module(f"erp_sync.systems.{vendor}.capabilities")
    for name in settings:
        if name not in own.SETTINGS and name not in SETTINGS:
            yield f"settings.{name}", _unknown("setting", name, (*SETTINGS, *own.SETTINGS))
    for path, known in own.NAMES_IN.items():
        name, _, each = path.partition(".")
        value = settings.get(name)
        if not isinstance(value, Mapping):
            continue
        for place, inner in value.items() if each else [("", value)]:
            for one in inner if isinstance(inner, Mapping) else ():
                if one not in known:
                    where = ".".join(part for part in ("settings", name, place, str(one)) if part)
                    yield where, _unknown("setting", str(one), known)


def wrong_of_flow(flow: str, guards: Collection[str], rules: Collection[str]) -> Iterator[str]:
    """Problems of names that do not exist."""
    for what, names, known in (("guard", guards, GUARDS.get(flow, ())), ("rule", rules, RULES.get(flow, ()))):
        for name in names:
            if name not in known:
                yield f"flow {flow}: {_unknown(what, name, known)}"


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    if not known:
        return f"no {what} is called {name!r}: there are none here"
    near = get_close_matches(name, known, n=1)
    meant = f"is {near[0]} meant? " if near else ""
    return f"no {what} is called {name!r}; {meant}known are {', '.join(sorted(known))}"
