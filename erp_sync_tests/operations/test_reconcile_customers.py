"""Somebody edits a customer in the ERP: the next daily reconciliation names it with both values, by the policy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from erp_sync.ledger import State
from erp_sync.ledger.cross_references import Link
from erp_sync.ledger.erasing import erase
from erp_sync.ledger.retention import Retention
from erp_sync.model.keys import Entity
from erp_sync.operations.adoption import adopt
from erp_sync.operations.decisions import approve, reject
from erp_sync.operations.repairing import FlowReconciled
from erp_sync.sandbox.people import Place
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync_tests.e2e.business import MEMBERS, Business, business
from erp_sync_tests.ledger.test_privacy import everything
from erp_sync_tests.operations.test_putting_back import PAYMENTS, daily, edit, policy

OTHER = "other_than_store"
PUT_BACK = {"fields": {"customer": {"foreign_edits": "put_back"}}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("customers")
    settings = {"us": {"location": "1", "tax_tolerance": 0.05}}
    with business(folder, payment_methods=PAYMENTS, erp_settings=settings, flows=("orders",)) as running:
        yield running


@pytest.fixture(autouse=True)
def _reported(shop: Business) -> None:
    policy(shop, "report")


def bought(shop: Business, who: Any) -> dict[str, Any]:
    """The customer's record at the ERP."""
    number = shop.store.buy(who, {"MUG": 1})
    shop.settle()
    shop.clock.skipped += timedelta(seconds=5)
    return record(shop, str(shop.in_erp(number)[0]["entity"]))


def record(shop: Business, identity: str) -> dict[str, Any]:
    (row,) = shop.erp_rows("SELECT * FROM customer WHERE id = ?", identity)
    return row


def book(shop: Business, customer: Any) -> list[dict[str, Any]]:
    return shop.erp_rows(
        "SELECT b.internalid, b.label, b.defaultbilling, b.defaultshipping, a.addr1, a.addr2, a.city, a.zip "
        "FROM customeraddressbook b JOIN customeraddressbookentityaddress a ON a.nkey = b.addressbookaddress "
        "WHERE b.entity = ? ORDER BY b.internalid",
        customer,
    )


def of(done: FlowReconciled, name: Any, kind: str = "edited") -> dict[str, tuple[str, str]]:
    """Both values of each field of the customer that the ERP calls so."""
    assert done.found is not None
    return {
        one.words.partition(" was ")[0]: (one.store, one.erp)
        for one in done.found.differences
        if one.kind == kind and f" in {name}" in one.words
    }


def left(done: FlowReconciled, name: Any) -> list[str]:
    return [one.words for one in done.rest if f" in {name}" in one.words]


def correction(shop: Business, number: str) -> list[Any]:
    return sorted((one for one in shop.deliveries() if one.number == number), key=lambda one: one.sequence)


def number_of(done: FlowReconciled, name: Any) -> str:
    assert done.found is not None
    return next(one.key for one in done.found.differences if f" in {name}" in one.words)


def test_every_field_of_a_customer_is_named_with_both_values_and_stays_where_the_route_says_nothing(
    shop: Business,
) -> None:
    customer = bought(shop, "ann")
    name = customer["entityid"]
    assert of(daily(shop), name) == {}
    (line,) = book(shop, customer["id"])
    changed = {
        "firstName": "Anna",
        "lastName": "Other",
        "email": "else@example.com",
        "phone": "(217) 555-0199",
        "addressBook": {"items": [{"id": str(line["internalid"]), "addressBookAddress": {"addr1": "2 Other Street"}}]},
    }
    edit(shop, f"customer/{customer['id']}", **changed)
    for _ in range(2):
        done = daily(shop)
        assert of(done, name) == {
            "first name": ("Ann", "Anna"),
            "last name": ("Shopper", "Other"),
            "e-mail": ("ann@example.com", "else@example.com"),
            "phone": ("(217) 555-0100", "(217) 555-0199"),
            "billing and shipping address, addr1": ("1 Main St", "2 Other Street"),
        }
        assert len(left(done, name)) == 5
    shop.settle()
    assert record(shop, customer["id"])["firstname"] == "Anna"
    with shop.installation() as here:
        (notice,) = (one for one in here.ledger.notices.open() if one.key == "reconcile/us/orders/edited")
        here.ledger.notices.take_untold(["warning"])
    assert "guest-" in notice.text
    assert "ann@example.com" not in notice.text
    for name_there, told in (("Anna", 0), ("Hanna", 1), ("Hanna", 0)):
        edit(shop, f"customer/{customer['id']}", firstName=name_there)
        daily(shop)
        with shop.installation() as here:
            untold = here.ledger.notices.take_untold(["warning"])
        assert len([one for one in untold if one.key == notice.key]) == told


