from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.flows.products.transform import whole
from erp_sync.model.product import Product, ProductKind
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Again, Applied, NotSent, Outcome, Refused, Unknown
from erp_sync.systems.shopware.client import LIVE
from erp_sync.systems.shopware.mapping.products import identity as our_id
from erp_sync.transport.calls import Call
from erp_sync.transport.errors import OutcomeUnknown, Rejected
from erp_sync_tests.systems.shopware.samples import CREATED, identity
from erp_sync_tests.systems.shopware.shop import Shop
from erp_sync_tests.systems.shopware.test_contract import answered, problems_of

D = Decimal
TAX, REDUCED, CHANNEL, COLOUR = "1" * 32, "2" * 32, "3" * 32, "4" * 32
SETTINGS: dict[str, Any] = {"tax_id": TAX, "tax_ids": {"food": REDUCED}, "product_sales_channels": [CHANNEL]}


def stored(number: str, at: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": identity(f"product {number}"),
        "versionId": LIVE,
        "autoIncrement": at,
        "productNumber": number,
        "name": f"Name of {number}",
        "translated": {"name": f"Name of {number}"},
        "active": True,
        "description": None,
        "ean": None,
        "weight": None,
        "parentId": None,
        "childCount": 0,
        "price": [{"currencyId": "b7d2554b0ce847cd82f3ac9bd1c0dfca", "net": D(10), "gross": D("11.9"), "linked": True}],
        "createdAt": CREATED,
        "updatedAt": None,
        **changes,
    }


def shop(*products: dict[str, Any], options: list[dict[str, Any]] | None = None) -> Shop:
    """A shop whose sync keeps what it is sent, all or nothing; it refuses a product without a name."""
    found = Shop(
        product=list(products),
        property_group_option=options or [],
        tax=[{"id": TAX, "taxRate": D(19)}, {"id": REDUCED, "taxRate": 7}],
        product_configurator_setting=[],
        currency=[{"id": "b7d2554b0ce847cd82f3ac9bd1c0dfca", "isoCode": "EUR"}],
    )

    def sync(call: Call) -> Any:
        data: dict[str, list[str]] = {}
        kept = {row["id"]: row for row in found.records["product"]}
        for one in call.json:
            data[one["entity"]] = [row["id"] for row in one["payload"]]
            for row in one["payload"] if one["entity"] == "product" else ():
                if not {**kept.get(row["id"], {}), **row}.get("name") or "bad" in row.get("name", ""):
                    pointer = "/0/0/name: This value should not be blank."
                    return Rejected(400, "invalid_value", pointer, whole_batch=True)
        for one in call.json:
            for row in one["payload"]:
                if one["entity"] == "product":
                    new = stored("", len(found.records["product"]) + 1, translated={})
                    held = kept.setdefault(row["id"], new)
                    held.update(row)
                    if held is new:
                        found.records["product"].append(held)
                else:
                    owner = kept[row["productId"]]
                    owner.setdefault("configuratorSettings", []).append(row)
        return {"data": data, "notFound": {}, "deleted": {}}

    found.answer("POST", "_action/sync", sync)
    return found


def target(shop: Shop, **settings: Any) -> Any:
    return shop.connector(**{**SETTINGS, **settings}).port("product", "target")


def product(sku: str, **changes: Any) -> Product:
    return Product(**{"connection": "erp", "scope": "", "native_id": "1", "sku": sku, "name": f"Mug {sku}", **changes})


def sent(shop: Shop) -> list[dict[str, Any]]:
    return [row for call in shop.made("_action/sync") for one in call.json for row in one["payload"]]


def test_a_new_product_has_an_id_of_its_number_its_tax_its_price_and_its_places():
    there = shop()
    row = product("MUG", gtin="4006381333931", weight=D("0.350"), weight_unit="kg", custom={"base_price": "10.00"})
    (outcome,) = target(there).submit([row])
    (body,) = sent(there)
    assert outcome == Applied(receipt=outcome.receipt)
    assert body == {
        "id": our_id("product", "MUG"),
        "productNumber": "MUG",
        "name": "Mug MUG",
        "active": True,
        "ean": "4006381333931",
        "weight": D("0.350"),
        "taxId": TAX,
        "stock": 0,
        "price": [
            {"currencyId": "b7d2554b0ce847cd82f3ac9bd1c0dfca", "net": D("10"), "gross": D("11.90"), "linked": True}
        ],
        "visibilities": [
            {
                "id": our_id("product_visibility", body["id"], CHANNEL),
                "salesChannelId": CHANNEL,
                "visibility": 30,
            }
        ],
    }
    assert [one for one in answered(body, "Product") if "required" not in one] == []
    (call,) = there.made("_action/sync")
    assert problems_of("/_action/sync", "post", call.json) == []


