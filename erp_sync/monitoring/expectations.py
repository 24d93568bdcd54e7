"""How many documents a flow should have by now: learned from its history, or said by hand.

Rates are by weekday and hour of the source's wall clock: the median over the same hour of the last weeks, where there
are two weeks of history; of the same hour of all days where there are three days; nothing is expected before that.

A flow is silent where what came in the last half hour, or longer, is so little that a business with 70 % of the
expected rate would show that only once in a thousand looks (Poisson). So a busy flow is missed after half an hour, and
one with three orders an hour after some: nobody could tell earlier (`patience` says when). It is silent no more once
the time in which twenty were expected brought 70 % of them, whatever was missed before.

A least number in a time, said by hand, is no rate but a bound: fewer in that time is told, without any statistics.

State flows are judged by the rows that their plans change. Rows come many at once, so that it is not rows that are
counted but handfuls of them: a usual plan's rows, as learned. What only a lapse of our own held up comes as one large
plan, so that nothing before the last plan of usual size is judged. Of them only the same weekday tells anything: an ERP
in which nobody works on Saturdays changes nothing then, from its first weekend on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import msgspec

HOUR = timedelta(hours=1)
SHORTEST = timedelta(minutes=30)
LONGEST = timedelta(days=7)
#: Each window that is looked at is so many times the one before.
WIDER = 1.25
#: How much of the expected rate is still a normal day, and how seldom a normal day may be called silent.
NORMAL_SHARE = 0.7
CHANCE = 0.001
#: So many expected documents tell whether business is normal again.
TELLING = 20
WEEKS = 4
DAYS_TO_LEARN = 3


Span = tuple[datetime, datetime]


class _Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Weekdays (0 is Monday), and two times of day between which something holds; an end of midnight is the day's."""

    days: tuple[int, ...]
    begins: time
    ends: time

    def holds(self, moment: datetime) -> bool:
        """At a moment of the wall clock that is meant."""
        clock = moment.time()
        return moment.weekday() in self.days and (self.begins <= clock and (clock < self.ends or self.ends == time(0)))


class ByHand(_Hours, frozen=True, kw_only=True):
    """`per_hour` documents are usual in these hours; stands instead of what was learned."""

    per_hour: float


class AtLeast(_Hours, frozen=True, kw_only=True):
    """`count` documents have to come in any time of this length that lies in these hours; beside what was learned."""

    count: int
    within: timedelta