def test_all_of_a_customer_is_put_back_as_it_was_sent_and_once(shop: Business) -> None:
    policy(shop, PUT_BACK)
    customer = bought(shop, "bob")
    name, home = customer["entityid"], book(shop, customer["id"])
    edit(shop, f"customer/{customer['id']}", lastName="Other", email="else@example.com", isInactive=True, phone=None)
    lines = [{"id": str(home[0]["internalid"]), "addressBookAddress": {"addr1": "2 Other Street", "addr2": "Rear"}}]
    edit(shop, f"customer/{customer['id']}", addressBook={"items": lines})
    done = daily(shop)
    assert of(done, name)["active"] == ("yes", "inactive")
    assert of(done, name)["phone"] == ("(217) 555-0100", "")
    assert left(done, name) == []
    number = number_of(done, name)
    shop.settle()
    assert [one.state for one in correction(shop, number)] == [State.DELIVERED]
    kept = ("firstname", "lastname", "email", "phone", "isinactive", "companyname")
    assert {one: record(shop, customer["id"])[one] for one in kept} == {one: customer[one] for one in kept}
    assert book(shop, customer["id"]) == home
    assert of(daily(shop), name) == {}
    for _ in range(2):
        edit(shop, f"customer/{customer['id']}", lastName="Other")
        daily(shop)
        shop.settle()
        assert record(shop, customer["id"])["lastname"] == "Shopper"
    assert [one.state for one in correction(shop, number)] == [State.DELIVERED] * 3


def test_a_correction_is_counted_as_no_order_and_concerns_the_customers_orders(shop: Business) -> None:
    policy(shop, PUT_BACK)
    customer = bought(shop, "cay")
    edit(shop, f"customer/{customer['id']}", lastName="Other")
    number = number_of(daily(shop), customer["entityid"])
    (waiting,) = correction(shop, number)
    assert waiting.sequence == 2
    assert waiting.concerns == "customer cay@example.com"
    shop.settle()
    with shop.installation() as here:
        firsts = here.ledger.deliveries.first_versions(
            "us", "orders", after=waiting.id - 1, since=shop.clock() - timedelta(days=1), limit=9
        )
        assert list(firsts) == []


def test_held_edits_go_back_when_they_are_approved_and_stand_when_they_are_rejected(shop: Business) -> None:
    policy(shop, {"fields": {"customer.email": {"foreign_edits": "hold"}}})
    customer = bought(shop, "dan")
    name, email = customer["entityid"], customer["email"]
    edit(shop, f"customer/{customer['id']}", email="else@example.com", lastName="Other")
    done = daily(shop)
    number = number_of(done, name)
    assert [words.partition(" was ")[0] for words in left(done, name)] == ["last name", "e-mail"]
    (held,) = correction(shop, number)
    assert (held.state, held.code) == (State.HELD, "edited_at_target")
    assert f"e-mail: {email} sent, else@example.com there" in held.reason
    with shop.installation() as here:
        approve(here, number, who="jo", why="a mistake")
    shop.settle()
    there = record(shop, customer["id"])
    assert (there["email"], there["lastname"]) == (email, "Other")

    edit(shop, f"customer/{customer['id']}", email="third@example.com")
    daily(shop)
    with shop.installation() as here:
        reject(here, number, who="jo", why="the customer called")
    assert set(of(daily(shop), name)) == {"last name"}
    assert record(shop, customer["id"])["email"] == "third@example.com"
    edit(shop, f"customer/{customer['id']}", email=email)
    edit(shop, f"customer/{customer['id']}", email="fourth@example.com")
    assert set(of(daily(shop), name)) == {"last name", "e-mail"}
    assert correction(shop, number)[-1].state is State.HELD


def test_a_held_edit_that_somebody_took_back_himself_waits_no_more(shop: Business) -> None:
    policy(shop, {"fields": {"customer": {"foreign_edits": "hold"}}})
    customer = bought(shop, "eli")
    edit(shop, f"customer/{customer['id']}", lastName="Other")
    number = number_of(daily(shop), customer["entityid"])
    edit(shop, f"customer/{customer['id']}", lastName="Shopper")
    assert of(daily(shop), customer["entityid"]) == {}
    assert correction(shop, number)[-1].state is State.SUPERSEDED


