"""Which accounts share a rule: sets of accounts that pay the same for many items, found in what they pay.

Nothing is known of an agreement but that its followers pay the same. The set of all accounts with one schedule of an
item is looked at for every item; sets that save many rows become rules, and smaller sets inside one (a follower has a
price of its own here and there) are left to it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

LEAST_SAVING = 12  # rows that a rule must save; below, rows of the accounts are easier to look through
KNOWN_BONUS = 2.0  # a rule that the store has is kept unless another set saves twice as much


class AccountSet(msgspec.Struct, frozen=True):
    """`saving`: rows that one rule for all of them makes unnecessary."""

    accounts: frozenset[str]
    saving: float


class SharedRule(msgspec.Struct, frozen=True):
    name: str
    accounts: frozenset[str]


def choose(
    sets: Iterable[AccountSet],
    known: Mapping[str, Collection[str]],
    *,
    least_saving: float = LEAST_SAVING,
    most: int = 50,
) -> list[SharedRule]:
    """The rules, largest saving first. The same sets give the same rules and names, whatever their order.

    Args:
        known: rules that the store has, by name: a set that is mostly one of them keeps its name.
        most: rules that one account may be in; a set that would exceed it is left out.
    """
    exact = {frozenset(accounts) for accounts in known.values()}
    weighted = [(one.saving * (KNOWN_BONUS if one.accounts in exact else 1), sorted(one.accounts)) for one in sets]
    chosen: list[frozenset[str]] = []
    of_account: dict[str, list[frozenset[str]]] = defaultdict(list)
    for saving, names in sorted(weighted, key=lambda one: (-one[0], one[1])):
        accounts = frozenset(names)
        if saving < least_saving or len(accounts) < 2:
            continue
        if any(accounts <= other and 2 * len(accounts) >= len(other) for other in of_account[names[0]]):
            continue
        if any(len(of_account[name]) >= most for name in names):
            continue
        chosen.append(accounts)
        for name in names:
            of_account[name].append(accounts)
    return _named(chosen, known)


def _named(chosen: Sequence[frozenset[str]], known: Mapping[str, Collection[str]]) -> list[SharedRule]:
    """A known name where the sets are the same, then where more than half is common, else one made of the accounts."""
    names: dict[frozenset[str], str] = {}
    free = {name: frozenset(accounts) for name, accounts in sorted(known.items())}
    for accounts in chosen:
        same = next((name for name, others in free.items() if others == accounts), None)
        if same is not None:
            names[accounts] = same
            del free[same]
    for accounts in chosen:
        if accounts in names:
            continue
        likeness = {name: len(accounts & others) / len(accounts | others) for name, others in free.items()}
        best = max(sorted(likeness), key=lambda name: likeness[name], default=None)
        if best is not None and likeness[best] > 0.5:
            names[accounts] = best
            del free[best]
    taken = {*known, *names.values()}
    for accounts in chosen:
        if accounts not in names:
            names[accounts] = _new_name(accounts, taken)
            taken.add(names[accounts])
    return [SharedRule(names[accounts], accounts) for accounts in chosen]


def _new_name(accounts: frozenset[str], taken: Collection[str]) -> str:
    digest = hashlib.sha256("\0".join(sorted(accounts)).encode()).hexdigest()[:16]
    name, more = f"shared {digest}", 1
    while name in taken:
        more += 1
        name = f"shared {digest}-{more}"
    return name
