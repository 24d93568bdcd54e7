"""What was handed out to a warehouse in an outage, on this machine: where it lies, and a person in it.

The files are the operator's, wherever they had them written; the home remembers where, and nothing of what is in them.
"""

from __future__ import annotations

import csv
import html
import io
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from erp_sync.model.personal import ERASED, PersonalTexts
from erp_sync.operations.personal_places import write
from erp_sync.settings import Settings

REGISTER = "handed-out.jsonl"
#: Columns of the list of orders that are about a person.
PERSONAL = (
    *("ship_to", "company", "street", "street_2", "city", "postcode", "phone", "email"),
    *("instructions", "gift_message"),
)
_SLIP = re.compile(r'<section class="slip">.*?</section>', re.DOTALL)
_NUMBER = re.compile(r"<h2>(.*?)</h2>")
_TAGS = re.compile(r"<[^>]*>")


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """One file; `there`: still where it was written."""

    path: Path
    there: bool


def remember(settings: Settings, files: Sequence[Path]) -> None:
    """Before they count as handed out: a file that nobody knows of is never erased."""
    with (settings.home / REGISTER).open("ab") as register:
        register.write(b"".join(msgspec.json.encode(str(one.resolve())) + b"\n" for one in files))
        register.flush()
        os.fsync(register.fileno())


def of(settings: Settings) -> Iterator[Paper]:
    """Files with addresses that were ever written from here, each once."""
    register = settings.home / REGISTER
    if register.is_file():
        lines = [line for line in register.read_bytes().splitlines() if line]
        for path in dict.fromkeys(Path(msgspec.json.decode(line, type=str)) for line in lines):
            yield Paper(path=path, there=path.is_file())


def about(settings: Settings, person: PersonalTexts) -> dict[str, list[str]]:
    """By file, what stands of the person in it, as text."""
    found = {}
    for paper in of(settings):
        if paper.there and (some := [text for text, _ in _parts(paper.path, person) if text]):
            found[paper.path.name] = some
    return found


def erase(path: Path, person: PersonalTexts, but: Collection[str] = ()) -> int:
    """Take a person out of a file; gives out of how many rows or slips. Order numbers, articles and amounts stay.

    `but`: numbers of orders that stay as they are.
    """
    parts = list(_parts(path, person, but))
    count = sum(bool(text) for text, _ in parts)
    if count:
        mark = "\ufeff" if path.suffix == ".csv" else ""
        write(path, (mark + "".join(new for _, new in parts)).encode())
    return count


def _parts(path: Path, person: PersonalTexts, but: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """(what is the person's in a piece of the file, "" for nothing; the piece without it)."""
    content = path.read_bytes().decode("utf-8-sig")
    return _rows(content, person, but) if path.suffix == ".csv" else _slips(content, person, but)


def _rows(content: str, person: PersonalTexts, but: Collection[str]) -> Iterator[tuple[str, str]]:
    reader = csv.DictReader(io.StringIO(content, newline=""))
    columns = list(reader.fieldnames or ())
    yield "", _line(columns)
    for row in reader:
        own = row.get("order") not in but and (
            (row.get("store"), row.get("order_id")) in person.orders
            or person.concerns(" ".join(map(str, row.values())))
        )
        clean = {name: ERASED if value and name in PERSONAL and own else value for name, value in row.items()}
        text = " ".join(str(row[name]) for name in columns if row[name]) if clean != row else ""
        yield text, _line([clean[name] for name in columns])


def _line(values: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue()


def _slips(content: str, person: PersonalTexts, but: Collection[str]) -> Iterator[tuple[str, str]]:
    end = 0
    for slip in _SLIP.finditer(content):
        yield "", content[end : slip.start()]
        end = slip.end()
        text = " ".join(html.unescape(_TAGS.sub(" ", slip[0])).split())
        heading = _NUMBER.search(slip[0])
        number = heading[1] if heading else ""
        if person.concerns(text) and html.unescape(number).removeprefix("Order ") not in but:
            yield text, f'<section class="slip"><h2>{number}</h2><p>{ERASED}</p></section>'
        else:
            yield "", slip[0]
    yield "", content[end:]