def test_what_the_store_itself_has_by_now_is_nobodys_edit_and_the_rest_goes_back_to_it(shop: Business) -> None:
    """The store's customer changed, and nothing tells the ERP of it: not blamed. Who edits it there is."""
    policy(shop, PUT_BACK)
    member = MEMBERS[0]
    customer = bought(shop, member)
    name = customer["entityid"]
    shop.store.sql("UPDATE customer_entity SET firstname = 'Married' WHERE email = ?", member.email)
    assert of(daily(shop), name) == {}
    edit(shop, f"customer/{customer['id']}", firstName="Married")
    assert of(daily(shop), name) == {}
    edit(shop, f"customer/{customer['id']}", firstName="Third")
    assert of(daily(shop), name) == {"first name": ("Married", "Third")}
    shop.settle()
    assert record(shop, customer["id"])["firstname"] == "Married"
    assert of(daily(shop), name) == {}


def test_a_field_that_belongs_to_the_erp_and_what_was_never_sent_are_nobodys_edit(shop: Business) -> None:
    policy(shop, {"fields": {"customer.phone": "erp"}, "foreign_edits": "put_back"})
    customer = bought(shop, "fia")
    more = {"items": [{"label": "Office", "addressBookAddress": {"addr1": "9 Work Road", "country": {"id": "US"}}}]}
    edit(shop, f"customer/{customer['id']}", phone="(217) 555-0142", fax="(217) 555-0143", addressBook=more)
    assert of(daily(shop), customer["entityid"]) == {}


def test_a_phone_number_that_is_only_written_otherwise_is_no_edit(shop: Business) -> None:
    customer = bought(shop, "gus")
    edit(shop, f"customer/{customer['id']}", phone="217-555-0100", email="GUS@example.com")
    assert of(daily(shop), customer["entityid"]) == {}


def test_an_address_that_is_gone_is_named_and_stays_so_with_the_reason(shop: Business) -> None:
    policy(shop, PUT_BACK)
    customer = bought(shop, "hek")
    shop.erp_sql("DELETE FROM customeraddressbook WHERE entity = ?", customer["id"])
    done = daily(shop)
    (field,) = of(done, customer["entityid"])
    assert field == "billing and shipping address"
    assert "added with each write" in left(done, customer["entityid"])[0]


def test_another_default_address_is_named_and_put_back(shop: Business) -> None:
    policy(shop, PUT_BACK)
    customer = bought(shop, "ida")
    new = {
        "label": "Office",
        "defaultBilling": True,
        "addressBookAddress": {"addr1": "9 Road", "country": {"id": "US"}},
    }
    edit(shop, f"customer/{customer['id']}", addressBook={"items": [new]})
    assert of(daily(shop), customer["entityid"]) == {"default billing address": ("billing and shipping", "office")}
    shop.settle()
    assert [line["defaultbilling"] for line in book(shop, customer["id"])] == ["T", "F"]


def test_customers_that_are_inactive_or_gone_are_named(shop: Business) -> None:
    away, gone = bought(shop, "jim"), bought(shop, "kai")
    edit(shop, f"customer/{away['id']}", isInactive=True)
    shop.erp_sql("DELETE FROM customer WHERE id = ?", gone["id"])
    done = daily(shop)
    assert of(done, away["entityid"]) == {"active": ("yes", "inactive")}
    (words,) = left(done, gone["id"])
    assert words.startswith("customer was taken away in")
    assert "deleted, or merged into another" in words


def known_before_us(shop: Business, member: Any, **other: Any) -> dict[str, Any]:
    """The record of a customer that a person entered, with an address, and that an order of theirs was linked to."""
    home = {"addressee": f"{member.first_name} {member.last_name}", "addr1": member.place.street}
    home |= {"city": member.place.city, "state": member.place.region, "zip": member.place.postcode}
    home |= {"country": {"id": "US"}, "addrPhone": member.phone}
    line = {"label": "Home", "defaultBilling": True, "defaultShipping": True, "addressBookAddress": home}
    person = {
        "isPerson": True,
        "firstName": member.first_name,
        "lastName": member.last_name,
        "email": member.email,
        "phone": member.phone,
        "subsidiary": {"id": "1"},
        "addressBook": {"items": [line]},
        **other,
    }
    erp = shop.hands_in_erp()
    there = erp.create("customer", person)
    erp.close()
    customer = bought(shop, member)
    assert customer["id"] == there
    return customer


