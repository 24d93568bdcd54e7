"""A person's right to be erased: everywhere, with a certificate of what was done.

An erasure that is cut short goes on by itself (`resume`), or where it is asked for again: what is known of the person
is kept, sealed, until the last step is done (`under_way`), and every step may be repeated. Tombstones come first, so
that nothing returns meanwhile; the logs come last, since the calls to the systems stand in them.

It is of what was there when it was asked for: what the person buys later is served and stays, however long the erasure
takes, and the certificate says that they have come back. Where something cannot be told apart it goes if nothing needs
it (words in logs and in Dagster's storage), and stays if something does (a customer record on which a new order is
booked), which the certificate names: to be rid of that, too, somebody asks for it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from erp_sync.components.configuration import WrongConfiguration
from erp_sync.components.installation import Installation
from erp_sync.lake.errors import LakeError
from erp_sync.ledger import erasing
from erp_sync.ledger.errors import NO_ANSWER, LedgerError, WrongState, in_short
from erp_sync.ledger.newer import Asked, NewBusiness, Place
from erp_sync.ledger.privacy import Buried
from erp_sync.model.keys import Entity
from erp_sync.model.personal import PersonalTexts
from erp_sync.model.remains import Remains
from erp_sync.operations import papers, personal_files, personal_places, under_way
from erp_sync.operations.certificates import NONE_FOUND, Certificate, Line, in_words, joined
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.under_way import UnderWay
from erp_sync.ports.outcomes import CallFailed
from erp_sync.ports.privacy import Holding, Treated, Treatment
from erp_sync.transport.exchanges import Exchange, ExchangeLogError


def erase(here: Installation, what: str, *, who: str, also_open: bool = False, dry_run: bool = False) -> Certificate:
    """Erase a person, named by e-mail address, or as CONNECTION:CUSTOMER. Raises CannotDo, CallFailed, WrongState.

    Args:
        also_open: also where goods are still to be sent to them; else that is refused, and nothing is done.
    """
    email = personal_places.email_of(here, what)
    with under_way.alone(here, wait=not dry_run):
        # Before one looks what there is: what comes in meanwhile was not looked at.
        asked = Asked(at=here.ledger.now(), also_open=also_open)
        person, held = personal_places.found(here, here.ledger.privacy.texts(email))
        waiting = [
            f"{number} ({state})" for _, number, state in here.ledger.privacy.on_their_way(person) if state != "dead"
        ]
        waiting += [
            f"{one.entity} {one.native_id} of {name}" for name, some in held.items() for one in some if one.open
        ]
        if dry_run:
            return _foreseen(here, person, held, waiting, who)
        if waiting and not also_open:
            raise CannotDo(
                f"goods are still to be sent to this person: {', '.join(waiting[:10])}. Erase them once that has "
                "ended, or say --also-open: then these orders lose name and address"
            )
        return _done(here, under_way.begin(here, person, who, asked, held), asked)


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one that had been cut short. `why` it could not be ended now, and what is to be done `next` where
    that does not say so; else `file` is its certificate."""

    person: str
    file: str = ""
    why: str = ""
    next: str = ""


def resume(here: Installation) -> list[Resumed]:
    """End what was cut short, without being told who it is about. None where one is being done at this moment."""
    done = []
    with under_way.alone(here, wait=False) as may:
        for work in under_way.all_of(here) if may else ():
            try:
                if work.progress.asked is None:
                    raise CannotDo(
                        "an earlier version began it, which did not write down when: erase the person again, by e-mail "
                        "address"
                    )
                certificate = _done(here, work, work.progress.asked)
                done.append(Resumed(person=work.mark, file=certificate.file))
            except (CannotDo, WrongState) as problem:
                done.append(Resumed(person=work.mark, why=str(problem)))
            except (LakeError, ExchangeLogError) as problem:
                told = f"{problem.advice.do} Then erp-sync privacy resume"
                done.append(Resumed(person=work.mark, why=in_short(problem), next=told))
            except (CallFailed, WrongConfiguration, LedgerError, OSError, *NO_ANSWER) as problem:
                done.append(Resumed(person=work.mark, why=in_short(problem), next="erp-sync privacy resume"))
    return done


