"""A person's rights: `export` gives what is held of them, `erase` removes it everywhere and certifies what was done.

An erasure that is cut short goes on where it is asked for again: what is known of the person is kept beside the ledger
until the last step is done, and every step may be repeated. Tombstones come first, so that nothing returns meanwhile;
the logs come last, since the calls to the systems stand in them.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger import erasing
from erp_sync.ledger.privacy import Buried
from erp_sync.model.personal import PersonalTexts, normal, texts_of
from erp_sync.operations import personal_files
from erp_sync.operations.choosing import CannotDo
from erp_sync.ports.privacy import Holding, Treatment


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done. Attributes: where (a system, or a part of this installation), what, how, count, why."""

    where: str
    what: str
    how: str
    count: int = 1
    native_id: str = ""
    why: str = ""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What was done where. Holds nothing of the person but a salted hash.

    Attributes:
        person: the first half of the tombstone's token.
        file: where the certificate lies, as JSON; beside it in words.
    """

    person: str
    at: datetime
    who: str
    dry_run: bool
    lines: list[Line]
    file: str = ""


def erase(here: Installation, what: str, *, who: str, also_open: bool = False, dry_run: bool = False) -> Certificate:
    """Erase a person, named by e-mail address, or as CONNECTION:CUSTOMER. Raises CannotDo, CallFailed, WrongState.

    Args:
        also_open: also where goods are still to be sent to them; else that is refused, and nothing is done.
    """
    email = _email(here, what)
    person = _known(here, email)
    held = {name: _port(here, name).find(person) for name in here.configuration.connections}
    for holdings in held.values():
        for holding in holdings:
            person = person.joined(texts_of(holding.data, email))
    waiting = [
        f"{number} ({state})" for _, number, state in here.ledger.privacy.on_their_way(person) if state != "dead"
    ]
    waiting += [f"{one.entity} {one.native_id} of {name}" for name, some in held.items() for one in some if one.open]
    if dry_run:
        return _foreseen(here, person, held, waiting, who)
    if waiting and not also_open:
        raise CannotDo(
            f"goods are still to be sent to this person: {', '.join(waiting[:10])}. Erase them once that has ended, or "
            "say --also-open: then these orders lose name and address"
        )
    _remember(here, person)
    mark = here.ledger.privacy.bury(person)[0].person
    person = msgspec.structs.replace(person, mark=mark)
    _keep_tombstones(here)
    lines = [line for name, holdings in held.items() for line in _in_system(here, name, person, holdings)]
    lines += _in_house(here, person, who)
    certificate = _certified(here, Certificate(
        person=mark, at=here.ledger.now(), who=who, dry_run=False, lines=lines
    ))  # fmt: skip
    _forget(here, email)
    return certificate


def export(here: Installation, what: str) -> dict[str, Any]:
    """Everything that is held of a person, here and in the systems, as JSON takes it."""
    email = _email(here, what)
    person = _known(here, email)
    held = {name: _port(here, name).find(person) for name in here.configuration.connections}
    for some in held.values():
        for one in some:
            person = person.joined(texts_of(one.data, email))
    exchanges = [
        {
            "time": one.time, "connection": one.connection, "operation": one.operation, "url": one.url,
            "request": here.exchanges.text(one, "request"), "response": here.exchanges.text(one, "response"),
        }
        for one in here.exchanges.about(person)
    ]  # fmt: skip
    return {
        "person": email,
        "systems": {name: [msgspec.to_builtins(one) for one in some] for name, some in held.items()},
        "ledger": {
            table: [{name: _shown(value) for name, value in row.items()} for row in rows]
            for table, rows in here.ledger.privacy.rows_of(person).items()
        },
        "lake": {f"{connection}/{entity}": ids for connection, entity, ids in _in_lake(here, person)},
        "exchanges": exchanges,
    }


def again(here: Installation, *, who: str) -> list[str]:
    """After a restore from a backup: whoever was erased since is erased again, here. Gives the persons' hashes."""
    _keep_tombstones(here)
    done = []
    for email in sorted(here.ledger.privacy.persons_known_again()):
        person = here.ledger.privacy.texts(email)
        mark = here.ledger.privacy.bury(person)[0].person
        _in_house(here, msgspec.structs.replace(person, mark=mark), who)
        done.append(mark)
    return done


def _in_system(here: Installation, name: str, person: PersonalTexts, holdings: list[Holding]) -> Iterator[Line]:
    port = _port(here, name)
    if not holdings:
        yield Line(where=name, what="records", how="none found", count=0)
    for holding in holdings:
        for done in port.erase(person, holding):
            yield Line(where=name, what=done.entity, how=done.how.value, native_id=done.native_id, why=done.why)


def _in_house(here: Installation, person: PersonalTexts, who: str) -> list[Line]:
    fields = frozenset().union(*(_fields(spec.vendor) for spec in here.configuration.connections.values()))
    lines = []
    rows = erasing.erase(here.ledger.database, person, fields, who)
    here.ledger.database.engine.dispose()
    lines += [
        Line(where="ledger", what=table, how="anonymised", count=count)
        for table, count in sorted(rows.items())
        if count
    ]
    for connection, entity, ids in _in_lake(here, person):
        count = here.lake.erase(connection, entity, ids)
        lines.append(Line(where="lake", what=f"{connection}/{entity}", how="deleted", count=count))
    done = here.exchanges.erase(person)
    lines.append(Line(where="exchange log", what="bodies", how="deleted", count=done["bodies"]))
    lines.append(Line(where="exchange log", what="words", how="anonymised", count=done["exchanges"]))
    if done["elsewhere"]:
        why = "their files are on another machine: erase again there"
        lines.append(
            Line(where="exchange log", what="bodies", how=Treatment.KEPT.value, count=done["elsewhere"], why=why)
        )
    found = sum(personal_files.overwrite(path, person) for path in personal_files.texts(here.settings))
    lines.append(Line(where="logs", what="words", how="overwritten", count=found))
    lines.append(Line(where="Dagster's storage", what="rows", how="anonymised", count=_in_dagster(here, person)))
    if here.ledger.database.sqlite:
        if not personal_files.purge(here.ledger.database.engine):
            why = "others read at that moment; erase again with the services down"
            lines.append(Line(where="ledger", what="journal of the database", how=Treatment.KEPT.value, why=why))
    else:
        why = "PostgreSQL keeps dead rows until its vacuum has passed, and write-ahead log and backups as you set them"
        lines.append(Line(where="ledger", what="dead rows", how=Treatment.KEPT.value, why=why))
    return lines


