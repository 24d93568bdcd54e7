"""The contract check notices what it should: every operation is mutated both ways."""

from __future__ import annotations

import pytest

from erp_sync.sandbox.contract import PUBLISHED, ContractCheck
from erp_sync.systems.shopware.sandbox import rooms
from erp_sync.systems.shopware.sandbox.contract import make
from erp_sync.systems.shopware.sandbox.schema import entities, published
from erp_sync_tests.sandbox.samples import unnoticed
from erp_sync_tests.systems.shopware.sandbox.conftest import BOOK

CHECK = ContractCheck(BOOK)
TRIED: set[str] = set()
ACTIONS = sorted(name for name in BOOK.operations if name.rpartition(".")[0] not in make.ENTITIES)
VERBS = ("search", "search-ids", "create", "update", "read", "delete")
SAMPLED = [f"{entity}.{verb}" for entity in ("product", "order", "customer", "product_price") for verb in VERBS]


@pytest.mark.parametrize("name", [*ACTIONS, *SAMPLED])
def test_a_wrong_field_in_either_direction_is_noticed(name):
    assert unnoticed(CHECK, name, TRIED, depth=1) == []


def test_every_route_has_a_contract_and_resources_the_published_one():
    routes = rooms.routes()
    assert {one.name for one in routes} == set(BOOK.operations)
    for entity in make.ENTITIES:
        assert BOOK.operations[f"{entity}.search"].request.checked_by == PUBLISHED
        assert BOOK.operations[f"{entity}.search"].responses["200"].checked_by == PUBLISHED
        assert BOOK.operations[f"{entity}.update"].request.checked_by == PUBLISHED


def test_the_contract_that_ships_is_what_the_script_cuts():
    kept = published()
    assert kept["info"]["x-origin"] == make.ORIGIN
    again = {
        "info": kept["info"],
        "components": {"schemas": kept["schemas"]},
        "paths": {path: {} for entity in make.ENTITIES for _, path in make.paths_of(entity)},
    }
    for entity in make.ENTITIES:
        for method, path in make.paths_of(entity):
            again["paths"][path][method] = {}
    for action, value in kept["actions"].items():
        method, path = action.split()
        again["paths"].setdefault(path, {})[method] = value
    assert make.printed(make.cut(again)) == make.TARGET.read_text(encoding="utf-8")


def test_the_script_names_an_operation_that_the_vendor_does_not_have():
    with pytest.raises(KeyError):
        make.cut({"info": {}, "components": {"schemas": {}}, "paths": {}})


def test_entities_come_from_the_contract_with_what_they_refer_to():
    product, line = entities()["product"], entities()["order_line_item"]
    assert product.fields["taxId"].reference == "tax"
    assert product.associations["prices"].other == "productId"
    assert product.fields["availableStock"].protected
    assert line.associations["order"].own == "orderId"
    assert entities()["order"].associations["orderCustomer"].kind == "one_to_one"
