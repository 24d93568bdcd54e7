"""The mapping declarations against the published names, and what each canonical field becomes."""

from __future__ import annotations

import msgspec
import pytest

from erp_sync.model.order import SalesOrder
from erp_sync.ports.mapping import Context, Direction
from erp_sync.ports.mapping_coverage import leaves_of, plain, read
from erp_sync.ports.mapping_overlay import names
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.sap_b1 import no_target
from erp_sync.systems.sap_b1.connector import mappings
from erp_sync.systems.sap_b1.contract import SERVED, published
from erp_sync.systems.sap_b1.lookups import SettingsLookups
from erp_sync.systems.sap_b1.mapping.identity import card_code, customer_number, document_key, order_of
from erp_sync_tests.systems.sap_b1.conftest import SETTINGS, connection
from erp_sync_tests.systems.sap_b1.samples import ADDRESS, BUYER, GUEST, D, line, order, tax

VALUES = {"key": "shopware_de_018f5c", "card_code": "C20000", "currency": "EUR"}


def body(document: SalesOrder, name: str = "sales_order", **settings):
    one = connection(**settings)
    values = {**VALUES, "items": {each.sku: each.sku for each in document.lines}}
    return mappings(one)[name].apply(document, Context(one, SettingsLookups(one.settings["lookups"]), values))


@pytest.mark.parametrize("name", ["customer", "sales_order"])
def test_only_published_fields_are_written(name):
    record = published(name)
    known = {field.path for field in record.fields}
    leaves = {path for path in mappings(connection())[name].target_paths() if not path.startswith("U_")}
    lists = {path.rpartition(".")[0].removesuffix("[]") for path in known if "." in path}
    assert leaves - known - lists == set()
    assert record.origin.startswith("operator-ita/b1sl-python@9acbf5d")


def test_every_canonical_field_is_read_or_somebody_has_said_why_not():
    found = {path for name in ("customer", "sales_order") for path in read(mappings(connection())[name])}
    declared = {plain(path) for path in no_target.SALES_ORDER}
    keys = {"connection", "scope", "native_id", "custom", "lines.custom"}
    missing = set(leaves_of(SalesOrder)) - found - declared - keys
    assert missing == set()
    assert declared & found == set()
    assert SERVED["sales_order", "target"].no_target == no_target.SALES_ORDER


def test_every_mapping_of_a_target_takes_overlays():
    own = mappings(connection())
    targets = {top: mapping for top, mapping in own.items() if mapping.direction is Direction.TO_VENDOR}
    assert set(targets) == {"customer", "sales_order"}
    for top, mapping in targets.items():
        for name in names(mapping):
            changed = mappings(connection(mapping={name: {"add": [{"target": "U_X", "constant": "x"}]}}))[top]
            assert changed.version != mapping.version


def test_user_defined_fields_of_an_installation_are_mapped_by_its_settings():
    overlay = {
        "sales_order": {"add": [{"target": "U_CostCentre", "source": "custom.cost_centre"}]},
        "sales_order.DocumentLines": {"add": [{"target": "U_Drawing", "source": "custom.drawing"}]},
    }
    lines = (line("1", "SHAFT-20", "1", "15.00", custom={"drawing": "Z-7"}),)
    sent = body(order(lines=lines, custom={"cost_centre": "4711"}), mapping=overlay)
    assert (sent["U_CostCentre"], sent["DocumentLines"][0]["U_Drawing"]) == ("4711", "Z-7")


def test_our_key_goes_into_the_field_that_the_connection_names():
    assert body(order())["U_ErpSyncKey"] == "shopware_de_018f5c"
    assert body(order(), key_field="U_WebKey")["U_WebKey"] == "shopware_de_018f5c"