def test_sending_the_same_again_makes_no_second_product():
    there = shop()
    row = product("MUG", custom={"base_price": "10.00"})
    target(there).submit([row])
    target(there).submit([row])  # by another process: it remembers nothing
    assert [one["productNumber"] for one in there.records["product"]] == ["MUG"]
    there.records["product"].clear()  # the first answer was lost before anything of it was seen
    target(there).submit([row])
    assert len({one["id"] for one in sent(there)}) == 1


def test_a_product_without_a_price_is_made_inactive_and_lacks_it():
    there = shop()
    products = target(there)
    (outcome,) = products.submit([product("MUG")])
    assert outcome.lacks == ("price", "MUG")
    assert sent(there)[0]["active"] is False
    (again,) = products.submit([product("MUG", only=("active",))])
    assert (again.code, again.again) == ("price_missing", Again.LATER)
    there.records["product"][0]["price"] = [{"gross": D("1")}]
    (done,) = products.submit([product("MUG", only=("active",))])
    assert isinstance(done, Applied)
    assert sent(there)[-1] == {"id": our_id("product", "MUG"), "active": True}


def test_of_a_product_that_is_there_only_what_changes_is_written_and_its_id_stays():
    there = shop(stored("MUG"))
    target(there).submit([product("MUG", name="Cup", only=("name",))])
    assert sent(there) == [{"id": identity("product MUG"), "name": "Cup"}]
    target(there).submit([product("MUG", active=False)])
    assert sent(there)[1] == {
        "id": identity("product MUG"),
        "productNumber": "MUG",
        "name": "Mug MUG",
        "active": False,
    }


def test_a_variant_waits_for_its_parent_and_is_offered_by_it():
    blue = {"id": "b" * 32, "groupId": COLOUR, "name": "Blue"}
    there = shop(options=[blue, {"id": "c" * 32, "groupId": "5" * 32, "name": "Red"}])
    products = target(there, property_groups={"colour": COLOUR})
    variants = [
        product(f"SHIRT-{label}", variant_of="SHIRT", variant_options=(("colour", label),)) for label in ("Blue", "Red")
    ]
    waiting = products.submit(variants)
    assert [(one.code, one.requirement) for one in waiting] == [("unknown_parent", ("product", "SHIRT"))] * 2
    products.submit([product("SHIRT", kind=ProductKind.CONFIGURABLE)])
    assert {type(one) for one in products.submit(variants)} == {Applied}
    parent = there.records["product"][0]
    new = our_id("property_group_option", COLOUR, "Red")
    assert [one["options"] for one in there.records["product"][1:]] == [
        [{"id": "b" * 32}],
        [{"id": new, "groupId": COLOUR, "name": "Red"}],
    ]
    assert {one["parentId"] for one in there.records["product"][1:]} == {parent["id"]}
    assert [one["optionId"] for one in parent["configuratorSettings"]] == sorted(["b" * 32, new])
    assert all("visibilities" not in one for one in there.records["product"][1:])
    products.submit([product("SHIRT-XL", variant_of="SHIRT", variant_options=(("colour", "Blue"),))])
    assert len(parent["configuratorSettings"]) == 2
    for call in there.made("property-group-option"):
        assert problems_of("/search/property-group-option", "post", call.json) == []


