"""Rows by which a store knows prices, in canonical form: what the price engine makes, and what a store holds. No I/O.

An account's rows of an item are taken before any rule's, a rule's before the base price (`ports.pricing.StoreMeans`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec


class NativeRule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A rule of the store: the highest `priority` that has an item is taken. No two of ours have the same."""

    rule: str
    priority: int


class RuleMember(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    rule: str
    account: str


class NativeRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One tier.

    Attributes:
        kind, owner: the base price (``""``), a rule's name, or an account.
        quantity: where the tier begins.
        gross: `price` includes tax.
    """

    kind: Literal["base", "rule", "account"]
    owner: str = ""
    item: str
    unit: str
    currency: str
    quantity: Decimal
    price: Decimal
    gross: bool = False


NATIVE: dict[str, type[msgspec.Struct]] = {"rules": NativeRule, "members": RuleMember, "rows": NativeRow}
KEY = ("kind", "owner", "item", "unit", "currency", "quantity")


def native_key(row: NativeRule | RuleMember | NativeRow) -> str:
    """The row's key in ledger and plans: ``rule/<rule>``, ``member/<rule>/<account>``,
    ``row/<kind>/<owner>/<item>/<unit>/<currency>/<quantity>``; in each part % and / are percent-encoded."""
    if isinstance(row, NativeRule):
        return f"rule/{_encoded(row.rule)}"
    if isinstance(row, RuleMember):
        return f"member/{_encoded(row.rule)}/{_encoded(row.account)}"
    parts = (row.kind, row.owner, row.item, row.unit, row.currency, f"{row.quantity.normalize():f}")
    return "row/" + "/".join(map(_encoded, parts))


def native_values(row: NativeRule | RuleMember | NativeRow) -> dict[str, Any]:
    """What is kept of the row beside its key. A price without tax says nothing of it."""
    if isinstance(row, NativeRule):
        return {"priority": row.priority}
    if isinstance(row, RuleMember):
        return {}
    return {"price": row.price, "gross": True} if row.gross else {"price": row.price}


def rows_of(kind: str, owner: str) -> str:
    """How the keys begin of an account's rows (kind ``account``), or of a rule's."""
    return f"row/{_encoded(kind)}/{_encoded(owner)}/"


def membership_of(account: str) -> str:
    """How the keys end of the account's memberships of rules, which begin with ``member/``."""
    return f"/{_encoded(account)}"


def native_row(key: str, values: Mapping[str, Any]) -> NativeRule | RuleMember | NativeRow:
    """The row that a key and its values mean. Raises ValueError for a key of another shape."""
    kind, *parts = [_decoded(part) for part in key.split("/")]
    if kind == "rule" and len(parts) == 1:
        return NativeRule(rule=parts[0], priority=int(values["priority"]))
    if kind == "member" and len(parts) == 2:
        return RuleMember(rule=parts[0], account=parts[1])
    if kind != "row" or len(parts) != 6:
        raise ValueError(f"{key!r} is no key of a price, a rule or a member of one")
    told = {
        "kind": parts[0],
        "owner": parts[1],
        "item": parts[2],
        "unit": parts[3],
        "currency": parts[4],
        "quantity": Decimal(parts[5]),
        "price": Decimal(str(values["price"])),
        "gross": bool(values.get("gross", False)),
    }
    return msgspec.convert(told, NativeRow)


def _encoded(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")


def _decoded(part: str) -> str:
    return part.replace("%2F", "/").replace("%25", "%")
