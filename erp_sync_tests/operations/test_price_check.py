"""What an account sees against the ERP's terms, when it logs in, and the live comparison that follows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from erp_sync.model.native_prices import NativeRow, native_key
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.decisions import approve
from erp_sync.operations.price_check import PriceCheck, check, compare_live
from erp_sync_tests.components.price_systems import PriceSystems, price_systems
from erp_sync_tests.components.test_contract_prices import dealer, list_price, special

D = Decimal


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[PriceSystems]:
    with price_systems(tmp_path / "world") as found:
        yield dealer(found)


def checked(systems: PriceSystems, account: str = "ACME") -> PriceCheck:
    return check(systems.here, systems.route, account)


def told(found: PriceCheck) -> list[tuple[Any, ...]]:
    return [(one.item, one.store, one.erp, one.state) for one in found.differences]


def test_an_account_whose_prices_are_compared_agrees_and_the_answer_says_how_old_it_is(systems: PriceSystems) -> None:
    found = checked(systems)
    assert (found.agrees, found.differences, found.unsure) == (True, (), 0)
    assert found.prices > 0
    assert found.age_seconds is not None
    assert found.age_seconds < 60


def test_what_was_never_compared_does_not_agree(tmp_path: Path) -> None:
    with price_systems(tmp_path / "empty") as systems:
        found = checked(systems)
    assert (found.agrees, found.compared_at, found.age_seconds) == (False, None, None)


def test_a_change_that_waits_for_a_person_is_told_with_both_prices_and_its_plan(systems: PriceSystems) -> None:
    special(systems, "ACME", "bolt", 3)
    systems.run()
    found = checked(systems)
    assert told(found) == [("bolt", D(9), D(3), "held")]
    assert not found.agrees
    (plan,) = {one.plan for one in found.differences}
    assert checked(systems, "BETA").agrees
    approve(systems.here, f"p{plan}", who="sam", why="agreed")
    systems.load()
    assert checked(systems).agrees


def test_a_price_on_its_way_is_told_as_that(systems: PriceSystems) -> None:
    special(systems, "ACME", "bolt", "8.50")
    run_id, _ = systems.read()
    systems.transform(run_id)
    assert told(checked(systems)) == [("bolt", D(9), D("8.5"), "on_its_way")]
    systems.load()
    assert checked(systems).agrees


def test_the_live_comparison_reads_the_account_and_puts_back_what_somebody_changed_in_the_store(
    systems: PriceSystems,
) -> None:
    key = next(key for key in systems.shop.rows if key.startswith("row/account/ACME/bolt/"))
    row = systems.shop.rows[key]
    assert isinstance(row, NativeRow)
    systems.shop.rows[key] = msgspec.structs.replace(row, price=D("8.50"))
    assert checked(systems).agrees  # as far as anybody knows
    assert compare_live(systems.here, systems.route, "ACME")
    assert checked(systems).unsure > 0
    systems.skipped += timedelta(minutes=1)
    systems.run()
    systems.run()
    assert "accounts ACME" in systems.erp.reads
    assert systems.shop.price("ACME", "bolt") == D(9)
    assert checked(systems).agrees


def test_log_ins_within_a_minute_are_one_live_comparison(
    systems: PriceSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = systems.now().replace(second=10)
    monkeypatch.setattr(systems.here.ledger, "now", lambda: at)
    assert compare_live(systems.here, systems.route, "ACME")
    assert not compare_live(systems.here, systems.route, "ACME")
    assert compare_live(systems.here, systems.route, "BETA")
    assert len(systems.here.ledger.inbox.unprocessed()) == 2


def test_a_change_of_a_list_concerns_whoever_buys_from_it_by_a_rule(systems: PriceSystems) -> None:
    list_price(systems, "nut", 9)
    systems.run()
    waiting = systems.here.ledger.beneath.open("parts", "contract_prices", "shop", "contract_prices", ["row/"])
    for account in ("ACME", "BETA"):
        found = checked(systems, account)
        mine = [one for one in waiting if one.key.startswith(f"row/account/{account}/")]
        mine += [one for one in waiting if any(one.key.startswith(f"row/rule/{rule}/") for rule in found.rules)]
        assert len(found.differences) == len(mine)


def test_an_account_is_not_another_one_whose_name_begins_alike(systems: PriceSystems) -> None:
    row = NativeRow(kind="account", owner="A/B", item="bolt", unit="", currency="EUR", quantity=D(1), price=D(1))
    assert native_key(row).startswith("row/account/A%2FB/")
    assert [checked(systems, account).prices for account in ("A/B", "AC", "ACM", "ACME ")] == [0, 0, 0, 0]


def test_a_route_without_contract_prices_says_what_it_has(systems: PriceSystems) -> None:
    other = systems.route.model_copy(update={"flows": {}})
    with pytest.raises(CannotDo, match="has no flow contract_prices"):
        check(systems.here, other, "ACME")
