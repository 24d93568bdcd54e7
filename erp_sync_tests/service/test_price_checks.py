"""A shop asks what an account sees, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from erp_sync.components.configuration import Configuration, FromEnvironment
from erp_sync.ledger.errors import LedgerBusy
from erp_sync.service.app import create_app
from erp_sync.service.price_checks import PriceChecks
from erp_sync.service.receiving import Receiver
from erp_sync_tests.components.price_systems import PriceSystems, price_systems
from erp_sync_tests.components.test_contract_prices import dealer, special

PATH = "/prices/parts/ACME"
ASKED = {"Authorization": "Bearer s3cret"}


@pytest.fixture
def systems(tmp_path: Path) -> Iterator[PriceSystems]:
    with price_systems(tmp_path / "world") as found:
        yield dealer(found)


def web(systems: PriceSystems, **credentials: Any) -> TestClient:
    """The service of the installation; the shop's connection has these credentials."""
    before = systems.here.configuration
    shop = before.connections["shop"].model_copy(update={"credentials": credentials})
    systems.here.configuration = Configuration(connections={**before.connections, "shop": shop}, routes=before.routes)
    receiver = Receiver(before, systems.here.ledger.inbox)
    return TestClient(create_app(receiver, price_checks=PriceChecks(systems.here)))


def test_it_answers_what_differs_with_its_age_and_a_live_look_follows(systems: PriceSystems) -> None:
    special(systems, "ACME", "bolt", 3)
    systems.run()
    with web(systems, price_check_secret="s3cret") as client:
        answer = client.post(PATH, headers=ASKED)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["account"], told["agrees"]) == ("ACME", False)
    assert told["age_seconds"] >= 0
    (one,) = told["differences"]
    assert (one["item"], one["store"], one["erp"], one["state"]) == ("bolt", "9", "3", "held")
    assert [row.event.native_id for row in systems.here.ledger.inbox.unprocessed()] == ["account:ACME"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic s3cret"}])
def test_who_does_not_know_the_secret_hears_nothing(systems: PriceSystems, headers: dict[str, str]) -> None:
    with web(systems, price_check_secret="s3cret") as client:
        answer = client.post(PATH, headers=headers)
    assert (answer.status_code, set(answer.json())) == (401, {"error", "message"})
    assert systems.here.ledger.inbox.unprocessed() == []


@pytest.mark.parametrize("path", ["/prices/nowhere/ACME", PATH])
def test_where_nobody_may_ask_there_is_nothing(systems: PriceSystems, path: str) -> None:
    with web(systems) as client:
        assert client.post(path, headers={"Authorization": "Bearer "}).status_code == 404


def test_a_secret_of_the_environment_is_read_when_it_is_needed(
    systems: PriceSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web(systems, price_check_secret=FromEnvironment(env="SHOP_CHECK_SECRET")) as client:
        assert client.post(PATH, headers=ASKED).status_code == 503
        monkeypatch.setenv("SHOP_CHECK_SECRET", "s3cret")
        assert client.post(PATH, headers=ASKED).status_code == 200


def test_an_answer_stands_though_the_live_look_cannot_be_noted(
    systems: PriceSystems, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise LedgerBusy("ledger", 60)

    with web(systems, price_check_secret="s3cret") as client:
        monkeypatch.setattr("erp_sync.service.price_checks.compare_live", busy)
        assert client.post(PATH, headers=ASKED).json()["agrees"] is True


def test_a_ledger_that_cannot_be_read_is_told_as_that(systems: PriceSystems, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise LedgerBusy("ledger", 60)

    with web(systems, price_check_secret="s3cret") as client:
        monkeypatch.setattr("erp_sync.service.price_checks.check", busy)
        answer = client.post(PATH, headers=ASKED)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
