"""What the watchdog looks at: everything that fails without an error. Calls no vendor.

Each thing that is not as it should be is a condition with a key: told once, and told again when it is over. What
planned maintenance explains is no condition.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.exc import ProgrammingError

from erp_sync.components.configuration import FlowSpec, Mode, RouteSpec
from erp_sync.components.due import SENSOR_ALIVE, look_alive
from erp_sync.components.flow_table import FLOWS, FlowKind
from erp_sync.components.installation import Installation
from erp_sync.ledger.breakers import matter
from erp_sync.ledger.errors import NO_ANSWER, DatabaseAway, in_short, is_away
from erp_sync.ledger.heartbeats import Heartbeat
from erp_sync.ledger.ledger import Unreachable
from erp_sync.ledger.notices import Notice
from erp_sync.monitoring import alerting
from erp_sync.monitoring.expectations import LONGEST, WEEKS, Expectation, silence
from erp_sync.operations.watching_changes import LEARN_EVERY, Changes
from erp_sync.operations.watching_dagster import CATCHES_UP, NEEDED, DagsterStorage, LateSchedule
from erp_sync.operations.watching_documents import Condition, dead, held, left_out
from erp_sync.operations.watching_events import Announcements
from erp_sync.runtime.supervisor import files_of
from erp_sync.transport import losses

log = logging.getLogger("erp_sync.alerts")

WATCH = "watch/"
#: Heartbeats: when Dagster's storage answered and did not answer last, and when sensor or schedules stood still.
ANSWERED, NO_STORAGE, STOOD_STILL = "dagster/answered", "dagster/no_answer", "dagster/stood_still"
#: The sensor ticks about every second; a code location that is loaded anew takes a while.
SENSOR_SILENT = timedelta(minutes=3)
#: A source that was looked at last longer ago than this, or than five of its intervals, is told of.
LOOK_LATE = timedelta(minutes=30)
COMPARISON_LATE = timedelta(hours=30)
#: A queue of fewer documents is nothing to tell of, however it grows.
SMALL_QUEUE = 20
GROWTH = timedelta(minutes=30)
DISK_NEARLY_FULL = 0.05
#: That a service hung and was replaced is told for so long.
REPLACED_TOLD = timedelta(hours=1)
#: A document or change that a run has had in hand for so long, without a step forward, is told of.
IN_HAND = timedelta(minutes=10)
#: Why exchanges are given up, and what a person does about it.
GIVEN_UP = {
    losses.DISK: ("the disk of {folder} is full or cannot be written", "Make room, or mend it"),
    losses.DATABASE: ("the database of the log cannot be written", "See `ls -l {folder}` and the disk's speed"),
    losses.QUEUE: ("it is written more slowly than systems are called", "Look at the disk's speed and other load"),
    losses.DEFECT: ("single ones cannot be written", "Report it with the logs of the runs"),
}
#: What is wrong of itself after a time without services, until they have caught up.
CATCHING_UP = (
    *("sensor", "daemon", "schedule/", "overdue/", "queue/", "not_looked/", "not_compared/", "unannounced/"),
    "unchanged/",
)


class Watchdog:
    """Looks at an installation, keeps its notices true, and tells people. One per process; remembers what it learned.

    Args:
        channels: None: notices are kept, nobody is told.
        patience: so long from now on, services that were started with it may catch up before that is told.
    """

    def __init__(
        self, here: Installation, channels: alerting.Channels | None = None, patience: timedelta = timedelta(0)
    ) -> None:
        self.here, self.channels = here, channels
        self._patient_until = here.ledger.now() + patience
        self._announcements = Announcements(here)
        self._changes = Changes(here)
        self._told: dict[str, Notice] = {}
        self._dagster_storage = DagsterStorage(here.settings)
        self._expectations: dict[tuple[str, str], tuple[datetime, Expectation]] = {}

    def look(self) -> list[Condition]:
        """Raise what is wrong now, settle what is over, tell people of both. Gives what is wrong."""
        ledger = self.here.ledger
        beats = ledger.heartbeats.all()
        ledger.heartbeats.beat(["watchdog"])
        found = list(self.conditions(beats))
        told = {notice.key for notice in ledger.notices.open() if notice.key.startswith(WATCH)}
        if ledger.now() < self._patient_until:
            catching_up = tuple(WATCH + key for key in CATCHING_UP)
            found = [one for one in found if WATCH + one.key in told or not one.key.startswith(CATCHING_UP)]
            told = {key for key in told if not key.startswith(catching_up)}
        for condition in found:
            ledger.notices.raise_once(WATCH + condition.key, condition.severity, condition.text, condition.link)
        for key in told - {WATCH + condition.key for condition in found}:
            ledger.notices.clear(key)
        # Who closed a breaker may have died before saying so, or a late failure may have spoken after it.
        for breaker in ledger.breakers.all():
            if breaker.state == "closed":
                ledger.notices.clear(matter(breaker.connection))
        if self.channels is not None:
            settings = self.here.settings
            alerting.tell(
                ledger,
                self.channels,
                installation=settings.home.name,
                severity=settings.alert_severity,
                base_url=settings.ui_url,
                runbook=settings.runbook_url,
            )
        return found

    def conditions(self, beats: dict[str, Heartbeat]) -> Iterator[Condition]:
        """Everything that is wrong now. `beats`: as they were before this look."""
        now = self.here.ledger.now()
        away = self.here.ledger.unreachable()
        yield from _disk(self.here)
        yield from _given_up(self.here, now)
        sensor = beats.get(SENSOR_ALIVE)
        sensor_silent = sensor is not None and now - sensor.at > SENSOR_SILENT
        if sensor is not None and sensor_silent:
            yield Condition(
                key="sensor",
                severity="critical",
                text=f"Dagster does not look for work since {sensor.at:%Y-%m-%d %H:%M} UTC: nothing is synchronised. "
                "Its daemon or code server is gone, or sensor due_work fails. `erp-sync status` shows the services, "
                "`erp-sync up` starts them; the sensor's page in the UI shows its error.",
            )
        self._changes.look(now, beats, away, sensor_silent=sensor_silent)
        # From the ledger: from cron each look is a process of its own.
        self._told = {one.key: one for one in self.here.ledger.notices.open() if one.key.startswith(WATCH)}
        yield from self._dagster(now, sensor_silent, beats)
        for route in self.here.configuration.routes.values():
            for name, flow in route.flows.items():
                if flow.mode is not Mode.OFF:
                    yield from self._flow(route, FLOWS[name], flow, now, beats, away)
        yield from self._unannounced(now, away)
        yield from self._queues(now, away)
        yield from dead(self.here)
        yield from held(self.here, now)
        yield from left_out(self.here)
        yield from self._hung(now)

    def _dagster(self, now: datetime, sensor_silent: bool, beats: dict[str, Heartbeat]) -> Iterator[Condition]:
        """What follows from a matter that is told already is not told beside it; what was told before it stays."""
        heartbeats = self.here.ledger.heartbeats
        if not self._dagster_storage.exists:
            return
        before = [_as_it_was(one) for one in self._told.values()]
        try:
            silent = self._dagster_storage.silent_daemons(now)
            late = self._dagster_storage.late_schedules(now)
        except (DatabaseAway, ProgrammingError, *NO_ANSWER) as failure:
            text = self._unanswered(failure, beats)
            of_dagster = {one.key: one for one in before if one.key == "daemon" or one.key.startswith("schedule/")}
            if text:
                of_dagster["daemon"] = Condition(key="daemon", severity="critical", text=text)
            yield from of_dagster.values()
            return
        still = sensor_silent or "SCHEDULER" in silent
        heartbeats.beat([ANSWERED, STOOD_STILL] if still else [ANSWERED])
        stood = beats.get(STOOD_STILL)
        catches_up = still or (stood is not None and now - stood.at <= CATCHES_UP)
        told = {WATCH + one.key for one in before}
        yield from self._of_storage(silent, late, told, sensor_silent, catches_up)

    def _unanswered(self, failure: Exception, beats: dict[str, Heartbeat]) -> str:
        """What is told of a look at Dagster's storage that failed; nothing of the first one that had no answer: one
        look may fail by itself, a lock, a restart of its database. Two in a row do not."""
        if not is_away(failure):
            # Raised it would silence every other alert, look after look.
            log.error("dagster's storage cannot be read", exc_info=failure)
            return (
                "Dagster's storage answers and cannot be read, so nobody sees whether its daemon and schedules work: "
                f"{in_short(failure)}. `erp-sync up` sets it up for this version; where that does not help, report it."
            )
        self.here.ledger.heartbeats.beat([NO_STORAGE])
        before, answered = beats.get(NO_STORAGE), beats.get(ANSWERED)
        if before is None or (answered is not None and before.at < answered.at):
            return ""
        return f"Dagster's storage does not answer, so no run begins and none ends: {failure}"

    def _of_storage(
        self,
        silent: dict[str, datetime],
        late: list[LateSchedule],
        told: set[str],
        sensor_silent: bool,
        catches_up: bool,
    ) -> Iterator[Condition]:
        if silent and (not sensor_silent or WATCH + "daemon" in told):
            lost = "; ".join(f"{NEEDED[name]} ({name}) since {at:%Y-%m-%d %H:%M} UTC" for name, at in silent.items())
            yield Condition(
                key="daemon",
                severity="critical",
                text=f"Dagster's daemon gives no sign of life: {lost}. `erp-sync status` shows the services; end the "
                "daemon where it lives, `erp-sync up` starts it anew.",
            )
        for one in late:
            key = f"schedule/{one.name}"
            if WATCH + key in told or not catches_up:
                yield Condition(
                    key=key,
                    severity="error",
                    text=f"Schedule {one.name} ({one.cron}) is on and did not tick since {one.last:%Y-%m-%d %H:%M} "
                    "UTC: what it starts is not done. Its page in the UI shows its ticks and their errors.",
                    link="/automation",
                )

    def _hung(self, now: datetime) -> Iterator[Condition]:
        for name, service in files_of(self.here.settings.home).status().services.items():
            if service.hung_at is None:
                continue
            replaced = datetime.fromtimestamp(service.hung_at, UTC)
            if now - replaced < REPLACED_TOLD:
                yield Condition(
                    key=f"hung/{name}",
                    severity="warning",
                    text=f"Service {name} hung and was replaced {replaced:%Y-%m-%d %H:%M} UTC. Runs go on. Where it "
                    f"comes again, look at {service.log} and at the machine's memory and disks.",
                )
        for one in self.here.ledger.activity.in_hand(now - IN_HAND):
            if one.route not in self.here.configuration.routes or one.flow not in FLOWS:
                continue
            run, _, process = one.owner.partition(":")
            yield Condition(
                key=f"in_hand/{one.route}/{one.flow}",
                severity="error",
                text=f"{FLOWS[one.flow].title} on {one.route}: process {process} of run {run} has had {one.count} "
                f"{_of(one.flow)} in hand since {one.since:%Y-%m-%d %H:%M} UTC without a step forward, {one.example} "
                "among them. A process that hangs ends itself after 15 minutes (documents) or an hour (changes), and "
                "others take over; kill the process to have that at once.",
                link=f"/runs/{run}",
            )

    def _unannounced(self, now: datetime, away: dict[str, Unreachable]) -> Iterator[Condition]:
        for one in self._announcements.missing(now, away):
            last = "never came" if one.last is None else f"came last {one.last:%Y-%m-%d %H:%M} UTC"
            yield Condition(
                key=f"unannounced/{one.connection}/{one.flow.name}",
                severity="warning",
                text=f"{one.connection} does not tell of {one.flow.title}: an event of them {last}, and polling found "
                f"{one.count} that were made since {one.first:%Y-%m-%d %H:%M} UTC. Everything arrives, only later. "
                "Look whether the event service is up and reached from outside, and at the subscription in "
                f"{one.connection}.",
            )

    def _flow(
        self,
        route: RouteSpec,
        kind: FlowKind,
        flow: FlowSpec,
        now: datetime,
        beats: dict[str, Heartbeat],
        away: dict[str, Unreachable],
    ) -> Iterator[Condition]:
        source, target = getattr(route, kind.source), getattr(route, kind.target)
        if not kind.delivers and flow.mode is Mode.ON:
            yield from self._unchanged(route, kind, flow, now)
        if source in away and away[source].planned:
            return
        if kind.delivers and flow.mode is Mode.ON:
            yield from self._silent(route, kind, flow, now)
        sensor, look = beats.get(SENSOR_ALIVE), beats.get(look_alive(route.name, kind.name))
        if target in away and away[target].planned:
            return
        late = max(LOOK_LATE, 5 * flow.every)
        # Where the sensor itself is silent, that is the cause, and told already.
        if look is not None and sensor is not None and source not in away and sensor.at - look.at > late:
            yield Condition(
                key=f"not_looked/{route.name}/{kind.name}",
                severity="error",
                text=f"{kind.title} on {route.name}: {source} gave no answer about changes since "
                f"{look.at:%Y-%m-%d %H:%M} UTC; nothing new is seen. `erp-sync doctor {route.name}` says why.",
                link=f"/asset-groups/{route.name}_{kind.name}",
            )
        compared = self._compared(route, kind)
        if compared is not None and now - compared > COMPARISON_LATE:
            yield Condition(
                key=f"not_compared/{route.name}/{kind.name}",
                severity="warning",
                text=f"{kind.title} on {route.name} was last compared as a whole {compared:%Y-%m-%d %H:%M} UTC: "
                "what was changed behind our back since then is not seen. The runs tagged full in the UI show why.",
                link=f"/asset-groups/{route.name}_{kind.name}",
            )

    def _silent(self, route: RouteSpec, kind: FlowKind, flow: FlowSpec, now: datetime) -> Iterator[Condition]:
        activity = self.here.ledger.activity
        source = getattr(route, kind.source)
        expectation = self._expected(route, kind, flow, now)
        opened = self.here.ledger.maintenance.last_ended(source)
        start = max([one for one in (flow.start, opened) if one is not None], default=now - LONGEST)
        times = activity.accepted_times(route.name, kind.name, now - LONGEST, now + timedelta(seconds=1))
        quiet = silence(expectation, times, start, now)
        if quiet is not None:
            yield Condition(
                key=f"silent/{route.name}/{kind.name}",
                severity="critical",
                text=f"{kind.title} on {route.name}: {quiet.came} came from {source} since "
                f"{quiet.since:%Y-%m-%d %H:%M} UTC, {quiet.usual()}. Look whether {source} "
                f"takes orders at all and whether its integration still tells them: `erp-sync doctor {route.name}`, "
                f"`erp-sync reconcile {route.name}`.",
                link=f"/asset-groups/{route.name}_{kind.name}",
            )

    def _unchanged(self, route: RouteSpec, kind: FlowKind, flow: FlowSpec, now: datetime) -> Iterator[Condition]:
        """Told until business is as usual, also while nobody can look: a system that is away settles nothing."""
        source = getattr(route, kind.source)
        key = f"unchanged/{route.name}/{kind.name}"
        still, told = self._changes.still(route, kind, flow, now), self._told.get(WATCH + key)
        if still is None and told is not None and not self._changes.over(route, kind, flow, told.raised_at, now):
            yield _as_it_was(told)
        if still is not None:
            yield Condition(
                key=key,
                severity="error",
                text=f"{kind.title.capitalize()} on {route.name}: runs found {still.came} changes since "
                f"{still.since:%Y-%m-%d %H:%M} UTC, {still.usual()}. Either nothing "
                f"changes in {source}, or it no longer says so: change one there and look whether it arrives; "
                f"`erp-sync plan {kind.name} --route {route.name} --full` compares everything.",
                link=f"/asset-groups/{route.name}_{kind.name}",
            )

    def _expected(self, route: RouteSpec, kind: FlowKind, flow: FlowSpec, now: datetime) -> Expectation:
        name = (route.name, kind.name)
        known = self._expectations.get(name)
        if known is not None and now - known[0] < LEARN_EVERY:
            return known[1]
        activity = self.here.ledger.activity
        zone = ZoneInfo(self.here.configuration.connection(getattr(route, kind.source)).time_zone)
        since = activity.first_accepted(*name)
        usual_by_hand = any(one.per_hour is not None for one in flow.expected)
        times = [] if usual_by_hand else activity.accepted_times(*name, now - timedelta(weeks=WEEKS), now)
        learned = Expectation.learned(times, since, now, zone, [one.by_hand() for one in flow.expected])
        self._expectations[name] = (now, learned)
        return learned

    def _compared(self, route: RouteSpec, kind: FlowKind) -> datetime | None:
        from erp_sync.flows.extraction import complete_entity
        from erp_sync.flows.state_extraction import compared_entity

        entity = complete_entity(kind.entity) if kind.delivers else compared_entity(route.name, kind.name, kind.entity)
        return self.here.ledger.cursors.get(getattr(route, kind.source), entity).position

    def _queues(self, now: datetime, away: dict[str, Unreachable]) -> Iterator[Condition]:
        activity = self.here.ledger.activity
        came, went = activity.accepted(now - GROWTH, now), activity.finished(now - GROWTH, now)
        for queue in activity.queues():
            name = (queue.route, queue.flow)
            route = self.here.configuration.routes.get(queue.route)
            flow = route.flows.get(queue.flow) if route is not None else None
            if flow is None or flow.mode is not Mode.ON or (queue.target in away and away[queue.target].planned):
                continue
            opened = self.here.ledger.maintenance.last_ended(queue.target)
            waits_since = max(queue.oldest, opened) if opened is not None else queue.oldest
            title, link = FLOWS[queue.flow].title, f"/asset-groups/{queue.route}_{queue.flow}"
            if now - waits_since > flow.overdue:
                yield Condition(
                    key=f"overdue/{queue.route}/{queue.flow}",
                    severity="error",
                    text=f"{title} on {queue.route}: the oldest of {queue.due} {_of(queue.flow)} could go to "
                    f"{queue.target} since {queue.oldest:%Y-%m-%d %H:%M} UTC and has not. "
                    "`erp-sync status` shows what holds it up.",
                    link=link,
                )
            elif queue.due >= SMALL_QUEUE and came[name] > went[name] and queue.due > went[name]:
                yield Condition(
                    key=f"queue/{queue.route}/{queue.flow}",
                    severity="warning",
                    text=f"{title} on {queue.route}: the queue to {queue.target} grows. {came[name]} came in the last "
                    f"{GROWTH // timedelta(minutes=1)} minutes, {went[name]} went, {queue.due} wait.",
                    link=link,
                )


def _as_it_was(notice: Notice) -> Condition:
    """What was told before, where nobody can see now whether it is over."""
    return Condition(key=notice.key.removeprefix(WATCH), severity=notice.severity, text=notice.text, link=notice.link)


def _of(flow: str) -> str:
    return "documents" if FLOWS[flow].delivers else "changes"


def _disk(here: Installation) -> Iterator[Condition]:
    usage = shutil.disk_usage(here.settings.home)
    if usage.free < usage.total * DISK_NEARLY_FULL:
        yield Condition(
            key="disk",
            severity="error",
            text=f"The disk of {here.settings.home} has {usage.free // 2**20:,} MB left of {usage.total // 2**20:,}: "
            "when it is full nothing can be recorded, and so nothing is sent. Make room.",
        )


def _given_up(here: Installation, now: datetime) -> Iterator[Condition]:
    try:
        known = here.exchanges.losses()
    except OSError as error:
        yield Condition(
            key="disk/exchanges",
            severity="error",
            text=f"The disk of {here.settings.exchanges} cannot be read: {error}. Whether calls are missing from the "
            "log of what was said to systems is not known. Mend the disk, or the file's permissions.",
        )
        for notice in here.ledger.notices.open():  # that it is over is not known either
            if notice.key.startswith(WATCH + "exchanges_lost/"):
                yield _as_it_was(notice)
        return
    for loss in known:
        if loss.over(now):
            continue
        why, do = (words.format(folder=here.settings.exchanges) for words in GIVEN_UP[loss.cause])
        yield Condition(
            key=f"exchanges_lost/{loss.cause}",
            severity="warning",
            text=f"{loss.number:,} calls since {loss.since:%Y-%m-%d %H:%M} UTC, the last {loss.last:%H:%M}, are not in "
            f"the log of what was said to systems: {why} ({loss.why}). The calls themselves were made, and the ledger "
            f"knows what became of each document; a trace lacks them for good. {do}.",
        )
