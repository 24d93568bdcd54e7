"""The ledger of an installation: one object that holds all its rooms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.activity import Activity
from erp_sync.ledger.adopting import Adopting
from erp_sync.ledger.beneath import Beneath
from erp_sync.ledger.breakers import LedgerBreakers, words
from erp_sync.ledger.by_hand import ByHand
from erp_sync.ledger.corrections import Corrections
from erp_sync.ledger.cross_references import CrossReferences
from erp_sync.ledger.cursors import Cursors, advance
from erp_sync.ledger.days import Days
from erp_sync.ledger.dead_letters import DeadLetters
from erp_sync.ledger.deliveries import Deliveries
from erp_sync.ledger.engine import Clock, Database, utc_now
from erp_sync.ledger.errors import LedgerMissing, SchemaTooNew, SchemaTooOld
from erp_sync.ledger.handling import Handling
from erp_sync.ledger.happenings import Happenings
from erp_sync.ledger.heartbeats import Heartbeats
from erp_sync.ledger.identifying import Identifying
from erp_sync.ledger.inbox import Inbox
from erp_sync.ledger.known_state import KnownState
from erp_sync.ledger.left_out import LeftOuts
from erp_sync.ledger.limits import LedgerSlots
from erp_sync.ledger.lookups import LookupTables
from erp_sync.ledger.maintenance import Maintenance
from erp_sync.ledger.notices import Metrics, Notices
from erp_sync.ledger.outlook import Outlook, Reader, outlook
from erp_sync.ledger.overview import Overview
from erp_sync.ledger.owed import Owed
from erp_sync.ledger.performance import Performance
from erp_sync.ledger.plans import Plans
from erp_sync.ledger.privacy import Privacy
from erp_sync.ledger.quarantine import Quarantine
from erp_sync.ledger.received import Received, ReceivedRow, insert_received
from erp_sync.ledger.retention import Expiry
from erp_sync.ledger.schema import HISTORY, VERSION
from erp_sync.ledger.steps import Steps
from erp_sync.ledger.trace import Trace, Tracing
from erp_sync.ledger.unknown_orders import UnknownOrders
from erp_sync.model.keys import EntityKey
from erp_sync.ports.raw import RawRecord


class Unreachable(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that nothing can be sent to now. `planned`: nobody needs to be told."""

    connection: str
    planned: bool
    why: str


