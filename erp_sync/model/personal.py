"""Personal data of one natural person: what is known of them, how texts are recognised, what stands there afterwards.

Pure. A person is their e-mail address; names, streets and phone numbers belong to it where they stood in the same
documents. Namesakes and people of one household are other persons, whose data stays.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

import msgspec

ERASED = "erased"
#: What a received record holds whose person was erased: no flow does anything with it.
NOBODY = {"erased": True}
#: Addresses below a name that never resolves (RFC 2606).
_DOMAIN = "erased.invalid"
#: Fields of the canonical entities that are personal, whatever they hold; and what somebody edited of them at a target,
#: among the facts of a delivery: another address of the person that no document of theirs has.
FIELDS = frozenset(
    [
        "email",
        "first_name",
        "last_name",
        "company",
        "phone",
        "tax_number",
        "street",
        "city",
        "postcode",
        "special_instructions",
        "edits",
    ]
)
#: Entities that say nothing of persons: no record of theirs is looked through.
IMPERSONAL = frozenset(["product", "stock_level", "price"])
EMAIL = re.compile(r"[\w.+%-]+@[\w-]+\.[\w.-]*\w")
_FIRST = ("first_name", "firstname", "customer_firstname", "firstName")
_LAST = ("last_name", "lastname", "customer_lastname", "lastName")
_STREET = ("street", "addr1", "addr2")
_PHONE = ("phone", "telephone", "addrPhone", "mobilePhone", "altPhone", "fax")


def is_pseudonym(email: str) -> bool:
    """Whether an address stands for a person who was erased."""
    return email.endswith(f"@{_DOMAIN}")


def normal(text: str) -> str:
    """For comparing: no case, single blanks."""
    return " ".join(text.casefold().split())


class PersonalTexts(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What is known of one person.

    Attributes:
        email: the identity.
        names: (first, last) as they stand in documents.
        orders: the store's orders, (connection, native id).
        customers: the store's customer records, (connection, native id).
        mark: what tells one erased person from another, of their tombstones.
    """

    email: str
    names: frozenset[tuple[str, str]] = frozenset()
    streets: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    orders: frozenset[tuple[str, str]] = frozenset()
    customers: frozenset[tuple[str, str]] = frozenset()
    mark: str = ""

    def joined(self, other: PersonalTexts) -> PersonalTexts:
        """Both together."""
        sets = ("names", "streets", "phones", "orders", "customers")
        return msgspec.structs.replace(self, **{name: getattr(self, name) | getattr(other, name) for name in sets})

    @property
    def pseudonym(self) -> str:
        """The address that stands for theirs; says nothing about it."""
        return f"erased-{self.mark or 'person'}@{_DOMAIN}"

    @property
    def needles(self) -> tuple[str, ...]:
        """Texts that any mention of the person holds at least one of, as they may be written in JSON and in addresses
        of the web."""
        plain = {self.email, *self.streets, *self.phones, *(last or first for first, last in self.names)}
        return tuple(sorted(form for text in plain if text for form in forms(text)))

    @cached_property
    def email_pattern(self) -> re.Pattern[str]:
        return _pattern(forms(self.email))

    @cached_property
    def _strong(self) -> re.Pattern[str]:
        whole = {f"{first} {last}".strip() for first, last in self.names} | {
            f"{last}, {first}" for first, last in self.names if first and last
        }
        texts = {form for text in {*self.streets, *self.phones, *whole} if text for form in forms(text)}
        return _pattern(texts)

    @cached_property
    def _weak(self) -> re.Pattern[str]:
        texts = {form for name in self.names for part in name if len(part) > 1 for form in forms(part)}
        return _pattern(texts)

    def concerns(self, text: str) -> bool:
        """Whether a document is this person's: it has their address; or their whole name with their street or phone
        number, and nobody else's address (a spouse, somebody who sent them a present)."""
        folded = normal(text)
        if any(normal(form) in folded for form in forms(self.email)):
            return True
        if any(not one.endswith(_DOMAIN) for one in EMAIL.findall(folded)):
            return False
        return self._named(folded) and (self._any(folded, self.streets) or self._any(folded, self.phones))

    def mentions(self, text: str) -> bool:
        """Whether a text has their address, street, phone number or whole name, whoever it is about."""
        return bool(self.email_pattern.search(text) or self._strong.search(text)) or self._named(normal(text))

    def _any(self, folded: str, texts: Iterable[str]) -> bool:
        return any(normal(form) in folded for text in texts for form in forms(text))

    def _named(self, folded: str) -> bool:
        return any(
            all(any(normal(form) in folded for form in forms(part)) for part in name if part)
            for name in self.names
            if all(name)
        )

    def without(self, text: str, *, own: bool) -> str:
        """The text without this person's address; `own`: it is about them, so that name, street and phone number that
        are like theirs are theirs."""
        text = self.email_pattern.sub(self.pseudonym, text)
        return self._weak.sub(ERASED, self._strong.sub(ERASED, text)) if own else text

    def anonymised(self, value: Any, fields: frozenset[str], *, own: bool = True, field: str = "") -> Any:
        """A JSON value without this person; `fields` are erased whatever they hold where it is about them."""
        if isinstance(value, Mapping):
            return {
                self.without(str(key), own=False): self.anonymised(one, fields, own=own, field=str(key))
                for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.anonymised(one, fields, own=own, field=field) for one in value]
        if not isinstance(value, str) or not value:
            return value
        if own and field in fields:
            return self.pseudonym if "@" in value else ERASED
        return self.without(value, own=own)


