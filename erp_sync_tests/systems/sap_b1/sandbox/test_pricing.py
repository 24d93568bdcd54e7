"""The order of precedence, source by source. A test names the line of the fact sheet that it plays."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync.systems.sap_b1.sandbox.pricing.discount_groups import combined
from erp_sync.systems.sap_b1.sandbox.pricing.question import Question
from erp_sync.systems.sap_b1.sandbox.pricing.special_prices import _break
from erp_sync.systems.sap_b1.sandbox.values import number


def ask(company, item="BOLT", quantity=1, card="C1", **more):
    """(price, discount) of one item."""
    question = {"CardCode": card, "ItemCode": item, "UoMQuantity": quantity, **more}
    answer = company.call("POST", "CompanyService_GetItemPrice", {"ItemPriceParams": question})
    assert answer.status == 200, answer.body
    return answer.body["Price"], answer.body["Discount"]


def price(company, *given, **more):
    return ask(company, *given, **more)[0]


def partner(company, **fields):
    company.changed("BusinessPartners('C1')", fields)


def special(company, card, item="BOLT", **fields):
    company.core.seed({"special_prices": [{"CardCode": card, "ItemCode": item, **fields}]})


def group(company, percent, kind="dgboItems", code="BOLT", **fields):
    line = {"ObjectType": kind, "ObjectCode": code, "DiscountType": "dgdt_Fixed", "Discount": percent}
    body = {"Type": "dgt_AllBPs", "Active": "tYES", "DiscountGroupLineCollection": [line], **fields}
    company.made("EnhancedDiscountGroups", body)


def agreement(company, unit_price, **fields):
    line = {"ItemNo": "BOLT", "UnitPrice": unit_price, "PlannedQuantity": 100}
    body = {
        "BPCode": "C1", "Status": "asApproved", "StartDate": "2026-01-01", "EndDate": "2026-12-31",
        "BlanketAgreements_ItemsLines": [line],
    }  # fmt: skip
    return company.made("BlanketAgreements", body | fields)["AgreementNo"]


def period(first, last, special_price, *steps, **fields):
    """A period row with breaks of (quantity, price)."""
    breaks = [{"Quantity": quantity, "SpecialPrice": cost} for quantity, cost in steps]
    return {
        "DateFrom": first, "Dateto": last, "SpecialPrice": special_price, "SpecialPriceQuantityAreas": breaks, **fields
    }  # fmt: skip


# -- 1 to 4 ----------------------------------------------------------------------------------------------


def test_each_source_yields_to_the_one_before_it(company):
    assert price(company) == Decimal("10.5")  # 4: the price list
    special(company, "*1", SpecialPriceDataAreas=[period("2026-01-01", None, 10)])
    assert price(company) == 10  # 3: period of the list
    special(company, "C1", Price=9)
    assert price(company) == 9  # 2: the partner's own
    number_ = agreement(company, 8)
    assert price(company) == 8  # 1: the agreement
    company.changed(f"BlanketAgreements({number_})", {"Status": "asTerminated"})
    assert price(company) == 9


@pytest.mark.parametrize("mode", ["epDefaultPriority", "epLowestPrice", "epHighestPrice"])
def test_an_agreement_wins_under_every_effective_price(company, mode):
    partner(company, EffectivePrice=mode)
    special(company, "C1", Price=5)
    agreement(company, 8)
    assert price(company) == 8


@pytest.mark.parametrize(
    ("mode", "expected"), [("epDefaultPriority", 9), ("epLowestPrice", 7), ("epHighestPrice", Decimal("10.5"))]
)
def test_effective_price_chooses_among_the_other_sources(company, mode, expected):
    partner(company, EffectivePrice=mode, EffectivePriceConsidersPriceBeforeDiscount="tYES")
    special(company, "C1", Price=9)
    special(company, "*1", SpecialPriceDataAreas=[period("2026-01-01", None, 7)])
    assert price(company) == expected


@pytest.mark.parametrize(("compares", "expected"), [("with_group", 9), ("always", 7)])
def test_sources_are_compared_without_the_flag_where_a_group_is_for_the_item(make_company, compares, expected):
    """Unconfirmed: the help says only that with the flag all sources count, group or not."""
    company = make_company(effective_price_compares=compares)
    partner(company, EffectivePrice="epLowestPrice")
    special(company, "C1", Price=9)
    special(company, "*1", SpecialPriceDataAreas=[period("2026-01-01", None, 7)])
    assert price(company) == expected
    group(company, 0)
    assert price(company) == 7


@pytest.mark.parametrize(
    "fields",
    [
        {"Status": "asDraft"},
        {"StartDate": "2026-11-03"},
        {"EndDate": "2026-11-01"},
        {"TerminateDate": "2026-11-01"},
        {"AgreementType": "atGeneral"},
        {"IgnorePricesInAgreement": "tYES"},
    ],
)
def test_an_agreement_that_does_not_count(company, fields):
    agreement(company, 8, **fields)
    assert price(company) == Decimal("10.5")


def test_the_partners_default_agreement_comes_first(company):
    agreement(company, 8)
    second = agreement(company, 9)
    assert price(company) == 8
    partner(company, DefaultBlanketAgreementNumber=second)
    assert price(company) == 9
    assert price(company, BlanketAgreementNumber=1) == 8


def test_an_agreements_line_may_have_a_discount(company):
    agreement(company, 8, BlanketAgreements_ItemsLines=[{"ItemNo": "BOLT", "UnitPrice": 8, "LineDiscount": 12.5}])
    assert ask(company) == (7, Decimal("12.5"))


# -- inside special prices -------------------------------------------------------------------------------


def test_a_current_period_beats_the_header(company):
    areas = [period("2026-10-01", "2026-10-31", 6), period("2026-11-01", "2026-11-30", 7)]
    special(company, "C1", Price=9, SpecialPriceDataAreas=areas)
    assert [price(company, Date=day) for day in ("2026-09-30", "2026-10-31", "2026-11-01", "2026-12-01")] == [
        9,
        6,
        7,
        9,
    ]


def test_an_expired_header_with_a_current_row_still_charges(company):
    special(company, "C1", Price=9, ValidTo="2026-10-31", SpecialPriceDataAreas=[period("2026-11-01", None, 7)])
    assert price(company) == 7
    assert price(company, Date="2026-10-31") == 9


def test_a_header_outside_its_validity_is_none(company):
    special(company, "C1", Price=9, ValidFrom="2026-12-01")
    assert price(company) == Decimal("10.5")
    assert price(company, Date="2026-12-01") == 9


@pytest.mark.parametrize(("quantity", "expected"), [(1, 9), (9.99, 9), (10, 8), (99, 8), (100, 7), (1000, 7)])
def test_the_largest_break_that_is_reached_counts(company, quantity, expected):
    special(company, "C1", SpecialPriceDataAreas=[period("2026-01-01", None, 9, (100, 7), (10, 8))])
    assert price(company, "BOLT", quantity) == expected


def test_a_break_may_be_dearer_than_the_one_below(company):
    """Nothing in SAP Business One forbids it; whoever copies prices must look."""
    special(company, "C1", SpecialPriceDataAreas=[period("2026-01-01", None, 9, (10, 12))])
    assert price(company, "BOLT", 10) == 12


def test_a_special_price_that_follows_its_list(company):
    fields = {"PriceListNum": 1, "DiscountPercent": 10}
    special(company, "C1", AutoUpdate="tYES", Price=1, **fields)
    special(company, "C1", "NUT", AutoUpdate="tNO", Price=3, **fields)
    assert (price(company), price(company, "NUT")) == (Decimal("9.45"), 3)
    for item, cost in (("BOLT", 20), ("NUT", 30)):
        company.changed(f"Items('{item}')", {"ItemPrices": [{"PriceList": 1, "Price": cost}]})
    assert (price(company), price(company, "NUT")) == (18, 3)
    assert company.get("SpecialPrices(CardCode='C1',ItemCode='BOLT')")["Price"] == 18


def test_a_lists_period_counts_for_the_documents_list_only(company):
    company.made("PriceLists", {"PriceListName": "Trade", "BasePriceList": 1, "Factor": 0.9})
    special(company, "*1", SpecialPriceDataAreas=[period("2026-01-01", None, 7)])
    assert price(company, PriceList=2) == Decimal("9.45")
    partner(company, PriceListNum=2)
    assert price(company) == Decimal("9.45")
    assert price(company, PriceList=1) == 7


# -- discount groups -------------------------------------------------------------------------------------


def test_a_groups_percentage_applies_to_lists_and_never_to_special_prices(company):
    group(company, 20)
    assert ask(company) == (Decimal("8.4"), 20)
    special(company, "C1", Price=9)
    assert ask(company) == (9, 0)


@pytest.mark.parametrize(("which", "expected"), [("before", 8), ("net", Decimal("7.2"))])
def test_a_groups_percentage_replaces_that_of_a_period(make_company, which, expected):
    """List 10, period 10 % (9.00), group 20 %. Whether the period's price is before its own is unconfirmed."""
    company = make_company(period_price_with_group=which)
    special(company, "*1", SpecialPriceDataAreas=[period("2026-01-01", None, 9, Discount=10)])
    assert ask(company) == (9, 0)
    group(company, 20)
    assert ask(company) == (expected, 20)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("dgboItems", "BOLT"), ("dgboItemGroups", "101"), ("dgboManufacturer", "1"), ("dgboItemProperties", "5")],
)
def test_groups_match_by_item_group_manufacturer_or_property(company, kind, code):
    company.changed("Items('BOLT')", {"Manufacturer": 1, "Properties5": "tYES"})
    group(company, 50, kind, code)
    assert price(company) == Decimal("5.25")
    assert price(company, "MANUAL") == Decimal("9.99")


