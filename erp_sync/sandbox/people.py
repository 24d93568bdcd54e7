"""Generated people at real places: customers' names, and US cities with a ZIP code that belongs to them.

Streets and people are invented.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A postal address. `region` is the state's two-letter code, `country` ISO 3166-1 alpha-2."""

    street: str
    city: str
    region: str
    postcode: str
    country: str = "US"


@dataclass(frozen=True)
class Person:
    """Who buys. `registered` people have an account and a password, guests do not."""

    household: int
    first_name: str
    last_name: str
    email: str
    phone: str
    place: Place
    registered: bool
    password: str = ""
    group: str = "General"


_FIRST_NAMES = (
    "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph "
    "Jessica Thomas Sarah Carlos Karen Daniel Lisa Matthew Nancy Anthony Betty Mark Sandra Donald Ashley Steven Emily "
    "Andrew Kimberly Paul Margaret Joshua Donna Kenneth Michelle Kevin Carol Brian Amanda José Melissa Zoë Deborah "
    "Edward Stephanie Ronald Rebecca Timothy Sharon Jason Laura Jeffrey Cynthia Ryan Amy"
)
_LAST_NAMES = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson "
    "Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis "
    "Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera "
    "Campbell Mitchell Carter Roberts O'Brien Muñoz Fischer-Cole Kowalski Park Shah"
)
_STREET_NAMES = (
    "Main St;Oak Ave;Maple Dr;Cedar Ln;Washington Blvd;Lake Rd;Hill St;Park Ave;Elm St;Pine St;River Rd;"
    "Church St;2nd St;Highland Ave;Sunset Dr;Mill Rd;N Broadway;Jefferson Ave;Walnut St;Ridge Ct"
)
_FIRST, _LAST, _STREETS = _FIRST_NAMES.split(), _LAST_NAMES.split(), _STREET_NAMES.split(";")
_CITIES = (
    "New York|NY|10001;Buffalo|NY|14201;Rochester|NY|14604;Los Angeles|CA|90012;San Francisco|CA|94103;"
    "San Diego|CA|92101;Sacramento|CA|95814;Chicago|IL|60601;Springfield|IL|62701;Houston|TX|77002;Dallas|TX|75201;"
    "Austin|TX|78701;Philadelphia|PA|19103;Pittsburgh|PA|15222;Columbus|OH|43215;Cleveland|OH|44113;"
    "Cincinnati|OH|45202;Atlanta|GA|30303;Savannah|GA|31401;Charlotte|NC|28202;Raleigh|NC|27601;Seattle|WA|98101;"
    "Spokane|WA|99201;Portland|OR|97204;Salem|OR|97301;Denver|CO|80202;Boulder|CO|80302;Phoenix|AZ|85004;"
    "Tucson|AZ|85701;Boston|MA|02108;Worcester|MA|01608;Newark|NJ|07102;Trenton|NJ|08608;Detroit|MI|48226;"
    "Grand Rapids|MI|49503;Nashville|TN|37203;Memphis|TN|38103;Indianapolis|IN|46204;Louisville|KY|40202;"
    "Minneapolis|MN|55401;Miami|FL|33130;Orlando|FL|32801;Tampa|FL|33602;St. Louis|MO|63101;Baltimore|MD|21202;"
    "Richmond|VA|23219;Milwaukee|WI|53202;Madison|WI|53703"
)
CITIES: tuple[tuple[str, str, str], ...] = tuple(
    (city, region, postcode) for city, region, postcode in (entry.split("|") for entry in _CITIES.split(";"))
)


def place(seed: str) -> Place:
    """A place, always the same for the same seed."""
    chance = random.Random(f"place {seed}")
    city, region, postcode = chance.choice(CITIES)
    return Place(f"{chance.randint(1, 9899)} {chance.choice(_STREETS)}", city, region, postcode)


def person(household: int, registered: bool) -> Person:
    """The person of a household, always the same."""
    chance = random.Random(f"person {household}")
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    plain = f"{first}.{last}".lower().translate(_ASCII)
    return Person(
        household=household,
        first_name=first,
        last_name=last,
        email=f"{plain}.{household}@example.{'com' if registered else 'org'}",
        phone=f"({chance.randint(201, 989)}) 555-01{chance.randint(0, 99):02d}",
        place=place(f"household {household}"),
        registered=registered,
        password=f"Basket-{household}-{chance.randint(1000, 9999)}" if registered else "",
    )


_ASCII = str.maketrans("éëñ", "een", "'-")
