from __future__ import annotations

import json
import re
import urllib.parse
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from erp_sync.transport import redaction
from erp_sync.transport.redaction import CARD, REDACTED, Redactor, is_card_number, is_sensitive

CREDENTIALS = {
    "consumer_secret": 'sec/ret"+& 1ä',
    "token_secret": "0123456789abcdef",
    "account": "1234567_SB1",
    "client_id": "client-1",
}
REDACTOR = Redactor(CREDENTIALS)


def check_digit(digits: str) -> str:
    return next(digits + last for last in "0123456789" if is_luhn(digits + last))


def is_luhn(digits: str) -> bool:
    odd = [int(digit) for digit in digits[-1::-2]]
    even = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(odd) + sum(even)) % 10 == 0


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    prefix, length = draw(
        st.sampled_from([("4", 16), ("4", 19), ("51", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15)])
        | st.sampled_from([("36", 14), ("300", 14), ("6011", 16), ("65", 16), ("3528", 16), ("62", 19), ("6759", 18)])
    )
    missing = length - len(prefix) - 1
    return check_digit(prefix + draw(st.text("0123456789", min_size=missing, max_size=missing)))


@st.composite
def written_cards(draw: st.DrawFn) -> tuple[str, str]:
    """A card number as people and systems write it, and its digits."""
    digits = draw(card_numbers())
    separator = draw(st.sampled_from(["", " ", "-", ".", "  ", "\u00a0"]))
    return separator.join(digits[start : start + 4] for start in range(0, len(digits), 4)), digits


calm = st.text(st.characters(codec="utf-8", exclude_categories=["N", "C"]), max_size=12)


def digits_of(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


@given(calm, written_cards(), calm)
def test_no_card_number_survives_in_text(before, card, after):
    written, digits = card
    clean = REDACTOR.text(f"{before}{written}{after}")
    assert digits not in digits_of(clean)
    assert written not in clean


@given(written_cards(), st.sampled_from([" 12/27", " 123", "-0429", ", 2027-01-01", " exp 01/28", "/1"]))
def test_no_card_number_survives_beside_its_expiry_date(card, beside):
    written, digits = card
    assert digits not in digits_of(REDACTOR.text(f"{written}{beside}"))
    assert digits not in digits_of(REDACTOR.text(f"2026-11-23 {written}{beside}"))


NAMES = (
    *(
        "password",
        "Password",
        "user_password",
        "access_token",
        "refreshToken",
        "client_secret",
        "cvv",
        "CVV2",
        "cc_cid",
    ),
    *("api_key", "apiKey", "X-Api-Key", "privateKey", "client_assertion", "card_number", "cc_number"),
    "Authorization",
)
secret_names = st.sampled_from(NAMES)
secret_values = st.text("abcdefghijkmnpqrstuvwxyz3456789", min_size=8, max_size=20).map(lambda text: f"zz{text}zz")


@st.composite
def documents(draw: st.DrawFn, hidden: st.SearchStrategy[object]) -> object:
    """JSON with the hidden thing somewhere in it."""
    value = draw(hidden)
    names = st.sampled_from(["id", "items", "name", "lines", "ä", "x y"])
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            value = {draw(names): value, "other": draw(calm)}
        else:
            value = [draw(st.integers(0, 99)), value]
    return value


def rendered(document: object, ascii_only: bool, indent: int | None) -> bytes:
    return json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()


@given(secret_names, secret_values, st.data(), st.booleans(), st.sampled_from([None, 2]))
def test_no_named_secret_survives_in_json(name, value, data, ascii_only, indent):
    document = data.draw(documents(st.just({name: value})))
    body = rendered(document, ascii_only, indent)
    assert value not in REDACTOR.body(body, "application/json").decode()
    assert value not in REDACTOR.body(body, "text/plain").decode()
    cut = body[: body.index(value.encode()) + len(value)]
    assert value not in REDACTOR.body(cut, "application/json").decode()


@given(secret_names, secret_values)
def test_no_named_secret_survives_inside_a_text(name, value):
    for text in (
        f"{name}={value}&x=1",
        f"failed with {name}: {value}.",
        f'{{"message": "{{\\"{name}\\": \\"{value}\\"}}"}}',
        f"<a:{name.replace(' ', '')} x='1'>{value}</a>",
        f"<{name}><![CDATA[{value}]]></{name}>",
        f"{name} = '{value}'",
    ):
        assert value not in REDACTOR.text(text), text
        assert value not in REDACTOR.body(text.encode(), "application/json").decode(), text
        assert value not in REDACTOR.body(text.encode(), "text/xml").decode(), text


@given(secret_names, secret_values, calm)
def test_no_named_secret_survives_in_urls_forms_and_headers(name, value, other):
    query = urllib.parse.urlencode({"q": other, name: value})
    assert value not in REDACTOR.url(f"https://user:{value}@host.example/a?{query}#token={value}")
    assert value not in REDACTOR.body(query.encode(), "application/x-www-form-urlencoded").decode()
    assert value not in repr(REDACTOR.headers([(name, value)]))


@pytest.mark.parametrize("secret", [CREDENTIALS["consumer_secret"], CREDENTIALS["token_secret"]])
@given(data=st.data(), before=calm, after=calm)
def test_no_credential_of_the_connection_survives_anywhere(secret, data, before, after):
    text = f"{before}{secret}{after}"
    document = data.draw(documents(st.just({"note": text}) | st.just({text: 1})))
    for ascii_only in (True, False):
        clean = REDACTOR.body(rendered(document, ascii_only, None), "application/json")
        assert secret not in repr(json.loads(clean))
    assert secret not in REDACTOR.text(text)
    for encoded in (urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)):
        assert encoded not in REDACTOR.text(f"{before}{encoded}{after}")
        assert encoded not in REDACTOR.url(f"https://host.example/{encoded}?q={encoded}")
    assert secret not in repr(REDACTOR.record({"note": text, "lines": [{"x": text}]}))