@pytest.mark.parametrize(
    ("fields", "applies"),
    [
        ({"Type": "dgt_SpecificBP", "ObjectCode": "C1"}, True),
        ({"Type": "dgt_SpecificBP", "ObjectCode": "C2"}, False),
        ({"Type": "dgt_CustomerGroup", "ObjectCode": "100"}, True),
        ({"Type": "dgt_CustomerGroup", "ObjectCode": "101"}, False),
        ({"Active": "tNO"}, False),
        ({"ValidTo": "2026-11-01"}, False),
        ({"ValidFrom": "2026-11-02", "ValidTo": "2026-11-02"}, True),
    ],
)
def test_for_whom_and_when_a_group_counts(company, fields, applies):
    company.made("BusinessPartners", {"CardCode": "C2"})
    company.made("BusinessPartnerGroups", {"Code": 101, "Name": "Others"})
    group(company, 50, **fields)
    assert price(company) == (Decimal("5.25") if applies else Decimal("10.5"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Type": "dgt_SpecificBP", "ObjectCode": "C9"}, "-2028"),
        ({"Type": "dgt_CustomerGroup", "ObjectCode": "999"}, "-2028"),
        ({"DiscountGroupLineCollection": [{"ObjectType": "dgboItems", "Discount": 101}]}, "-10"),
    ],
)
def test_a_group_that_cannot_be(company, fields, code):
    assert company.call("POST", "EnhancedDiscountGroups", {"Type": "dgt_AllBPs", **fields}).code == code
    group(company, 20)
    assert company.call("PATCH", "EnhancedDiscountGroups(1)", fields).code == code
    assert price(company) == Decimal("8.4")


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (None, 5), ("dgrLowestDiscount", 5), ("dgrHighestDiscount", 7), ("dgrAverageDiscount", 6),
        ("dgrDiscountTotals", 12), ("dgrMultipliedDiscount", Decimal("11.65")),
    ],
)  # fmt: skip
def test_several_groups_are_combined_as_the_partner_says(company, relation, expected):
    group(company, 5)
    group(company, 7, Type="dgt_SpecificBP", ObjectCode="C1")
    if relation:
        partner(company, EffectiveDiscount=relation)
    assert ask(company)[1] == expected


