"""Redacting JSON where it stands says the same as reading it whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erp_sync.transport import json_redaction
from erp_sync.transport.json_redaction import JsonRedaction, NotByItsStrings, exact, writer
from erp_sync.transport.redaction import CARD, REDACTED, Redactor
from erp_sync.transport.secret_names import is_sensitive, lists_cards, secret_names_among

CREDENTIALS = {"consumer_secret": 'sec/ret"+& 1ä', "token_secret": "0123456789abcdef", "account": "1234567_SB1"}

NAMES = (
    *("id", "sku", "name", "key", "value", "attribute_code", "code", "note", "items", "ä", "a/b", 'q"q', "b\\", ""),
    *("password", "Access Token", "cvv", "cc_number", "authorization", "gift_cards", "next_page_token", "cc_last4"),
    *("x\ny", "4111 1111 1111 1111", "0123456789abcdef", ":", ",", "{", "}", "No. 5,", '",', '\\,"'),
)
TEXTS = (
    *NAMES,
    *("red", "plain text", "pin: 1234", "password=hunter22", "Bearer abcdefghij", "<cvv>123</cvv>", "a, b"),
    *("4111-1111-1111-1111", "5018000000000009", "9400111899223856928499", 'sec/ret"+& 1ä', "sec/ret"),
    *("eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln", "-----BEGIN PRIVATE KEY-----\nMIIEow==", '{"token": "abc"}'),
    *('{"cvv":"987"}', '\\"pwd\\": 1', "\x1f\u2028", "😀", "Müller", "00XCHFDPSTN4", "1e5", "token"),
)
texts = st.sampled_from(TEXTS) | st.text(max_size=12)
numbers = st.sampled_from(
    (0, -1, 29.949999999999999, 4111111111111111, 5018000000000009, 1.5e20, 10**13)
) | st.integers(-(10**18), 10**18)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | texts, inner, max_size=5)
        | st.fixed_dictionaries({"key": texts, "value": inner})
        | st.fixed_dictionaries({"value": inner, "attribute_code": texts, "more": inner})
        | st.fixed_dictionaries({"gift_cards": st.lists(st.fixed_dictionaries({"code": texts, "amount": numbers}))})
    ),
    max_leaves=20,
)


@pytest.fixture(scope="module", autouse=True, params=(1, 10**9), ids=("by fields", "by strings"))
def _split(request: pytest.FixtureRequest) -> Iterator[None]:
    """A short text, too, is split into its fields first; or no text is."""
    with mock.patch.object(json_redaction, "_LONG", request.param):
        yield


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """JSON in the manners of several printers: spaces, escapes of everything or of nothing, of slashes as PHP does."""
    text = json.dumps(
        draw(values | st.lists(values, max_size=3)),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from((None, 1))),
        separators=draw(st.sampled_from(((",", ":"), (" , ", " : ")))),
    )
    if draw(st.booleans()):
        text = text.replace("/", "\\/")
    if draw(st.booleans()):
        text = text.replace("r", "\\u0072") if "true" not in text else text
    return text


def read_whole(redactor: Redactor, body: bytes) -> Any:
    return json.loads(writer.encode(redactor.value(exact.decode(body))))


@given(st.lists(bodies(), min_size=1, max_size=3))
@example(['{"key":"cvv","value":"987"}', '{"value":{"key":"cvv"},"key":"cvv"}'])
@example(['{"a":[{"key":"cvv","value":null},{"key":"pin","value":"1"}],"password":{"a":{"password":"x"}}}'])
@example(['{"password":"x","key":"cvv","value":"y","n":4111111111111111}'])
@example(['{"street":"No. 5,","city":"X"}', '{"city":"X","a":"No. 5,","password":"x"}', '["X","No. 5,",{"pin":"1,"}]'])
@example(['{"a":"x,"}', '{"a":"x","password":"y"}', '{"a":"x,"}', '{"a":"x,","password":"y"}'])
def test_it_says_the_same_as_reading_the_whole(some: list[str]) -> None:
    # One redactor for all: what it remembers of one body must not hide anything in the next.
    redactor = Redactor(CREDENTIALS)
    for text in some:
        body = text.encode()
        clean = redactor.body(body, "application/json")
        assert json.loads(clean) == read_whole(redactor, body)
        assert redactor.body(body, "application/json") == clean
        assert redactor.body(clean, "application/json") == clean


@given(bodies())
def test_what_stays_stays_byte_for_byte(text: str) -> None:
    clean = Redactor(CREDENTIALS).body(text.encode(), "application/json").decode()
    assert clean == text or json.loads(clean) != json.loads(text)


PAGE = json.dumps(
    {
        "items": [
            {
                "increment_id": f"{number:09}",
                "grand_total": 16.879999999999999,
                "payment": {"cc_last4": None, "method": "checkmo", "cc_number_enc": "0:3:4x", "cc_cid": ""},
                "extension_attributes": {
                    "payment_additional_info": [{"key": "cc_type", "value": "Visa"}, {"key": "cvv", "value": "987"}],
                    "gift_cards": [{"id": 1, "code": "00XCHFDPSTN4", "amount": 10.5}],
                },
            }
            for number in range(3)
        ],
        "total_count": 3,
    },
    separators=(",", ":"),
)


def in_place() -> JsonRedaction:
    redactor = Redactor(CREDENTIALS)
    return JsonRedaction(redactor.text, lambda texts: redactor.text(texts) != texts, redactor.value)


def in_place_of(text: str) -> str:
    return in_place().redacted(text, text.encode(), "utf-8").decode()


def test_a_page_of_orders_changes_where_it_must_and_nowhere_else() -> None:
    assert in_place_of(PAGE) == (
        PAGE.replace('"0:3:4x"', f'"{REDACTED}"')
        .replace('"987"', f'"{REDACTED}"')
        .replace('"00XCHFDPSTN4"', '"****STN4"')
    )


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"a" : { "pass\\u0077ord" : [1, {"b": 2}] , "c":1.10}}', f'"pass\\u0077ord" : "{REDACTED}" , "c":1.10'),
        ('[{"value": "x", "k\\u0065y": "cvv"}, 1]', f'[{{"value":"{REDACTED}","key":"cvv"}}, 1]'),
        ('{"pin": 1234, "otp": false, "sid": [], "cvc": 0}', f'"pin": "{REDACTED}", "otp": false, "sid": [], "cvc": "'),
        ('{"n": "a \\"4111 1111 1111 1111\\" b\\\\"}', f'{{"n": "a \\"{CARD}\\" b\\\\"}}'),
    ],
)
def test_shapes_in_place(text: str, clean: str) -> None:
    assert clean in in_place_of(text)


def test_a_page_like_one_before_it_hides_nothing() -> None:
    """Of the second all but one field is known; the third has only known ones; the secret of the fourth is new."""
    redactor = Redactor(CREDENTIALS)
    page = '{{"items":[{{"a":"x","b":{number},"c":{{"{name}":"{value}"}}}},{{"a":"No. 5{end}","b":1}}]}}'
    for number, name, value, end in (
        *((1, "note", "abc", ""), (2, "note", "abc", ""), (1, "note", "abc", ""), (1, "token", "abc", "")),
        *((1, "note", "4111 1111 1111 1111", ""), (1, "note", "abc", ","), (2, "pin", "abc", ",")),
        *((4111111111111111, "note", "abc", ""), (1, "note", "abc", "")),
    ):
        body = page.format(number=number, name=name, value=value, end=end).encode()
        assert json.loads(redactor.body(body, "application/json")) == read_whole(redactor, body)


def test_strings_that_end_as_fields_do_hide_nothing_however_often_they_come() -> None:
    redactor = Redactor()
    for number in range(40):  # in which order fields are looked at is by chance
        body = f'["{number},"]'.encode()
        page = f'["{number},",{{"password":"x","{number}":"{number},"}},[{{"password":"y","z":"{number},"}}]]'
        for _ in range(2):
            assert redactor.body(body, "application/json") == body
        for _ in range(2):
            clean = redactor.body(page.encode(), "application/json").decode()
            assert clean == page.replace('"x"', f'"{REDACTED}"').replace('"y"', f'"{REDACTED}"')


def test_a_page_that_is_not_ascii_or_not_utf_8_is_redacted() -> None:
    redactor = Redactor()
    text = '{"a":"Müller","b":["ä","ö,","ü"],"password":"é"}'
    for body, encoding in ((text.encode(), "utf-8"), (text.encode("latin-1"), "latin-1")) * 2:
        clean = redactor.body(body, "application/json")
        assert clean.decode(encoding) == text.replace("é", REDACTED)


def test_what_the_encoding_of_a_body_has_no_letter_for_is_redacted_all_the_same() -> None:
    body = '{"a":"\\u4e2d 4111 1111 1111 1111","b":"ä"}'.encode("latin-1")
    assert Redactor().body(body, "application/json").decode("latin-1") == f'{{"a":"? {CARD}","b":"ä"}}'


def test_what_stands_between_strings_is_not_taken_for_one() -> None:
    redactor = Redactor({"token_secret": "12345678"})
    body = b'{"a":":12345678,","b":12345678,"c":":12345678,"}'
    clean = f'{{"a":":{REDACTED},","b":12345678,"c":":{REDACTED},"}}'
    assert redactor.body(body, "application/json").decode() == clean


def test_many_different_strings_have_to_go() -> None:
    card = "4111 1111 1111 1111"
    body = json.dumps([{"note": f'a "{number}" \\ {card}', "key": "cvv", "value": number} for number in range(40)])
    clean = Redactor().body(body.encode(), "application/json")
    assert json.loads(clean) == [
        {"note": f'a "{number}" \\ {CARD}', "key": "cvv", "value": REDACTED} for number in range(40)
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 4111111111111111}',
        '{"n": 4.111111111111111e15}',
        json.dumps({**{f"a{number}": 1 for number in range(100)}, "key": "cvv", "value": "1"}),
    ],
)
def test_what_takes_reading_the_whole_is_said_so_and_is_redacted(text: str) -> None:
    with pytest.raises(NotByItsStrings):
        in_place_of(text)
    redactor = Redactor()
    assert json.loads(redactor.body(text.encode(), "application/json")) == read_whole(redactor, text.encode())


@given(st.lists(texts.filter(lambda text: "\n" not in text)))
def test_names_are_told_apart_together_as_one_by_one(some: list[str]) -> None:
    assert secret_names_among(some) == {one for one in some if is_sensitive(one) or lists_cards(one)}


def test_a_number_with_a_huge_exponent_costs_nothing() -> None:
    body = b'{"n": 1e999999999, "password": "hunter22"}'
    assert b"hunter22" not in Redactor().body(body, "application/json")