class Ledger:
    """Safe to use from threads; a forked child may use it too, on connections of its own.

    Attributes:
        received, cursors: what was read from sources, and how far.
        deliveries, steps: documents on their way.
        plans, known: state flows.
        cross_references, lookups: ids and values here and there.
        adopting: what a target held before.
        inbox, quarantine, dead_letters: what came in, what was refused, what needs a person.
        left_out: steps that documents went without.
        limits, breakers: `ports.connection.Slots` and `Breaker` for the installation.
        maintenance: when systems are planned to be away.
        overview, identifying: how flows stand, and what a person means by a word.
        notices, owed: what people are told, and what a channel of theirs did not take.
        heartbeats, activity: who is alive, and how much came and went: for the watchdog.
        days: what became of a day's documents and rows.
        by_hand: what a warehouse does without the ERP.
        unknown_orders: orders of stores that the ERP does not know, for its stock.
        performance: how documents ended, how long they took and what people decided: for key figures.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.received = Received(database)
        self.cursors = Cursors(database, self.received)
        self.deliveries = Deliveries(database)
        self.steps = Steps(database)
        self.known = KnownState(database)
        self.beneath = Beneath(database)
        self.cross_references = CrossReferences(database)
        self.lookups = LookupTables(database)
        self.quarantine = Quarantine(database)
        self.limits = LedgerSlots(database)
        self.maintenance = Maintenance(database)
        self.notices = Notices(database)
        self.owed = Owed(database)
        self.breakers = LedgerBreakers(database, self.maintenance, self.notices)
        self.plans = Plans(database)
        self.dead_letters = DeadLetters(database)
        self.left_out = LeftOuts(database)
        self.corrections = Corrections(database)
        self.inbox = Inbox(database)
        self.heartbeats = Heartbeats(database)
        self.activity = Activity(database)
        self.metrics = Metrics(database)
        self.retention = Expiry(database)
        self.adopting = Adopting(database)
        self.overview = Overview(database)
        self.days = Days(database)
        self.performance = Performance(database)
        self.identifying = Identifying(database)
        self.privacy = Privacy(database)
        self.by_hand = ByHand(database)
        self.unknown_orders = UnknownOrders(database)
        self._tracing = Tracing(database)
        self.happenings = Happenings(database)

    @classmethod
    def open(cls, url: str, clock: Clock = utc_now) -> Ledger:
        """Open the ledger at a SQLAlchemy URL (``sqlite:///PATH``, ``postgresql+psycopg://...``). Never migrates.

        Args:
            clock: gives the time, with a time zone. All of the ledger's times come from it.
        Raises:
            LedgerMissing, SchemaTooOld: run `erp-sync init`.
            SchemaTooNew: a later version of erp_sync wrote it.
        """
        database = Database(url, clock)
        if database.sqlite:
            file = database.url.database
            if not file or file == ":memory:":
                raise ValueError("a ledger is shared by processes: it needs a file, not sqlite's memory")
            if not Path(file).is_file():
                raise LedgerMissing(file)
        with database.read() as read:
            found = None
            if sa.inspect(read).has_table("alembic_version"):
                found = read.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        if found == VERSION:
            return cls(database)
        database.close()
        if found is None:
            raise LedgerMissing(database.place)
        if found in HISTORY:
            raise SchemaTooOld(database.place, found, VERSION)
        raise SchemaTooNew(database.place, found, VERSION)

    def close(self) -> None:
        self.database.close()

    def now(self) -> datetime:
        """The ledger's clock, UTC."""
        return self.database.now()

    def receive(
        self,
        connection: str,
        entity: str,
        records: Sequence[RawRecord],
        *,
        advance_to: datetime | None = None,
        run_id: str = "",
        lake_file: str = "",
        token: str = "",
    ) -> list[int]:
        """Record what a source sent and move its cursor, in one transaction. Idempotent.

        Args:
            records: with `lake_file`: in the order of its rows.
            advance_to: everything updated before it was read, UTC; the cursor never goes back.
        Returns:
            Ids of records that were not had in this version, in order.
        """
        with self.database.write() as write:
            # Ids grow in the order of commits, which the marks of what is handled rely on.
            self.database.exclude(write, "receive", connection, entity)
            records = self.privacy.forget_meanwhile(write, connection, entity, records)
            ids = insert_received(
                self.database, write, connection, entity, records, run_id, lake_file, self.database.now()
            )
            advance(self.database, write, connection, entity, advance_to, token, run_id)
            return ids

    def unhandled(self, route: str, flow: str, connection: str, entity: str, limit: int = 500) -> list[ReceivedRow]:
        """Received records that the flow of the route has not handled yet, oldest first."""
        return self.received.unhandled(route, flow, connection, entity, limit)

    def any_unhandled(self, route: str, flow: str, connection: str, entity: str) -> bool:
        """Is there anything to transform? One cheap query."""
        return self.received.any_unhandled(route, flow, connection, entity)

    @contextmanager
    def handling(self, route: str, flow: str, run_id: str = "") -> Iterator[Handling]:
        """One transaction of a transformation: documents, plans and refusals are recorded together with the
        received ids that they were made of, or nothing is. Others of the same (route, flow) wait.

        Keep network and slow work outside: it holds the write lock.
        """
        with self.database.write() as write:
            self.database.exclude(write, "handling", route, flow)
            yield Handling(self.database, write, route, flow, run_id)

    def any_due(self, route: str | None, flow: str, target: str) -> bool:
        """Is anything to load: deliveries, or rows of plans? Cheap."""
        return self.deliveries.any_due(flow, target, route) or self.plans.any_due(flow, target, route)

    def outlook(self, readers: Sequence[Reader]) -> Outlook:
        """What there is to do in the whole installation now; received records as these readers see them."""
        return outlook(self.database, readers)

    def unreachable(self) -> dict[str, Unreachable]:
        """Connections that nothing can be sent to now: in planned maintenance, or their circuit breaker is open."""
        found = {
            name: Unreachable(connection=name, planned=False, why=f"circuit breaker {one.state}: {one.why}")
            for name, one in self.breakers.open().items()
        }
        for name, window in self.maintenance.under_way().items():
            found[name] = Unreachable(connection=name, planned=True, why=words(window))
        return found

    def trace(self, asked: str | EntityKey, entity: str | None = None) -> Trace:
        """Everything that ever happened to a document, in order, by its number, native id or key."""
        return self._tracing.trace(asked, entity)

    def due_counts(self, route: str, flow: str, target: str) -> dict[str, int]:
        """What the ledger holds for one flow and target that is not finished, deliveries and rows of plans:
        due (now), later, waiting, claimed, sending, accepted, held, dead."""
        counts = Counter(self.deliveries.pending(route, flow, target))
        counts.update(self.plans.pending(route, flow, target))
        return dict(counts)
