"""What was written down of a person after they were erased: found by their tombstones, nobody knows them any more.

Pure. A store that was restored from its own backup sends them again, and whoever answers or asks writes them down. What
they bought after the erasure is theirs and stays: records tell when they were created; what tells nothing stays where
the person is known to have come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import msgspec

from erp_sync.model.personal import EMAIL, Likeness, PersonalTexts, known_again, likeness, token

#: How records of the systems call the time at which they were created.
CREATED = ("created_at", "createdDate", "createddate")


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """One person who was erased. `kinds`: of their tombstones, by token; `mark` says nothing of them."""

    mark: str
    salt: str
    erased_at: datetime
    kinds: dict[str, str]


class Remains:
    """Of persons who were erased, in texts. `returned` gives the marks of who has come back since, asked for when it
    is needed."""

    def __init__(self, erased: list[Erased], returned: Callable[[], set[str]]) -> None:
        self._erased, self._ask = erased, returned

    @cached_property
    def _returned(self) -> set[str]:
        return self._ask()

    def in_text(self, text: str) -> bool:
        """Whether a body, JSON or not, has something of an erased person that is from before the erasure."""
        try:
            value = msgspec.json.decode(text) if text[:1] in "{[" else unquote(text)
        except msgspec.DecodeError:
            value = unquote(text)  # of a long one only the beginning was kept
        records: list[tuple[datetime, Any]] = []
        rest = _undated(value, records)
        if any(one.erased_at >= created for created, record in records for one in self._of(record)):
            return True
        return any(one.mark not in self._returned for one in self._of(rest))

    def without_addresses(self, text: str) -> str:
        """A text with pseudonyms for the e-mail addresses of erased persons who have not come back."""
        for address in dict.fromkeys(EMAIL.findall(unquote(text))):
            for one in self._erased:
                if one.kinds.get(token(address, bytes.fromhex(one.salt))) and one.mark not in self._returned:
                    text = PersonalTexts(email=address, mark=one.mark).without(text, own=False)
        return text

    def _of(self, value: Any) -> Iterator[Erased]:
        """Persons whom a value is about; an address may stand within a text, such as a query."""
        seen: dict[str, Likeness] = {}
        for one in self._erased:
            if one.salt not in seen:
                seen[one.salt] = likeness([value, _addresses(value)], bytes.fromhex(one.salt))
            like = seen[one.salt]
            # The pseudonym of somebody says nothing of anybody.
            if known_again(msgspec.structs.replace(like, nobody=False), one.kinds):
                yield one


def _undated(value: Any, records: list[tuple[datetime, Any]]) -> Any:
    """The value without the records in it that say when they were created; these are added to the list."""
    if isinstance(value, Mapping):
        created = next((time for name in CREATED if (time := _time(value.get(name))) is not None), None)
        if created is not None:
            records.append((created, value))
            return None
        return {name: _undated(one, records) for name, one in value.items()}
    if isinstance(value, list):
        return [_undated(one, records) for one in value]
    return value


def _time(value: Any) -> datetime | None:
    """UTC where it does not say which."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _addresses(value: Any) -> list[str]:
    if isinstance(value, str):
        return EMAIL.findall(value) if "@" in value else []
    some = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for one in some for text in _addresses(one)]