def test_several_properties_are_combined_as_the_group_says(company):
    company.changed("Items('BOLT')", {"Properties1": "tYES", "Properties2": "tYES"})
    lines = [
        {"ObjectType": "dgboItemProperties", "ObjectCode": code, "DiscountType": "dgdt_Fixed", "Discount": percent}
        for code, percent in (("1", 5), ("2", 7), ("3", 90))
    ]
    group(company, 0, DiscountRelations="dgrHighestDiscount", DiscountGroupLineCollection=lines)
    assert ask(company)[1] == 7


@pytest.mark.parametrize("where", ["BusinessPartners('C1')", "Items('BOLT')"])
def test_no_discounts_means_none(company, where):
    group(company, 50)
    company.changed(where, {"NoDiscounts": "tYES"})
    assert ask(company) == (Decimal("10.5"), 0)


def test_the_lowest_price_is_net_of_the_groups_discount(company):
    partner(company, EffectivePrice="epLowestPrice", EffectivePriceConsidersPriceBeforeDiscount="tYES")
    special(company, "C1", Price=9)
    group(company, 20)
    assert price(company) == Decimal("8.4")
    partner(company, EffectivePrice="epHighestPrice")
    assert price(company) == 9
    # With a group's discount nothing is left out without the flag either.
    partner(company, EffectivePriceConsidersPriceBeforeDiscount="tNO")
    assert price(company) == 9


