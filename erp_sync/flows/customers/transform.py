"""From business accounts of the ERP to those of the store. Pure: no network, no ledger.

Terms, limit, balance, group, tax and lock of accounts that the store has. One that it does not have waits: companies
sign up at the store, or are entered there. An account that the ERP locks, or has no more, is locked at the store, and
never deleted.

Look-ups: ``customer_map`` (the store's customer number to the ERP's, turned round here; without rows they are the
same), ``account_groups`` (name of the ERP's group to that of the store's). A group that has no row is none of the
store's: its customers keep the group that they have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from erp_sync.flows.guards import Share
from erp_sync.flows.state_flow import Desired, Surroundings, Unusable, microseconds
from erp_sync.model.business_account import BusinessAccount
from erp_sync.ports.raw import BadRecord, MappingProblem, RawRecord

# What the ERP leaves to the store is not compared.
PARTIAL = True
GUARDS = {"max_locked_share": 0.05, "max_missing_share": 0.05}


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The flow has none of its own."""


def convert_rules(rules: Mapping[str, Any]) -> Rules:
    """Raises ValueError (msgspec.ValidationError) naming the rule that is wrong."""
    return msgspec.convert(dict(rules), Rules)


def identity(account: BusinessAccount) -> tuple[str, ...]:
    """What may be in the ERP once only."""
    return (account.number,)


def order(account: BusinessAccount, record: RawRecord) -> int:
    """Place in the order of values: the ERP's time of last change."""
    time = record.source_time or account.updated_at
    if time is None:
        raise BadRecord(record.native_id, "updated_at", "an account does not say when it was changed")
    return microseconds(time)


def desired(accounts: Sequence[BusinessAccount], around: Surroundings) -> Desired:
    """What the store should hold."""
    rows: list[tuple[BusinessAccount, int]] = []
    unusable: list[Unusable] = []
    groups: dict[str, str] = {}
    for position, account in enumerate(accounts):
        try:
            if account.group not in groups:
                groups[account.group] = around.lookups.get("account_groups", account.group) or ""
            for number in around.lookups.reverse("customer_map", account.number):
                rows.append((msgspec.structs.replace(account, number=number, group=groups[account.group]), position))
        except MappingProblem as problem:
            unusable.append(Unusable(position=position, rule=problem.code, problem=str(problem)))
    return Desired(rows=rows, unusable=unusable)


# -- missing, guards, words ----------------------------------------------------------------------


def missing_row(key: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None] | None:
    """An account that the ERP has no more is locked. None where it is already."""
    return ("lock", {**values, "active": False}) if values.get("active") else None


def action(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    if before is not None and before.get("active") != after.get("active"):
        return "unlock" if after.get("active") else "lock"
    return "update"


def reason(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """Why the row is written, in words."""
    if before is None:
        return "not seen at the store yet"
    changed = [name for name, value in after.items() if before.get(name) != value]
    return "; ".join(f"{name}: {before.get(name)} becomes {after[name]}" for name in changed)


def alone(before: Mapping[str, Any] | None, after: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
    """No account waits by itself: a lock is to hold at once."""
    return None


def shares(
    pairs: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any]]], *, whole: int, missing: int, base: int
) -> list[Share]:
    """Figures for the guards. `whole`: rows compared, or all that the store has where only changes were read."""
    locked = sum(bool(before and before.get("active")) and not after.get("active") for before, after in pairs)
    return [
        Share(guard="max_locked_share", part=locked, whole=whole, words="accounts are locked"),
        Share(guard="max_missing_share", part=missing, whole=base, words="accounts are missing from the extract"),
    ]
