"""Postal address as documents carry it."""

from __future__ import annotations

import msgspec


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A postal address. `country` is ISO 3166-1 alpha-2; `region` the code where the country has codes."""

    first_name: str = ""
    last_name: str = ""
    company: str = ""
    street: tuple[str, ...] = ()
    city: str = ""
    region: str = ""
    postcode: str = ""
    country: str
    phone: str = ""
    email: str = ""
    tax_number: str = ""

    @property
    def addressee(self) -> str:
        """The name on the parcel: the person, else the company."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.company
