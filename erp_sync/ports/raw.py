"""Raw records: what a source sent, before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec

from erp_sync.model.advice import Advice


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Half-open interval of update time in UTC: start <= updated < end."""

    start: datetime
    end: datetime


class RawRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One vendor record as received (numbers exact: parsed as Decimal or kept as text).

    Attributes:
        native_id: the system's id.
        scope: website, subsidiary or company; "" where there is none.
        version: grows with each change; update time where there is nothing better.
        source_time: the source's time of last change, UTC; None where it has none.
        created_time: the source's time of creation, UTC, where it has one.
        payload: the record, redacted.
    """

    native_id: str
    scope: str = ""
    version: str
    source_time: datetime | None = None
    created_time: datetime | None = None
    payload: dict[str, Any]


News = Callable[[Mapping[str, str]], Collection[str]]
"""Of these records, native id to version: the ids that the asker has not received in that version."""


def all_new(versions: Mapping[str, str]) -> Collection[str]:
    """`News` of an asker that has received nothing yet."""
    return versions.keys()


class BadRecord(ValueError):
    """A vendor's record that cannot be understood. It alone is quarantined.

    Attributes: native_id, field (path in the vendor's record), problem.
    """

    advice = Advice(
        means="A record of a source cannot be understood. It alone is in quarantine.",
        look=("erp-sync deadletters --code malformed_record",),
        do="Correct it at the source: it is read again by itself.",
    )

    def __init__(self, native_id: str, field: str, problem: str) -> None:
        self.native_id, self.field, self.problem = native_id, field, problem
        super().__init__(f"record {native_id}, field {field}: {problem}")


class MappingProblem(ValueError):
    """A value the mapping has no answer for (unknown payment method, carrier, tax code, SKU rule clash).

    The document waits as a dead letter with this reason until a row is added.
    Attributes: code (e.g. ``unmapped_payment_method``), field, value, problem.
    """

    advice = Advice(
        means="A value has no answer in the mapping. The document is a dead letter, or the row in quarantine, with a "
        "reason of its own.",
        look=("erp-sync deadletters",),
        do="See the entry of the reason.",
    )

    def __init__(self, code: str, field: str, value: str, problem: str) -> None:
        self.code, self.field, self.value, self.problem = code, field, value, problem
        super().__init__(f"{field} {value!r}: {problem}")
