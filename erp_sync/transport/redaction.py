"""Takes secrets and card data out of what is about to be written.

Applied to headers, URLs and bodies of every exchange, and to raw records. What is found is replaced
by `REDACTED`; card numbers by `CARD`: 14 to 19 digits of a known issuer range that pass Luhn, whole or
in groups. Numbers of 13 digits are left alone: no issuer uses them any more, and they are article
numbers (EAN-13). Digits inside a longer run of digits are left alone, too: those are tracking numbers.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from erp_sync.transport.json_redaction import JsonRedaction, NotByItsStrings, exact, is_json, writer
from erp_sync.transport.secret_names import PAIR_NAMES, is_public_credential, is_sensitive, lists_cards

__all__ = ["CARD", "REDACTED", "Redactor", "is_card_number", "is_sensitive"]

REDACTED = "[redacted]"
CARD = "[card]"

# Verdicts on short texts that a redactor remembers, and up to which length.
REMEMBERED = 16_384
SHORT_TEXT = 48
# A number up to this is no card number, nor is one of so many digits.
_LONGEST_PLAIN = 10**13
_MOST_DIGITS = 100

# No pattern starts with a repetition: a label of a megabyte in base64 must not cost its square.
_SEPARATORS = r"[ .\-_/\u00a0\u2010-\u2015]"
_DIGITS = re.compile(rf"[0-9](?:{_SEPARATORS}{{0,2}}[0-9]){{13,}}")
_GROUP = re.compile(r"[0-9]+")
# Every byte of them, also those of one that is not ASCII: digits that seem to be together and are
# apart are a false alarm only.
_SEPARATING = bytes({*" .-_/\u00a0\u2010\u2011\u2012\u2013\u2014\u2015".encode()})
_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_FOURTEEN = b"0" * 14
_BEARER = re.compile(r"(?i)\b(Bearer|Basic|OAuth)\s+[A-Za-z0-9._~+/=\"%,-]{6,}(?:[ ,]+(?:oauth_|realm=)[^\r\n]*)?")
_DOTTED = re.compile(r"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{11,}+)\.[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)?")
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.S)
_WORDS = (
    r"(?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|private[_-]?key|assertion|credential|authorization|cookie"
    r"|cc[_-]?number|card[_-]?number|security[_-]?code|signature|session(?:[_-]?id)?|jwt"
    r"|(?<![a-z0-9])(?:cvv2?|cvc2?|cid|csc|pan|pwd|pin|otp|sid)(?![a-z0-9])|phpsessid)"
)
_ASSIGNMENT = re.compile(
    rf"(?i)({_WORDS}\w{{0,40}}\]?)(\\?[\"']?\s{{0,8}}[:=]\s{{0,8}})"
    r"(?:\\\"(?:[^\"\\]|\\[^\"])*(?:\\\")?|\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|\[redacted\]|[^\s&,;<>{}\[\]\"'\\]+)"
)
_ELEMENT = re.compile(
    rf"(?i)(<[\w:.-]{{0,60}}?{_WORDS}[\w.-]{{0,40}}(?:\s[^<>]*)?>)(?:<!\[CDATA\[.*?\]\]>|[^<]+)", re.S
)


# Looked for in lower case before the patterns above are: plain texts are found fifty times quicker. What they find
# has one of these in it, or fits one of the two below; more may.
_SIGNS = (
    *("passw", "passphrase", "secret", "token", "apikey", "api_key", "api-key"),
    *("privatekey", "private_key", "private-key", "assertion", "credential", "authorization", "cookie"),
    *("card", "ccn", "cc_n", "cc-n", "security", "signature", "session", "jwt", "phpsessid"),
    *("bearer", "basic", "oauth"),
)
_SHORT = "(?:cvv|cvc|cid|csc|pan|pwd|pin|otp|sid)2?"
_SHORT_SIGNS = re.compile(_SHORT + r"\w{0,40}\]?[\"'\\\s]{0,10}[:=]")
_SHORT_ELEMENTS = re.compile(_SHORT + r"[\w.-]{0,40}[>\s]")


def _lower(text: str) -> str:
    """In lower case, with the letters that the patterns take for an i or an s and `str.lower` does not."""
    return text.lower().replace("\u0131", "i").replace("\u017f", "s").replace("i\u0307", "i")


def _may_hold_card(text: str) -> bool:
    """Whether JSON holds a card number, or a number with an exponent that may be one.

    Without separators fourteen digits would stand side by side: that is seen at once.
    """
    if _FOURTEEN not in text.encode("utf-8", "surrogatepass").translate(_AS_ZERO, _SEPARATING):
        return False
    return any(
        text[match.end() : match.end() + 1] in ("e", "E") or _cards(match) != match.group()
        for match in _DIGITS.finditer(text)
    )


def _luhn(digits: str) -> bool:
    total = 0
    for index, character in enumerate(reversed(digits)):
        digit = int(character)
        if index % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def _issued(digits: str) -> bool:
    """Issuer ranges in use: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro."""
    length = len(digits)
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":
        return length in (16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in (34, 37):
        return length == 15
    if 300 <= three <= 305 or three == 309 or two in (36, 38, 39):
        return 14 <= length <= 19
    if four == 6011 or 644 <= three <= 649 or two in (62, 65) or 3528 <= four <= 3589:
        return 16 <= length <= 19
    return four in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)


def is_card_number(digits: str) -> bool:
    """Whether these digits, and nothing else, are a card number."""
    return 14 <= len(digits) <= 19 and _issued(digits) and _luhn(digits)


def _cards(match: re.Match[str]) -> str:
    """A run of digit groups with the card numbers taken out.

    A card number is one group or several neighbours: an expiry date or a customer number may stand
    right beside it.
    """
    run = match.group()
    groups = list(_GROUP.finditer(run))
    parts: list[str] = []
    position = index = 0
    while index < len(groups):
        digits = ""
        for last in range(index, len(groups)) if groups[index].group()[0] in "23456" else ():
            digits += groups[last].group()
            if len(digits) > 19:
                break
            if is_card_number(digits):
                parts += [run[position : groups[index].start()], CARD]
                position, index = groups[last].end(), last
                break
        index += 1
    return "".join(parts) + run[position:] if parts else run


def _token(match: re.Match[str]) -> str:
    """A JSON web token begins with ``{"`` in base64; something may be glued to its front."""
    head, found, _ = match.group(1).partition("eyJ")
    return head + REDACTED if found else match.group()


class Redactor:
    """Redacts what belongs to one connection: the rules above and, literally, its own secrets.

    Args:
        credentials: of the connection, by name. Those that only name somebody (account, client id,
            certificate id, user name) stay readable.
    """

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        self._secrets = _variants(
            value for name, value in (credentials or {}).items() if len(value) >= 4 and not is_public_credential(name)
        )
        self._any_secret = re.compile("|".join(map(re.escape, self._secrets))) if self._secrets else None
        # Names, codes and dates come again in every record.
        self._short = lru_cache(maxsize=REMEMBERED)(self._clean)
        self._name = lru_cache(maxsize=REMEMBERED)(
            lambda name, thorough: (self._clean(name, thorough), is_sensitive(name), lists_cards(name))
        )
        self._json = JsonRedaction(self.text, self._suspicious, self.value)

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(name, REDACTED if is_sensitive(name) else self.text(value)) for name, value in headers]

    def url(self, url: str) -> str:
        """The URL with user information, fragment and the values of sensitive parameters taken out."""
        parts = urllib.parse.urlsplit(url)
        host = parts.netloc.rsplit("@", 1)[-1]
        query = self._pairs(parts.query)
        return urllib.parse.urlunsplit((parts.scheme, host, self.text(parts.path), query, ""))

    def _pairs(self, query: str) -> str:
        if not query:
            return query
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        clean = [(self.text(name), REDACTED if is_sensitive(name) else self.text(value)) for name, value in pairs]
        return urllib.parse.urlencode(clean, quote_via=urllib.parse.quote, safe="~[]") if clean != pairs else query

    def body(self, body: bytes, content_type: str) -> bytes:
        """A request's or an answer's body; the very same where nothing had to go. A binary one (a PDF,
        UTF-16, anything with a zero byte) cannot be looked through and becomes a note of its size."""
        if not body:
            return body
        if b"\x00" in body:
            return f"[{len(body)} bytes, binary]".encode()
        try:
            text, encoding = body.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            text, encoding = body.decode("latin-1"), "latin-1"
        if "form-urlencoded" in content_type:
            return self._pairs(text).encode()
        if "json" in content_type or text.lstrip()[:1] in ("{", "["):
            if not is_json(body):
                return self.text(text).encode(encoding, "replace")
            try:
                return self._json.redacted(text, body, encoding)
            except NotByItsStrings:
                return self._read_whole(body, text, encoding)
        return self.text(text).encode(encoding, "replace")

    def _read_whole(self, body: bytes, text: str, encoding: str) -> bytes:
        try:
            value = exact.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return self.text(text).encode(encoding, "replace")
        clean = self._value(value, True)
        return body if clean == value else writer.encode(clean)

    def record(self, payload: dict[str, Any]) -> dict[str, Any]:
        """A raw record: sensitive fields, card numbers and own secrets are taken out at every depth.

        Other than in an exchange, free text is not searched for "pin: 1234" and the like: a
        delivery note must arrive as it was written.
        """
        return self._value(payload, False)

    def value(self, value: Any) -> Any:
        """A decoded JSON value, redacted at every depth by the rules for exchanges."""
        return self._value(value, True)

    def text(self, text: str) -> str:
        """Free text, which may quote a body or a header."""
        return self._text(text, True)

    def _suspicious(self, texts: str) -> bool:
        """Whether any of some texts, one a line, may need redaction: a look at all of them instead of at each."""
        if any(secret in texts for secret in self._secrets) or "eyJ" in texts or "-----BEGIN" in texts:
            return True
        if _may_hold_card(texts):
            return True
        lower = _lower(texts)
        signs = [sign for sign in _SIGNS if sign in lower]
        patterns = [_SHORT_SIGNS] if _SHORT_SIGNS.search(lower) else []
        if "<" in texts and _SHORT_ELEMENTS.search(lower):
            patterns.append(_SHORT_ELEMENTS)
        if not signs and not patterns:
            return False
        return any(
            _ELEMENT.search(text) or _BEARER.search(text) or _ASSIGNMENT.search(text)
            for text, small in zip(texts.split("\n"), lower.split("\n"), strict=True)
            if any(sign in small for sign in signs) or (patterns and any(one.search(small) for one in patterns))
        )

    def _value(self, value: Any, thorough: bool) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value, thorough)
        if value is None or kind is bool:
            return value
        if kind is Decimal or kind is int:
            if value <= _LONGEST_PLAIN:
                return value
        elif kind is dict or isinstance(value, Mapping):
            clean: dict[Any, Any] = {}
            for key, item in value.items():
                name, sensitive, cards = self._name(key, thorough) if isinstance(key, str) else (key, False, False)
                if cards and isinstance(item, list | tuple):
                    item = [_without_code(one) for one in item]
                clean[name] = REDACTED if sensitive and _holds(item) else self._value(item, thorough)
            if "value" in clean and any(
                isinstance(value.get(one), str) and is_sensitive(value[one]) for one in PAIR_NAMES
            ):
                clean["value"] = REDACTED if _holds(clean["value"]) else clean["value"]
            return clean
        elif isinstance(value, list | tuple):
            return [self._value(item, thorough) for item in value]
        elif isinstance(value, str):
            return self._text(value, thorough)
        if isinstance(value, int | Decimal) and not isinstance(value, bool) and value > _LONGEST_PLAIN:
            if isinstance(value, Decimal) and value.adjusted() > _MOST_DIGITS:
                return value
            digits = self._text(f"{value:f}" if isinstance(value, Decimal) else str(value), thorough)
            return CARD if CARD in digits else value
        return value

    def _text(self, text: str, thorough: bool) -> str:
        return self._short(text, thorough) if len(text) <= SHORT_TEXT else self._clean(text, thorough)

    def _clean(self, text: str, thorough: bool) -> str:
        if len(text) < 4:
            return text
        if self._any_secret:
            text = self._any_secret.sub(REDACTED, text)
        if "-----BEGIN" in text:
            text = _PEM.sub(REDACTED, text)
        if "eyJ" in text:
            text = _DOTTED.sub(_token, text)
        if thorough:
            if " " in text:
                text = _BEARER.sub(rf"\g<1> {REDACTED}", text)
            if "<" in text:
                text = _ELEMENT.sub(rf"\g<1>{REDACTED}", text)
            if ":" in text or "=" in text:
                text = _ASSIGNMENT.sub(rf"\g<1>\g<2>{REDACTED}", text)
        return _DIGITS.sub(_cards, text) if len(text) >= 14 else text


def _without_code(card: Any) -> Any:
    """A gift card with the last four characters of its code."""
    if not isinstance(card, Mapping) or not isinstance(card.get("code"), str) or card["code"].startswith("****"):
        return card
    return {**card, "code": f"****{card['code'][-4:]}"}


def _holds(item: Any) -> bool:
    """Nothing, a flag and an empty text give nothing away, and are worth reading."""
    return item is not None and not isinstance(item, bool) and item not in ("", [], {})


def _variants(values: Iterable[str]) -> list[str]:
    """Ways a secret may be written in a URL, in JSON or in a header; the longest first."""
    found: set[str] = set()
    for value in values:
        found.update((value, urllib.parse.quote(value, safe="~"), urllib.parse.quote_plus(value)))
        found.add(msgspec.json.encode(value).decode()[1:-1])
    return sorted(found, key=lambda text: (-len(text), text))
