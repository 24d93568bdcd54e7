"""Every call that the ports make exists in the vendor's published contract, and its body follows it.

`requests-2.4.8.json` is cut out of that contract: names, types and what is required of the bodies of the
operations that are used. Unknown properties fail.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from erp_sync.model.order import OrderStatus
from erp_sync.model.price import PriceKind
from erp_sync.model.product import ProductKind
from erp_sync.transport.calls import Call
from erp_sync_tests.systems.magento import test_documents as documents
from erp_sync_tests.systems.magento import test_states as states
from erp_sync_tests.systems.magento.store_fake import D, FakeSender, order

CONTRACT = json.loads((Path(__file__).parent / "requests-2.4.8.json").read_text())


def closed(schema: Any) -> Any:
    """The same schema, refusing properties that it does not have."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        result["additionalProperties"] = False
    return result


DEFINITIONS = {name: closed(schema) for name, schema in CONTRACT["definitions"].items()}
NUMBERS = jsonschema.Draft4Validator.TYPE_CHECKER.redefine(
    "number", lambda checker, value: isinstance(value, (int, D)) and not isinstance(value, bool)
)
Validator = jsonschema.validators.extend(jsonschema.Draft4Validator, type_checker=NUMBERS)


def operation_of(call: Call) -> str:
    """The contract's name of a call. Asynchronous routes are the synchronous ones, wrapped."""
    path = re.sub(r"^/rest/[^/]+(/async(/bulk)?)?", "", call.path)
    for name in CONTRACT["operations"]:
        method, _, pattern = name.partition(" ")
        if method == call.method and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", pattern), path):
            return name
    raise AssertionError(f"the contract has no {call.method} {path}")


def problems(call: Call, body: Any) -> list[str]:
    schema = CONTRACT["operations"][operation_of(call)]
    if schema is None:
        return [] if body is None else ["a body where none is expected"]
    validator = Validator({**closed(schema), "definitions": DEFINITIONS})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def bodies(call: Call) -> list[Any]:
    return call.json if "/async/bulk/" in call.path else [call.json]


def all_calls() -> list[Call]:
    """One sender after the other: all that the ports may send."""
    senders = [FakeSender() for _ in range(4)]
    update = documents.update(OrderStatus.CANCELLED)
    senders[0].answer("POST", "orders/5/cancel", True)
    target = documents.status_target(senders[0], order(state="new"))
    for step in target.steps(update):
        target.submit([documents.request(step, update)])
    target = documents.shipment_target(senders[1])
    known = documents.deliver(target, documents.shipment(parcels=("1Z1",)))
    documents.deliver(target, documents.shipment(parcels=("1Z1", "1Z2")), known)
    senders[2] = states.sender_with_products()
    senders[2].answer("POST", "inventory/source-items", [])
    states.connector(senders[2]).port("stock_level", "target").submit([states.offer()])
    rows = [states.price(kind=kind) for kind in (PriceKind.BASE, PriceKind.SPECIAL, PriceKind.TIER)]
    for path in ("base-prices", "special-price", "tier-prices", "special-price-delete", "tier-prices-delete"):
        senders[2].answer("POST", f"products/{path}", [])
    for path in ("base-prices", "special-price", "tier-prices"):
        senders[2].answer("POST", f"products/{path}-information", [])
    prices = states.price_target(senders[2])
    prices.submit(rows)
    prices.remove(rows[1:])
    list(prices.read(["A"]))
    senders[3] = states.sender_with_products()
    colours = {**states.COLOURS, "options": list(states.COLOURS["options"])}

    def add(call: Call) -> str:
        colours["options"].append({"label": "Blue", "value": "52"})
        return "52"

    senders[3].answer("GET", "products/attributes/color", lambda call: colours)
    senders[3].answer("POST", "products/attributes/color/options", add)
    senders[3].answer("POST", "configurable-products/SHIRT/child", True)
    senders[3].answer("GET", "bulk/u-1/status", {"operations_list": [{"id": 1, "status": 1}]})
    products = states.product_target(senders[3], website_ids=[1], categories={"Mugs": 7})
    parent = states.product("HOODIE", kind=ProductKind.CONFIGURABLE, variant_attributes=("color",))
    variant = states.product(
        "SHIRT-BLUE", variant_of="SHIRT", variant_options=(("color", "Blue"),), weight=D("1.5"), categories=("Mugs",)
    )
    accepted = products.submit([parent, variant])
    products.settle([accepted[1].handle])
    return [call for sender in senders for call in sender.calls]


CALLS = all_calls()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.operation}")
def test_a_call_follows_the_contract(call):
    for body in bodies(call):
        assert problems(call, body) == []


def test_the_calls_cover_every_writing_operation_that_is_used():
    used = {operation_of(call) for call in CALLS if call.method != "GET"}
    assert used == {name for name in CONTRACT["operations"] if not name.startswith("GET")}


def mutations(body: Any) -> list[Any]:
    """The body with one property renamed, at every depth."""
    if isinstance(body, list):
        return [[*body[:at], one, *body[at + 1 :]] for at, item in enumerate(body) for one in mutations(item)]
    if not isinstance(body, dict):
        return []
    renamed = [{("x_" + name if name == key else name): value for name, value in body.items()} for key in body]
    return renamed + [{**body, key: one} for key, value in body.items() for one in mutations(value)]


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call.json is not None], ids=lambda call: f"{call.operation}"
)
def test_the_check_notices_a_renamed_property_anywhere(call):
    for body in bodies(call):
        for mutated in mutations(body):
            assert problems(call, mutated) != []