def _done(here: Installation, work: UnderWay, asked: Asked) -> Certificate:
    """Every step, those as well that were done before it was cut short: done twice they change nothing.

    Raises CannotDo, WrongState where something of it is being sent, goods are still to be sent for it, or a connection
    was removed that had records of the person.
    """
    # By the time at which it was asked for, however late it ends: what is newer is not theirs who was erased.
    here.ledger.privacy.bury(work.progress.person, asked.at)
    _keep_tombstones(here)
    # The ledger first: from then on no run sends anything of theirs. What one sent until then is found now.
    with work.step("ledger") as lines:
        lines += _in_ledger(here, work.progress.person, work.progress.who, asked, work.progress.known)
    held, left = _found_then(here, work, asked)
    work.learned(personal_places.told_by(work.progress.person, held), held, left)
    person = work.progress.person
    here.ledger.privacy.bury(person, asked.at)
    for name, holdings in work.progress.holdings.items():
        if not holdings:
            work.progress.lines.append(Line(where=name, what="records", how=NONE_FOUND, count=0))
        for holding in list(holdings) if name in here.configuration.connections else ():
            treated = personal_places.port_of(here, name).erase(person, holding)
            work.treated(name, holding, [_of_record(name, one) for one in treated])
    _refuse_removed(here, work)
    newer = erasing.newer(here.ledger.database, person, asked, work.progress.known)
    for where, act in _in_house(here, person, work.progress.who, asked, work.progress.known):
        with work.step(where) as lines:
            lines += act()
    work.progress.lines += _of_return(work, asked, left, newer)
    certificate = _certified(here, Certificate(
        person=work.mark, at=here.ledger.now(), who=work.progress.who, dry_run=False,
        lines=joined(work.progress.lines),
    ))  # fmt: skip
    work.end()
    return certificate


def _found_then(
    here: Installation, work: UnderWay, asked: Asked
) -> tuple[dict[str, list[Holding]], dict[str, list[Holding]]]:
    """What the systems hold, by connection: of then, and of a new business with the person, or needed by it.

    Raises CannotDo where goods are still to be sent for what is of then, and that was not asked for; WrongState where
    a new order is being sent: on which customer record it is booked, is not known yet.
    """
    person, known = work.progress.person, work.progress.known
    newer = erasing.newer(here.ledger.database, person, asked, known)
    if newer.being_sent:
        numbers = ", ".join(sorted(newer.being_sent))
        raise WrongState("what they bought since", f"being sent: {numbers}", "it goes on by itself")
    held, left, waiting = {}, {}, []
    for name, found in personal_places.held_by_systems(here, person).items():
        then = {(entity, native_id) for where, entity, native_id in known if where == name}
        new = personal_places.port_of(here, name).newer(person, found, then)
        left[name] = [
            one
            for one in found
            if one in new or (one.entity == "customer" and (name, one.native_id) in newer.customers)
        ]
        held[name] = [one for one in found if one not in left[name]]
        waiting += [f"{one.entity} {one.native_id} of {name}" for one in held[name] if one.open]
    if waiting and not asked.also_open:
        raise CannotDo(
            f"goods are still to be sent to the person: {', '.join(waiting[:10])}. It goes on by itself once that has "
            "ended; or erase them again, by e-mail address, with --also-open"
        )
    return held, left


def _refuse_removed(here: Installation, work: UnderWay) -> None:
    untreated = {name: len(some) for name, some in work.progress.holdings.items() if some}
    if untreated:
        told = ", ".join(f"{name} ({count})" for name, count in sorted(untreated.items()))
        raise CannotDo(
            f"not configured any more, with records of the person still to be treated: {told}. Put the connection back "
            "into the YAML, and it goes on by itself; or erase the person again, by e-mail address: then the "
            "certificate names these records, which are to be erased there by hand"
        )


def _of_return(work: UnderWay, asked: Asked, left: dict[str, list[Holding]], newer: NewBusiness) -> Iterator[Line]:
    """That the person has come back, and what stays for it."""
    again = "to be rid of it, erase them again"
    since = f"the person is a customer again since this erasure was asked for ({asked.at:%Y-%m-%d %H:%M} UTC)"
    for name, some in left.items():
        for one in some:
            used = (name, one.entity, one.native_id) in work.progress.known
            why = f"{since}: {'new orders are booked on it' if used else 'it is of that'}; {again}"
            yield Line(where=name, what=one.entity, how=Treatment.KEPT.value, native_id=one.native_id, why=why)
    treated = {
        (one.where, one.native_id)
        for one in work.progress.lines
        if one.what == "customer" and one.how == Treatment.ANONYMISED
    }
    for name, native_id in sorted(newer.customers & treated):
        why = (
            f"{since}, and an order was booked on this record while it was anonymised: name its customer there by hand"
        )
        yield Line(where=name, what="customer", how="to be corrected", native_id=native_id, why=why)
    if newer.since is not None:
        why = f"{since}: what they bought stays, in all parts of the installation; {again}"
        yield Line(where="ledger", what="new records", how=Treatment.KEPT.value, count=len(newer.places), why=why)


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
        # Of when they were erased: what they bought since then is theirs, whether it has been read again yet or not.
        asked = Asked(at=here.ledger.privacy.erased_at(email) or here.ledger.now(), also_open=True)
        mark = here.ledger.privacy.bury(person, asked.at)[0].person
        for _, act in _in_house(here, msgspec.structs.replace(person, mark=mark), who, asked):
            list(act())
        done.append(mark)
    return done


def _of_record(name: str, done: Treated) -> Line:
    return Line(where=name, what=done.entity, how=done.how.value, native_id=done.native_id, why=done.why)


