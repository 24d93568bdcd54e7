"""Every reason by which dead letters and quarantine are grouped, from where it is defined. Data only; cheap."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

import erp_sync.systems
from erp_sync.flows import reasons as of_flows
from erp_sync.ledger import reasons as of_the_ledger
from erp_sync.model.advice import Reason, anchor, best, filled
from erp_sync.ports import reasons as of_ports
from erp_sync.transport import reasons as of_the_transport

#: Stands for every code that nobody explained.
_ANY = "{other}"


@cache
def known() -> tuple[Reason, ...]:
    """All of them: of flows, ledger, ports, transport and every system's ``reasons.py``."""
    systems = [
        import_module(f"erp_sync.systems.{one.name}.reasons")
        for one in pkgutil.iter_modules(erp_sync.systems.__path__)
        if one.ispkg
    ]
    return tuple(
        reason
        for module in (of_flows, of_the_ledger, of_ports, of_the_transport, *systems)
        for reason in module.REASONS
    )


def named() -> list[str]:
    """Every code that stands for itself, not for several."""
    return sorted(one.code for one in known() if "{" not in one.code)


def is_named(code: str) -> bool:
    """Whether a reason of ours is called so; a vendor may give codes that nobody explained."""
    return best((one for one in known() if one.code != _ANY), code) is not None


def of(code: str) -> Reason:
    """What is known of a code; of one that nobody explained, that it is the vendor's own."""
    found = best(known(), code)
    assert found is not None, "one reason of the ports stands for every code"
    return found


def meaning(code: str) -> str:
    """What it means to the business."""
    return filled(of(code).means, of(code), code)


def remedy(code: str) -> str:
    """What to do about it."""
    return filled(of(code).do, of(code), code)


def address(code: str, runbook: str) -> str:
    """Of its entry in the runbook."""
    return f"{runbook}#{anchor('reason', of(code).code)}"
