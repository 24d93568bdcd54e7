"""What has to be right before anything is started: found now, and not by the first run."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping

from erp_sync.components.configuration import STATE_FLOWS, Configuration, FromEnvironment, Mode, WrongConfiguration
from erp_sync.components.frequencies import check_frequencies


def check_start(configuration: Configuration, environment: Mapping[str, str] | None = None) -> None:
    """Raises WrongConfiguration for a frequency that a vendor's limit cannot carry, a flow's rule with a wrong value,
    and for secrets that are missing: all variables that are not set, with the connections that need them. Connections
    of routes whose flows are all off need none."""
    check_frequencies(configuration)
    _check_rules(configuration)
    env = os.environ if environment is None else environment
    working = [
        route
        for route in configuration.routes.values()
        if any(flow.mode is not Mode.OFF for flow in route.flows.values())
    ]
    used = sorted({name for route in working for name in (route.store, route.erp)})
    unset = {
        value.env: f"{name}.{field}"
        for name in used
        for field, value in configuration.connections[name].secrets().items()
        if isinstance(value, FromEnvironment) and not value.optional and not env.get(value.env)
    }
    if unset:
        told = ", ".join(f"{variable} ({field})" for variable, field in unset.items())
        raise WrongConfiguration(
            "environment",
            told,
            "not set; expected where erp-sync runs, with the systems' URLs and credentials; erp-sync demo has its own",
        )
    for name in used:
        configuration.connections[name].resolve(env)


def _check_rules(configuration: Configuration) -> None:
    for route in configuration.routes.values():
        for name in set(route.flows) & set(STATE_FLOWS):
            logic = importlib.import_module(f"erp_sync.flows.{name}.transform")
            try:
                logic.convert_rules(route.flows[name].rules)
            except ValueError as error:
                raise WrongConfiguration(f"route {route.name}", f"flows.{name}.rules", str(error)) from error