# -- lists, currencies, units ----------------------------------------------------------------------------


def test_no_price_is_zero(company):
    company.made("Items", {"ItemCode": "FREE"})
    assert ask(company, "FREE") == (0, 0)


@pytest.mark.parametrize("fields", [{"Active": "tNO"}, {"ValidTo": "2026-11-01"}, {"ValidFrom": "2026-11-03"}])
def test_a_list_that_is_off_gives_zero(company, fields):
    company.changed("PriceLists(1)", fields)
    assert price(company) == 0
    assert company.order({"ItemCode": "BOLT"})["DocumentLines"][0]["PriceSource"] == "dpsInactivePriceList"


def test_currencies(company):
    company.core.seed(
        {
            "exchange_rates": [
                {"currency": "EUR", "rate": "1.25"},
                {"currency": "EUR", "rate": "1.05", "date": "2026-11-02"},
                {"currency": "GBP", "rate": "1.30"},
            ]
        }
    )
    additional = {"PriceList": 1, "AdditionalPrice1": 8.8, "AdditionalCurrency1": "GBP"}
    company.changed("Items('BOLT')", {"ItemPrices": [additional]})
    assert price(company, Currency="EUR") == 10  # 10.50 at the posting date's rate
    assert price(company, Currency="EUR", Date="2026-11-01") == Decimal("8.4")
    assert price(company, Currency="GBP") == Decimal("8.8")  # as it is, not converted
    special(company, "C1", Price=21, Currency="EUR")
    assert price(company, Currency="USD") == Decimal("22.05")
    unknown = {"ItemPriceParams": {"CardCode": "C1", "ItemCode": "BOLT", "Currency": "JPY"}}
    assert company.call("POST", "CompanyService_GetItemPrice", unknown).code == "-10"


@pytest.fixture
def boxes(company):
    """BOLT is sold by the piece (1) or in boxes (2) of 12."""
    box = {"AlternateUoM": 2, "AlternateQuantity": 1, "BaseQuantity": 12}
    company.core.seed(
        {
            "units": [{"AbsEntry": 1, "Code": "pc"}, {"AbsEntry": 2, "Code": "box"}],
            "unit_groups": [{"AbsEntry": 1, "Code": "bolts", "BaseUoM": 1, "UoMGroupDefinitionCollection": [box]}],
        }
    )
    company.changed("Items('BOLT')", {"UoMGroupEntry": 1})
    return company


def test_units_of_measure(boxes):
    assert price(boxes, UoMEntry=2) == 126
    prices = {"PriceList": 1, "UoMPrices": [{"UoMEntry": 2, "ReduceBy": 10}]}
    boxes.changed("Items('BOLT')", {"ItemPrices": [prices]})
    assert price(boxes, UoMEntry=2) == Decimal("113.4")
    boxes.changed("Items('BOLT')", {"ItemPrices": [{"PriceList": 1, "UoMPrices": [{"UoMEntry": 2, "Price": 100}]}]})
    assert (price(boxes, UoMEntry=2), price(boxes)) == (100, Decimal("10.5"))
    unknown = {"ItemPriceParams": {"CardCode": "C1", "ItemCode": "BOLT", "UoMEntry": 9}}
    assert boxes.call("POST", "CompanyService_GetItemPrice", unknown).code == "-10"


