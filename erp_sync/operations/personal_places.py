"""Where a person's data may be: the systems and the lake; and the folder for what is kept of erasures."""

from __future__ import annotations

import importlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from erp_sync.components.installation import Installation
from erp_sync.model.personal import PersonalTexts, texts_of
from erp_sync.operations.choosing import CannotDo
from erp_sync.ports.privacy import Holding


def email_of(here: Installation, what: str) -> str:
    """Of a person named by e-mail address or as CONNECTION:CUSTOMER. Raises CannotDo."""
    if "@" in what:
        return what.strip()
    connection, _, customer = what.partition(":")
    if not customer or connection not in here.configuration.connections:
        raise CannotDo(f"{what} is neither an e-mail address nor CONNECTION:CUSTOMER, e.g. magento_us:17")
    email = here.ledger.privacy.email_of(connection, customer)
    if email is None:
        raise CannotDo(f"nothing is known here of customer {customer} of {connection}; name the e-mail address")
    return email


def found(here: Installation, person: PersonalTexts) -> tuple[PersonalTexts, dict[str, list[Holding]]]:
    """What every system holds of a person, and what that says of them besides. Raises CallFailed."""
    held = held_by_systems(here, person)
    return told_by(person, held), held


def held_by_systems(here: Installation, person: PersonalTexts) -> dict[str, list[Holding]]:
    """By connection. Raises CallFailed."""
    return {name: port_of(here, name).find(person) for name in here.configuration.connections}


def told_by(person: PersonalTexts, held: Mapping[str, Sequence[Holding]]) -> PersonalTexts:
    """The person with what the records say of them besides."""
    for holdings in held.values():
        for holding in holdings:
            person = person.joined(texts_of(holding.data, person.email))
    return person


def folder(here: Installation) -> Path:
    """Of certificates, tombstones and, sealed, erasures under way."""
    path = here.settings.home / "privacy"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def write(path: Path, content: bytes) -> None:
    """Whole or not at all, for its owner's eyes."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def port_of(here: Installation, name: str) -> Any:
    """`ports.privacy.PersonalData` of a connection."""
    connector: Any = here.connector(name)
    return connector.privacy()


def fields_of(here: Installation) -> frozenset[str]:
    """Names of personal fields in records of the systems that are connected."""
    vendors = {spec.vendor for spec in here.configuration.connections.values()}
    modules = [importlib.import_module(f"erp_sync.systems.{vendor}.privacy") for vendor in sorted(vendors)]
    return frozenset().union(*(module.FIELDS for module in modules))


def in_lake(
    here: Installation, person: PersonalTexts, but: Collection[tuple[str, str, str]] = ()
) -> Iterator[tuple[str, str, list[str]]]:
    """(connection, entity, native ids) of records that are the person's; `but`: places of those that are not meant."""
    for connection, entity in here.lake.entities():
        ids = here.lake.matching(connection, entity, person.concerns)
        if entity == "sales_order":
            ids = sorted({*ids, *(one for place, one in person.orders if place == connection)})
        ids = [one for one in ids if (connection, entity, one) not in but]
        if ids:
            yield connection, entity, ids
