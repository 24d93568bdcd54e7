"""Of an erased person nothing from before is overlooked, and what they bought since then is not taken for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.personal import PersonalTexts, texts_of, tombstones
from erp_sync.model.remains import Erased, Remains
from erp_sync_tests.model.test_personal import PERSONS, record

ERASED_AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SALT = bytes(32)
OFFSETS = st.integers(-10_000, 10_000)


def remains(person: PersonalTexts, *, returned: bool = False) -> Remains:
    stones = tombstones(person.joined(texts_of(record(person), person.email)), SALT)
    erased = Erased(mark="mark", salt=SALT.hex(), erased_at=ERASED_AT, kinds={one.token: one.kind for one in stones})
    return Remains([erased], lambda: {"mark"} if returned else set())


def page(orders: list[dict[str, Any]]) -> str:
    return json.dumps({"items": orders, "total_count": len(orders)})


@given(PERSONS, st.lists(OFFSETS, min_size=1, max_size=4), st.booleans())
def test_a_page_is_forgotten_where_an_order_of_it_is_from_before(
    person: PersonalTexts, minutes: list[int], returned: bool
) -> None:
    orders = [
        {**record(person), "created_at": f"{ERASED_AT + timedelta(minutes=one):%Y-%m-%d %H:%M:%S}"} for one in minutes
    ]
    assert remains(person, returned=returned).in_text(page(orders)) == any(one <= 0 for one in minutes)


@given(PERSONS, st.booleans())
def test_what_says_no_time_is_theirs_from_before_until_they_are_back(person: PersonalTexts, returned: bool) -> None:
    found = remains(person, returned=returned)
    query = json.dumps({"q": f"SELECT id FROM customer WHERE LOWER(email) = '{person.email.lower()}'"})
    url = f"https://shop/rest/V1/orders?email={quote(person.email, safe='')}&page=1"
    assert found.in_text(json.dumps(record(person))) != returned
    assert found.in_text(query) != returned
    assert found.in_text(f"email={quote(person.email)}") != returned
    assert (found.without_addresses(url) == url) == returned
    assert found.without_addresses(url).endswith("&page=1")


@given(PERSONS, PERSONS)
def test_of_others_nothing_is_taken(person: PersonalTexts, other: PersonalTexts) -> None:
    if person.email.casefold() == other.email.casefold():
        return
    text = json.dumps(record(other))
    found = remains(person)
    assert not found.in_text(text)
    assert not found.in_text(text[: len(text) // 2])
    assert found.without_addresses(f"of {other.email}") == f"of {other.email}"
