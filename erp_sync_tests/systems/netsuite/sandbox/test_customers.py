"""Customers as NetSuite keeps them."""

from __future__ import annotations

from erp_sync_tests.systems.netsuite.sandbox.conftest import PERSON, RECORDS


def test_a_create_answers_nothing_but_a_location(account):
    answer = account.post("customer", {**PERSON, "externalId": "c-1"})
    assert (answer.status, answer.body) == (204, None)
    assert answer.headers["location"].endswith(f"/services/rest/record/v1/customer/{answer.id}")
    assert account.get("customer/eid:c-1")["id"] == answer.id


def test_a_second_create_with_the_same_external_id_is_refused(account):
    account.customer()
    answer = account.post("customer", {**PERSON, "externalId": "c-1", "lastName": "Byron"})
    assert answer.status == 400
    assert answer.error == {
        "detail": "Error while accessing a resource. This entity already exists.",
        "o:errorCode": "USER_ERROR",
    }
    assert account.rows("SELECT lastname FROM customer WHERE externalid = 'c-1'") == [{"lastname": "Lovelace"}]


def test_a_person_needs_a_name_and_a_company_its_own(account):
    person = account.post("customer", {"isPerson": True, "firstName": "Ada"})
    assert person.error["detail"].endswith("Please enter value(s) for: Last Name, Primary Subsidiary.")
    company = account.post("customer", {"subsidiary": {"id": "1"}})
    assert company.error["detail"].endswith("Please enter value(s) for: Company Name.")


def test_address_lines_without_a_key_are_added_on_every_write(account):
    customer = account.customer()
    account.changed(f"customer/{customer}", {"addressBook": PERSON["addressBook"]})
    assert account.full(f"customer/{customer}")["addressBook"]["totalResults"] == 2
    account.changed(f"customer/{customer}?replace=addressBook", {"addressBook": PERSON["addressBook"]})
    assert account.full(f"customer/{customer}")["addressBook"]["totalResults"] == 1


def test_an_address_line_with_its_id_is_changed(account):
    customer = account.customer()
    (line,) = account.full(f"customer/{customer}")["addressBook"]["items"]
    moved = {"items": [{"id": line["id"], "addressBookAddress": {"city": "Columbus"}}]}
    account.changed(f"customer/{customer}", {"addressBook": moved})
    (line,) = account.full(f"customer/{customer}")["addressBook"]["items"]
    assert (line["addressBookAddress"]["addr1"], line["addressBookAddress"]["city"]) == ("1 Main St", "Columbus")


def test_without_expansion_sublists_are_links_only(account):
    customer = account.customer()
    book = account.get(f"customer/{customer}")["addressBook"]
    assert list(book) == ["links"]
    href = book["links"][0]["href"].partition("/record/v1/")[2]
    line = account.full(href)["items"][0]
    deeper = line["addressBookAddress"]["links"][0]["href"].partition("/record/v1/")[2]
    assert account.get(deeper)["city"] == "Dayton"


def test_unknown_properties_vanish_unless_one_asks(account):
    body = {**PERSON, "externalId": "c-9", "favouriteColour": "teal"}
    customer = account.made("customer", body)
    assert "favouriteColour" not in account.get(f"customer/{customer}")
    answer = account.post("customer", {**body, "externalId": "c-10"}, x_netsuite_propertynamevalidation="Error")
    assert (answer.status, answer.error["o:errorCode"], answer.error["o:errorPath"]) == (
        400, "INVALID_CONTENT", "favouriteColour",
    )  # fmt: skip


def test_a_custom_field_must_be_declared(make_account):
    account = make_account(custom_fields={"custentity_shop_id": {"type": "number"}})
    customer = account.customer(custentity_shop_id=17, custentity_other="x")
    body = account.get(f"customer/{customer}")
    assert (body["custentity_shop_id"], "custentity_other" in body) == (17, False)
    assert account.rows("SELECT custentity_shop_id FROM customer WHERE custentity_shop_id > 16.5") == [
        {"custentity_shop_id": "17"}
    ]


def test_upsert_by_external_id_creates_then_changes(account):
    path = "/services/rest/record/v1/customer/eid:c-7"
    first = account.call("PUT", path, PERSON)
    again = account.call("PUT", path, {"lastName": "King"})
    assert (first.status, again.status, first.id) == (204, 204, again.id)
    assert account.get("customer/eid:c-7")["lastName"] == "King"
    assert account.call("PUT", f"/services/rest/record/v1/customer/{first.id}", PERSON).status == 400


def test_a_wrong_country_or_state_is_named_with_its_path(account):
    address = {"addr1": "1 Main", "city": "X", "state": "ZZ", "country": {"id": "US"}}
    answer = account.post("customer", {**PERSON, "addressBook": {"items": [{"addressBookAddress": address}]}})
    assert answer.error["o:errorPath"] == "addressBook.items[0].addressBookAddress.state"


def test_collections_give_ids_only(account):
    customer = account.customer()
    account.customer("c-2", email="someone@example.org")
    body = account.get('customer?q=email IS "ADA@example.org" AND isPerson IS true')
    assert [list(item) for item in body["items"]] == [["links", "id"]]
    assert [item["id"] for item in body["items"]] == [customer]


def test_dates_in_q_are_written_as_the_account_writes_them(account):
    account.customer()
    assert account.get('customer?q=lastModifiedDate ON_OR_AFTER "11/1/2026"')["totalResults"] == 1
    answer = account.call("GET", '/services/rest/record/v1/customer?q=lastModifiedDate AFTER "2026-11-01"')
    assert (answer.status, answer.error["o:errorQueryParam"]) == (400, "q")


def test_an_unknown_id_is_404(account):
    answer = account.call("GET", "/services/rest/record/v1/customer/eid:nobody")
    assert (answer.status, answer.error["o:errorCode"]) == (404, "NONEXISTENT_ID")


def test_a_collection_is_read_for_a_thousand_pages_only(account):
    account.customer()
    assert account.call("GET", f"{RECORDS}/customer?limit=1&offset=999").status == 200
    answer = account.call("GET", f"{RECORDS}/customer?limit=1&offset=1000")
    assert (answer.status, answer.error["o:errorCode"]) == (400, "INVALID_PARAMETER")


def test_an_order_in_a_currency_that_its_customer_lacks_is_refused(account):
    customer = account.customer()
    lines = {"items": [{"item": {"id": account.item("MUG")}, "quantity": 1, "price": {"id": "-1"}, "rate": 5}]}
    body = {"entity": {"id": customer}, "currency": {"id": "2"}, "item": lines}
    refused = account.post("salesOrder", body)
    assert (refused.status, refused.error["o:errorPath"]) == (400, "currency")
    assert refused.error["detail"].endswith(f"Invalid currency reference key 2 for entity {customer}.")
    for _ in range(2):
        account.changed(f"customer/{customer}", {"currencyList": {"items": [{"currency": {"id": "2"}}]}})
    listed = account.full(f"customer/{customer}")["currencyList"]["items"]
    assert [line["currency"]["id"] for line in listed] == ["1", "2"]
    assert account.post("salesOrder", body).status == 204
