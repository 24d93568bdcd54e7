"""Whether the vendors' limits carry the frequencies that routes ask for. Arithmetic on declared data.

Looking for changes may take half of what a system allows at the most: the other half is for moving documents.
"""

from __future__ import annotations

import importlib
from datetime import timedelta

import msgspec

from erp_sync.components.configuration import Configuration, Mode, WrongConfiguration
from erp_sync.components.flow_table import FLOWS
from erp_sync.ports.capabilities import Limits

SHARE = 0.5
# A look is a peek and, when something is there, a read: two calls; each takes this long where nothing else is set.
CALLS_A_LOOK = 2
SECONDS_A_CALL = 0.3
DAY = timedelta(days=1)


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What looking for changes costs one connection. `terms` says where it comes from."""

    calls_per_second: float
    terms: tuple[str, ...]


def demand(configuration: Configuration, connection: str) -> Demand:
    """Calls a second that the lanes of all routes cost a connection."""
    total, terms = 0.0, []
    for route in configuration.routes.values():
        for name, flow in route.flows.items():
            if flow.mode is Mode.OFF or getattr(route, FLOWS[name].source) != connection:
                continue
            lanes = [(name, flow.every)] + ([(f"{name} (fast)", flow.fast.every)] if flow.fast else [])
            for lane, every in lanes:
                total += CALLS_A_LOOK / every.total_seconds()
                terms.append(f"{route.name}/{lane} {CALLS_A_LOOK} calls every {every.total_seconds():g} s")
    return Demand(calls_per_second=total, terms=tuple(terms))


def capacity(limits: Limits, seconds_a_call: float) -> tuple[float, str]:
    """Calls a second that the limits allow, and the limit that decides."""
    bounds = []
    if limits.concurrency:
        bounds.append(
            (limits.concurrency / seconds_a_call, f"{limits.concurrency} calls at once of {seconds_a_call:g} s each")
        )
    if limits.rate_per_second:
        bounds.append((limits.rate_per_second, f"{limits.rate_per_second:g} calls a second"))
    if limits.quota_per_day:
        bounds.append((limits.quota_per_day / DAY.total_seconds(), f"{limits.quota_per_day} calls a day"))
    return min(bounds, default=(float("inf"), "no limit"))


def check_frequencies(configuration: Configuration) -> None:
    """Raises WrongConfiguration with the arithmetic for the first connection that cannot carry its lanes."""
    for name, spec in configuration.connections.items():
        wanted = demand(configuration, name)
        if not wanted.terms:
            continue
        declared = importlib.import_module(f"erp_sync.systems.{spec.vendor}.capabilities").CAPABILITIES.limits
        override = {key: value for key, value in (spec.settings.get("limits") or {}).items() if value is not None}
        limits = msgspec.structs.replace(declared, **override)
        allowed, why = capacity(limits, float(spec.settings.get("seconds_a_call", SECONDS_A_CALL)))
        if wanted.calls_per_second > SHARE * allowed:
            raise WrongConfiguration(
                f"connection {name}",
                "every",
                f"looking for changes would take {wanted.calls_per_second:.2f} calls a second "
                f"({'; '.join(wanted.terms)}), and {SHARE:.0%} of {allowed:.2f} ({why}) are "
                f"{SHARE * allowed:.2f}: look less often, or spread the flows",
            )
