"""An erasure that is under way, kept so that it goes on by itself where it was cut short.

What it must know of the person is sealed: the sealed file lies in the home, its key in the ledger, and neither says
anything without the other. With the last step the key is destroyed, so that copies of the file say nothing either.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from erp_sync.components.installation import Installation
from erp_sync.ledger.newer import Asked
from erp_sync.model.personal import PersonalTexts
from erp_sync.operations import personal_files, personal_places
from erp_sync.operations.certificates import Line, asked_again
from erp_sync.ports.privacy import Holding, Treatment

_NONCE = 12


class Progress(msgspec.Struct, kw_only=True):
    """Attributes: asked (None: an earlier version began it), known (connection, entity and id of the records that the
    systems had of the person when it was asked for), holdings (records of systems that are still to be treated, by
    connection), lines (of the certificate so far), begun (the part of the installation at which it is)."""

    person: PersonalTexts
    who: str
    asked: Asked | None = None
    known: set[tuple[str, str, str]] = set()
    holdings: dict[str, list[Holding]] = {}
    lines: list[Line] = []
    begun: str = ""


class UnderWay:
    """One erasure. Whatever it is told is on the disk when the call returns."""

    def __init__(self, here: Installation, mark: str, key: bytes, progress: Progress) -> None:
        self._here, self.mark, self._key, self.progress = here, mark, key, progress

    def keep(self) -> None:
        personal_places.write(_file(self._here, self.mark), _sealed(msgspec.json.encode(self.progress), self._key))

    def learned(
        self, person: PersonalTexts, held: Mapping[str, Sequence[Holding]], left: Mapping[str, Sequence[Holding]]
    ) -> None:
        """What the systems say now; what they do not say any more may have been treated just before it was cut short,
        and is treated once more. `left`: what is of a new business with the person, and is not treated."""
        self.progress.person = person
        self.progress.known |= _records(held)
        for name, holdings in held.items():
            known = {(one.entity, one.native_id): one for one in self.progress.holdings.get(name, ())}
            new = {(one.entity, one.native_id) for one in left.get(name, ())}
            some = known | {(one.entity, one.native_id): one for one in holdings}
            self.progress.holdings[name] = [one for place, one in some.items() if place not in new]
        self.keep()

    def treated(self, name: str, holding: Holding, lines: Sequence[Line]) -> None:
        self.progress.holdings[name].remove(holding)
        self.progress.lines += lines
        self.keep()

    def leave_removed(self) -> None:
        """Records of systems that are not connected any more are told as kept."""
        for name in sorted(self.progress.holdings.keys() - self._here.configuration.connections.keys()):
            why = f"connection {name} was removed before it was treated: erase it there by hand"
            self.progress.lines += [
                Line(where=name, what=one.entity, how=Treatment.KEPT.value, native_id=one.native_id, why=why)
                for one in self.progress.holdings.pop(name)
            ]

    @contextmanager
    def step(self, where: str) -> Iterator[list[Line]]:
        """A part of the installation; takes the lines about it."""
        self.progress.begun = where
        self.keep()
        lines: list[Line] = []
        yield lines
        self.progress.lines += lines
        self.progress.begun = ""
        self.keep()

    def end(self) -> None:
        """All is done: nothing of it can be read any more."""
        _destroy(_file(self._here, self.mark))
        self._here.ledger.privacy.end(self.mark)
        if self._here.ledger.database.sqlite:
            personal_files.purge(self._here.ledger.database.engine)


def begin(
    here: Installation, person: PersonalTexts, who: str, asked: Asked, held: Mapping[str, Sequence[Holding]]
) -> UnderWay:
    """A new one, or the one that was cut short and is asked for again: with all that the systems hold now (`held`), and
    without those that are not connected any more."""
    mark, key = here.ledger.privacy.begin(person.email)
    before = _read(here, mark, key)
    if before is None:
        found = UnderWay(here, mark, key, Progress(person=msgspec.structs.replace(person, mark=mark), who=who))
    else:
        found = _continued(here, mark, key, before)
        found.progress.person = found.progress.person.joined(person)
        found.leave_removed()
    found.progress.asked = asked
    found.progress.known |= _records(held)
    found.keep()
    return found


def all_of(here: Installation) -> Iterator[UnderWay]:
    """Those that were cut short and lie on this machine. One that had not yet written down whom it is about had done
    nothing either."""
    for mark, key in here.ledger.privacy.under_way().items():
        before = _read(here, mark, key)
        if before is not None:
            yield _continued(here, mark, key, before)


@contextmanager
def alone(here: Installation, *, wait: bool) -> Iterator[bool]:
    """One erasure at a time on this machine. False where another is at it and one does not wait."""
    with (personal_places.folder(here) / "erasing.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _records(held: Mapping[str, Sequence[Holding]]) -> set[tuple[str, str, str]]:
    return {(name, one.entity, one.native_id) for name, holdings in held.items() for one in holdings}


def _continued(here: Installation, mark: str, key: bytes, progress: Progress) -> UnderWay:
    progress.lines = asked_again(progress.lines, progress.begun)
    progress.begun = ""
    return UnderWay(here, mark, key, progress)


def _file(here: Installation, mark: str) -> Path:
    return personal_places.folder(here) / f"under-way-{mark}.sealed"


def _read(here: Installation, mark: str, key: bytes) -> Progress | None:
    """None where there is none, or one of another key: a ledger was restored from before it."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    file = _file(here, mark)
    if not file.is_file():
        return None
    content = file.read_bytes()
    try:
        plain = AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], None)
    except InvalidTag:
        return None
    return msgspec.json.decode(plain, type=Progress)


def _sealed(content: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, None)


def _destroy(path: Path) -> None:
    if path.is_file():
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