@given(data=st.data(), card=written_cards())
def test_no_card_number_survives_in_json(data, card):
    written, digits = card
    document = data.draw(documents(st.just({"note": written}) | st.just({"n": int(digits)}) | st.just({written: 1})))
    clean = REDACTOR.body(rendered(document, False, None), "application/json").decode()
    assert digits not in digits_of(clean)
    assert written not in clean


@given(
    st.text("0123456789 .-_/,aeE\u00a0\u2010", max_size=40),
    st.sampled_from(["", "4111111111111111", "4111-1111 11111111"]),
)
def test_the_quick_look_for_cards_misses_none(text, card):
    text += card
    if redaction._DIGITS.sub(redaction._cards, text) != text:
        assert redaction._may_hold_card(text)


PIECES = (
    *("password", "Pass-Word", "passphrase", "secret", "TOKEN", "api_key", "apikey", "Private-Key", "assertion"),
    *("credential", "authorization", "cookie", "cc_number", "cardNumber", "security code", "signature", "session_id"),
    *("jwt", "cvv", "cvv2", "CVC", "cid", "csc", "pan", "pwd", "pin", "otp", "sid", "phpsessid"),
    *("Bearer", "Basic", "OAuth", "realm=", "oauth_", "_", "_code", "x", "9", "ä", ".", "-", "[", "]", "payment["),
    *(" ", "\u00a0", "\t", "  ", ":", "=", " = ", "<", ">", "</", " a='b'>", "<![CDATA[", "]]>", '"', "'", "\\", '\\"'),
    *("P\u0130N", "p\u0131n", "pa\u017f\u017fword", "\u017fid"),
    *("123", "dXNlcjpwYXNz", "hunter22", "[redacted]", "&", ",", ";"),
)
lines = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)


@settings(max_examples=1000)
@given(lines, st.lists(lines, max_size=3))
@example("payment[cvv]=123", [])
@example("<cvv_code>123</cvv_code>", ["token"])
@example("cvv_code: 987", ["token"])
@example("P\u0130N: 1234", [])
@example("p\u0131n=1234", ["token"])
@example("a Basic\u00a0dXNlcjpwYXNz", ["token"])
def test_the_quick_look_for_secrets_misses_none(text, others):
    if REDACTOR.text(text) != text:
        assert REDACTOR._suspicious("\n".join([*others, text]))
        assert REDACTOR._suspicious("\n".join([text, *others]))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | calm,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "sku", "price"]), inner),
    max_leaves=12,
)


