"""What somebody changed of customers that went with orders: asked for together, and judged line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from erp_sync.model.customer import Customer, CustomerAddress
from erp_sync.model.order import OrderCustomer, SalesOrder
from erp_sync.ports.reconciling import Current, EditedCustomer, SentCustomer, TellsCustomerEdits
from erp_sync.systems.netsuite.connector import NetSuiteConnector
from erp_sync.transport.errors import Rejected
from erp_sync_tests.systems.netsuite.samples import ADDRESS, order
from erp_sync_tests.systems.netsuite.scripted import Answer, Scripted, Sent, refused, suiteql_answer

Make = Callable[..., NetSuiteConnector]
RECORD = {
    "id": "300",
    "entityid": "CUST300",
    "externalid": "magento_us_customer_17",
    "isinactive": "F",
    "isperson": "T",
    "firstname": "Ada",
    "lastname": "Byron",
    "email": "ada@example.com",
    "phone": "555 1234",
    "currency": "1",
}
LINE = {
    "internalid": "40",
    "entity": "300",
    "label": "Billing and shipping",
    "defaultbilling": "T",
    "defaultshipping": "T",
    "addressbookaddress": "50",
}
PLACE = {
    "nkey": "50",
    "addressee": "Ada Byron",
    "addr1": "1 Main St",
    "addr2": "Floor 2",
    "city": "Oakland",
    "state": "CA",
    "zip": "94601",
    "country": "US",
    "addrphone": "5551234",
}


def bought(**changes: Any) -> SalesOrder:
    customer = OrderCustomer(
        native_id="17", guest=False, email="ada@example.com", first_name="Ada", last_name="Byron", phone="5551234"
    )
    given: dict[str, Any] = {"customer": customer, "billing_address": ADDRESS, "shipping_address": None, **changes}
    return order(**given)


def there(
    server: Scripted,
    record: Mapping[str, Any] = RECORD,
    lines: Sequence[Mapping[str, Any]] = (LINE,),
    places: Sequence[Mapping[str, Any]] = (PLACE,),
) -> None:
    server.rows("FROM customer c ", dict(record))
    server.rows("FROM customersubsidiaryrelationship", {"id": "9", "entity": "300", "subsidiary": "1"})
    server.rows("FROM customeraddressbook b", *map(dict, lines))
    server.rows("FROM customeraddressbookentityaddress", *map(dict, places))


def nobody(_: Sequence[str]) -> dict[str, Customer]:
    return {}


def edits(
    connector: Make, document: SalesOrder | None, current: Current = nobody, **settings: Any
) -> dict[str, tuple[str, str]]:
    found = told(connector, {"300": SentCustomer(key="magento_us_customer_17", order=document)}, current, **settings)
    return {edit.field: (edit.sent, edit.there) for one in found.values() for edit in one.edits}


def told(
    connector: Make, customers: Mapping[str, SentCustomer], current: Current = nobody, **settings: Any
) -> dict[str, EditedCustomer]:
    port = connector(**settings).port("sales_order", "target")
    assert isinstance(port, TellsCustomerEdits)
    return port.customer_edits(customers, current)


def test_a_customer_as_it_was_sent_is_no_edit_and_the_store_is_not_asked(server: Scripted, connector: Make) -> None:
    there(server)

    def asked(ids: Sequence[str]) -> dict[str, Customer]:
        raise AssertionError(f"asked for {ids}")

    assert edits(connector, bought(), asked) == {}
    assert len(server.queries()) == 4


@pytest.mark.parametrize(
    ("column", "value", "field", "both"),
    [
        ("firstname", "Eva", "first name", ("Ada", "Eva")),
        ("lastname", None, "last name", ("Byron", "")),
        ("isperson", "F", "person, not company", ("T", "F")),
        ("email", "eva@example.com", "e-mail", ("ada@example.com", "eva@example.com")),
        ("phone", "5559999", "phone", ("5551234", "5559999")),
        ("externalid", None, "external id", ("magento_us_customer_17", "")),
        ("currency", "4", "currency", ("1", "4")),
        ("isinactive", "T", "active", ("yes", "inactive")),
    ],
)
def test_each_field_is_named_with_both_values(
    server: Scripted, connector: Make, column: str, value: str | None, field: str, both: tuple[str, str]
) -> None:
    record = {name: one for name, one in {**RECORD, column: value}.items() if one is not None}
    there(server, record)  # an empty column is left out of the answer
    assert edits(connector, bought()) == {field: both}


def test_a_companys_name_tax_number_and_price_level_are_compared_and_its_person_is_not(
    server: Scripted, connector: Make
) -> None:
    company = OrderCustomer(
        native_id="17", guest=False, email="ada@example.com", company="Engines", phone="5551234", tax_number="X1"
    )
    record = {name: one for name, one in RECORD.items() if name not in ("firstname", "lastname")}
    there(server, {**record, "isperson": "F", "companyname": "Motors", "vatregnumber": "X2", "pricelevel": "6"})
    assert edits(connector, bought(customer=company), price_levels=None, websites={"base": {"price_level": "5"}}) == {
        "company": ("Engines", "Motors"),
        "tax number": ("X1", "X2"),
        "price level": ("5", "6"),
    }


def test_a_subsidiary_that_was_changed_stays_with_the_reason(server: Scripted, connector: Make) -> None:
    there(server)
    server.rows("FROM customersubsidiaryrelationship", {"id": "9", "entity": "300", "subsidiary": "2"})
    found = told(connector, {"300": SentCustomer(key="magento_us_customer_17", order=bought())})
    (edit,) = found["300"].edits
    assert (edit.field, edit.sent, edit.there) == ("subsidiary", "1", "2")
    assert edit.stays == "NetSuite does not let it change once there are transactions"


def test_of_two_addresses_the_one_that_was_changed_is_named(server: Scripted, connector: Make) -> None:
    other = msgspec.structs.replace(ADDRESS, street=("2 Second St",), phone="")
    billing = {**LINE, "label": "Billing", "defaultshipping": "F"}
    shipping = {**LINE, "internalid": "41", "label": "Office", "defaultbilling": "F", "addressbookaddress": "51"}
    place = {**PLACE, "nkey": "51", "addr1": "3 Third St"}
    place = {name: one for name, one in place.items() if name not in ("addr2", "addrphone")}
    there(server, RECORD, [billing, shipping], [PLACE, place])
    assert edits(connector, bought(shipping_address=other)) == {
        "shipping address, addr1": ("2 Second St", "3 Third St"),
    }


def test_an_address_that_the_store_has_by_now_is_no_edit(server: Scripted, connector: Make) -> None:
    there(server, places=[{**PLACE, "addr1": "8 Moved St"}])
    account = Customer(
        connection="magento_us",
        scope="base",
        native_id="17",
        email="ada@example.com",
        addresses=(CustomerAddress(address=msgspec.structs.replace(ADDRESS, street=("8 Moved St", "Floor 2"))),),
    )
    assert set(edits(connector, bought())) == {"billing and shipping address, addr1"}
    assert edits(connector, bought(), lambda ids: {one: account for one in ids}) == {}


def test_a_customer_that_is_gone_and_one_that_was_there_before_us(server: Scripted, connector: Make) -> None:
    there(server, {**RECORD, "lastname": "Other"})
    assert edits(connector, None) == {}
    server.on("SUITEQL", "FROM customer c ", suiteql_answer([]))
    assert edits(connector, bought()) == {"customer": ("magento_us_customer_17", "")}


def test_thousands_are_asked_for_a_thousand_at_a_time(server: Scripted, connector: Make) -> None:
    def rows(sent: Sent) -> Answer:
        ids = re.search(r"c\.id IN \(([^)]*)\)", sent.body["q"])
        assert ids is not None
        some = ids[1].split(", ")
        return suiteql_answer([] if " > " in sent.body["q"] else [{**RECORD, "id": one} for one in some])

    there(server, lines=[])
    server.on("SUITEQL", "FROM customer c ", rows)
    sent = SentCustomer(key="magento_us_customer_17", order=bought())
    assert told(connector, {str(number): sent for number in range(1, 2501)}, nobody, subsidiary=None).keys() == set(
        map(str, range(1, 2501))
    ), "their addresses are gone"
    # Three lists of records, of which two were full pages and are read on; three of address books.
    assert len(server.queries()) == 8


def test_a_column_that_the_account_does_not_know_is_left_out_of_the_comparison(
    server: Scripted, connector: Make, caplog: pytest.LogCaptureFixture
) -> None:
    customer = msgspec.structs.replace(bought().customer, tax_number="X1")
    there(server, {**RECORD, "lastname": "Other"})

    def unknown(sent: Sent) -> Answer | None:
        return refused("Unknown identifier 'vatregnumber'") if "vatregnumber" in sent.body["q"] else None

    server.on("SUITEQL", "FROM customer c ", unknown)
    assert edits(connector, bought(customer=customer)) == {"last name": ("Byron", "Other")}
    assert "customer columns left out" in caplog.text
    server.on("SUITEQL", "FROM customer c ", refused("no"))
    with pytest.raises(Rejected):
        edits(connector, bought())