@pytest.mark.parametrize(
    ("row", "settings", "code"),
    [
        (product("SET", kind=ProductKind.BUNDLE), {}, "unsupported_kind"),
        (product("CARD", kind=ProductKind.GIFT_CARD), {}, "unsupported_kind"),
        (product("MUG"), {"tax_id": ""}, "unknown_tax"),
        (product("MUG", custom={"base_price": "1"}), {"tax_id": "9" * 32}, "unknown_tax"),
        (product("MUG", custom={"base_price": "ten"}), {}, "invalid_value"),
        (product("MUG", name=""), {}, "missing_value"),
        (product("M" * 65), {}, "invalid_value"),
        (product("V", variant_options=(("size", "L"),)), {}, "unknown_property_group"),
    ],
)
def test_what_cannot_be_right_is_refused_alone_and_the_others_go(row, settings, code):
    there = shop()
    outcomes = target(there, **settings).submit([row, product("CUP", tax_class="food")])
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].code == code
    assert isinstance(outcomes[1], Applied)
    assert [one["taxId"] for one in sent(there)] == [REDUCED]


def test_one_bad_row_is_told_as_the_whole_batchs():
    there = shop()
    rows = [product("A"), product("B", name="bad"), product("C")]
    outcomes = target(there).submit(rows)
    assert [(one.code, one.whole_batch) for one in outcomes] == [("invalid_value", True)] * 3
    assert there.records["product"] == []
    (alone,) = target(there).submit([rows[1]])
    assert alone.whole_batch is False


@pytest.mark.parametrize(
    ("pattern", "kind"), [("search/product", NotSent), ("search/tax", NotSent), ("_action/sync", Unknown)]
)
def test_a_lost_answer_is_one_of_the_write_only_where_it_was(pattern, kind):
    there = shop()
    there.answer("POST", pattern, OutcomeUnknown("no answer in time"))
    row = product("MUG", custom={"base_price": "1"})
    assert [type(one) for one in target(there).submit([row])] == [kind]


def test_the_snapshot_is_what_a_shopper_sees_of_a_variant_too():
    there = shop(
        stored("SHIRT", 1, childCount=1, description="Soft"),
        stored("SHIRT-B", 2, name=None, translated={"name": "Name of SHIRT"}, parentId=identity("product SHIRT")),
    )
    rows = [row for page in target(there).snapshot() for row in page]
    assert [(row.sku, row.name, row.kind) for row in rows] == [
        ("SHIRT", "Name of SHIRT", ProductKind.CONFIGURABLE),
        ("SHIRT-B", "Name of SHIRT", ProductKind.SIMPLE),
    ]
    assert {call.headers["sw-inheritance"] for call in there.calls} == {"1"}
    (only,) = [row for page in target(there).read(["SHIRT", "GONE"]) for row in page]
    assert (only.sku, only.description) == ("SHIRT", "Soft")


def test_a_weight_in_another_unit_is_neither_compared_nor_written():
    products = target(shop())
    pounds = product("MUG", weight=D(2), weight_unit="lb")
    assert "weight" not in products.values(pounds)
    there = shop()
    target(there).submit([pounds])
    assert "weight" not in sent(there)[0]


names = st.text("ab", min_size=1, max_size=3)


@given(
    names,
    st.booleans(),
    st.none() | st.integers(0, 9_999).map(lambda grams: D(grams) / 1000),
    st.sampled_from(["", "Soft"]),
)
def test_what_was_written_reads_back_as_it_was_meant(name, active, weight, description):
    """A plan of what was just written is empty."""
    row = product("MUG", name=name, active=active, weight=weight, description=description, custom={"base_price": "1"})
    there = shop()
    products = target(there)
    products.submit([row])
    there.records["product"][0]["translated"] = {}
    ((read,),) = products.read(["MUG"])
    told = products.values(read)
    assert {one: told.get(one) for one in products.values(row)} == products.values(row)


def test_a_plan_keeps_the_row_that_makes_its_values():
    products = target(shop())
    row = product("MUG", description="Soft", weight=D("1"))
    will = products.values(row)
    planned = products.row("MUG", msgspec.json.decode(whole(row, {**will, "name": "Cup"}, will)))
    assert planned.only == ("name",)
    assert products.values(planned) == will
    gone = products.gone("MUG", will)
    assert (gone.active, gone.only, gone.sku) == (False, ("active",), "MUG")
    assert products.requirements(product("V", variant_of="P")) == [Requirement("product", "P")]


def test_batches_are_as_large_as_the_connection_says_and_a_number_goes_once():
    there = shop()
    outcomes: list[Outcome] = target(there, batch_size={"product.write": 1}).submit(
        [product("A"), product("B"), product("A")]
    )
    assert len(there.made("_action/sync")) == 2
    assert outcomes[2].code == "twice_in_batch"