def _in_dagster(here: Installation, person: PersonalTexts) -> int:
    urls = [f"sqlite:///{path}" for path in personal_files.databases(here.settings)]
    if here.settings.dagster_postgres_url:
        urls = [here.settings.dagster_postgres_url]
    return sum(sum(personal_files.scrub_database(url, person).values()) for url in urls)


def _in_lake(here: Installation, person: PersonalTexts) -> Iterator[tuple[str, str, list[str]]]:
    for connection, entity in here.lake.entities():
        ids = here.lake.matching(connection, entity, person.concerns)
        if entity == "sales_order":
            ids = sorted({*ids, *(one for place, one in person.orders if place == connection)})
        if ids:
            yield connection, entity, ids


def _foreseen(
    here: Installation, person: PersonalTexts, held: dict[str, list[Holding]], waiting: list[str], who: str
) -> Certificate:
    lines = [
        Line(where=name, what=one.entity, how="would be deleted or anonymised", native_id=one.native_id)
        for name, some in held.items()
        for one in some
    ]
    rows = here.ledger.privacy.rows_of(person)
    lines += [
        Line(where="ledger", what=table, how="would be anonymised", count=len(some)) for table, some in rows.items()
    ]
    lines += [
        Line(where="lake", what=f"{connection}/{entity}", how="would be deleted", count=len(ids))
        for connection, entity, ids in _in_lake(here, person)
    ]
    count = len(here.exchanges.about(person))
    lines.append(Line(where="exchange log", what="exchanges", how="would be erased", count=count))
    lines += [Line(where="open", what=one, how="needs --also-open") for one in waiting]
    return Certificate(person="", at=here.ledger.now(), who=who, dry_run=True, lines=lines)


def _email(here: Installation, what: str) -> str:
    if "@" in what:
        return what.strip()
    connection, _, customer = what.partition(":")
    if not customer or connection not in here.configuration.connections:
        raise CannotDo(f"{what} is neither an e-mail address nor CONNECTION:CUSTOMER, e.g. magento_us:17")
    email = here.ledger.privacy.email_of(connection, customer)
    if email is None:
        raise CannotDo(f"nothing is known here of customer {customer} of {connection}; name the e-mail address")
    return email


def _known(here: Installation, email: str) -> PersonalTexts:
    person = here.ledger.privacy.texts(email)
    path = _under_way(here, email)
    if path.is_file():
        person = person.joined(msgspec.json.decode(path.read_bytes(), type=PersonalTexts))
    return person


def _folder(here: Installation) -> Path:
    folder = here.settings.home / "privacy"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _under_way(here: Installation, email: str) -> Path:
    name = hashlib.sha256(normal(email).encode()).hexdigest()[:16]
    return _folder(here) / f"under-way-{name}.json"


def _remember(here: Installation, person: PersonalTexts) -> None:
    """Until the last step is done: what a run that goes on must know."""
    _write(_under_way(here, person.email), msgspec.json.encode(person))


def _forget(here: Installation, email: str) -> None:
    path = _under_way(here, email)
    if path.is_file():
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()


def _keep_tombstones(here: Installation) -> None:
    """Beside the ledger, too: one restored from before the erasure has none. Each gets what only the other has."""
    file = _folder(here) / "tombstones.jsonl"
    if file.is_file():
        here.ledger.privacy.rebury([msgspec.json.decode(line, type=Buried) for line in file.read_bytes().splitlines()])
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in here.ledger.privacy.buried())
    _write(file, lines)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def _certified(here: Installation, certificate: Certificate) -> Certificate:
    path = _folder(here) / f"certificate-{certificate.person}-{certificate.at:%Y%m%dT%H%M%S}.json"
    certificate = msgspec.structs.replace(certificate, file=str(path))
    _write(path, msgspec.json.format(msgspec.json.encode(certificate), indent=2))
    _write(path.with_suffix(".md"), in_words(certificate).encode())
    return certificate


def in_words(certificate: Certificate) -> str:
    """For the person, and for who has to prove it."""
    title = "What would be erased" if certificate.dry_run else f"Certificate of erasure {certificate.person}"
    rows: Counter[tuple[str, str, str, str]] = Counter()
    for line in certificate.lines:
        rows[line.where, line.what, line.how, line.why] += line.count
    table = [f"| {where} | {what} | {how} | {count} | {why} |" for (where, what, how, why), count in rows.items()]
    head = [f"# {title}", "", f"At {certificate.at:%Y-%m-%d %H:%M} UTC, by {certificate.who}.", ""]
    return "\n".join([*head, "| where | what | how | number | why |", "|---|---|---|---|---|", *table, ""])


def _port(here: Installation, name: str) -> Any:
    connector: Any = here.connector(name)
    return connector.privacy()


def _fields(vendor: str) -> frozenset[str]:
    found: frozenset[str] = importlib.import_module(f"erp_sync.systems.{vendor}.privacy").FIELDS
    return found


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        text = value.decode(errors="replace")
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return value
