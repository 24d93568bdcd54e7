"""Addresses: a subrecord of customers' address books and of transactions."""

from __future__ import annotations

import re
from typing import Any

from erp_sync.systems.netsuite.sandbox.errors import invalid_reference, invalid_value
from erp_sync.systems.netsuite.sandbox.fields import Field, answer, parse
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import Row

# Lengths: NetSuite's address form (unconfirmed beyond addr1, addr2 150 and zip 36).
FIELDS = (
    Field("addressee", "addressee", length=83),
    Field("attention", "attention", length=150),
    Field("addr1", "addr1", length=150),
    Field("addr2", "addr2", length=150),
    Field("addr3", "addr3", length=150),
    Field("city", "city", length=50),
    Field("state", "state"),
    Field("zip", "zip", length=36),
    Field("country", "country", "enum"),
    Field("addrPhone", "addrphone", length=45),
    Field("addrText", "addrtext", writable=False),
    Field("override", "override", "flag"),
)
_COUNTRY = re.compile(r"[A-Z]{2}$")
_NO_COUNTRIES = frozenset({"AA", "QM", "QQ", "QZ", "ZZ", *(f"X{chr(letter)}" for letter in range(65, 91))} - {"XK"})
# NetSuite knows the states of these countries; a value is one of their short names.
_STATES = {
    "US": [
        "AL",
        "AK",
        "AZ",
        "AR",
        "CA",
        "CO",
        "CT",
        "DE",
        "DC",
        "FL",
        "GA",
        "HI",
        "ID",
        "IL",
        "IN",
        "IA",
        "KS",
        "KY",
        "LA",
        "ME",
        "MD",
        "MA",
        "MI",
        "MN",
        "MS",
        "MO",
        "MT",
        "NE",
        "NV",
        "NH",
        "NJ",
        "NM",
        "NY",
        "NC",
        "ND",
        "OH",
        "OK",
        "OR",
        "PA",
        "RI",
        "SC",
        "SD",
        "TN",
        "TX",
        "UT",
        "VT",
        "VA",
        "WA",
        "WV",
        "WI",
        "WY",
        "AS",
        "GU",
        "MP",
        "PR",
        "VI",
        "AA",
        "AE",
        "AP",
    ],
    "CA": ["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"],
}


def parse_address(session: Session, body: dict[str, Any], path: str) -> dict[str, Any]:
    """Columns of an address. Country by ISO 3166 id, state by short name where NetSuite knows the states.

    Raises VendorError for an unknown country or state (that free-form states are off: unconfirmed).
    """
    columns = parse(session, FIELDS, body, f"{path}.")
    country, state = columns.get("country"), columns.get("state")
    if country is not None and (not _COUNTRY.match(country) or country in _NO_COUNTRIES):
        raise invalid_reference(country, "country", f"{path}.country")
    if state is not None and country in _STATES and state not in _STATES[country]:
        raise invalid_reference(state, "state", f"{path}.state")
    if not any(columns.get(name) for name in ("addr1", "addressee", "city", "zip", "country")):
        raise invalid_value(path.rpartition(".")[2], path)
    return columns


def store_address(session: Session, table: str, owner: int, columns: dict[str, Any], nkey: int | None = None) -> int:
    """Write an address and answer its key; with `nkey` the existing one is changed."""
    if nkey is not None:
        stored = session.store.one(f'SELECT * FROM "{table}" WHERE nkey = ?', nkey)
        if stored is not None:
            columns = {**{field.column: stored[field.column] for field in FIELDS}, **columns}
    columns = {**columns, "addrtext": _text(columns), "recordowner": owner, "lastmodifieddate": session.now}
    columns["dropdownstate"] = columns.get("state")
    if nkey is not None:
        session.store.update(table, {"nkey": nkey}, **columns)
        return nkey
    return session.store.insert(table, **columns)


def print_address(session: Session, row: Row | None, href: str) -> dict[str, Any]:
    """The expanded subrecord."""
    links = [{"rel": "self", "href": href}]
    if row is None:
        return {"links": links}
    return {"links": links, "id": str(row["nkey"]), **answer(session, FIELDS, row, simple_enums=False)}


def _text(columns: dict[str, Any]) -> str:
    place = " ".join(str(columns[name]) for name in ("city", "state", "zip") if columns.get(name))
    names = ("attention", "addressee", "addr1", "addr2", "addr3")
    lines = [columns.get(name) for name in names] + [place, columns.get("country")]
    return "\n".join(str(line) for line in lines if line)