def test_a_break_is_per_unit_and_stock_moves_in_pieces(boxes):
    steps = [
        {"Quantity": 5, "SpecialPrice": 100, "UoMEntry": 2},
        {"Quantity": 5, "SpecialPrice": 9, "UoMEntry": 1},
    ]
    area = {"DateFrom": "2026-01-01", "SpecialPrice": 10, "SpecialPriceQuantityAreas": steps}
    special(boxes, "C1", SpecialPriceDataAreas=[area])
    assert (price(boxes, "BOLT", 5, UoMEntry=2), price(boxes, "BOLT", 5, UoMEntry=1)) == (100, 9)
    assert price(boxes, "BOLT", 4, UoMEntry=1) == 10
    # In boxes and below the first break it is the period's own price, which is for a piece.
    assert price(boxes, "BOLT", 4, UoMEntry=2) == 120
    boxes.order({"ItemCode": "BOLT", "Quantity": 2, "UoMEntry": 2})
    assert boxes.stock("BOLT") == (50, 24)


def test_a_special_price_is_for_the_inventory_unit(boxes):
    special(boxes, "C1", Price=9)
    assert (price(boxes), price(boxes, UoMEntry=2)) == (9, 108)
    boxes.call("DELETE", "SpecialPrices(CardCode='C1',ItemCode='BOLT')")
    # A list's needs the row's unit.
    special(boxes, "*1", SpecialPriceDataAreas=[period("2026-01-01", None, 9)])
    assert (price(boxes), price(boxes, UoMEntry=2)) == (9, 126)


# -- what documents make of it ---------------------------------------------------------------------------


def test_a_document_takes_the_same_price_and_says_where_from(company):
    special(company, "*1", SpecialPriceDataAreas=[period("2026-01-01", None, 9, (10, 8))])
    group(company, 5, "dgboItems", "NUT")
    made = company.order(
        {"ItemCode": "BOLT", "Quantity": 10}, {"ItemCode": "NUT", "Quantity": 3}, {"ItemCode": "MANUAL"}
    )
    assert [(line["UnitPrice"], line["DiscountPercent"], line["PriceSource"]) for line in made["DocumentLines"]] == [
        (8, 0, "dpsPeriodAndVolumeDiscounts"),
        (Decimal("3.333"), 5, "dpsActivePriceListDiscountGroups"),
        (Decimal("9.99"), 0, "dpsActivePriceList"),
    ]
    agreement(company, 7)
    (line,) = company.order({"ItemCode": "BOLT"})["DocumentLines"]
    assert (line["Price"], line["PriceSource"], line["AgreementNo"]) == (7, "dpsBlanketAgreement", 1)


def test_the_partners_discount_goes_to_the_document_not_to_its_rows(company):
    partner(company, DiscountPercent=10)
    assert ask(company) == (Decimal("10.5"), 0)
    made = company.order({"ItemCode": "BOLT", "Quantity": 2})
    assert (made["DocumentLines"][0]["DiscountPercent"], made["DiscountPercent"], made["DocTotal"]) == (
        0,
        10,
        Decimal("18.9"),
    )


def test_another_installation_answers_the_price_before_its_discount(make_company):
    company = make_company(item_price_is="before")
    group(company, 20)
    assert ask(company) == (Decimal("10.5"), 20)