def test_the_order_as_sap_gets_it():
    assert body(order()) == {
        "CardCode": "C20000",
        "DocDate": "2026-01-15",
        "DocDueDate": "2026-01-15",
        "TaxDate": "2026-01-15",
        "NumAtCard": "10045",
        "DocCurrency": "EUR",
        "TransportationCode": 5,
        "Comments": "Ring at gate 2; Payment: invoice, pending, 119.00",
        "AddressExtension": {
            f"{prefix}{name}": value
            for prefix in ("ShipTo", "BillTo")
            for name, value in {
                "Address2": "Noether Maschinenbau GmbH", "Address3": "Emmy Noether", "Street": "Am Wehr 3",
                "Block": "Tor 2", "City": "Erlangen", "ZipCode": "91052", "County": "BY", "Country": "DE",
            }.items()
        },
        "DocumentLines": [
            {"ItemCode": "BEARING-6204", "Quantity": 10, "UnitPrice": D("4.5"), "DiscountPercent": 0,
             "WarehouseCode": "01", "VatGroup": "A1"},
            {"ItemCode": "SHAFT-20", "Quantity": 3, "UnitPrice": 15, "DiscountPercent": D("11.111111"),
             "WarehouseCode": "01", "VatGroup": "A1"},
        ],
        "DocumentAdditionalExpenses": [{"ExpenseCode": 3, "LineTotal": 15, "VatGroup": "A1"}],
        "U_ErpSyncKey": "shopware_de_018f5c",
    }  # fmt: skip


def test_settings_by_website_go_before_those_of_the_connection():
    settings = {
        "delivery_days": 3,
        "branch": 1,
        "websites": {"b2b": {"warehouse": "07", "branch": "2"}, "shopware_de/b2b": {"sales_employee": 9}},
    }
    sent = body(order(), **settings)
    assert (sent["BPL_IDAssignedToInvoice"], sent["SalesPersonCode"], sent["DocDueDate"]) == (2, 9, "2026-01-18")
    assert {one["WarehouseCode"] for one in sent["DocumentLines"]} == {"07"}
    assert body(order(website="b2c"), **settings)["BPL_IDAssignedToInvoice"] == 1


def test_the_company_s_localisation_says_which_field_takes_the_tax_code():
    sent = body(order(), tax_field="TaxCode")
    assert {one["TaxCode"] for one in (*sent["DocumentLines"], *sent["DocumentAdditionalExpenses"])} == {"A1"}
    assert not any("VatGroup" in one for one in sent["DocumentLines"])


def test_without_tax_sap_s_own_code_holds_or_that_of_the_setting():
    untaxed = order(lines=(line("1", "SHAFT-20", "1", "15.00"),))
    assert "VatGroup" not in body(untaxed)["DocumentLines"][0]
    assert body(untaxed, tax_free_code="A0")["DocumentLines"][0]["VatGroup"] == "A0"


def test_a_line_of_two_taxes_that_lead_to_two_codes_is_named():
    taxes = (tax("15.00", "2.85"), tax("15.00", "1.05", "DE-7", "7"))
    with pytest.raises(MappingProblem, match="one tax code") as raised:
        body(order(lines=(line("1", "SHAFT-20", "1", "15.00", taxes=taxes),)))
    assert raised.value.code == "several_tax_codes"


@pytest.mark.parametrize(
    ("settings", "changes", "code"),
    [
        ({"freight_expense": None}, {}, "freight_expense_missing"),
        ({"lookups": {}}, {}, "unmapped_tax_codes"),
        ({}, {"billing_address": msgspec.structs.replace(ADDRESS, city="")}, "missing_value"),
        ({}, {"billing_address": msgspec.structs.replace(ADDRESS, country="Germany")}, "invalid_value"),
        ({}, {"billing_address": msgspec.structs.replace(ADDRESS, street=("x" * 101,))}, "invalid_value"),
        ({}, {"number": "1" * 101}, "invalid_value"),
    ],
)
def test_what_cannot_be_mapped_is_named(settings, changes, code):
    with pytest.raises(MappingProblem) as raised:
        body(order(**changes), **settings)
    assert raised.value.code == code