def forms(text: str) -> set[str]:
    """How a text may be written: plain, in JSON that escapes, in the address of a call."""
    escaped = text.encode("ascii", "backslashreplace").decode()
    json_escaped = re.sub(r"\\x(..)", r"\\u00\1", escaped)
    return {text, json_escaped, quote(text), quote(text, safe=""), quote(text, safe="@"), text.replace(" ", "+")}


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    some = sorted(set(texts), key=len, reverse=True)
    if not some:
        return re.compile(r"(?!)")
    return re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in some), re.IGNORECASE)


def texts_of(value: Any, email: str) -> PersonalTexts:
    """What a document about this person says of them: names, streets and phone numbers by the names of its fields."""
    found = PersonalTexts(email=email)
    for one in _objects(value):
        first, last = _field(one, _FIRST), _field(one, _LAST)
        street = {line for name in _STREET for line in _lines(one.get(name))}
        addressee = one.get("addressee")
        if isinstance(addressee, str) and addressee and not first:
            first, _, last = addressee.rpartition(" ")
        found = found.joined(
            PersonalTexts(
                email=email,
                names=frozenset({(first.strip(), last.strip())} if first or last else ()),
                streets=frozenset(street),
                phones=frozenset(line for name in _PHONE for line in _lines(one.get(name))),
            )
        )
    erased = {ERASED, ""}
    return msgspec.structs.replace(
        found,
        names=frozenset(name for name in found.names if not set(name) <= erased),
        streets=found.streets - erased,
        phones=frozenset(one for one in found.phones if len(one) > 4),
    )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
    for one in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        yield from _objects(one)


def _field(one: Mapping[str, Any], names: Iterable[str]) -> str:
    return next((one[name] for name in names if isinstance(one.get(name), str)), "")


def _lines(value: Any) -> list[str]:
    some = value if isinstance(value, list | tuple) else [value]
    return [line.strip() for one in some if isinstance(one, str) for line in one.splitlines() if line.strip()]


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """One thing by which an erased person is known again: a salted hash, of which nothing can be read."""

    kind: str  # email, street, phone, first, last, name
    token: str


def tombstones(person: PersonalTexts, salt: bytes) -> list[Tombstone]:
    """By which records of this person are known again after their data is gone."""
    some: set[tuple[str, str]] = {("email", person.email)}
    some |= {("street", one) for one in person.streets} | {("phone", one) for one in person.phones}
    for first, last in person.names:
        some |= {("first", first), ("last", last), ("name", f"{first} {last}".strip())}
    return [
        Tombstone(kind=kind, token=token(text, salt)) for kind, text in sorted(some) if text and normal(text) != ERASED
    ]


def token(text: str, salt: bytes) -> str:
    return hmac.new(salt, normal(text).encode(), hashlib.sha256).hexdigest()


class Likeness(msgspec.Struct, frozen=True, kw_only=True):
    """A record as tombstones are looked for in it: worked out once, however many persons were erased.

    Attributes:
        tokens: of all its texts.
        nobody: it has the address of somebody who was erased already.
        addressed: it has an e-mail address.
    """

    tokens: frozenset[str]
    nobody: bool
    addressed: bool


def likeness(value: Any, salt: bytes) -> Likeness:
    texts = set(_leaves(value))
    return Likeness(
        tokens=frozenset(token(text, salt) for text in texts),
        nobody=any(f"@{_DOMAIN}" in text for text in texts),
        addressed=any(EMAIL.search(text) for text in texts),
    )


def known_again(record: Likeness, kinds: Mapping[str, str]) -> bool:
    """Whether a record is about an erased person: `kinds` of this person's tombstones by token.

    By the rule of `PersonalTexts.concerns`.
    """
    found = {kinds[one] for one in record.tokens & kinds.keys()}
    if record.nobody or "email" in found:
        return True
    named = "name" in found or {"first", "last"} <= found
    return named and not record.addressed and bool(found & {"street", "phone"})


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _lines(value)
        return
    for one in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        yield from _leaves(one)
