"""What YAML may say where it is free text by shape: vendors, a connection's settings, guards and rules of flows.

A name that does not exist would be ignored without a word: a guard that is misspelt holds nothing. A value that is not
among those expected would be met at its first use only, in the middle of a run.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from erp_sync.ports.expected import LIST, NUMBER, TABLE, WORD, Expected, wrong

# Of every connection, whatever its vendor; what is inside limits and cost is refused where they are read.
SETTINGS: Mapping[str, Expected] = {"cost": TABLE, "limits": TABLE, "mapping": TABLE, "seconds_a_call": NUMBER}
# Limits of plans by flow; `few` and the floor of jumps belong to them.
GUARDS: Mapping[str, tuple[str, ...]] = {
    "inventory": ("few", "jump_floor", "max_jump_factor", "max_missing_share", "max_zeroed_share"),
    "prices": ("few", "max_changed_share", "max_jump_factor", "max_missing_share"),
    "products": ("few", "max_disabled_share", "max_missing_share"),
    "customers": ("few", "max_locked_share", "max_missing_share"),
    "contract_prices": ("few", "max_changed_share", "max_price_change", "max_vanished_lists"),
}
# None: of more than one shape, judged by the flow.
RULES: Mapping[str, Mapping[str, Expected | None]] = {
    "inventory": {"backorders": None, "safety_stock": TABLE},
    "prices": {"rounding": TABLE},
    "contract_prices": {"rounding": TABLE, "cost_list": WORD, "map_list": WORD},
    "products": {"kinds": LIST},
    "customers": {},
    "order_status": {"lack_of_stock": LIST},
    "shipments": {"booked_by": ("erp_sync", "warehouse")},
}


@cache
def vendors() -> tuple[str, ...]:
    """Those that erp_sync has a folder for."""
    systems = Path(__file__).resolve().parents[1] / "systems"
    return tuple(sorted(file.parent.name for file in systems.glob("*/capabilities.py")))


def wrong_of_connection(vendor: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Field and problem of each name that does not exist, and of each value that is none of those expected."""
    if vendor not in vendors():
        yield "vendor", f"{vendor!r} is unknown; known are {', '.join(vendors())}"
        return
    own = importlib.import_module(f"erp_sync.systems.{vendor}.capabilities")
    expected = {**SETTINGS, **own.SETTINGS}
    for name, value in settings.items():
        if name in expected:
            yield from wrong(value, expected[name], f"settings.{name}")
        else:
            yield f"settings.{name}", _unknown("setting", name, expected)
    for path, known in own.NAMES_IN.items():
        name, _, each = path.partition(".")
        value = settings.get(name)
        if not isinstance(value, Mapping):
            continue
        for place, inner in value.items() if each else [("", value)]:
            for one in inner if isinstance(inner, Mapping) else ():
                where = ".".join(part for part in ("settings", name, place, str(one)) if part)
                if one in known:
                    yield from wrong(inner[one], known[one], where)
                else:
                    yield where, _unknown("setting", str(one), known)


def wrong_of_flow(flow: str, guards: Collection[str], rules: Mapping[str, Any]) -> Iterator[str]:
    """Problems of names that do not exist, and of rules whose value is none of those expected."""
    expected = RULES.get(flow, {})
    for what, names, known in (("guard", guards, GUARDS.get(flow, ())), ("rule", rules, tuple(expected))):
        for name in names:
            if name not in known:
                yield f"flow {flow}: {_unknown(what, name, known)}"
    for name, value in rules.items():
        shape = expected.get(name)
        if shape is not None:
            for where, problem in wrong(value, shape, f"rules.{name}"):
                yield f"flow {flow}: {where}: {problem}"


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    if not known:
        return f"no {what} is called {name!r}: there are none here"
    near = get_close_matches(name, known, n=1)
    meant = f"is {near[0]} meant? " if near else ""
    return f"no {what} is called {name!r}; {meant}known are {', '.join(sorted(known))}"
