"""A product's page has one address, and two products cannot have the same."""

from __future__ import annotations

from erp_sync_tests.systems.magento.sandbox.test_catalogue import ALL, attribute, new
from erp_sync_tests.systems.magento.sandbox.test_product_saving import custom, save

TAKEN = "URL key for specified store already exists."


def test_a_second_product_of_one_name_is_refused_and_goes_with_a_key_of_its_own(shop):
    assert attribute(save(shop, "ONE", name="Caf\u00e9 cup, large"), "url_key") == "cafe-cup-large"
    answer = shop.refused("POST", "/V1/products", new("TWO", name="Cafe cup (large)"), **ALL)
    assert (answer.status, answer.message) == (400, TAKEN)
    assert shop.refused("GET", "/V1/products/TWO").status == 404
    second = save(shop, "TWO", name="Cafe cup (large)", **custom("url_key", "Large Cup II"))
    assert attribute(second, "url_key") == "large-cup-ii"


def test_a_new_name_leaves_the_key(shop):
    before = attribute(shop.call("GET", "/V1/products/MUG"), "url_key")
    assert attribute(save(shop, "MUG", name="Tea"), "url_key") == before == "mug"


def test_products_without_a_page_of_their_own_do_not_mind(shop):
    save(shop, "ONE", visibility=1)
    save(shop, "TWO", visibility=1)
    save(shop, "ONE", visibility=4)
    assert shop.refused("PUT", "/V1/products/TWO", {"product": {"visibility": 4}}, **ALL).message == TAKEN


def test_websites_have_addresses_of_their_own(open_shop):
    shop = open_shop()
    shop.core.seed({"websites": [{"code": "eu"}], "stores": [{"code": "eu", "website": "eu"}]})
    for sku, website in (("ONE", 1), ("TWO", 2)):
        save(shop, sku, extension_attributes={"website_ids": [website]})
    link = {"productWebsiteLink": {"sku": "TWO", "website_id": 1}}
    assert shop.refused("POST", "/V1/products/TWO/websites", link).message == TAKEN


def test_a_catalogue_with_one_name_twice_can_be_loaded(shop):
    shop.core.seed({"items": [{"sku": "A-1", "name": "Same"}, {"sku": "A-2", "name": "Same"}]})
    keys = [attribute(shop.call("GET", f"/V1/products/{sku}"), "url_key") for sku in ("A-1", "A-2")]
    assert keys == ["same", "same-a-2"]