class Expectation:
    """Documents, or changed rows, an hour that are expected at any moment, in the source's time zone.

    Attributes:
        handful: so many usually come at once; documents come one by one.
        bounds: least numbers that were said by hand.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        learned: dict[tuple[int, int], float],
        by_hand: Sequence[ByHand | AtLeast] = (),
        handful: float = 1.0,
    ) -> None:
        self.zone, self.handful = zone, handful
        self._by_hand = tuple(one for one in by_hand if isinstance(one, ByHand))
        self.bounds = tuple(one for one in by_hand if isinstance(one, AtLeast))
        self._learned = {} if self._by_hand else learned

    @classmethod
    def learned(
        cls,
        times: Iterable[datetime],
        since: datetime | None,
        now: datetime,
        zone: ZoneInfo,
        by_hand: Sequence[ByHand | AtLeast],
    ) -> Expectation:
        """From when documents came, over at most the last four weeks; `since` is the first one ever."""
        return cls(zone, _learned([(moment, 1) for moment in times], since, now, zone), by_hand)

    @classmethod
    def of_changes(
        cls,
        changes: Sequence[tuple[datetime, int]],
        since: datetime | None,
        now: datetime,
        zone: ZoneInfo,
        by_hand: Sequence[ByHand | AtLeast],
    ) -> Expectation:
        """From when plans changed how many rows, over at most the last four weeks; `since` is the first one ever."""
        # A first load, or a season's new prices, is no part of what is usual.
        most = 2 * max(_learned(changes, since, now, zone).values(), default=0.0)
        usual = sorted(rows for _, rows in changes if rows <= most)
        rates = _learned(changes, since, now, zone, any_day=False)
        return cls(zone, rates, by_hand, float(_middle_of_rows(usual)))

    def rate(self, moment: datetime) -> float:
        """Documents an hour at a moment. What is said by hand stands instead of what was learned."""
        local = moment.astimezone(self.zone)
        if self._by_hand:
            return max((one.per_hour for one in self._by_hand if one.holds(local)), default=0.0)
        return self._learned.get((local.weekday(), local.hour), 0.0)

    def between(self, start: datetime, end: datetime) -> float:
        """Documents expected in a window, by parts of hours."""
        if not self._learned and not self._by_hand:
            return 0.0
        total, moment = 0.0, start
        while moment < end:
            # What was learned changes with the hour of the wall clock only.
            length = timedelta(minutes=5)
            if not self._by_hand:
                local = moment.astimezone(self.zone)
                length = HOUR - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            step = min(end, moment + length)
            total += self.rate(moment) * ((step - moment) / HOUR)
            moment = step
        return total


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Far fewer came than expected, since a moment. UTC.

    Attributes:
        least: the bound that was said by hand, where that is what was missed.
    """

    since: datetime
    came: int
    expected: float
    least: AtLeast | None = None

    def usual(self) -> str:
        """What is missed, in words that end a sentence on how many came."""
        if self.least is None:
            return f"about {self.expected:.0f} are usual by now"
        minutes = self.least.within // timedelta(minutes=1)
        return f"at least {self.least.count} in {minutes} minutes are demanded by `expected` of the flow"


def silence(expectation: Expectation, times: Sequence[datetime], start: datetime, now: datetime) -> Silence | None:
    """The shortest window up to `now` in which a flow was silent, or None.

    Args:
        times: when documents came, sorted; all since `start` at least.
        start: nothing before is judged: the flow was off, or its source in maintenance.
    """
    if missed := _below(expectation, [(moment, 1) for moment in times], start, now):
        return missed
    for since, expected in _windows(expectation, SHORTEST, start, now):
        came = sum(1 for moment in times if since <= moment <= now)
        if expected >= TELLING and came >= expected * NORMAL_SHARE:
            return None  # normal now: longer windows would tell of what is over, for days
        if chance(came, expected * NORMAL_SHARE) < CHANCE:
            return Silence(since=since, came=came, expected=expected)
    return None


def stillness(
    expectation: Expectation,
    changes: Sequence[tuple[datetime, int]],
    start: datetime,
    now: datetime,
    every: timedelta,
    away: Sequence[Span] = (),
) -> Silence | None:
    """The shortest window up to `now` in which a state flow changed far less than it usually does, or None.

    Args:
        changes: when a plan changed how many rows, sorted; all since `start` at least.
        start: nothing before is judged.
        every: how often its source is looked at: three looks may find nothing, whatever is said by hand.
        away: spans in which nothing is expected, since nobody could look. A bound that was said by hand is judged by
            times alone in which there was none.
    """
    if missed := _below(expectation, changes, start, now, away):
        return missed
    usual = [moment for moment, rows in changes if rows >= expectation.handful]
    start = max([start, *usual[-1:]])
    for since, expected in _windows(expectation, max(SHORTEST, 3 * every), start, now, away):
        came = sum(rows for moment, rows in changes if since < moment <= now)
        handfuls, enough = int(came / expectation.handful), expected / expectation.handful * NORMAL_SHARE
        if chance(handfuls, enough) < CHANCE:
            return Silence(since=since, came=came, expected=expected)
    return None


def patience(per_hour: float) -> timedelta:
    """After how long a flow of so many documents an hour is missed that stops altogether."""
    enough = -math.log(CHANCE) / NORMAL_SHARE
    return max(SHORTEST, timedelta(hours=enough / per_hour))