def _in_house(
    here: Installation, person: PersonalTexts, who: str, asked: Asked, known: Collection[Place] = ()
) -> Iterator[tuple[str, Callable[[], Iterable[Line]]]]:
    """The parts of the installation, and what is done in each; in this order."""
    # Again: on a database where others write at the same time, a run may have recorded what it read before.
    yield "ledger", partial(_in_ledger, here, person, who, asked, known)
    # Who has bought since is told by what the ledger has of them then.
    newer = erasing.newer(here.ledger.database, person, asked, known)
    person = msgspec.structs.replace(
        person,
        orders=frozenset(one for one in person.orders if (one[0], Entity.SALES_ORDER, one[1]) not in newer.places),
    )
    yield "lake", partial(_in_lake, here, person, newer)
    yield "fallback export", partial(_papers, here, person, newer)
    yield "exchange log", partial(_in_exchanges, here, person, newer)
    yield "logs", partial(_in_logs, here, person)
    yield "Dagster's storage", partial(_in_dagster, here, person)
    yield "ledger", partial(_in_journal, here)


def _in_ledger(
    here: Installation, person: PersonalTexts, who: str, asked: Asked, known: Collection[Place] = ()
) -> Iterator[Line]:
    rows = erasing.erase(here.ledger.database, person, personal_places.fields_of(here), who, asked, known)
    here.ledger.database.engine.dispose()
    for table, count in sorted(rows.items()):
        if count:
            yield Line(where="ledger", what=table, how="anonymised", count=count)


def _in_lake(here: Installation, person: PersonalTexts, newer: NewBusiness) -> Iterator[Line]:
    lake: Counter[str] = Counter()
    for connection, entity, ids in personal_places.in_lake(here, person, newer.places):
        lake[f"{connection}/{entity}"] += here.lake.erase(connection, entity, ids)
    for (connection, entity), ids in here.ledger.privacy.nobodies().items():
        # What an extraction under way had landed when it was found out whose it is.
        lake[f"{connection}/{entity}"] += here.lake.erase(connection, entity, ids)
    for what, count in lake.items():
        if count:
            yield Line(where="lake", what=what, how="deleted", count=count)


def _in_exchanges(here: Installation, person: PersonalTexts, newer: NewBusiness) -> Iterator[Line]:
    done = here.exchanges.erase(person, _stays(here, person, newer.since) if newer.since is not None else None)
    yield Line(where="exchange log", what="bodies", how="deleted", count=done["bodies"])
    yield Line(where="exchange log", what="words", how="anonymised", count=done["exchanges"])
    if done["unreferred"]:
        why = "no call refers to them, so whose they were could not be told"
        yield Line(where="exchange log", what="remains of bodies", how="overwritten", count=done["unreferred"], why=why)
    if done["left"]:
        why = "they are of what the person has bought since"
        yield Line(where="exchange log", what="exchanges", how=Treatment.KEPT.value, count=done["left"], why=why)
    if done["elsewhere"]:
        why = "their files are on another machine: erase again there"
        yield Line(where="exchange log", what="bodies", how=Treatment.KEPT.value, count=done["elsewhere"], why=why)


def _stays(here: Installation, person: PersonalTexts, since: datetime) -> Callable[[Exchange, list[str]], bool]:
    """Which exchanges are of what the person has bought since: later ones that say of nothing that it is older."""
    numbers = erasing.numbers_of(here.ledger.database, person.orders)
    then = [one for one in here.ledger.privacy.erased() if one.mark == person.mark]
    remains = Remains(then, lambda: {person.mark})

    def stays(exchange: Exchange, texts: list[str]) -> bool:
        return exchange.time > since and exchange.document not in numbers and not any(map(remains.in_text, texts))

    return stays


def _in_logs(here: Installation, person: PersonalTexts) -> Iterator[Line]:
    found = sum(personal_files.overwrite(path, person) for path in personal_files.texts(here.settings))
    yield Line(where="logs", what="words", how="overwritten", count=found)


def _in_journal(here: Installation) -> Iterator[Line]:
    if not here.ledger.database.sqlite:
        why = "PostgreSQL keeps dead rows until its vacuum has passed, and write-ahead log and backups as you set them"
        yield Line(where="ledger", what="dead rows", how=Treatment.KEPT.value, why=why)
    elif not personal_files.purge(here.ledger.database.engine):
        why = "others read at that moment; erase again with the services down"
        yield Line(where="ledger", what="journal of the database", how=Treatment.KEPT.value, why=why)


def _papers(here: Installation, person: PersonalTexts, newer: NewBusiness) -> Iterator[Line]:
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
        elif paper.there and (count := papers.erase(paper.path, person, newer.numbers)):
            why = "prints and copies of it are to be destroyed by hand"
            yield Line(where="fallback export", what=paper.path.name, how="anonymised", count=count, why=why)


def _in_dagster(here: Installation, person: PersonalTexts) -> Iterator[Line]:
    urls = personal_files.storages(here.settings).values()
    count = sum(sum(personal_files.scrub_database(url, person).values()) for url in urls)
    yield Line(where="Dagster's storage", what="rows", how="anonymised", count=count)


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
