"""The certificate of an erasure: what was done where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from erp_sync.ports.privacy import Treatment

NONE_FOUND = "none found"


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


def asked_again(lines: Sequence[Line], begun: str) -> list[Line]:
    """Lines of an erasure that was cut short while it was at `begun`, for the one that goes on: what was kept of the
    installation's own is told again where that is still so."""
    left = [line for line in lines if line.native_id or line.how != Treatment.KEPT]
    if begun:
        why = "it was cut short here and done again: what had been done until then is not counted"
        left.append(Line(where=begun, what="numbers", how="incomplete", count=0, why=why))
    return left


def joined(lines: Sequence[Line]) -> list[Line]:
    """One line for each thing: records once, however often they were treated; numbers of rows added up."""
    counts: Counter[Line] = Counter()
    for line in lines:
        one = msgspec.structs.replace(line, count=1 if line.native_id else 0)
        counts[one] = 1 if line.native_id else counts[one] + line.count
    something = {line.where for line in counts if line.how != NONE_FOUND}
    return [
        msgspec.structs.replace(line, count=count)
        for line, count in counts.items()
        if line.how != NONE_FOUND or line.where not in something
    ]


def in_words(certificate: Certificate) -> str:
    """For the person, and for who has to prove it."""
    title = "What would be erased" if certificate.dry_run else f"Certificate of erasure {certificate.person}"
    rows: Counter[tuple[str, str, str, str]] = Counter()
    for line in certificate.lines:
        rows[line.where, line.what, line.how, line.why] += line.count
    table = [f"| {where} | {what} | {how} | {count} | {why} |" for (where, what, how, why), count in rows.items()]
    head = [f"# {title}", "", f"At {certificate.at:%Y-%m-%d %H:%M} UTC, by {certificate.who}.", ""]
    return "\n".join([*head, "| where | what | how | number | why |", "|---|---|---|---|---|", *table, ""])
