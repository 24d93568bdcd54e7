"""Single rows of an open order are closed: ``PATCH {"DocumentLines": [{"LineNum": 2, "LineStatus": "bost_Close"}]}``.

Seen in public code of several integrations (obs.): the answer is 204. A body that closes rows may hold nothing but
them and placeholders (``{"LineNum": 0}``, which leaves a row as it is); any other field beside it, in these rows, in
others or in the header, is refused with -5002 (obs., one integration; two others send a DocDueDate with it, and
whether that passes is unconfirmed). Partly delivered rows are closed in the same way through the DI API (obs.).
Unconfirmed: that Service Layer closes those too, that a closed row's amounts stay in the totals, that components stay
open without their parent, that the event is Updated when the document ends with it, and that ``bost_Open`` is ignored
like other read-only values, as is the status of a row that is closed already.
"""

from __future__ import annotations

from collections.abc import Set

from erp_sync.systems.sap_b1.sandbox import document_lines
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.document_building import summed
from erp_sync.systems.sap_b1.sandbox.errors import VALIDATION, ServiceLayerError
from erp_sync.systems.sap_b1.sandbox.kind import Entity


def open_rows(entity: Entity) -> frozenset[int]:
    """Numbers of the rows that are open."""
    return frozenset(line["LineNum"] for line in entity["DocumentLines"] if line["LineStatus"] == "bost_Open")


def asked(before: Entity, sent: Entity) -> frozenset[int]:
    """Numbers of the open rows that a body closes; a row that is closed already is none of them."""
    named = [line for line in sent.get("DocumentLines") or [] if line.get("LineStatus") == "bost_Close"]
    return open_rows(before) & {line.get("LineNum") for line in named}


def check_alone(before: Entity, merged: Entity, sent: Entity) -> None:
    """Raises ServiceLayerError (-5002) if a body changes, adds or removes anything besides the rows that it closes."""
    header = (set(sent) | {name for name in before if merged.get(name) != before[name]}) - {"DocumentLines"}
    fields = {name for line in sent["DocumentLines"] for name in document_lines.sent_line(line)} - {"LineNum"}
    numbers = [{line.get("LineNum") for line in entity["DocumentLines"]} for entity in (before, merged)]
    if header or fields or numbers[0] != numbers[1]:
        message = "Rows cannot be closed and other values changed in one update"  # words unconfirmed
        raise ServiceLayerError(VALIDATION, message)


def closed(context: Context, entity: Entity, numbers: Set[int]) -> Entity:
    """The order with these rows closed by a person's hand; with its last open row it is closed itself."""
    lines = [
        {**line, "LineStatus": "bost_Close", "sandbox_by_hand": 1} if line["LineNum"] in numbers else line
        for line in entity["DocumentLines"]
    ]
    found = {**entity, "DocumentLines": lines}
    if not open_rows(found):
        found |= {"DocumentStatus": "bost_Close", "ClosingDate": context.today}
    return summed(context, found)
