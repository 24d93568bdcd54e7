"""Takes secrets and card data out of what is about to be written.

Applied to headers, URLs and bodies of every exchange, and to raw records. What is found is replaced
by `REDACTED`; card numbers (14 to 19 digits of a known issuer range that pass Luhn, with or without
blanks and hyphens) by `CARD`. Numbers of 13 digits are left alone: no issuer uses them any more, and
they are article numbers (EAN-13).
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

REDACTED = "[redacted]"
CARD = "[card]"

# Compared with the name in lower case, without anything but letters and digits.
_EXACT = frozenset(
    {
        *("pwd", "pin", "otp", "cvv", "cvc", "cvv2", "cvc2", "cid", "cccid", "csc", "securitycode"),
        *("pan", "cardnumber", "ccnumber", "ccnumberenc"),
        *("authorization", "proxyauthorization", "cookie", "setcookie", "session", "sessionid", "sid", "phpsessid"),
        *("assertion", "jwt", "signature", "oauthsignature", "oauthtoken", "oauthconsumerkey"),
    }
)
_ENDINGS = (
    "password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "secretkey", "cvv", "cvc",
    "clientassertion", "credential", "credentials", "cardnumber", "ccnumber", "authorization", "privatekeypem",
)  # fmt: skip
_NOT_SECRET = frozenset({"nextpagetoken", "pagetoken", "continuationtoken", "skiptoken"})

# Names of credentials that identify without proving anything: they are in URLs and must stay readable.
_PUBLIC_CREDENTIALS = frozenset({"account", "clientid", "certificateid", "username", "user", "company", "keyid"})

_NAME = re.compile(r"[^a-z0-9]+")
_DIGITS = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){13,18}(?![0-9])")
_BEARER = re.compile(r"(?i)\b(Bearer|Basic|OAuth)\s+[A-Za-z0-9._~+/=\"%,-]{6,}(?:[ ,]+oauth_[^\r\n]*)?")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S)
_SENSITIVE = (
    r"[\w.\[\]-]*(?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|private[_-]?key|assertion|credentials?"
    r"|authorization|cookie|cc[_-]?number|card[_-]?number|security[_-]?code|signature|session(?:[_-]?id)?|jwt)\w*"
    r"|\b(?:\w+_)?(?:cvv2?|cvc2?|cid|csc|pan|pwd|pin|otp|sid)\b"
)
_ASSIGNMENT = re.compile(
    rf"(?i)(?P<name>{_SENSITIVE})(?P<joint>\\?[\"']?\s*[:=]\s*)"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|\\\"[^\"]*|[^\s&,;<>{}\[\]\"']+)"
)
_ELEMENT = re.compile(rf"(?i)(<(?:\w+:)?(?:{_SENSITIVE})(?:\s[^>]*)?>)([^<]+)")


def is_sensitive(name: str) -> bool:
    """Whether a field, parameter or header of this name holds a secret or card data."""
    plain = _NAME.sub("", name.lower())
    if plain in _NOT_SECRET:
        return False
    return plain in _EXACT or plain.endswith(_ENDINGS)


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
    two, three, four, six = int(digits[:2]), int(digits[:3]), int(digits[:4]), int(digits[:6])
    if digits[0] == "4":
        return length in (16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in (34, 37):
        return length == 15
    if 300 <= three <= 305 or three == 309 or two in (36, 38, 39):
        return 14 <= length <= 19
    if four == 6011 or 644 <= three <= 649 or two == 65 or two == 62 or 622126 <= six <= 622925:
        return 16 <= length <= 19
    if 3528 <= four <= 3589:
        return 16 <= length <= 19
    return four in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763) and length >= 14


def is_card_number(digits: str) -> bool:
    """Whether these 14 to 19 digits, and nothing else, are a card number."""
    return 14 <= len(digits) <= 19 and _issued(digits) and _luhn(digits)


def _card(match: re.Match[str]) -> str:
    text = match.group()
    return CARD if is_card_number(text.replace(" ", "").replace("-", "")) else text


class Redactor:
    """Redacts what belongs to one connection: the rules above and, literally, its own secrets."""

    def __init__(self, credentials: Mapping[str, str] | None = None) -> None:
        secrets = _variants(
            value
            for name, value in (credentials or {}).items()
            if len(value) >= 4 and _NAME.sub("", name.lower()) not in _PUBLIC_CREDENTIALS
        )
        self._secrets = re.compile("|".join(map(re.escape, secrets))) if secrets else None

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return [(name, REDACTED if is_sensitive(name) else self.text(value)) for name, value in headers]

    def url(self, url: str) -> str:
        """The URL with sensitive parameters and user information taken out."""
        parts = urllib.parse.urlsplit(url)
        host = parts.netloc.rsplit("@", 1)[-1]
        return urllib.parse.urlunsplit(
            (parts.scheme, host, self.text(parts.path), self._pairs(parts.query), parts.fragment and REDACTED)
        )

    def _pairs(self, query: str) -> str:
        if not query:
            return query
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        clean = [(name, REDACTED if is_sensitive(name) else self.text(value)) for name, value in pairs]
        return urllib.parse.urlencode(clean, quote_via=urllib.parse.quote, safe="~[]") if clean != pairs else query

    def body(self, body: bytes, content_type: str) -> bytes:
        """A request's or an answer's body, in the encoding it came in where nothing had to go."""
        if not body:
            return body
        text = body.decode("utf-8", "replace")
        if "json" in content_type or text[:1] in "{[":
            try:
                value = msgspec.json.decode(body)
            except (msgspec.DecodeError, RecursionError):
                return self.text(text).encode()
            clean = self.value(value)
            return body if clean == value else msgspec.json.encode(clean)
        if "form-urlencoded" in content_type:
            return self._pairs(text).encode()
        return self.text(text).encode()

    def value(self, value: Any) -> Any:
        """A decoded JSON value (a raw record, for one), redacted at every depth; the same type comes back."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(key) if isinstance(key, str) else key: (
                    REDACTED if isinstance(key, str) and is_sensitive(key) and _holds(item) else self.value(item)
                )
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return CARD if value > 10**13 and is_card_number(str(value)) else value
        return value

    def text(self, text: str) -> str:
        """Free text, which may quote a body or a header."""
        if self._secrets:
            text = self._secrets.sub(REDACTED, text)
        text = _PEM.sub(REDACTED, text)
        text = _JWT.sub(REDACTED, text)
        text = _ELEMENT.sub(lambda match: match.group(1) + REDACTED, text)
        text = _ASSIGNMENT.sub(lambda match: match.group("name") + match.group("joint") + REDACTED, text)
        text = _BEARER.sub(lambda match: f"{match.group(1)} {REDACTED}", text)
        return _DIGITS.sub(_card, text)


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
