"""Which accounts share a rule: sets of accounts that pay the same for many items, found in what they pay.

Nothing is known of an agreement but that its followers pay the same. Here and there one has a price of its own or lacks
an item, so the sets of those who pay the same differ from item to item; like ones are told by two of their smallest
hashes, and an account belongs to the set if it is in half of them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable

import msgspec

LEAST_SAVING = 12  # rows that a rule must save; below, rows of the accounts are easier to look through


class AccountSet(msgspec.Struct, frozen=True):
    """`saving`: rows that one rule for all of them makes unnecessary."""

    accounts: frozenset[str]
    saving: float


def choose(
    sets: Iterable[AccountSet],
    taken: Iterable[Collection[str]] = (),
    *,
    least_saving: float = LEAST_SAVING,
    most: int = 50,
) -> list[frozenset[str]]:
    """New rules, largest saving first. The same sets give the same rules, whatever their order.

    Args:
        taken: accounts of the rules that there are. A set that is one of them is no new one.
        most: rules that one account may be in; a set that would exceed it is left out.
    """
    saving: dict[frozenset[str], float] = defaultdict(float)
    for one in sets:
        saving[one.accounts] += one.saving
    exact = {frozenset(accounts) for accounts in taken}
    count: dict[str, int] = defaultdict(int)
    for accounts in exact:
        for name in accounts:
            count[name] += 1
    of_account: dict[str, list[frozenset[str]]] = defaultdict(list)
    chosen: list[frozenset[str]] = []
    for weight, names in sorted(((weight, sorted(one)) for one, weight in saving.items()), key=lambda w: (-w[0], w[1])):
        accounts = frozenset(names)
        if weight < least_saving or len(accounts) < 2 or accounts in exact:
            continue
        # A part of a chosen one is left to it: some of its followers have other prices for some items.
        if any(accounts <= other and 2 * len(accounts) >= len(other) for other in of_account[names[0]]):
            continue
        if any(count[name] >= most for name in names):
            continue
        chosen.append(accounts)
        for name in names:
            of_account[name].append(accounts)
            count[name] += 1
    return chosen


def new_name(accounts: Collection[str], taken: Collection[str]) -> str:
    """A name made of the accounts that a rule begins with; it stays when others join or leave."""
    digest = hashlib.sha256("\0".join(sorted(accounts)).encode()).hexdigest()[:16]
    name, more = f"shared {digest}", 1
    while name in taken:
        more += 1
        name = f"shared {digest}-{more}"
    return name
