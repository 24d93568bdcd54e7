"""Parts that several mappings share."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from erp_sync.model.address import Address
from erp_sync.model.order import TaxLine
from erp_sync.ports import mapping_rules as rules
from erp_sync.ports.mapping import Direction, Field, Rule, Scope, is_empty
from erp_sync.ports.paths import MISSING

OUT = Direction.TO_VENDOR
CUT = " [...]"
#: Countries whose states SAP keeps as codes; elsewhere a region is a free text (unconfirmed; setting state_countries).
STATE_COUNTRIES = ("US", "CA")


def plain(number: Decimal) -> Decimal:
    """Without trailing zeros and without exponent: 2.0000 is 2."""
    whole = number.to_integral_value()
    return whole.quantize(Decimal(1)) if number == whole else number.normalize()


amount = Rule("number", lambda value, scope: plain(value))


def given(name: str, words: str) -> Rule:
    """What the connector resolved or worked out."""
    return rules.value_of(name, words)


def at_most(length: int) -> Rule:
    """Cut to the length, with a mark that something is missing."""

    def apply(value: Any, scope: Scope) -> str:
        text = str(value)
        return text if len(text) <= length else text[: length - len(CUT)].rstrip() + CUT

    return Rule(f"at most {length} characters, cut with a mark", apply)


def tax_code(taxes: Iterable[TaxLine], scope: Scope) -> Any:
    """SAP's code by look-up table tax_codes; where nothing is taxed setting ``tax_free_code``, else SAP's own choice.

    A line has one code in SAP, which may stand for several taxes: the store's must all lead to the same one. Raises
    MappingProblem.
    """
    codes = sorted({tax.code for tax in taxes})
    if not codes:
        free = scope.context.setting("tax_free_code")
        return MISSING if is_empty(free) else str(free)
    found = sorted({scope.context.lookups.require("tax_codes", code) for code in codes})
    if len(found) > 1:
        raise scope.problem(
            "taxes", f"{', '.join(codes)} lead to {', '.join(found)}, and a line has one tax code in SAP Business One",
            "; ".join(codes), code="several_tax_codes",
        )  # fmt: skip
    return found[0]


def tax_field(scope: Scope) -> str:
    """``VatGroup`` or ``TaxCode``: which of them holds depends on the company's localisation."""
    return str(scope.context.setting("tax_field", "VatGroup"))


def tax_fields(taxes: str) -> tuple[Field, Field]:
    """Both fields of which setting ``tax_field`` chooses one. `taxes`: where the tax lines stand."""

    def chosen(name: str) -> Rule:
        def find(scope: Scope) -> Any:
            return tax_code(scope.get(taxes) or (), scope) if tax_field(scope) == name else MISSING

        return rules.computed(
            f"lookup(tax_codes) where setting tax_field is {name}; without tax setting tax_free_code",
            find,
            reads=(f"{taxes}[].code",),
        )

    return (
        Field("", "VatGroup", chosen("VatGroup")),
        Field("", "TaxCode", chosen("TaxCode")),
    )


# Addresses. Lengths are those of the tables CRD1 and RDR12 (unconfirmed). Longer values are refused: a parcel must not
# go to half an address.


def street(address: Address, index: int) -> Any:
    """One line of the street; the third takes what is left."""
    lines = [line for line in address.street if line.strip()]
    if index < 2:
        return lines[index] if len(lines) > index else MISSING
    return ", ".join(lines[2:]) or MISSING


def names(address: Address) -> tuple[Any, Any]:
    """The company, else the person; and the person where there is a company."""
    person = " ".join(part for part in (address.first_name, address.last_name) if part)
    first = address.company or person
    return first or MISSING, (person if address.company and person else MISSING)


def state_and_county(address: Address, scope: Scope) -> tuple[Any, Any]:
    """The code of the state where SAP keeps codes, else the region as a free text."""
    region = address.region
    if not region:
        return MISSING, MISSING
    key = f"{address.country}/{region}"
    found = scope.context.lookups.get("regions", key)
    region = region if found is None or found == key else found
    with_states = scope.context.setting("state_countries", STATE_COUNTRIES)
    return (region, MISSING) if address.country in with_states else (MISSING, region)


def country_code(value: str) -> str:
    if len(value) != 2 or not value.isalpha() or not value.isupper():
        raise ValueError(f"{value!r} is no ISO 3166-1 alpha-2 country code")
    return value


# Of an address: suffix in AddressExtension, field of BPAddresses, how it is made, most characters, what it reads.
def _parts() -> tuple[tuple[str, str, str, Any, int, tuple[str, ...]], ...]:
    return (
        ("Address2", "AddressName2", "company, else person", lambda address, scope: names(address)[0], 50,
         ("company", "first_name", "last_name")),
        ("Address3", "AddressName3", "person, where there is a company", lambda address, scope: names(address)[1], 50,
         ("company", "first_name", "last_name")),
        ("Street", "Street", "first line of the street", lambda address, scope: street(address, 0), 100, ("street",)),
        ("Block", "Block", "second line of the street", lambda address, scope: street(address, 1), 100, ("street",)),
        ("Building", "BuildingFloorRoom", "further lines of the street",
         lambda address, scope: street(address, 2), 100, ("street",)),
        ("City", "City", "text", lambda address, scope: address.city, 100, ("city",)),
        ("ZipCode", "ZipCode", "text", lambda address, scope: address.postcode, 20, ("postcode",)),
        ("State", "State", "lookup(regions) of country/region, else itself, in countries of setting state_countries",
         lambda address, scope: state_and_county(address, scope)[0], 3, ("country", "region")),
        ("County", "County", "the region, in other countries",
         lambda address, scope: state_and_county(address, scope)[1], 100, ("country", "region")),
        ("Country", "Country", "ISO 3166-1 alpha-2", lambda address, scope: country_code(address.country), 3,
         ("country",)),
    )  # fmt: skip


REQUIRED = ("Street", "City", "Country")


def address_fields(where: str, prefix: str | None) -> tuple[Field, ...]:
    """Fields of an address at path `where` of the record: of AddressExtension with that prefix, of BPAddresses with
    None."""
    fields = []
    for suffix, in_book, words, make, length, reads in _parts():

        def find(scope: Scope, make: Any = make) -> Any:
            return make(scope.get(where), scope)

        fields.append(
            Field(
                "",
                in_book if prefix is None else prefix + suffix,
                rules.computed(words, find, reads=tuple(f"{where}.{one}" for one in reads)),
                required=suffix in REQUIRED,
                validation=(rules.at_most(length),),
            )
        )
    return tuple(fields)