def test_a_state_is_a_code_where_sap_keeps_codes():
    american = msgspec.structs.replace(ADDRESS, country="US", region="California")
    lookups = {**SETTINGS["lookups"], "regions": {"US/California": "CA"}}
    sent = body(order(shipping_address=american), lookups=lookups)["AddressExtension"]
    assert (sent["ShipToState"], sent["BillToCounty"]) == ("CA", "BY")
    assert "ShipToCounty" not in sent
    german = body(order(), state_countries=["DE"])["AddressExtension"]
    assert german["ShipToState"] == "BY"


def test_nothing_shipped_is_billed_where_it_would_go():
    sent = body(order(shipping_address=None))["AddressExtension"]
    assert sent["ShipToCity"] == sent["BillToCity"] == "Erlangen"


def test_long_comments_are_cut_with_a_mark():
    sent = body(order(special_instructions="x" * 300))["Comments"]
    assert (len(sent), sent[-6:]) == (254, " [...]")


def test_a_customer_without_an_account_gets_a_card():
    values = {"card_code": "WABC"}
    one = connection(customer_group="4", price_list=2)
    sent = mappings(one)["customer"].apply(order(customer=GUEST), Context(one, SettingsLookups({}), values))
    entry = {
        "AddressName2": "Noether Maschinenbau GmbH", "AddressName3": "Emmy Noether", "Street": "Am Wehr 3",
        "Block": "Tor 2", "City": "Erlangen", "ZipCode": "91052", "County": "BY", "Country": "DE",
    }  # fmt: skip
    assert sent == {
        "CardCode": "WABC",
        "CardType": "cCustomer",
        "CardName": "Noether Maschinenbau GmbH",
        "CompanyPrivate": "cCompany",
        "EmailAddress": "ada@example.com",
        "Phone1": "09131 555",
        "Currency": "##",
        "GroupCode": 4,
        "PriceListNum": 2,
        "BPAddresses": [
            {"AddressName": "Billing", "AddressType": "bo_BillTo", **entry},
            {"AddressName": "Shipping", "AddressType": "bo_ShipTo", **entry},
        ],
    }


def test_a_long_phone_number_loses_its_blanks_only():
    long = msgspec.structs.replace(BUYER, phone="+49 (0) 9131 / 555 - 123")
    one = connection()
    context = Context(one, SettingsLookups({}), {"card_code": "W1"})
    assert mappings(one)["customer"].apply(order(customer=long), context)["Phone1"] == "+4909131555123"


def test_a_card_code_is_of_the_customer_and_never_of_another():
    codes = {
        card_code(one, {})
        for one in (
            order(),
            order(native_id="other", number="2"),
            order(customer=msgspec.structs.replace(BUYER, native_id="0b5f")),
            order(connection="shopware_at"),
            order(customer=GUEST),
            order(customer=msgspec.structs.replace(GUEST, email=" ADA@example.com ")),
        )
    }
    assert len(codes) == 4
    assert all(len(code) == 15 and code.startswith("W") for code in codes)
    assert card_code(order(), {"card_prefix": "WEB"}).startswith("WEB")
    with pytest.raises(ValueError, match="leaves too little"):
        card_code(order(), {"card_prefix": "SHOP"})


def test_guests_have_no_customer_number_whatever_the_store_makes_up():
    assert customer_number(order(), {}) == "C20000"
    assert customer_number(order(customer=GUEST), {}) == ""
    assert customer_number(order(custom={"debitor": " C7 "}), {"customer_number_field": "debitor"}) == "C7"


def test_two_documents_never_have_one_key():
    keys = {document_key("shop", one) for one in ("a b", "a|b", "a/b", "a-b", "x" * 200, "x" * 201)}
    assert len(keys) == 6
    assert all(len(key) <= 50 for key in keys)


def test_a_key_says_whose_order_it_is_where_it_was_not_cut():
    stores = ["shop", "shop_eu"]
    assert order_of(document_key("shop_eu", "7"), stores) == ("shop_eu", "7")
    assert order_of(document_key("shop", "7"), stores) == ("shop", "7")
    assert order_of(document_key("shop", "x" * 60), stores) == ("", "")
    assert order_of("other_7", stores) == ("", "")