def test_an_account_that_was_there_before_us_is_compared_with_the_stores_field_by_field(shop: Business) -> None:
    """Only its being there and active was looked at: another name stood there for ever, and nobody was told."""
    member = MEMBERS[1]
    customer = known_before_us(shop, member)
    name = customer["entityid"]
    assert of(daily(shop), name) == {}
    (line,) = book(shop, customer["id"])
    edit(
        shop,
        f"customer/{customer['id']}",
        firstName="Third",
        phone="(217) 555-0142",
        addressBook={"items": [{"id": str(line["internalid"]), "addressBookAddress": {"addr1": "9 Old Road"}}]},
    )
    policy(shop, PUT_BACK)
    done = daily(shop)
    assert of(done, name) == {}, "nobody edited what was there before us"
    assert of(done, name, OTHER) == {
        "first name": (member.first_name, "Third"),
        "phone": (member.phone, "(217) 555-0142"),
        "billing and shipping address, addr1": (member.place.street, "9 Old Road"),
    }
    assert all("other than the store's" in words and "entered there before us" in words for words in left(done, name))
    shop.settle()
    assert record(shop, customer["id"])["firstname"] == "Third", "nothing of ours was there to go back"
    policy(shop, {"fields": {"customer.phone": "erp", "customer.addresses": "erp"}, "foreign_edits": "report"})
    assert set(of(daily(shop), name, OTHER)) == {"first name"}
    edit(shop, f"customer/{customer['id']}", firstName=member.first_name)
    assert of(daily(shop), name, OTHER) == {}


def test_an_account_that_changed_in_the_store_after_it_was_linked_differs_until_the_erp_has_it(shop: Business) -> None:
    member = MEMBERS[2]
    customer = known_before_us(shop, member)
    shop.store.sql("UPDATE customer_entity SET lastname = 'Married' WHERE email = ?", member.email)
    assert of(daily(shop), customer["entityid"], OTHER) == {"last name": ("Married", member.last_name)}
    edit(shop, f"customer/{customer['id']}", lastName="Married")
    assert of(daily(shop), customer["entityid"], OTHER) == {}


def test_a_guest_who_was_there_before_us_is_compared_by_the_e_mail_address_alone(
    shop: Business,
) -> None:
    erp = shop.hands_in_erp()
    person = {"isPerson": True, "firstName": "Lou", "lastName": "Known", "email": "lou@example.com"}
    there = erp.create("customer", {**person, "subsidiary": {"id": "1"}})
    erp.close()
    customer = bought(shop, "lou")
    assert customer["id"] == there
    assert of(daily(shop), customer["entityid"]) == {}
    policy(shop, PUT_BACK)
    edit(shop, f"customer/{there}", isInactive=True, lastName="Other", email="else@example.com")
    done = daily(shop)
    assert of(done, customer["entityid"]) == {"active": ("yes", "inactive")}, "the next order fails: for a person"
    assert of(done, customer["entityid"], OTHER) == {"e-mail": ("lou@example.com", "else@example.com")}
    assert "entered there before us" in left(done, customer["entityid"])[0]


def test_a_person_who_was_erased_is_not_compared_and_leaves_with_what_was_edited_of_them(shop: Business) -> None:
    policy(shop, {"fields": {"customer": {"foreign_edits": "hold"}}})
    customer, other = bought(shop, "max"), bought(shop, "mia")
    for one in (customer, other):
        edit(shop, f"customer/{one['id']}", email=f"private-{one['id']}@example.com")
    done = daily(shop)
    numbers = [number_of(done, one["entityid"]) for one in (customer, other)]
    with shop.installation() as here:
        reject(here, numbers[0], who="jo", why="let it stand")
        person = here.ledger.privacy.texts("max@example.com")
        here.ledger.privacy.bury(person)
        erase(here.ledger.database, person, frozenset(), "jo")
        assert f"private-{customer['id']}@" not in everything(here.ledger)
        assert f"private-{other['id']}@" in everything(here.ledger)
    edit(shop, f"customer/{customer['id']}", lastName="erased", firstName="erased", email="gone@example.com")
    assert of(daily(shop), customer["entityid"]) == {}