@given(json_values, st.booleans())
def test_a_body_without_secrets_stays_byte_for_byte(value, ascii_only):
    body = rendered(value, ascii_only, None)
    assert REDACTOR.body(body, "application/json") == body


def test_numbers_stay_exact_where_something_else_had_to_go():
    body = b'{"token":"abc","price":29.949999999999999,"small":0.10,"id":12345678901}'
    assert REDACTOR.body(body, "application/json") == (
        b'{"token":"[redacted]","price":29.949999999999999,"small":0.10,"id":12345678901}'
    )


@pytest.mark.parametrize(
    "text",
    [
        "9400111899223856928499",  # USPS tracking number: 22 digits
        "1Z999AA10123456784",  # UPS
        "4006381333931",  # EAN-13
        "2026-11-23 20:30:33.123456",
        "1700000000000",
        "4111111111111112",  # fails Luhn
        "94111111111111111",  # a card number inside a longer number
        "https://1234567.suitetalk.api.netsuite.com/services/rest/record/v1/salesOrder/12345",
        "Please leave it at the back door; ring twice.",
        "order 1234567_SB1 by client-1",
    ],
)
def test_what_is_no_secret_stays(text):
    assert REDACTOR.text(text) == text
    assert REDACTOR.record({"note": text}) == {"note": text}


def test_a_raw_record_keeps_its_delivery_note_and_its_types():
    record = {"note": "gate pin: 1234, token = red", "qty": Decimal("1.50"), "flag": True, "none": None, "n": 5}
    assert REDACTOR.record(record) == record
    assert REDACTOR.record({"payment": {"cc_number": "4111", "cc_cid": None, "last4": "1111"}}) == {
        "payment": {"cc_number": REDACTED, "cc_cid": None, "last4": "1111"}
    }
    assert REDACTOR.record({"note": "4111 1111 1111 1111"}) == {"note": CARD}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abcdefghij", "abcdefghij"),
        ('OAuth realm="1", oauth_token="tok-123", oauth_signature="sig-456"', "tok-123"),
        ('OAuth realm="1", oauth_token="tok-123", oauth_signature="sig-456"', "sig-456"),
        ("jwt eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln seen", "eyJpc3MiOiJ4In0"),
        ("at_eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln.", "c2ln"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow", "MIIEow"),
        ('{"password": "a\\"bcdef', "bcdef"),
    ],
)
def test_well_known_shapes_go(text, clean):
    assert clean not in REDACTOR.text(text)


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        (b'{"p\\u0061ssword": "hunter22"}', {"password": REDACTED}),
        (b'{"n": "4111-1111-1111-111\\u0031"}', {"n": CARD}),
        (b'{"n": "\\u0062earer abcdefgh"}', {"n": f"bearer {REDACTED}"}),
        (b'{"n": "4111 1111\\u00201111 1111"}', {"n": CARD}),
        (b'{"n": "4111\\/1111\\/1111\\/1111"}', {"n": CARD}),
        (b'{"n": "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln"}', {"n": REDACTED}),
        (b'{"n": "-----BEGIN PRIVATE KEY-----\\nMIIEow=="}', {"n": REDACTED}),
        (b'{"n": "<cvv>123</cvv>"}', {"n": f"<cvv>{REDACTED}</cvv>"}),
        (b'{"n": 4111111111111111}', {"n": CARD}),
        (b'{"n": 4111111111111111.0}', {"n": CARD}),
        (b'{"n": 4.1111111111111110e15}', {"n": CARD}),
        (b'{"n": "<cvv>123<\\/cvv>"}', {"n": f"<cvv>{REDACTED}</cvv>"}),
    ],
)
def test_a_look_at_the_whole_body_misses_nothing(body, clean):
    assert json.loads(REDACTOR.body(body, "application/json")) == clean


def test_binary_bodies_become_a_note():
    assert REDACTOR.body(b"%PDF\x00\x01", "application/pdf") == b"[6 bytes, binary]"
    assert REDACTOR.body('{"password": "hunter22"}'.encode("utf-16"), "application/json").endswith(b"binary]")


