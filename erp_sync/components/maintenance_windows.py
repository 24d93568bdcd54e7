"""Planned maintenance in a connection's YAML: one announced window, or a calendar rule."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from erp_sync.components.durations import clock, duration

if TYPE_CHECKING:
    from erp_sync.ledger.maintenance import Calendar


class MaintenanceSpec(BaseModel):
    """When a system is planned to be away: its work queues from the first minute and goes afterwards.

    Attributes:
        rule: RFC 5545 recurrence, e.g. ``FREQ=WEEKLY;BYDAY=SA``; left out where the window is a single one.
        begins: ``from`` in YAML: wall clock ``22:00`` with a rule, else date and time with its zone.
        lasts: ``for`` in YAML, e.g. ``4h``.
        time_zone: of the wall clock; the connection's where nothing is said.
        starting: from which day the rule counts its intervals.
        why: told wherever work waits for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    begins: str = Field(alias="from")
    lasts: timedelta = Field(alias="for")
    rule: str | None = None
    time_zone: str | None = None
    starting: date | None = None
    why: str = ""

    _durations = field_validator("lasts", mode="before")(duration)

    @field_validator("begins", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else clock(value)

    @model_validator(mode="after")
    def _can_be_read(self) -> MaintenanceSpec:
        self.calendar("UTC")
        return self

    def calendar(self, time_zone: str) -> Calendar:
        """The windows. Raises ValueError for what cannot be read."""
        from erp_sync.ledger.calendars import FIRST_DAY, Once, Recurring

        try:
            zone = ZoneInfo(self.time_zone or time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"time_zone: there is no time zone {self.time_zone or time_zone!r}") from error
        if self.rule is None:
            try:
                begins = datetime.fromisoformat(self.begins)
            except ValueError as error:
                raise ValueError(f"from: {self.begins!r} is no date and time, and there is no rule") from error
            return Once(begins if begins.tzinfo else begins.replace(tzinfo=zone), self.lasts, self.why)
        try:
            clock = time.fromisoformat(self.begins)
        except ValueError as error:
            raise ValueError(f"from: {self.begins!r} is no time of day such as 22:00") from error
        return Recurring(self.rule, clock, self.lasts, zone, self.why, self.starting or FIRST_DAY)
