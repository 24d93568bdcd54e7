"""A person's right to be erased: everywhere, with a certificate of what was done.

An erasure that is cut short goes on where it is asked for again: what is known of the person is kept beside the ledger
until the last step is done, and every step may be repeated. Tombstones come first, so that nothing returns meanwhile;
the logs come last, since the calls to the systems stand in them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger import erasing
from erp_sync.ledger.privacy import Buried
from erp_sync.model.personal import PersonalTexts
from erp_sync.operations import papers, personal_files, personal_places
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
    email = personal_places.email_of(here, what)
    person, held = personal_places.found(here, personal_places.known(here, email))
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
    # The ledger first: from then on no run sends anything of theirs. What one sent until then is found now.
    rows = erasing.erase(here.ledger.database, person, personal_places.fields_of(here), who)
    person, held = personal_places.found(here, person)
    _remember(here, person)
    lines = [line for name, holdings in held.items() for line in _in_system(here, name, person, holdings)]
    lines += _in_house(here, person, who, rows)
    certificate = _certified(here, Certificate(
        person=mark, at=here.ledger.now(), who=who, dry_run=False, lines=lines
    ))  # fmt: skip
    _forget(here, email)
    return certificate


def after_restore(here: Installation, *, who: str) -> list[str]:
    """`again`, where there are tombstones beside the ledger that it has not: it is older than an erasure."""
    known = {(one.token, one.erased_at) for one in here.ledger.privacy.buried()}
    beside = {(one.token, one.erased_at) for one in _beside(here)}
    return again(here, who=who) if beside - known else []


def again(here: Installation, *, who: str) -> list[str]:
    """After a restore from a backup: whoever was erased since is erased again, here. Gives the persons' hashes."""
    _keep_tombstones(here)
    done = []
    for email in sorted(here.ledger.privacy.persons_known_again()):
        person = here.ledger.privacy.texts(email)
        mark = here.ledger.privacy.bury(person)[0].person
        _in_house(here, msgspec.structs.replace(person, mark=mark), who, Counter())
        done.append(mark)
    return done


def _in_system(here: Installation, name: str, person: PersonalTexts, holdings: list[Holding]) -> Iterator[Line]:
    port = personal_places.port_of(here, name)
    if not holdings:
        yield Line(where=name, what="records", how="none found", count=0)
    for holding in holdings:
        for done in port.erase(person, holding):
            yield Line(where=name, what=done.entity, how=done.how.value, native_id=done.native_id, why=done.why)


def _in_house(here: Installation, person: PersonalTexts, who: str, rows: Counter[str]) -> list[Line]:
    """`rows`: what was changed in the ledger already."""
    lines = []
    # Again: on a database where others write at the same time, a run may have recorded what it read before.
    rows += erasing.erase(here.ledger.database, person, personal_places.fields_of(here), who)
    here.ledger.database.engine.dispose()
    lines += [
        Line(where="ledger", what=table, how="anonymised", count=count)
        for table, count in sorted(rows.items())
        if count
    ]
    lake: Counter[str] = Counter()
    for connection, entity, ids in personal_places.in_lake(here, person):
        lake[f"{connection}/{entity}"] += here.lake.erase(connection, entity, ids)
    for (connection, entity), ids in here.ledger.privacy.nobodies().items():
        # What an extraction under way had landed when it was found out whose it is.
        lake[f"{connection}/{entity}"] += here.lake.erase(connection, entity, ids)
    lines += [Line(where="lake", what=what, how="deleted", count=count) for what, count in lake.items() if count]
    lines += _papers(here, person)
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


def _papers(here: Installation, person: PersonalTexts) -> Iterator[Line]:
    """What was handed out to a warehouse in an outage: files where they were written, and what is on paper."""
    batches = {
        one.batch
        for route in here.configuration.routes.values()
        for native_id, one in here.ledger.by_hand.handed_out(route.name).items()
        if (route.store, native_id) in person.orders
    }
    for paper in papers.of(here.settings):
        if not paper.there and any(batch in paper.path.name for batch in batches):
            why = "not where it was written: who took it deletes it"
            yield Line(where="fallback export", what=paper.path.name, how=Treatment.KEPT.value, why=why)
        elif paper.there and (count := papers.erase(paper.path, person)):
            why = "prints and copies of it are to be destroyed by hand"
            yield Line(where="fallback export", what=paper.path.name, how="anonymised", count=count, why=why)


def _in_dagster(here: Installation, person: PersonalTexts) -> int:
    urls = personal_files.storages(here.settings).values()
    return sum(sum(personal_files.scrub_database(url, person).values()) for url in urls)


def _foreseen(
    here: Installation, person: PersonalTexts, held: dict[str, list[Holding]], waiting: list[str], who: str
) -> Certificate:
    lines = [
        Line(where=name, what=one.entity, how="would be deleted or anonymised", native_id=one.native_id)
        for name, some in held.items()
        for one in some
    ]
    rows = erasing.held(here.ledger.database, person, personal_places.fields_of(here))
    lines += [
        Line(where="ledger", what=table, how="would be anonymised", count=len(some)) for table, some in rows.items()
    ]
    lines += [
        Line(where="fallback export", what=name, how="would be anonymised", count=len(some))
        for name, some in papers.about(here.settings, person).items()
    ]
    lines += [
        Line(where="lake", what=f"{connection}/{entity}", how="would be deleted", count=len(ids))
        for connection, entity, ids in personal_places.in_lake(here, person)
    ]
    count = len(here.exchanges.about(person))
    lines.append(Line(where="exchange log", what="exchanges", how="would be erased", count=count))
    lines += [Line(where="open", what=one, how="needs --also-open") for one in waiting]
    return Certificate(person="", at=here.ledger.now(), who=who, dry_run=True, lines=lines)


def _remember(here: Installation, person: PersonalTexts) -> None:
    """Until the last step is done: what a run that goes on must know."""
    personal_places.write(personal_places.under_way(here, person.email), msgspec.json.encode(person))


def _forget(here: Installation, email: str) -> None:
    path = personal_places.under_way(here, email)
    if path.is_file():
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()


def _keep_tombstones(here: Installation) -> None:
    """Beside the ledger, too: one restored from before the erasure has none. Each gets what only the other has."""
    here.ledger.privacy.rebury(_beside(here))
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in here.ledger.privacy.buried())
    personal_places.write(_tombstones(here), lines)


def _beside(here: Installation) -> list[Buried]:
    file = _tombstones(here)
    lines = file.read_bytes().splitlines() if file.is_file() else ()
    return [msgspec.json.decode(line, type=Buried) for line in lines]


def _tombstones(here: Installation) -> Path:
    return personal_places.folder(here) / "tombstones.jsonl"


def _certified(here: Installation, certificate: Certificate) -> Certificate:
    path = personal_places.folder(here) / f"certificate-{certificate.person}-{certificate.at:%Y%m%dT%H%M%S}.json"
    certificate = msgspec.structs.replace(certificate, file=str(path))
    personal_places.write(path, msgspec.json.format(msgspec.json.encode(certificate), indent=2))
    personal_places.write(path.with_suffix(".md"), in_words(certificate).encode())
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
