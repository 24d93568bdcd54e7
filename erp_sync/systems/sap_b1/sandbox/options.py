"""What an installation of SAP Business One is like, as options of its sandbox."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from erp_sync.systems.sap_b1.sandbox.store import Store

_KEPT = "options"


_CHOICES = {
    "approval_answer": ("not_found", "created"),
    "after_adding_draft": ("live", "sdk"),
    "credit_restriction": ("ignored", "refused"),
    "period_price_with_group": ("before", "net"),
    "effective_price_compares": ("with_group", "always"),
    "item_price_is": ("after", "before"),
}


class WrongOption(ValueError):
    """An option cannot be: the message names it and what is expected."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"option {name} is {value!r}; expected {expected}")


@dataclass(frozen=True)
class Options:
    """Options of an installation.

    Attributes:
        company_db, user_name, password: what Login asks for.
        session_minutes: a session ends so long after its last call (30 by default; sliding: unconfirmed).
        max_sessions: sessions at a time; a further Login is refused. None: no limit (no number is documented).
        nodes: Service Layer nodes behind the balancer, ROUTEID ``.node1`` and so on.
        sick_node: a broken node, e.g. ``.node2``: calls with that ROUTEID fail with HTTP 500 code 407 (obs.).
        capacity: calls at a time (nodes times workers); beyond it the proxy answers 503 without JSON (unconfirmed).
        timezone: the server's; stamps and default dates are in it.
        local_currency, price_decimals, amount_decimals: of the company.
        default_warehouse, default_vat_group, default_price_list: taken when neither body nor master data name one.
        approvals_in_di: General Settings, "Enable Approval Procedures in DI" (obs.): templates apply to Service Layer.
        approval_templates: rows of {"name", "object_type" ("17"), and conditions that must all hold: "total_above",
            "discount_above" (percent, of document or row), "over_credit_limit" (true)}.
        approval_answer: "not_found" (-2028, seen at two sites) or "created" (a DocEntry that then gives 404).
        after_adding_draft: what is left of an approved draft and its request: as seen "live", or as in the "sdk" help;
            see `drafts`.
        credit_restriction: an order over the customer's CreditLimit is "ignored" or "refused"; see `credit`.
        add_on: rules of a custom TransactionNotification; see `add_on`.
        period_price_with_group: of a period discount whose percentage a discount group's replaces, the price "before"
            it or the "net" one is taken (unconfirmed).
        effective_price_compares: without "Considers All Price Sources" EffectivePrice lowest and highest compare the
            sources "always", or only "with_group": where a discount group is for the item (unconfirmed; see
            `pricing.item_price`).
        rates_carry_on: a day without an exchange rate of its own has the latest one before it.
        item_price_is: what CompanyService_GetItemPrice answers, the price "after" or "before" the Discount beside it
            (unconfirmed; public code multiplies it by the quantity as it is).
        empty_expect: a call with ``Expect: 100-continue`` is answered with an empty 500 (obs.).
        branches: ids of the company's branches; with any, a document must name one (obs.).
        bare_next_links: a next link has nothing but $skip: filters and selections are left out (obs., now and then).
        page_limit: rows that a page has at most, whatever is asked for (pages cut short: obs.; no number is known).
        empty_query_is_not_found: a stored SQL query without rows is 404 -2028 (obs.).
        negative_stock: a delivery may take more than there is.
        document_field: property by which the journal names a document.
        webhooks: CompanyService's EnableWebhook; False until an administrator turns it on.
        webhook_objects: business objects that have events; whether prices are among them is unconfirmed.
        webhook_plain_http: http addresses are taken too, for receivers on the same machine.
        webhook_retries, webhook_retry_seconds: configured retries (3 after 2 s each; the FAQ says 5, 2 to 32 s).
        webhook_duplicate_every: every so many deliveries the same events are sent once more.
        settle_seconds: how long after an unknown outcome a write may still appear.
    """

    company_db: str = "SBODEMOUS"
    user_name: str = "manager"
    password: str = "sandbox"
    session_minutes: float = 30
    max_sessions: int | None = None
    nodes: int = 2
    sick_node: str | None = None
    capacity: int | None = None
    timezone: str = "UTC"
    local_currency: str = "USD"
    price_decimals: int = 2
    amount_decimals: int = 2
    default_warehouse: str | None = None
    default_vat_group: str = "EX"
    default_price_list: int = 1
    approvals_in_di: bool = True
    approval_templates: list[dict[str, Any]] = field(default_factory=list)
    approval_answer: str = "not_found"
    after_adding_draft: str = "live"
    credit_restriction: str = "ignored"
    add_on: list[dict[str, Any]] = field(default_factory=list)
    period_price_with_group: str = "before"
    effective_price_compares: str = "with_group"
    rates_carry_on: bool = True
    item_price_is: str = "after"
    empty_expect: bool = False
    branches: list[int] = field(default_factory=list)
    bare_next_links: bool = False
    page_limit: int | None = None
    empty_query_is_not_found: bool = False
    negative_stock: bool = False
    document_field: str = "NumAtCard"
    webhooks: bool = False
    webhook_objects: list[str] = field(
        default_factory=lambda: ["Orders", "Drafts", "DeliveryNotes", "Items", "BusinessPartners"]
    )
    webhook_plain_http: bool = False
    webhook_retries: int = 3
    webhook_retry_seconds: float = 2.0
    webhook_duplicate_every: int | None = None
    settle_seconds: float = 15.0

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """Check what was given. Raises WrongOption for the first wrong one."""
        known = {option.name for option in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise WrongOption(name, value, f"one of {', '.join(sorted(known))}")
        options = cls(**given)
        for name in ("nodes", "max_sessions", "capacity", "page_limit"):
            value = getattr(options, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise WrongOption(name, value, "a whole number, at least 1")
        for name in ("price_decimals", "amount_decimals"):
            if getattr(options, name) not in range(7):
                raise WrongOption(name, getattr(options, name), "0 to 6")
        if not options.session_minutes > 0:
            raise WrongOption("session_minutes", options.session_minutes, "more than 0")
        if options.sick_node is not None and options.sick_node not in options.routes:
            raise WrongOption("sick_node", options.sick_node, f"one of {', '.join(options.routes)}")
        for name, choices in _CHOICES.items():
            if getattr(options, name) not in choices:
                raise WrongOption(name, getattr(options, name), " or ".join(choices))
        try:
            ZoneInfo(options.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise WrongOption("timezone", options.timezone, "an IANA time zone, e.g. Europe/Berlin") from error
        return options

    def keep(self, store: Store) -> None:
        """For who reads the company's database and does not run it."""
        store.keep(_KEPT, asdict(self))

    @classmethod
    def kept(cls, store: Store) -> Options:
        """The options that the company ran with last."""
        return cls(**store.state(_KEPT, {}))

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def routes(self) -> tuple[str, ...]:
        """ROUTEID of every node."""
        return tuple(f".node{number + 1}" for number in range(self.nodes))

    @property
    def amount(self) -> Decimal:
        """The smallest amount, e.g. 0.01."""
        return Decimal(1).scaleb(-self.amount_decimals)

    @property
    def price(self) -> Decimal:
        return Decimal(1).scaleb(-self.price_decimals)
