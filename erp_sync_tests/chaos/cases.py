"""What erp_sync leaves to a person, and whether anything that happened in the seed explains it.

A document ends as a dead letter, held or waiting only for what really is so: goods left before the buyer thought better
of it, the ERP does not know an article, or an operation that cannot be searched for met a fault. All else is a defect,
however well its reason reads.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from erp_sync.ledger import State, StepState
from erp_sync.ledger.documents import FINISHED, Delivery
from erp_sync.model.keys import Entity
from erp_sync.ports.capabilities import Capabilities, Guarantee
from erp_sync.sandbox.checker import Report, SystemFiles
from erp_sync.sandbox.checker.sides import lost_any
from erp_sync.sandbox.evidence import store_evidence
from erp_sync.sandbox.files import reading
from erp_sync_tests.chaos.house import people_of

OPEN = (State.DEAD, State.HELD, State.WAITING)
# A write without an answer is one call or several, of which the client asks the last again: all within this time.
FAULT_SECONDS = 180.0


@dataclass
class Cases:
    """`explained`: (flow, number) of documents that a person has to look at, rightly. `unexplained` in words."""

    explained: set[tuple[str, str]] = field(default_factory=set)
    unexplained: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    def numbers(self, flow: str) -> set[str]:
        return {number for one, number in self.explained if one == flow}


def capabilities_of(vendor: str) -> Capabilities:
    """What its connector declares, without the settings of a connection."""
    found: Capabilities = importlib.import_module(f"erp_sync.systems.{vendor}.capabilities").CAPABILITIES
    return found


class Explaining:
    """What a seed's world knows of open cases.

    Args:
        house: `network.systems` by name with vendor, database and journal; `interruptions`: moments at which a process
            of the product died or stood still; `poisoned`: orders that were made unusable, by system and id, if any.
        report: the checker's, which was told what erp_sync claims.
    """

    def __init__(self, house: Any, here: Any, report: Report) -> None:
        self._systems, self._ledger, self._report = house.network.systems, here.ledger, report
        self._interruptions: list[float] = list(house.interruptions)
        self._poisoned: frozenset[tuple[str, str]] = frozenset(getattr(house, "poisoned", ()))
        store = self._systems[house.route.store]
        shop = store_evidence(SystemFiles(store.database, store.journal.path, store.vendor))
        self._lost_units = {str(one.id) for one in shop.orders() if lost_any(one)}
        self._causes: Mapping[tuple[str, str], Callable[[Delivery], bool]] = {
            ("orders", "already_fulfilled"): lambda one: one.number in report.orders.cancelled_after_shipping,
            ("shipments", "quantity_above_open"): self._of_lost_units,
        }

    def look(self) -> Cases:
        """Every document that has not come to its end, and every record that was refused."""
        found = Cases()
        deliveries = {one.id: one for one in self._ledger.deliveries.find(states=OPEN, limit=10_000)}
        why = {id: self._unexplained(one) for id, one in deliveries.items() if one.state is not State.WAITING}
        # Who only comes after another one is as well explained as that one is.
        for id in sorted(set(deliveries) - set(why)):
            why[id] = self._waits_for_nothing(deliveries[id], deliveries, why)
        for id, one in deliveries.items():
            found.counted[f"{one.flow} {one.state} {one.code}"] += 1
            if why[id]:
                found.unexplained.append(
                    f"{one.flow} {one.operation} {one.number} is {one.state}, {one.code or 'after another'} "
                    f"({one.reason}): {why[id]}"
                )
            else:
                found.explained.add((one.flow, one.number))
        for row in self._ledger.quarantine.find(limit=1000):
            found.counted[f"{row.flow} quarantine {row.rule}"] += 1
            # Ids of different kinds and systems are the same by accident.
            if row.entity == Entity.SALES_ORDER and (row.connection, row.native_id) in self._poisoned:
                continue
            found.unexplained.append(f"{row.flow} {row.native_id} was refused as {row.rule}: no record was made wrong")
        return found

    # -- why not; empty where it is explained ----------------------------------------------------------

    def _unexplained(self, one: Delivery) -> str:
        if one.state is State.HELD:
            return "nothing in it waits for a person"
        if one.code == "requirement_missing":
            return self._lacks_nothing(one)
        cause = self._causes.get((one.flow, one.code))
        if cause is not None:
            return "" if cause(one) else "the systems do not show it"
        return self._met_no_fault(one)

    def _waits_for_nothing(self, one: Delivery, deliveries: Mapping[int, Delivery], why: Mapping[int, str]) -> str:
        if one.code == "requirement_missing":
            return self._lacks_nothing(one)
        if one.follows is None:
            return "it waits for nothing"
        before = self._ledger.deliveries.get(one.follows)
        if before.state in FINISHED:
            return f"the document before it is {before.state}"
        return f"what is before it is not explained: {why[before.id]}" if why.get(before.id) else ""

    def _lacks_nothing(self, one: Delivery) -> str:
        needed = self._ledger.deliveries.requirements(one.id)
        if not needed:
            return "it lacks nothing"
        system = self._systems[one.target]
        holds = people_of(system.vendor).HOLDS
        with reading(system.database) as database:
            for need in needed:
                if need.entity not in holds:
                    return f"nobody can tell whether {one.target} has a {need.entity}"
                if database.execute(holds[need.entity], [need.key]).fetchone() is None:
                    return ""
        return f"{one.target} has all of {', '.join(f'{need.entity} {need.key}' for need in needed)}"

    def _of_lost_units(self, one: Delivery) -> bool:
        """Shipped for an order of which the store does not want all any more."""
        if one.number in self._report.shipments.of_cancelled:
            return True
        return msgspec.json.decode(one.payload).get("order_key") in self._lost_units

    def _met_no_fault(self, one: Delivery) -> str:
        """Only what the vendor gives nothing to find it by may stay open, and only where something went wrong."""
        system = self._systems[one.target]
        capabilities = capabilities_of(system.vendor)
        unknown = [step for step in self._ledger.steps.of(one.id) if step.state is StepState.UNKNOWN]
        traceless = [step for step in unknown if capabilities.operation(step.operation).guarantee is Guarantee.NONE]
        if not traceless:
            return "no fault and no poison ends so"
        if not any(self._interrupted(system, step.sent_at.timestamp()) for step in traceless if step.sent_at):
            return "no fault met it"
        return ""

    def _interrupted(self, system: Any, sent: float) -> bool:
        begin, end = sent - 1.0, sent + FAULT_SECONDS
        if any(begin <= moment <= end for moment in self._interruptions):
            return True
        with reading(system.journal.path) as journal:
            query = (
                "SELECT 1 FROM calls WHERE arrived_at BETWEEN ? AND ? "
                "AND (fault IS NOT NULL OR client_gone OR status IS NULL)"
            )
            return journal.execute(query, [begin, end]).fetchone() is not None
