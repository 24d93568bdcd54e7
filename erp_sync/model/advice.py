"""What a person does about an error, a reason or an alert: one text, beside its definition.

The runbook (`erp-sync runbook`, docs/runbook.md) is generated from these; every alert and every dead letter links to
its entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TypeVar

import msgspec


class Advice(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Of an error class: its attribute `advice`.

    Attributes:
        means: to the business, in a sentence or two.
        look: exact commands, or where to look by hand.
        do: what to do.
    """

    means: str
    look: tuple[str, ...] = ()
    do: str


class Reason(Advice, frozen=True, kw_only=True, dict=True):
    """Of a code by which dead letters, held documents and quarantine are grouped.

    Attributes:
        code: may have parts in braces that stand for any text, as in ``unmapped_{table}``; they may stand in the
            texts, too.
    """

    code: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", self.code)
        return re.compile(
            "".join(f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        )


class Alert(Advice, frozen=True, kw_only=True, dict=True):
    """Of everything that people are told for one cause, see `cause_of`."""

    cause: str


Entry = TypeVar("Entry", bound=Reason)


def best(reasons: Iterable[Entry], code: str) -> Entry | None:
    """Whose code it is: the same text first, else the pattern with most letters of its own."""
    fitting = [one for one in reasons if one.code == code or one.pattern.fullmatch(code)]
    return max(fitting, key=lambda one: (one.code == code, len(re.sub(r"\{\w+\}", "", one.code))), default=None)


def filled(text: str, reason: Reason, code: str) -> str:
    """A text with the parts that this code has in place of braces."""
    match = reason.pattern.fullmatch(code)
    for name, value in (match.groupdict() if match else {}).items():
        text = text.replace(f"{{{name}}}", value)
    return text


def cause_of(key: str) -> str:
    """Of a notice's key: ``watch/dead/us/orders/defect`` is told because of ``dead``."""
    parts = key.removeprefix("watch/").split("/")
    return parts[0]


def anchor(kind: str, name: str) -> str:
    """Of an entry of the runbook: ``reason-unmapped_table``."""
    return f"{kind}-{re.sub('[^A-Za-z0-9_-]', '', name)}"
