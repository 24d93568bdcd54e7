"""What a person says of sandboxes on the command line, and how they are told of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erp_sync.commands.output import refuse


def configured(defs: Path) -> list[str]:
    """Vendors that routes are configured for, of whom there is a sandbox."""
    from erp_sync.components.configuration import WrongConfiguration, read_configuration
    from erp_sync.sandbox import supervisor

    try:
        connections = read_configuration(defs).connections.values()
    except WrongConfiguration as error:
        refuse(error)
    known = supervisor.known_vendors()
    found = sorted({connection.vendor for connection in connections if connection.vendor in known})
    if not found:
        refuse(f"no route in {defs} has a vendor with a sandbox; name some: {', '.join(known)}")
    return found


def options(words: Sequence[str], vendors: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``netsuite.tax=legacy`` as option of that sandbox. Values are JSON, else text: ``false``, ``5``, ``commerce``."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        key, mark, value = word.partition("=")
        vendor, _, name = key.partition(".")
        if not mark or not name or vendor not in vendors:
            refuse(f"--option {word!r}; expected VENDOR.NAME=VALUE, where VENDOR is started here: {', '.join(vendors)}")
        found.setdefault(vendor, {})[name] = _value(value)
    return found


def hosts(words: Sequence[str], vendors: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``netsuite=1234567.suitetalk.api.netsuite.com``: names under which that sandbox serves TLS."""
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        vendor, mark, host = word.partition("=")
        if not mark or not host or vendor not in vendors:
            refuse(f"--tls {word!r}; expected VENDOR=HOST, where VENDOR is started here: {', '.join(vendors)}")
        found[vendor] = (*found.get(vendor, ()), host)
    return found


def text(states: Mapping[str, Any]) -> str:
    """A line for each sandbox, and what was checked by which contract."""
    if not states:
        return "no sandbox was ever started here; next: erp-sync sandbox up"
    return "\n".join(line for name, state in states.items() for line in _lines(name, state))


def _lines(name: str, state: Mapping[str, Any]) -> list[str]:
    running = "running" if state.get("running") else "stopped"
    lines = [
        f"{name}: {state.get('base_url', '')} {running}, profile {state.get('profile', '')}, "
        f"state {state.get('database', '')}"
    ]
    if latency := state.get("latency"):
        medians = ", ".join(f"{kind} {seconds:g} s" for kind, seconds in latency["median_s"].items())
        lines.append(f"  answers: {latency['shape']}, median {medians}; a slot is held throughout")
    open_options = {key: value for key, value in (state.get("options") or {}).items() if "secret" not in key}
    if open_options:
        lines.append("  options: " + ", ".join(f"{key} {json.dumps(value)}" for key, value in open_options.items()))
    if checked := state.get("contract"):
        lines += [f"  {one['side']}s, {one['class']}: {one['exchanges']}" for one in checked["counts"]]
        lines.append(f"  against the contract: {checked['violations_total']}")
    return lines


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
