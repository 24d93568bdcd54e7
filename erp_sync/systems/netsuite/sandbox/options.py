"""What an account is: edition, limits, time zone, custom fields. A wrong option is refused by name."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DATE_FORMATS = ("M/D/YYYY", "D/M/YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "YYYY-MM-DD", "DD.MM.YYYY")


class WrongOption(ValueError):
    """An option of the sandbox is unknown or has a value it cannot have. Attributes: name, expected."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        self.name, self.expected = name, expected
        super().__init__(f"netsuite sandbox option {name} is {value!r}; expected {expected}")


@dataclass(frozen=True)
class Options:
    """Settings of one sandbox account.

    Attributes:
        account: account id as in the OAuth realm (upper case, ``_``).
        tax: "suitetax", or "legacy", where REST refuses tax fields.
        concurrency: requests at a time over REST and RESTlets together (Oracle: 5 for Standard and developer accounts).
        allocated: of these, what an administrator has allocated to this integration; None: it shares the rest.
        allocated_elsewhere: what is allocated to other integrations, so that this one has so much less (Oracle help,
            GovernanceLimits Operation).
        administrator: the token's role may read the limits; an integration's should not be able to.
        index_lag_seconds: how long collections and SuiteQL show the state before a write.
        timezone: of the account; SuiteQL dates are in it (that it is the account's and not the user's: unconfirmed).
        date_format: of the account, for dates in SuiteQL results and ``q``.
        default_order_status: of a new order without ``orderStatus`` (Oracle, Approving Your Sales Order: "A").
        async_seconds: how long a task of an asynchronous job works.
        async_parallel: how many tasks of a job work at once.
        pick_pack_ship: the Pick, Pack and Ship feature; off, ``shipStatus`` is refused (unconfirmed).
        multi_location: the feature; lines of fulfillments must then say where they leave from.
        automatic_locations: the Automatic Location Assignment feature: approved lines without a location get one in
            the background.
        idempotency_hours: how long a key of asynchronous requests is remembered (unconfirmed).
        custom_fields: script id to {type: text|number|boolean|date|reference|list, label}; custbody_, custcol_,
            custentity_, custitem_.
        custom_records: record name (customrecord_x) to {field script id: type}.
        push_url, push_secret: where the change push of the account's user event scripts goes, and its HMAC key.
        push_records: records that the change push is deployed on, as a script is in life; None: all that it knows.
        legacy_tax_on: with legacy tax, "order" (United States: a total on the order) or "lines".
        scripts: RESTlets that are installed.
        permissions: what the token's role may do less than everything, by key: 0 nothing, 1 view, 2 create, 3 edit.
        row_limit: rows a saved search answers at most in one call of the RESTlet (SuiteScript getRange: 1000).
    """

    account: str = "1234567_SB1"
    tax: str = "suitetax"
    concurrency: int = 5
    allocated: int | None = None
    allocated_elsewhere: int = 0
    administrator: bool = False
    index_lag_seconds: float = 0.0
    timezone: str = "America/Los_Angeles"
    date_format: str = "M/D/YYYY"
    default_order_status: str = "A"
    async_seconds: float = 1.0
    async_parallel: int = 5
    pick_pack_ship: bool = True
    multi_location: bool = True
    automatic_locations: bool = False
    idempotency_hours: float = 24.0
    custom_fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    custom_records: dict[str, dict[str, str]] = field(default_factory=dict)
    push_url: str | None = None
    push_secret: str = ""
    push_records: tuple[str, ...] | None = None
    permissions: dict[str, int] = field(default_factory=dict)
    row_limit: int = 1000
    legacy_tax_on: str = "order"
    scripts: tuple[str, ...] = ("customscript_erp_sync_order", "customscript_erp_sync_search")

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """Check what was given. Raises WrongOption for the first wrong one."""
        known = {option.name for option in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise WrongOption(name, value, f"one of {', '.join(sorted(known))}")
        options = cls(**given)
        _one_of("tax", options.tax, ("suitetax", "legacy"))
        _one_of("date_format", options.date_format, DATE_FORMATS)
        _one_of("legacy_tax_on", options.legacy_tax_on, ("order", "lines"))
        _one_of("default_order_status", options.default_order_status, ("A", "B"))
        for name in ("concurrency", "async_parallel", "row_limit"):
            value = getattr(options, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise WrongOption(name, value, "a whole number, at least 1")
        for name in ("index_lag_seconds", "async_seconds", "idempotency_hours"):
            value = getattr(options, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
                raise WrongOption(name, value, "a number of seconds or hours, 0 or more")
        if options.allocated is not None and not 1 <= options.allocated <= options.concurrency:
            raise WrongOption("allocated", options.allocated, f"a whole number from 1 to {options.concurrency}")
        if not 0 <= options.allocated_elsewhere < options.concurrency:
            raise WrongOption("allocated_elsewhere", options.allocated_elsewhere, "less than the concurrency")
        for key, level in options.permissions.items():
            _one_of(f"permissions.{key}", level, (0, 1, 2, 3, 4))
        if not options.account or options.account != options.account.upper() or "-" in options.account:
            raise WrongOption("account", options.account, "an account id in upper case with _, e.g. 1234567_SB1")
        try:
            ZoneInfo(options.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise WrongOption("timezone", options.timezone, "an IANA time zone, e.g. America/Los_Angeles") from error
        for script_id, declared in options.custom_fields.items():
            if not script_id.startswith(("custbody", "custcol", "custentity", "custitem")):
                raise WrongOption(
                    "custom_fields", script_id, "a script id with custbody, custcol, custentity or custitem"
                )
            _one_of(f"custom_fields.{script_id}.type", declared.get("type"), CUSTOM_TYPES)
        return options

    def permission(self, key: str) -> int:
        """Level of the token's role; full where nothing else was said."""
        return self.permissions.get(key, 4)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def slots(self) -> int:
        """Requests that this integration may have under way at a time."""
        return self.allocated or self.concurrency - self.allocated_elsewhere

    @property
    def host(self) -> str:
        """Host name of the account's REST services (account id in lower case, ``_`` becomes ``-``)."""
        return f"{self.account.lower().replace('_', '-')}.suitetalk.api.netsuite.com"


CUSTOM_TYPES = ("text", "number", "boolean", "date", "datetime", "reference", "list")


def _one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise WrongOption(name, value, f"one of {', '.join(map(str, choices))}")