def test_latin_1_stays_latin_1():
    assert REDACTOR.body("<n>Müller</n><cvv>123</cvv>".encode("latin-1"), "text/xml") == (
        "<n>Müller</n><cvv>[redacted]</cvv>".encode("latin-1")
    )


@pytest.mark.parametrize(
    "name", ["nextPageToken", "skip_token", "tokens_left", "company", "opinion", "cidr", "spinner"]
)
def test_names_that_only_look_sensitive(name):
    assert not is_sensitive(name)


@given(card_numbers(), st.integers(1, 9))
def test_a_wrong_check_digit_makes_it_no_card_number(digits, change):
    assert is_card_number(digits)
    assert not is_card_number(digits[:-1] + str((int(digits[-1]) + change) % 10))


HARD = (
    *("Ab0" * 300_000, "1 " * 300_000, "1-" * 300_000, "<" * 300_000, "token" * 150_000, "a=" * 300_000),
    *('\\"' * 300_000, "eyJ" * 200_000, "Bearer " * 100_000, "pin:" * 150_000, "-----BEGIN " * 60_000),
    *("pin" + " :" * 200_000, "<a" * 200_000, "<pin " * 100_000, "OAuth a,oauth_" * 50_000, "eyJ." * 150_000),
)


@pytest.mark.timeout(60)  # what grows with the square of the length takes many minutes
@pytest.mark.parametrize("hard", HARD, ids=lambda text: text[:8])
def test_no_text_takes_the_square_of_its_length(hard):
    REDACTOR.text(hard)
    REDACTOR.body(json.dumps({"label": hard}).encode(), "application/json")


# An order of Commerce as the store answers it (REST schema 2.4.8, sales-data-order-interface), with what payment
# extensions are known to leave in it.
ORDER = {
    "increment_id": "000000123",
    "payment": {
        "method": "braintree", "cc_last4": "1111", "cc_exp_year": "2027", "cc_number_enc": "0:3:4xV9",
        "cc_cid_enc": "987",
        "echeck_routing_number": "021000021", "last_trans_id": "8h3k2-capture",
        "additional_information": ["4111111111111111", "Visa", "cvv: 123"],
        "extension_attributes": {"vault_payment_token": {"public_hash": "a1b2", "gateway_token": "tok_1ab"}},
    },
    "extension_attributes": {
        "gift_cards": [{"id": 1, "code": "00XCHFDPSTN4", "amount": 10.5}],
        "payment_additional_info": [
            {"key": "cc_type", "value": "Visa"},
            {"key": "cvv", "value": "987"},
            {"key": "access_token", "value": "zzz999"},
        ],
    },
    "items": [{"sku": "4006381333931", "name": "EAN of a pen"}],
}  # fmt: skip
GONE = ("0:3:4xV9", "987", "021000021", "4111111111111111", "123", "a1b2", "tok_1ab", "00XCHFDP", "zzz999")
STAYS = ("000000123", "1111", "2027", "8h3k2-capture", "****STN4", "Visa", "4006381333931", "10.5")


@pytest.mark.parametrize("way", ["body", "value"])
def test_a_real_order_loses_card_data_and_secrets_and_keeps_what_is_needed(way):
    body = REDACTOR.body(json.dumps(ORDER).encode(), "application/json").decode()
    clean = body if way == "body" else json.dumps(REDACTOR.value(ORDER))
    texts = re.findall(r'"([^"]*)"', clean)
    assert [one for one in GONE if any(one == text or (len(one) > 4 and one in text) for text in texts)] == []
    assert [one for one in STAYS if one not in clean] == []


@pytest.mark.parametrize("pair", [{"key": "cvv", "value": "987"}, {"name": "api_key", "value": "k"},
                                  {"attribute_code": "cc_number", "value": "1"}])  # fmt: skip
def test_a_pair_whose_name_is_a_secrets_loses_its_value_only(pair):
    body = json.dumps({"pairs": [pair, {"key": "color", "value": "red"}]}).encode()
    first, second = json.loads(REDACTOR.body(body, "application/json"))["pairs"]
    assert (first["value"], second["value"]) == (REDACTED, "red")
    assert {name: text for name, text in first.items() if name != "value"} == {
        name: text for name, text in pair.items() if name != "value"
    }
