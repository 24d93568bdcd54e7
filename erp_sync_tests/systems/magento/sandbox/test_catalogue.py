"""Products and prices: scopes, upserts, failures inside a 200, and PUT that wipes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync_tests.systems.magento.sandbox.conftest import search

ALL = {"rest": "/rest/all"}


def attribute(product, code):
    return next((entry["value"] for entry in product["custom_attributes"] if entry["attribute_code"] == code), None)


def new(sku="CUP", **fields):
    product = {"sku": sku, "name": "Cup", "attribute_set_id": 4, "price": 5.5, "type_id": "simple", "weight": 0.3}
    return {"product": {**product, **fields}}


def test_post_creates_and_posting_again_updates(shop, clock):
    created = shop.call("POST", "/V1/products", new(), **ALL)
    clock.advance(60)
    updated = shop.call("POST", "/V1/products", new(name="Large cup"), **ALL)
    assert (created["id"], updated["name"]) == (updated["id"], "Large cup")
    assert updated["updated_at"] > created["updated_at"]
    window = search(("updated_at", "gteq", updated["updated_at"]))
    assert [item["sku"] for item in shop.call("GET", f"/V1/products{window}")["items"]] == ["CUP"]


def test_without_all_only_the_default_store_view_is_disabled(open_shop):
    shop = open_shop()
    shop.core.seed({"stores": [{"code": "outlet", "website": "base"}]})
    shop.call("PUT", "/V1/products/MUG", {"product": {"status": 2}})
    assert shop.call("GET", "/V1/products/MUG")["status"] == 2
    assert shop.call("GET", "/V1/products/MUG", rest="/rest/outlet")["status"] == 1
    assert shop.call("GET", "/V1/products/MUG", **ALL)["status"] == 1
    shop.call("PUT", "/V1/products/TEA", {"product": {"status": 2}}, **ALL)
    assert shop.call("GET", "/V1/products/TEA", rest="/rest/outlet")["status"] == 2


def test_a_price_is_global_whatever_the_url(shop):
    shop.call("PUT", "/V1/products/MUG", {"product": {"price": 31.5}})
    assert shop.call("GET", "/V1/products/MUG", **ALL)["price"] == Decimal("31.5")


def test_a_disabled_product_cannot_be_bought(shop):
    shop.call("PUT", "/V1/products/MUG", {"product": {"status": 2}}, **ALL)
    mask = shop.call("POST", "/V1/guest-carts", as_user="")
    answer = shop.refused("POST", f"/V1/guest-carts/{mask}/items", {"cartItem": shop.item("MUG")}, as_user="")
    assert answer.message == "Product that you are trying to add is not available."


@pytest.mark.parametrize(
    ("product", "status"),
    [
        ({"name": ""}, 400),
        ({"price": -1}, 400),
        ({"status": 3}, 400),
        ({"type_id": "giftcard"}, 400),
        ({"attribute_set_id": 99}, 400),
        ({"sku": ""}, 400),
        ({"extension_attributes": {"website_ids": [7]}}, 404),
    ],
)
def test_a_wrong_product_is_refused(shop, product, status):
    assert shop.refused("POST", "/V1/products", new(**product)).status == status
    assert shop.call("GET", "/V1/products" + search(("sku", "eq", "CUP")))["total_count"] == 0


def test_custom_attributes_by_option_id_and_by_wrong_label(shop):
    """A word where the id of an option belongs is taken, and is none."""
    option = shop.call("POST", "/V1/products/attributes/manufacturer/options", {"option": {"label": "Zenith"}})
    body = new(custom_attributes=[{"attribute_code": "manufacturer", "value": option}])
    assert attribute(shop.call("POST", "/V1/products", body, **ALL), "manufacturer") == option
    found = shop.call("GET", "/V1/products" + search(("manufacturer", "eq", option)))
    assert [item["sku"] for item in found["items"]] == ["CUP"]
    body = new(custom_attributes=[{"attribute_code": "manufacturer", "value": "Zenith"}])
    assert attribute(shop.call("POST", "/V1/products", body, **ALL), "manufacturer") == "0"


def test_a_slash_in_a_sku_needs_the_web_servers_consent(shop, open_shop):
    shop.call("POST", "/V1/products", new(sku="A/B"), **ALL)
    answer = shop.refused("GET", "/V1/products/A%2FB")
    assert (answer.status, answer.message) == (404, "Request does not match any route.")
    other = open_shop(allow_encoded_slashes=True)
    other.call("POST", "/V1/products", new(sku="A/B"), **ALL)
    assert other.call("GET", "/V1/products/A%2FB")["sku"] == "A/B"


def test_a_configurable_with_two_variants(shop):
    small, large = (shop.option("size", label) for label in ("S", "M"))
    for sku, option in (("HAT-S", small), ("HAT-M", large)):
        value = [{"attribute_code": "size", "value": str(option["option_value"])}]
        shop.call("POST", "/V1/products", new(sku=sku, visibility=1, custom_attributes=value), **ALL)
    shop.call("POST", "/V1/products", new(sku="HAT", type_id="configurable", price=0), **ALL)
    path = "/V1/configurable-products/HAT"
    body = {"option": {"attribute_id": small["option_id"], "label": "Size", "position": 0,
                       "values": [{"value_index": small["option_value"]}]}}  # fmt: skip
    assert shop.refused("POST", f"{path}/child", {"childSku": "HAT-S"}).status == 400
    shop.call("POST", f"{path}/options", body)
    assert shop.call("POST", f"{path}/child", {"childSku": "HAT-S"}) is True
    assert shop.call("POST", f"{path}/child", {"childSku": "HAT-M"}) is True
    assert shop.refused("POST", f"{path}/child", {"childSku": "HAT-M"}).message == "The product is already attached."
    assert [child["sku"] for child in shop.call("GET", f"{path}/children")] == ["HAT-S", "HAT-M"]
    extension = shop.call("GET", "/V1/products/HAT")["extension_attributes"]
    assert extension["configurable_product_options"][0]["values"] == [
        {"value_index": small["option_value"]},
        {"value_index": large["option_value"]},
    ]
    shop.call("DELETE", f"{path}/children/HAT-M")
    assert len(shop.call("GET", f"{path}/children")) == 1


def test_a_bundle_saved_with_its_options(shop):
    link = {"sku": "MUG", "qty": 2, "is_default": True, "price": 0, "price_type": 0, "can_change_quantity": 0}
    options = [{"title": "Mugs", "required": True, "type": "select", "sku": "DUO", "product_links": [link]}]
    body = new(sku="DUO", type_id="bundle", extension_attributes={"bundle_product_options": options})
    page = shop.call("POST", "/V1/products", body, **ALL)
    assert page["extension_attributes"]["bundle_product_options"][0]["product_links"][0]["qty"] == 2
    assert [link["sku"] for link in shop.call("GET", "/V1/bundle-products/DUO/children")] == ["MUG"]


# -- prices ------------------------------------------------------------------------------------------------------


def test_prices_fail_inside_a_200_and_the_good_rows_are_saved(shop):
    rows = [{"sku": "MUG", "price": 33.5, "store_id": 0}, {"sku": "NONE", "price": 1, "store_id": 0},
            {"sku": "TEA", "price": -1, "store_id": 0}]  # fmt: skip
    failures = shop.call("POST", "/V1/products/base-prices", {"prices": rows})
    assert failures == [
        {"message": "Invalid attribute %fieldName = %fieldValue.", "parameters": ["SKU", "NONE"]},
        {"message": "Invalid attribute %fieldName = %fieldValue.", "parameters": ["Price", "-1"]},
    ]
    found = shop.call("POST", "/V1/products/base-prices-information", {"skus": ["MUG", "TEA"]})
    assert {row["sku"]: row["price"] for row in found} == {"MUG": Decimal("33.5"), "TEA": Decimal("3.33")}
    assert shop.call("POST", "/V1/products/base-prices", {"prices": rows[:1]}) == []


def test_asking_for_the_price_of_an_unknown_sku_fails_as_a_whole(shop):
    answer = shop.refused("POST", "/V1/products/base-prices-information", {"skus": ["MUG", "NONE"]})
    assert (answer.status, answer.body["parameters"]) == (404, {"sku": "NONE"})


def tier(sku, quantity, price, group="ALL GROUPS", **more):
    return {"sku": sku, "price": price, "price_type": "fixed", "website_id": 0, "customer_group": group,
            "quantity": quantity, **more}  # fmt: skip


def tiers(shop, sku="MUG"):
    rows = shop.call("POST", "/V1/products/tier-prices-information", {"skus": [sku]})
    return {(row["customer_group"], row["quantity"]): (row["price"], row["price_type"]) for row in rows}


def test_post_adds_tier_prices_and_put_wipes_what_is_not_sent_again(shop):
    rows = [tier("MUG", 5, 28), tier("MUG", 10, 25, "Wholesale")]
    assert shop.call("POST", "/V1/products/tier-prices", {"prices": rows}) == []
    assert shop.call("POST", "/V1/products/tier-prices", {"prices": [tier("MUG", 5, 27)]}) == []
    assert tiers(shop) == {("ALL GROUPS", 5): (27, "fixed"), ("Wholesale", 10): (25, "fixed")}
    percent = tier("MUG", 20, 15, price_type="discount")
    assert shop.call("PUT", "/V1/products/tier-prices", {"prices": [percent]}) == []
    assert tiers(shop) == {("ALL GROUPS", 20): (15, "discount")}
    assert shop.call("POST", "/V1/products/tier-prices-delete", {"prices": [percent]}) == []
    assert tiers(shop) == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (tier("NONE", 5, 1), "Invalid attribute SKU = %SKU. "),
        (tier("MUG", 0, 1), "Invalid attribute Quantity = %qty. "),
        (tier("MUG", 5, 1, "Nobody"), "No such entity with Customer Group = %customerGroup. "),
        (tier("MUG", 5, 1, website_id=1), "Invalid attribute Website ID = %websiteId. "),
        (tier("MUG", 5, 101, price_type="discount"), "Invalid attribute Price = %price. "),
    ],
)
def test_tier_failures_keep_their_placeholders(shop, row, message):
    failures = shop.call("POST", "/V1/products/tier-prices", {"prices": [row]})
    assert [failure["message"].startswith(message) for failure in failures] == [True]
    assert "Row ID: SKU = %SKU" in failures[0]["message"]
    assert row["sku"] in failures[0]["parameters"]


def test_a_special_price_runs_from_its_date_to_its_date(shop, clock):
    row = {
        "sku": "MUG",
        "price": 19.99,
        "store_id": 0,
        "price_from": "2026-11-03 00:00:00",
        "price_to": "2026-11-04 00:00:00",
    }
    assert shop.call("POST", "/V1/products/special-price", {"prices": [row]}) == []
    assert shop.order(shop.item("MUG"))["items"][0]["price"] == Decimal("29.95")
    clock.advance(24 * 3600)
    assert shop.order(shop.item("MUG"))["items"][0]["price"] == Decimal("19.99")
    clock.advance(24 * 3600)
    assert shop.order(shop.item("MUG"))["items"][0]["price"] == Decimal("29.95")
    found = shop.call("POST", "/V1/products/special-price-information", {"skus": ["MUG"]})
    assert (found[0]["price"], found[0]["price_to"]) == (Decimal("19.99"), "2026-11-04 00:00:00")
    assert shop.call("POST", "/V1/products/special-price-delete", {"prices": [row]}) == []
    assert shop.call("POST", "/V1/products/special-price-information", {"skus": ["MUG"]}) == []


@pytest.mark.parametrize(("edition", "lefts"), [("commerce", (1, 0)), ("open_source", (0, 0))])
def test_commerce_removes_a_special_price_by_its_exact_price_and_open_source_by_its_product(open_shop, edition, lefts):
    """The two prices differ by a hundredth of a cent and are the same number in floating point."""
    shop = open_shop(edition=edition)
    row = {"sku": "MUG", "store_id": 0, "price_from": "2026-11-03 00:00:00", "price_to": "2026-11-04 00:00:00"}
    kept, other = Decimal("1234567890123.4567"), Decimal("1234567890123.4568")
    assert shop.call("POST", "/V1/products/special-price", {"prices": [{**row, "price": kept}]}) == []
    for price, left in zip((other, kept), lefts, strict=True):
        assert shop.call("POST", "/V1/products/special-price-delete", {"prices": [{**row, "price": price}]}) == []
        found = shop.call("POST", "/V1/products/special-price-information", {"skus": ["MUG"]})
        assert len(found) == left


def test_a_saved_bundle_keeps_the_options_and_links_that_it_names(shop):
    def saved(*options):
        body = {"sku": "DUO", "extension_attributes": {"bundle_product_options": list(options)}}
        page = shop.call("PUT", "/V1/products/DUO", {"product": body}, **ALL)
        return page["extension_attributes"]["bundle_product_options"]

    links = [{"sku": sku, "qty": 2, "is_default": True, "price": 0, "price_type": 0} for sku in ("MUG", "TEA")]
    first, second = (
        {"title": link["sku"], "required": True, "type": "select", "sku": "DUO", "product_links": [link]}
        for link in links
    )
    body = new(sku="DUO", type_id="bundle", extension_attributes={"bundle_product_options": [first, second]})
    shop.call("POST", "/V1/products", body, **ALL)
    mugs, teas = shop.call("GET", "/V1/products/DUO")["extension_attributes"]["bundle_product_options"]
    mugs["product_links"][0]["qty"] = 3
    (kept, added) = saved(mugs, first)
    assert (kept["option_id"], kept["product_links"][0]["id"]) == (mugs["option_id"], mugs["product_links"][0]["id"])
    assert kept["product_links"][0]["qty"] == 3
    assert added["option_id"] not in (mugs["option_id"], teas["option_id"])


def test_special_failures_are_substituted(shop):
    row = {"sku": "MUG", "price": 1, "store_id": 1, "price_from": "soon", "price_to": "2026-11-04 00:00:00"}
    messages = [one["message"] for one in shop.call("POST", "/V1/products/special-price", {"prices": [row]})]
    assert messages[0].startswith("Could not change non global Price when price scope is global. Row ID: SKU = MUG")
    assert messages[1].startswith("Invalid attribute Price From = ")


def test_commerce_refuses_overlapping_and_endless_special_prices(commerce):
    def save(begin, end):
        row = {"sku": "MUG", "price": 9, "store_id": 0, "price_from": begin, "price_to": end}
        return commerce.call("POST", "/V1/products/special-price", {"prices": [row]})

    assert save("2026-11-03 00:00:00", "2026-11-10 00:00:00") == []
    assert len(save("2026-11-05 00:00:00", "2026-11-20 00:00:00")) == 1
    assert save("2026-11-11 00:00:00", "2026-11-20 00:00:00") == []
    assert len(save("2026-12-01 00:00:00", "")) == 1


def test_a_customer_group_gets_its_tier(shop):
    shop.core.seed({"customers": [{"email": "w@example.com", "firstname": "W", "lastname": "S", "group": "Wholesale",
                                   "password": "Password1"}]})  # fmt: skip
    shop.call("POST", "/V1/products/tier-prices", {"prices": [tier("MUG", 2, 20, "Wholesale")]})
    token = shop.sign_in("w@example.com")
    order = shop.pay(shop.cart(shop.item("MUG", 2), as_user=token), as_user=token)
    assert shop.call("GET", f"/V1/orders/{order}")["items"][0]["price"] == 20
    assert shop.order(shop.item("MUG", 2))["items"][0]["price"] == Decimal("29.95")


# -- customers ---------------------------------------------------------------------------------------------------


def test_an_email_is_one_customer_per_website(shop):
    body = {"customer": {"email": "grace@example.com", "firstname": "G", "lastname": "H"}}
    answer = shop.refused("POST", "/V1/customers", body)
    message = "A customer with the same email address already exists in an associated website."
    assert (answer.status, answer.message) == (400, message)


def test_addresses_that_are_sent_replace_the_set(shop):
    kept = shop.call("GET", "/V1/customers/1")
    address = {"firstname": "G", "lastname": "H", "street": ["9 Elm"], "city": "Waco", "postcode": "76701",
               "country_id": "US", "telephone": "1",
               "region": {"region_code": "TX", "region": "Texas", "region_id": 57},
               "default_billing": True}  # fmt: skip
    base = {name: kept[name] for name in ("email", "firstname", "lastname", "website_id")}
    after = shop.call("PUT", "/V1/customers/1", {"customer": {**base, "addresses": [address]}})
    assert [one["city"] for one in after["addresses"]] == ["Waco"]
    same = shop.call("PUT", "/V1/customers/1", {"customer": {**base, "taxvat": "US1"}})
    assert (same["taxvat"], len(same["addresses"])) == ("US1", 1)


def test_customers_are_searched_by_their_change(shop, clock):
    clock.advance(60)
    body = {"customer": {"email": "new@example.com", "firstname": "N", "lastname": "W", "group_id": 2}}
    created = shop.call("POST", "/V1/customers", body)
    query = search(("updated_at", "gteq", created["updated_at"]))
    assert [one["email"] for one in shop.call("GET", f"/V1/customers/search{query}")["items"]] == ["new@example.com"]
    assert created["group_id"] == 2
    body["customer"]["email"] = "guest@example.com"
    assert shop.call("POST", "/V1/customers", body, as_user="")["group_id"] == 1
