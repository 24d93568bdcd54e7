"""Who acts beside the workers: drawn from the seed alone, and each does what it is counted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from erp_sync.components.configuration import read_configuration
from erp_sync.ledger import State
from erp_sync.ledger.dead_letters import MAY_HAVE_LEFT
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.ledger.plan_values import NewPlan, PlanRow, PlanState
from erp_sync_tests.chaos.campaign import ROUTE
from erp_sync_tests.chaos.company import DOINGS, MANNERS, Company, Others, draw, judged
from erp_sync_tests.chaos.house import FLOWS, defs
from erp_sync_tests.chaos.simulation import Simulation
from erp_sync_tests.chaos.test_cases import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.ledger.close()
    for journal in made.systems.journals.values():
        journal.close()


@pytest.fixture
def here() -> Iterator[Simulation]:
    made = Simulation(1)
    with made.running():
        yield made


def others(world: World, here: Simulation, *operator: tuple[float, str], approval: str = "", **values: Any) -> Others:
    network = SimpleNamespace(faults=Counter())
    seed: Any = SimpleNamespace(seed=1, here=here, house=SimpleNamespace(network=network), outside=world, **values)
    twins = [(5.0, "orders")] if values else []
    return Others(seed, Company(operator=list(operator), twins=twins, approval=approval))


def played(company: Others, seconds: float = 600.0) -> dict[str, int]:
    """What was counted when that time is over."""
    here = company._here
    company.arrange()
    here.run(here.now + seconds)
    assert [task.failure for task in company.tasks] == [None] * len(company.tasks)
    return dict(company._faults)


def test_the_same_seed_draws_the_same_and_all_is_drawn():
    drawn = [draw(seed, 600.0, FLOWS) for seed in range(100)]
    assert drawn == [draw(seed, 600.0, FLOWS) for seed in range(100)]
    assert {what for one in drawn for _, what in one.operator} == set(DOINGS)
    assert {flow for one in drawn for _, flow in one.twins} == set(FLOWS)
    assert {flow for one in drawn for _, flow in one.backfills} == {"orders", "order_status", "shipments"}
    assert {one.approval for one in drawn} == {"", "all", "guarded"}


@pytest.mark.parametrize("code", MAY_HAVE_LEFT)
def test_an_operator_retries_but_for_what_nobody_looked_up(world: World, here: Simulation, code: str):
    world.dead("orders", "000000001", code)
    assert played(others(world, here, (1.0, "retry"))) == {}
    world.dead("orders", "000000002", "already_fulfilled")
    assert played(others(world, here, (1.0, "retry"))) == {"operator: retry": 1}
    assert {one.number: one.state for one in world.ledger.deliveries.find()} == {
        "000000001": State.DEAD,
        "000000002": State.DUE,
    }


def test_an_operator_dismisses_only_what_the_store_does_not_want(world: World, here: Simulation):
    world.dead("orders", "000000001", "already_fulfilled")
    assert played(others(world, here, (1.0, "dismiss"))) == {}
    world.dead("shipments", "IF1", "quantity_above_open")
    assert played(others(world, here, (1.0, "dismiss"))) == {"operator: dismiss": 1}
    assert [one.number for one in world.ledger.deliveries.find(states=[State.DISMISSED])] == ["IF1"]


def test_an_operator_saves_a_document_and_lets_it_go(world: World, here: Simulation):
    world.dead("orders", "000000001", "already_fulfilled")
    assert played(others(world, here, (1.0, "edit"))) == {"operator: edit": 1}
    (edited,) = world.ledger.deliveries.find()
    assert (edited.state, edited.corrected, edited.payload) == (State.DUE, True, b"{}")


def test_an_operator_cannot_edit_what_a_run_has_in_its_hands(world: World, here: Simulation):
    assert played(others(world, here, (1.0, "grasp"))) == {}
    world.claimed("orders", "000000001")
    assert played(others(world, here, (1.0, "grasp"))) == {"operator: grasp": 1}
    (one,) = world.ledger.deliveries.find()
    assert (one.state, one.corrected) == (State.CLAIMED, False)


@pytest.mark.parametrize("approval", ["", "all", "guarded"])
def test_plans_wait_for_an_operator_who_lets_them_go(world: World, here: Simulation, approval: str):
    route = judged(read_configuration(defs()).route(ROUTE), approval)
    prices = route.flows["prices"]
    assert (prices.approval, "max_jump_factor" in prices.guards) == {
        "": ("none", False), "all": ("required", False), "guarded": ("none", True)
    }[approval]  # fmt: skip
    row = PlanRow(key="base/A", action="update", before=None, after="1", source_order=1)
    with world.ledger.handling(ROUTE, "prices", run_id="r") as work:
        work.add_plan(NewPlan(entity="price", target="m", rows=[row], compared=None, approval=True))
    assert played(others(world, here, approval=approval)) == ({"operator: approve": 1} if approval else {})
    (plan,) = world.ledger.plans.find()
    assert plan.state is (PlanState.APPROVED if approval else PlanState.HELD)
    assert bool(here.standstills) == bool(approval)


def test_everything_is_read_once_more_beside_what_others_read(world: World, here: Simulation):
    read: list[tuple[str, str, bool]] = []
    company = others(world, here, run=lambda process, flow, full: read.append((process.name, flow, full)))
    company._company = Company(backfills=[(5.0, "orders")])
    assert played(company) == {"windows overlap": 1}
    assert read == [("backfill", "orders", True)]


def test_two_daemons_begin_the_same_flow_at_the_same_moment(world: World, here: Simulation):
    begun: list[tuple[str, str, float]] = []
    start = here.now
    company = others(world, here, run=lambda process, flow: begun.append((process.name, flow, here.now - start)))
    assert played(company) == {"two daemons": 1}
    assert sorted(begun) == [("other daemon 1", "orders", 5.0), ("other daemon 2", "orders", 5.0)]
    assert not here.processes


def test_vendors_tell_of_changes_in_every_manner(world: World, here: Simulation, monkeypatch: pytest.MonkeyPatch):
    company, start = others(world, here), here.now
    heard: list[tuple[str, int]] = []

    def put(event: InboxEvent) -> None:
        heard.append((event.native_id, round(here.now - start)))

    monkeypatch.setattr(world.ledger.inbox, "put", put)
    for index, manner in enumerate(("never", "out of order", "twice", "late")):
        monkeypatch.setattr(company._random, "choices", lambda *arguments, manner=manner: [manner])
        company.changed("magento_us", "sales_order", str(index))
        here.run(here.now + 10)
    here.run(here.now + 300)
    assert [native_id for native_id, _ in heard] == ["2", "1", "2", "2", "3"]
    assert heard[-1][1] >= 60
    assert dict(company._faults) == {f"event {one}": 1 for one in MANNERS if one != "in time"}
