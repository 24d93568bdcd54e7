"""Taking a person out of the rows of a database, in place. Idempotent: a second pass finds nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.privacy import hits, texts_in
from erp_sync.model.personal import PersonalTexts

Owned = Callable[[sa.Table, Mapping[str, Any]], bool]


def scrub(
    write: sa.Connection,
    table: sa.Table,
    person: PersonalTexts,
    fields: frozenset[str],
    owned: Owned = lambda table, row: False,
    also: sa.ColumnElement[bool] | None = None,
    left: Owned = lambda table, row: False,
) -> Counter[str]:
    """Change every row of the table that mentions the person. Gives how many rows changed, by table.

    Args:
        fields: names of fields in JSON that are erased whatever they hold, in rows about the person.
        owned: rows about the person that do not say so by themselves.
        also: which these are, as a condition.
        left: rows that stay as they are, whomever they mention.
    """
    keys = list(table.primary_key.columns) or list(table.c)
    changed: Counter[str] = Counter()
    for row, new in changed_rows(write, table, person, fields, owned, also):
        if left(table, dict(row._mapping)):
            continue
        values = row._mapping
        where = [one.is_(None) if values[one.name] is None else one == values[one.name] for one in keys]
        write.execute(sa.update(table).where(*where).values(**new))
        changed[str(table.name)] += 1
    return changed


def changed_rows(
    read: sa.Connection,
    table: sa.Table,
    person: PersonalTexts,
    fields: frozenset[str],
    owned: Owned = lambda table, row: False,
    also: sa.ColumnElement[bool] | None = None,
) -> Iterator[tuple[sa.Row[Any], dict[str, Any]]]:
    """Rows that `scrub` changes, as they are, with what changes of them."""
    mentioned = hits(table, person, read.dialect.name == "sqlite")
    condition = mentioned if also is None else sa.or_(mentioned, also)
    texts = texts_in(table)
    for row in read.execute(sa.select(table).where(condition)).all():
        values = dict(row._mapping)
        whole = " ".join(_text(values[one.name]) for one in texts if values[one.name] is not None)
        own = person.concerns(whole) or owned(table, values)
        new = {}
        for one in texts:
            before = values[one.name]
            if before:
                after = cleaned(before, person, fields, own=own)
                if after != before:
                    new[one.name] = after
        if new:
            yield row, new


def cleaned(value: Any, person: PersonalTexts, fields: frozenset[str], *, own: bool) -> Any:
    """A text or bytes, JSON or not, without the person; of the same type."""
    text = _text(value)
    try:
        # Numbers stay as they are written.
        decoded = msgspec.json.decode(text) if text[:1] in "{[" else None
    except msgspec.DecodeError:
        decoded = None
    if decoded is None:
        new = person.without(text, own=own)
    else:
        anonymous = person.anonymised(_exact(text), fields, own=own)
        new = (
            text
            if anonymous == _exact(text)
            else msgspec.json.Encoder(decimal_format="number").encode(anonymous).decode()
        )
    return new.encode() if isinstance(value, bytes) else new


def _exact(text: str) -> Any:
    return msgspec.json.Decoder(float_hook=Decimal).decode(text)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