def _below(
    expectation: Expectation,
    counts: Sequence[tuple[datetime, int]],
    start: datetime,
    now: datetime,
    away: Sequence[Span] = (),
) -> Silence | None:
    """The first bound that is missed now. It is judged once it has held for as long as it asks for, so that nothing is
    missed at the moment at which a shop opens."""
    for one in expectation.bounds:
        since = now - one.within
        looked = since >= start and not any(begins < now and since < ends for begins, ends in away)
        held = looked and all(one.holds(at.astimezone(expectation.zone)) for at in _minutes(since, now))
        came = sum(count for moment, count in counts if since < moment <= now)
        if held and came < one.count:
            return Silence(since=since, came=came, expected=float(one.count), least=one)
    return None


def _windows(
    expectation: Expectation, shortest: timedelta, start: datetime, now: datetime, away: Sequence[Span] = ()
) -> Iterator[tuple[datetime, float]]:
    """Where windows up to `now` begin, the shortest first, and what is expected in each."""
    away = _merged(away)
    length, before, expected = shortest, now, 0.0
    while length <= LONGEST and now - length >= start:
        since = now - length
        expected += expectation.between(since, before)
        for begins, ends in away:
            expected -= expectation.between(max(since, begins), min(before, ends))
        yield since, expected
        length, before = length * WIDER, since


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Without what two of them share."""
    found: list[Span] = []
    for begins, ends in sorted(spans):
        if found and begins <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], ends)
        else:
            found.append((begins, ends))
    return found


def _minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    moment = start
    while moment < end:
        yield moment
        moment += timedelta(minutes=1)


def chance(came: int, expected: float) -> float:
    """Probability of at most so many where so many are expected (Poisson)."""
    if expected <= 0:
        return 1.0
    return min(1.0, sum(math.exp(-expected + k * math.log(expected) - math.lgamma(k + 1)) for k in range(came + 1)))


def _learned(
    counts: Sequence[tuple[datetime, int]],
    since: datetime | None,
    now: datetime,
    zone: ZoneInfo,
    *,
    any_day: bool = True,
) -> dict[tuple[int, int], float]:
    if since is None or now - since < timedelta(days=DAYS_TO_LEARN):
        return {}
    first = max(since, now - timedelta(weeks=WEEKS))
    local = [(moment.astimezone(zone), count) for moment, count in counts]
    return _rates(local, first.astimezone(zone), now.astimezone(zone), any_day)


def _middle_of_rows(sizes: Sequence[int]) -> int:
    """Half of all rows came in plans of at least so many. `sizes` are sorted."""
    half, total = sum(sizes) / 2, 0
    for size in sizes:
        total += size
        if total >= half:
            return max(size, 1)
    return 1


def _rates(
    times: Sequence[tuple[datetime, int]], first: datetime, now: datetime, any_day: bool
) -> dict[tuple[int, int], float]:
    """Median count of each (weekday, hour) over the whole hours of the history, wall clock; `any_day`: of the hour on
    all days where the weekday came once only."""
    counts: dict[datetime, int] = {}
    for moment, count in times:
        hour = moment.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        counts[hour] = counts.get(hour, 0) + count
    by_week: dict[tuple[int, int], list[int]] = {}
    by_day: dict[int, list[int]] = {}
    hour = first.replace(minute=0, second=0, microsecond=0).astimezone(UTC) + HOUR
    while hour + HOUR <= now:
        local = hour.astimezone(first.tzinfo)
        by_week.setdefault((local.weekday(), local.hour), []).append(counts.get(hour, 0))
        by_day.setdefault(local.hour, []).append(counts.get(hour, 0))
        hour += HOUR
    rates: dict[tuple[int, int], float] = {}
    for weekday in range(7):
        for clock in range(24):
            same = by_week.get((weekday, clock), [])
            values = by_day.get(clock, []) if any_day and len(same) < 2 else same
            if len(values) >= 2:
                rates[weekday, clock] = float(median(values))
    return rates