sources = st.fixed_dictionaries(
    {},
    optional={
        "own": st.integers(1, 20),
        "period": st.tuples(st.integers(1, 20), st.sampled_from([0, 10, 25])),
        "group": st.lists(st.integers(0, 60), min_size=1, max_size=3),
        "agreed": st.integers(1, 20),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=sources, relation=st.sampled_from(["dgrLowestDiscount", "dgrMultipliedDiscount", "dgrAverageDiscount"]))
def test_whatever_there_is_the_modes_and_documents_agree(make_company, sources, relation):
    """Lowest and highest enclose the default priority, an agreement is all three, and an order takes the answer."""
    company = make_company()
    if "own" in sources:
        special(company, "C1", Price=sources["own"])
    if "period" in sources:
        cost, discount = sources["period"]
        special(company, "*1", SpecialPriceDataAreas=[period("2026-01-01", None, cost, Discount=discount)])
    for percent in sources.get("group", []):
        group(company, percent)
    if "agreed" in sources:
        agreement(company, sources["agreed"])
    found = {}
    for mode in ("epLowestPrice", "epDefaultPriority", "epHighestPrice"):
        partner(
            company, EffectivePrice=mode, EffectivePriceConsidersPriceBeforeDiscount="tYES", EffectiveDiscount=relation
        )
        found[mode] = price(company)
        (line,) = company.order({"ItemCode": "BOLT"})["DocumentLines"]
        assert line["Price"] == found[mode]
    lowest, default, highest = found.values()
    assert lowest <= default <= highest
    if "agreed" in sources:
        assert lowest == highest == sources["agreed"]
    elif "own" in sources:
        assert default == sources["own"]


percents = st.lists(st.decimals("0", "100", places=2), min_size=1, max_size=5)


@given(hits=percents)
def test_combinations_stay_in_bounds(hits):
    lowest, highest = combined(hits, "dgrLowestDiscount"), combined(hits, "dgrHighestDiscount")
    assert lowest <= combined(hits, "dgrAverageDiscount") <= highest or len(set(hits)) == 1
    multiplied, total = combined(hits, "dgrMultipliedDiscount"), combined(hits, "dgrDiscountTotals")
    assert highest <= multiplied + Decimal("1e-20")
    assert multiplied <= total + Decimal("1e-20") or total == 100
    assert lowest >= 0
    assert total <= 100
    assert multiplied <= 100 + Decimal("1e-20")
    assert number(lowest) == lowest


breaks = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 50)), max_size=6, unique_by=lambda step: step[0])


@given(steps=breaks, quantity=st.integers(1, 25))
def test_breaks_agree_with_a_plain_reading(steps, quantity):
    item = {"ItemCode": "BOLT", "UoMGroupEntry": -1}
    question = Question({}, item, "2026-11-02", Decimal(quantity), None, 1, "USD")
    rows = [{"Quantity": Decimal(least), "SpecialPrice": Decimal(cost)} for least, cost in steps]
    found = _break(None, rows, question, -1)
    reached = sorted((least, cost) for least, cost in steps if least <= quantity)
    assert (None if found is None else found["SpecialPrice"]) == (reached[-1][1] if reached else None)


@pytest.mark.parametrize(("auto", "afterwards"), [("tNO", Decimal("9.45")), ("tYES", 18)])
def test_a_percentage_without_a_price_is_worked_out_once_or_follows_its_list(company, auto, afterwards):
    special(company, "C1", PriceListNum=1, DiscountPercent=10, AutoUpdate=auto)
    assert price(company) == company.rows("SpecialPrices")[0]["Price"] == Decimal("9.45")
    company.changed("Items('BOLT')", {"ItemPrices": [{"PriceList": 1, "Price": 20}]})
    assert price(company) == company.rows("SpecialPrices")[0]["Price"] == afterwards


def test_breaks_without_a_price_are_worked_out_for_their_own_unit(boxes):
    steps = [{"Quantity": 10, "Discountin": 20}, {"Quantity": 1, "Discountin": 10, "UoMEntry": 2}]
    area = {"DateFrom": "2026-01-01", "PriceListNo": 1, "Discount": 15, "SpecialPriceQuantityAreas": steps}
    special(boxes, "C1", SpecialPriceDataAreas=[area])
    assert (price(boxes), price(boxes, quantity=10), price(boxes, UoMEntry=2)) == (
        Decimal("8.93"), Decimal("8.4"), Decimal("113.4"),
    )  # fmt: skip
    (shown,) = boxes.rows("SpecialPrices")[0]["SpecialPriceDataAreas"]
    kept = [shown["SpecialPrice"], *(step["SpecialPrice"] for step in shown["SpecialPriceQuantityAreas"])]
    assert kept == [Decimal("8.93"), Decimal("8.4"), Decimal("113.4")]