def test_many_customers_are_asked_for_together(shop: Business, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    query = NetSuiteClient.query

    def counted(self: NetSuiteClient, suiteql: str, **more: Any) -> list[dict[str, Any]]:
        asked.append(more["operation"])
        return query(self, suiteql, **more)

    monkeypatch.setattr(NetSuiteClient, "query", counted)
    for name in ("ned", "oto", "pia"):
        bought(shop, name)
    asked.clear()
    done = daily(shop)
    assert done.found is not None
    assert done.found.counts["customers_compared"] >= 10
    # Records, subsidiaries, address books, addresses; of those that were adopted all but the subsidiaries.
    assert asked.count("customer.compare") == 7


def test_another_installation_does_not_take_what_an_earlier_one_sent_for_an_edit(shop: Business) -> None:
    """The customer's record is there: what this order says of them was never sent."""
    customer = bought(shop, "rex")
    shop.install(shop.settings.home.parent / "another")
    number = shop.store.buy("rex", {"TEA": 1}, ship_to=Place("9 New Road", "Springfield", "IL", "62701"))
    shop.settle()
    assert str(shop.in_erp(number)[0]["entity"]) == str(customer["id"])
    assert of(daily(shop), customer["entityid"]) == {}
    edit(shop, f"customer/{customer['id']}", isInactive=True)
    assert of(daily(shop), customer["entityid"]) == {"active": ("yes", "inactive")}


def test_a_person_says_which_customer_stands_for_one_that_is_gone(shop: Business) -> None:
    gone = bought(shop, "sue")
    shop.erp_sql("DELETE FROM customer WHERE id = ?", gone["id"])
    number = shop.store.buy("sue", {"TEA": 1})
    shop.settle()
    assert shop.in_erp(number) == []
    erp = shop.hands_in_erp()
    person = {"isPerson": True, "firstName": "Sue", "lastName": "Merged", "email": "merged@example.com"}
    other = erp.create("customer", {**person, "subsidiary": {"id": "1"}})
    erp.close()
    with shop.installation() as here:
        route = here.configuration.routes["us"]
        adopt(here, route, apply=True, who="jo", links={"sue@example.com": str(other)})
        here.ledger.dead_letters.retry(flow="orders", who="jo")
    shop.settle()
    assert [one["entity"] for one in shop.in_erp(number)] == [other]
    done = daily(shop)
    assert left(done, gone["id"]) == []
    name = record(shop, str(other))["entityid"]
    assert of(done, name, OTHER) == {}, "the address that the record has was a person's choice"


def test_two_accounts_that_are_one_record_are_both_compared_with_it(shop: Business) -> None:
    """Only the last of them was: what differed from the other's was told by chance, or not."""
    first, second = MEMBERS[3], MEMBERS[4]
    customer = known_before_us(shop, first, firstName=second.first_name)
    with shop.installation() as here:
        route = here.configuration.routes["us"]
        known = here.ledger.cross_references.all(Entity.CUSTOMER, route.store, route.erp)
        (linked,) = (one for one, there in known.items() if there == str(customer["id"]))
    rows = shop.store.rows("SELECT entity_id, email FROM customer_entity")
    other = next(str(row["entity_id"]) for row in rows if row["email"] == second.email)
    assert other != linked
    name = customer["entityid"]
    assert of(daily(shop), name, OTHER) == {"first name": (first.first_name, second.first_name)}
    with shop.installation() as here:
        link = Link(
            entity=Entity.CUSTOMER,
            connection_a=route.store,
            id_a=other,
            connection_b=route.erp,
            id_b=str(customer["id"]),
            origin="adopted",
        )
        here.ledger.cross_references.link([link])
    assert of(daily(shop), name, OTHER) == {}, "each value is one of theirs"
    edit(shop, f"customer/{customer['id']}", lastName="Third")
    assert of(daily(shop), name, OTHER) == {"last name": (first.last_name, "Third")}


def test_what_was_sent_of_a_customer_and_forgotten_since_keeps_no_other_from_being_compared(shop: Business) -> None:
    """The last one: it forgets what the others sent."""
    bought(shop, "uma")
    with shop.installation() as here:
        here.ledger.retention.expire(Retention(deliveries=0))
    customer = bought(shop, "vic")
    edit(shop, f"customer/{customer['id']}", firstName="Other")
    assert of(daily(shop), customer["entityid"]) == {"first name": ("Vic", "Other")}
