"""State flows that plan over tables, first stage: what events name is read from the source, and from the target what
nobody knows of it.

Everything else is known: the book has all terms, and what was never read at the target is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from erp_sync.components import events
from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FlowKind
from erp_sync.components.installation import Installation
from erp_sync.flows.comparison import value_text
from erp_sync.flows.extraction import Extraction, Landing, extract_named
from erp_sync.flows.table_flow import GONE
from erp_sync.ledger.known_state import KnownRow
from erp_sync.ports.price_questions import ReadsAccounts, account_named
from erp_sync.ports.raw import RawRecord

# Records read in one go.
BATCH = 500


def read_named(
    here: Installation,
    source: Any,
    land: Landing,
    *,
    connection: str,
    entity: str,
    run_id: str,
    now: datetime,
    ids: Sequence[str] = (),
) -> tuple[Extraction, int]:
    """Receive the records that events name, and these; one that the source does not have any more is received as gone.
    Gives how many events there were. Raises the source's errors; what was received until then stays.

    An event that names nothing is put away: a run that no event started has read all changes before.
    """
    waiting = here.ledger.inbox.waiting(now - events.delay(here, connection), connection, entity)
    every = dict.fromkeys([*ids, *(one.native_id for one in waiting if one.native_id)])
    accounts = [account for one in every if (account := account_named(one))]
    named = [one for one in every if not account_named(one)]
    seen = received = 0
    files: list[str] = []
    common: dict[str, Any] = {"connection": connection, "entity": entity, "run_id": run_id}
    # A source that cannot read single accounts finds what they have by the next look at all that changed.
    for page in source.read_accounts(accounts) if accounts and isinstance(source, ReadsAccounts) else ():
        seen += len(page)
        unseen = here.ledger.cursors.not_received(connection, entity, page)
        fresh = here.ledger.privacy.forget(connection, entity, unseen)
        if fresh:
            file = land(fresh)
            files.append(file)
            received += len(here.ledger.receive(connection, entity, fresh, run_id=run_id, lake_file=file))
    for start in range(0, len(named), BATCH):
        some = named[start : start + BATCH]
        done, found = extract_named(source, here.ledger, land, native_ids=some, **common)
        gone = [
            RawRecord(native_id=one, version=f"{GONE}{now.isoformat()}", payload={}) for one in some if one not in found
        ]
        if gone:
            file = land(gone)
            here.ledger.receive(connection, entity, gone, run_id=run_id, lake_file=file)
            files.append(file)
        seen, received, files = seen + done.seen, received + done.received + len(gone), [*files, *done.files]
    here.ledger.inbox.mark([one.id for one in waiting if one.native_id], "read")
    if not ids:
        events.put_away(here, [one.id for one in waiting if not one.native_id])
    return Extraction(seen=seen, received=received, window_end=now, files=tuple(files)), len(waiting)


def read_doubted(here: Installation, route: RouteSpec, kind: FlowKind, target: Any) -> int:
    """Know again what the target has of keys that may have moved or whose write had no answer; gives how many rows
    were read. Raises the target's errors."""
    connection = getattr(route, kind.target)
    unsure = {row.key: target.sku(row.key) for row in here.ledger.known.unsure(connection, kind.entity)}
    if not unsure:
        return 0
    started = here.ledger.now()
    found = {
        target.key(row): value_text(target.values(row))
        for page in target.read(sorted(set(unsure.values())))
        for row in page
    }
    rows = [KnownRow(key=key, value=found.get(key)) for key in unsure]
    here.ledger.known.read(connection, kind.entity, rows, started)
    return len(found)
