"""The installation: database, clock, settings, and what every room needs of them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property, lru_cache
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.core import Commit
from erp_sync.systems.magento.sandbox.contract import definitions
from erp_sync.systems.magento.sandbox.database import Database, Row
from erp_sync.systems.magento.sandbox.errors import NoSuchEntityException

ZERO = Decimal(0)
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Options:
    """How the installation is set up. An unknown option is refused by name.

    Attributes:
        edition: "open_source" or "commerce".
        input_limits: 20 list items synchronous, 5,000 asynchronous, page size at most 300, 20 by default.
        index_lag_seconds: how long the stock index trails source items; 0 = indexed on save.
        consumer_lag_seconds: how long an asynchronous operation waits for its consumer.
        float_noise: numbers print with 17 digits, as with PHP's serialize_precision 17.
        integration_as_bearer: the access token alone is accepted as a Bearer token.
        two_factor: the plain admin token endpoint is closed, as with the 2FA module on.
        developer_mode: internal errors show their message.
        backpressure_orders_per_minute: 429 for order placement beyond it; 0 = off.
        allow_encoded_slashes: the web server passes ``%2F`` in paths.
        prices_include_tax: not supported yet for True.
        tax_shipping: the shipping tax class is taxable.
        payment_actions: card method to "authorize" or "authorize_capture".
        refused_resources: ACL resources that nobody was given, e.g. ``Magento_Sales::ship``.
        events_url: where I/O events are delivered (Commerce only); empty = kept, not sent.
        seed: of everything generated, so that two sandboxes of one seed agree.
    """

    edition: str = "open_source"
    input_limits: bool = False
    index_lag_seconds: float = 0
    consumer_lag_seconds: float = 1
    float_noise: bool = True
    integration_as_bearer: bool = False
    two_factor: bool = False
    developer_mode: bool = False
    backpressure_orders_per_minute: int = 0
    allow_encoded_slashes: bool = False
    tax_shipping: bool = True
    payment_actions: dict[str, str] = field(
        default_factory=lambda: {"braintree": "authorize", "paypal_express": "authorize_capture"}
    )
    refused_resources: tuple[str, ...] = ()
    events_url: str = ""
    seed: int = 1

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Options:
        known = {entry.name for entry in fields(cls)}
        unknown = sorted(set(options) - known)
        if unknown:
            raise ValueError(f"magento sandbox: unknown option {unknown[0]!r}; known are {', '.join(sorted(known))}")
        result = cls(**options)
        if result.edition not in ("open_source", "commerce"):
            raise ValueError(f"magento sandbox: edition is {result.edition!r}; expected open_source or commerce")
        return result

    @property
    def commerce(self) -> bool:
        return self.edition == "commerce"


def rounded(amount: Decimal) -> Decimal:
    """To the cent, half away from zero, as PHP rounds."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def text_time(moment: datetime) -> str:
    """UTC as Magento stores it, one second fine."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


class Shop:
    """What rooms share. Documents written during a call are collected in `commits`."""

    def __init__(self, database: Database, clock: Clock, options: Options) -> None:
        self.database, self.clock, self.options = database, clock, options
        self.contract = definitions.load()
        self.commits: list[Commit] = []

    def now(self) -> str:
        """Calendar time for documents."""
        return text_time(self.clock.now())

    def wall(self, plus_seconds: float = 0) -> str:
        """Technical time, fine enough to order background work."""
        return (self.clock.wall() + timedelta(seconds=plus_seconds)).isoformat(timespec="microseconds")

    def wrote(self, entity: str, document: Any, change: str = "create") -> None:
        self.commits.append(Commit(entity, str(document), change))

    def render(self, definition: str, row: Mapping[str, Any]) -> dict[str, Any]:
        return self.contract.render(definition, row)

    def config(self, path: str, default: str = "") -> str:
        value = self.database.value("SELECT value FROM core_config_data WHERE path = ?", [path])
        return default if value is None else value

    def numbers(self, path: str, default: Decimal) -> Decimal:
        value = self.config(path)
        return Decimal(value) if value else default

    def store(self, store_id: int) -> Row:
        """A store view with its website; 0 (``all``) has the default one's."""
        row = self.database.row(
            "SELECT store.*, store_website.code AS website_code, store_website.name AS website_name, "
            "store_website.base_currency, store_group.name AS group_name, store_group.root_category_id FROM store "
            "JOIN store_website USING (website_id) JOIN store_group USING (group_id) WHERE store.store_id = ?",
            [store_id or self.default_store_id()],
        )
        if row is None:
            raise NoSuchEntityException.single("storeId", store_id)
        return row

    def default_store_id(self) -> int:
        return self._first_store_id

    @cached_property  # every call asks for it; store views come, and none ever goes
    def _first_store_id(self) -> int:
        return int(self.database.value("SELECT min(store_id) AS first FROM store"))

    def rate(self, base: str, other: str) -> Decimal:
        """Units of `other` for one of `base`."""
        if base == other:
            return Decimal(1)
        rate = self.database.value(
            "SELECT rate FROM directory_currency_rate WHERE currency_from = ? AND currency_to = ?", [base, other]
        )
        if rate is None:
            raise NoSuchEntityException.single("currency", other)
        return rate

    def next_number(self, entity: str, store_id: int) -> str:
        """Increment ids run per entity type and store; other stores than the first carry their id in front."""
        self.database.run(
            "INSERT INTO sequence VALUES (?, ?, 1) ON CONFLICT (entity_type, store_id) DO UPDATE SET value = value + 1",
            [entity, store_id],
        )
        value = self.database.value(
            "SELECT value FROM sequence WHERE entity_type = ? AND store_id = ?", [entity, store_id]
        )
        prefix = "" if store_id == self.default_store_id() else str(store_id)
        return f"{prefix}{value:09d}"

    def secret(self, purpose: str, length: int = 32) -> str:
        """A value that is the same for the same seed and purpose."""
        return _secret(self.options.seed, purpose)[:length]

    def token(self) -> str:
        return secrets.token_hex(16)

    def report(self, message: str) -> str:
        """Keep an internal error; returns the id that the client is shown."""
        report_id = "webapi-" + secrets.token_hex(7)[:13]
        self.database.insert("sandbox_report", {"report_id": report_id, "message": message, "created_at": self.now()})
        return report_id


@lru_cache(maxsize=1024)  # every call asks for all of the integration's
def _secret(seed: int, purpose: str) -> str:
    return hashlib.sha256(f"{seed}/{purpose}".encode()).hexdigest()


def json_text(value: Any) -> str:
    """JSON for a column; decimals as text."""
    return json.dumps(value, separators=(",", ":"), default=str)


def from_json(text: str | None, default: Any = None) -> Any:
    return default if not text else json.loads(text)


def placeholders(values: Iterable[Any]) -> str:
    return ", ".join("?" for _ in values)
