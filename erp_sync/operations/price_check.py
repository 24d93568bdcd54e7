"""What an account sees at the store and what the ERP's terms say, as far as both are known: asked when it logs in.

The answer comes from the ledger alone: no system is called. Every comparison of the ERP's terms with the store leaves
what differs as open rows of plans; what is open for the account is what it sees wrongly. The live comparison follows
behind: the account's own terms are read again, and what the store holds of it, and what differs goes through the
flow's guards like everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.components.table_book import book_entity
from erp_sync.ledger.beneath import OpenBeneath
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.model.native_prices import NativeRow, RuleMember, membership_of, native_row, rows_of
from erp_sync.operations.choosing import CannotDo
from erp_sync.ports.price_questions import named_account

FLOW = FLOWS["contract_prices"]
MEMBERS = "member/"
#: Log-ins of an account within so many seconds are one live comparison.
TOGETHER_SECONDS = 60


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """One price, or membership of a rule, that is not as the ERP's terms have it.

    Attributes:
        rule: whose row it is; "" of the account's own.
        store, erp: the price of one unit; None: it has none there. Of a membership both are None.
        state: ``on_its_way`` (it is being written) or ``held`` (it waits for a person, in `plan`).
        reason: why it is written, or waits, in words.
    """

    rule: str = ""
    item: str = ""
    unit: str = ""
    currency: str = ""
    quantity: Decimal | None = None
    store: Decimal | None = None
    erp: Decimal | None = None
    state: Literal["on_its_way", "held"]
    plan: int
    reason: str


class PriceCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    account: the store's customer number.
    prices: rows of the store that are the account's own; rules: those that it is a member of.
    compared_at: when the ERP's terms were last compared with the store, UTC; None: never.
    age_seconds: how long that is ago.
    unsure: rows of which nobody knows now what the store holds; they are read again.
    agrees: nothing differs, as far as is known.
    """

    account: str
    route: str
    prices: int
    rules: tuple[str, ...]
    compared_at: datetime | None
    age_seconds: float | None
    unsure: int
    differences: tuple[Differing, ...]

    @property
    def agrees(self) -> bool:
        return self.compared_at is not None and not self.differences and not self.unsure


def check(here: Installation, route: RouteSpec, account: str) -> PriceCheck:
    """Of one account of the route's store. Calls no system. Raises CannotDo where the route has no contract prices."""
    names = _names(route)
    target = getattr(route, FLOW.target)
    own, end = rows_of("account", account), membership_of(account)
    known = here.ledger.beneath.known(target, FLOW.entity, [own])
    members = [one for one in here.ledger.beneath.known(target, FLOW.entity, [MEMBERS]) if one.key.endswith(end)]
    rules = [one.rule for row in members if isinstance(one := native_row(row.key, {}), RuleMember)]
    prefixes = [own, *(rows_of("rule", rule) for rule in rules), MEMBERS]
    differing = [
        one
        for one in here.ledger.beneath.open(*names, target, FLOW.entity, prefixes)
        if not one.key.startswith(MEMBERS) or one.key.endswith(end)
    ]
    source = getattr(route, FLOW.source)
    compared = here.ledger.cursors.get(source, book_entity(route.name, FLOW.name, FLOW.source_entity)).changed_at
    return PriceCheck(
        account=account,
        route=route.name,
        prices=len(known),
        rules=tuple(sorted(rules)),
        compared_at=compared,
        age_seconds=(here.ledger.now() - compared).total_seconds() if compared is not None else None,
        unsure=sum(not one.sure for one in (*known, *members)),
        differences=tuple(_told(differing)),
    )


def compare_live(here: Installation, route: RouteSpec, account: str) -> bool:
    """Have the account's own terms and what the store holds of it read again, by the next run; False where that is on
    its way already. Rows of rules that it shares are compared by the full comparison."""
    _names(route)
    now = here.ledger.now()
    event = InboxEvent(
        connection=getattr(route, FLOW.source),
        event_id=f"login/{route.name}/{account}/{int(now.timestamp()) // TOGETHER_SECONDS}",
        topic="account logged in",
        entity=FLOW.source_entity,
        native_id=named_account(here.lookups(route).get("customer_map", account) or account),
    )
    if not here.ledger.inbox.put(event):
        return False
    target = getattr(route, FLOW.target)
    keys = [one.key for one in here.ledger.beneath.known(target, FLOW.entity, [rows_of("account", account)])]
    if keys:
        here.ledger.known.doubt(target, FLOW.entity, keys, f"account {account} logged in: the store is asked")
    return True


def _names(route: RouteSpec) -> tuple[str, str]:
    if FLOW.name not in route.flows:
        raise CannotDo(f"route {route.name} has no flow {FLOW.name}; it has: {', '.join(route.flows)}")
    return route.name, FLOW.name


def _told(rows: list[OpenBeneath]) -> Iterator[Differing]:
    for one in rows:
        before, after = (
            native_row(one.key, msgspec.json.decode(text)) if text is not None else None
            for text in (one.before, one.after)
        )
        row = after or before
        state: Literal["on_its_way", "held"] = "held" if one.held else "on_its_way"
        if isinstance(row, RuleMember):
            yield Differing(rule=row.rule, state=state, plan=one.plan, reason=one.reason)
        elif isinstance(row, NativeRow):
            yield Differing(
                rule=row.owner if row.kind == "rule" else "",
                item=row.item,
                unit=row.unit,
                currency=row.currency,
                quantity=row.quantity,
                store=before.price if isinstance(before, NativeRow) else None,
                erp=after.price if isinstance(after, NativeRow) else None,
                state=state,
                plan=one.plan,
                reason=one.reason,
            )
