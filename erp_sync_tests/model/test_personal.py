"""A person is recognised in whatever is written about them, and nobody else is."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from erp_sync.model.personal import FIELDS, PersonalTexts, known_again, likeness, texts_of, tombstones

SALT = bytes(32)
ANN = PersonalTexts(
    email="Ann.Lee@example.com",
    names=frozenset({("Ann", "Lee")}),
    streets=frozenset({"12 Müller Way"}),
    phones=frozenset({"(303) 555-0177"}),
)
WORD = st.text(alphabet="abcdefghijklmnopqrstuvwxyzäöüß", min_size=3, max_size=9)
PERSONS = st.builds(
    lambda first, last, street, number, phone: PersonalTexts(
        email=f"{first}.{last}@example.com".encode("ascii", "ignore").decode(),
        names=frozenset({(first.title(), last.title())}),
        streets=frozenset({f"{number} {street.title()} Road"}),
        phones=frozenset({f"+49 {phone}"}),
    ),
    WORD, WORD, WORD, st.integers(1, 9999), st.integers(10_000_000, 99_999_999),
)  # fmt: skip


def record(person: PersonalTexts) -> dict[str, Any]:
    """An order as a store has it."""
    ((first, last),) = person.names
    address = {
        "firstname": first, "lastname": last, "street": list(person.streets), "city": "Bonn", "country_id": "DE",
        "telephone": next(iter(person.phones)),
    }  # fmt: skip
    note = f"please call {first} {last}"
    return {"customer_email": person.email.upper(), "items": [{"sku": "MUG", "qty": 2}], "billing_address": address,
            "customer_note": note, "grand_total": 10.99}  # fmt: skip


@given(PERSONS)
def test_of_a_document_nothing_of_its_person_is_left_and_all_else_is(person: PersonalTexts) -> None:
    # Names are looked for with care, in parts of words, too: of a person called Fir Fir "firstname" speaks.
    assume(not person.mentions(json.dumps(ANN.anonymised(record(ANN), FIELDS))))
    person = person.joined(texts_of(record(person), person.email))
    after = person.anonymised(record(person), FIELDS)
    written = json.dumps(after, ensure_ascii=False)
    assert not person.concerns(written)
    assert not person.mentions(written)
    assert (after["items"], after["grand_total"]) == ([{"sku": "MUG", "qty": 2}], 10.99)
    assert after["billing_address"]["country_id"] == "DE"
    assert person.anonymised(after, FIELDS) == after


@given(PERSONS)
def test_an_erased_person_is_known_again_in_every_form_and_the_tombstones_say_nothing(person: PersonalTexts) -> None:
    stones = tombstones(person, SALT)
    kinds = {one.token: one.kind for one in stones}
    assert known_again(likeness(record(person), SALT), kinds)
    ((first, last),) = person.names
    parcel = {"shippingAddress": {"addressee": f"{first}  {last.upper()}", "addr1": next(iter(person.streets))}}
    assert known_again(likeness(parcel, SALT), kinds)
    assert all(re.fullmatch("[0-9a-f]{64}", one.token) for one in stones)


@given(PERSONS, PERSONS)
def test_another_person_is_not_known_again(person: PersonalTexts, other: PersonalTexts) -> None:
    if person.email.lower() == other.email.lower():
        return
    kinds = {one.token: one.kind for one in tombstones(person, SALT)}
    assert not known_again(likeness(record(other), SALT), kinds)


@pytest.mark.parametrize(
    "text",
    [
        "mail to ANN.LEE@EXAMPLE.COM now",
        "/orders?value=Ann.Lee%40example.com",
        json.dumps({"name": "Ann Lee", "street": "12 Müller Way"}),
        json.dumps({"firstname": "Ann", "lastname": "Lee", "street": ["12 Müller Way"]}, ensure_ascii=False),
        f"q={quote('Ann Lee, 12 Müller Way')}",
    ],
)
def test_a_text_about_a_person_is_recognised_however_it_is_written(text: str) -> None:
    assert ANN.concerns(text)
    assert not ANN.mentions(ANN.without(text, own=True))


@pytest.mark.parametrize(
    "text",
    [
        "Ann Lee of somewhere else",
        "12 Müller Way, (303) 555-0177",  # somebody of the same house
        '{"email": "bo.lee@example.com", "firstname": "Ann", "lastname": "Lee", "street": "12 Müller Way"}',
    ],
)
def test_a_namesake_and_people_of_the_same_house_are_others(text: str) -> None:
    assert not ANN.concerns(text)
    assert ANN.without(text, own=False) == text
