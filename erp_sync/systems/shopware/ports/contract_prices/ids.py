"""Ids and names of what is written for contract prices: the same business key has the same id, whoever writes it.

Of rules with equal priority the shop takes the one with the lower id, the canonical rows the one with the first name
(`StoreMeans`): the id of a rule whose name ends in hexadecimal digits begins with these, so that both agree.
"""

from __future__ import annotations

import re

from erp_sync.systems.shopware.mapping.products import NAME_LENGTH, identity

RULE_FIELD, ACCOUNT_FIELD, PART_FIELD = "erp_sync_rule", "erp_sync_account", "erp_sync_part"
"""Custom fields of a rule: which rule of ours it is, or whose prices it holds; and its part of all of them."""
PARTS = tuple(f"{part:02x}" for part in range(256))
_DIGEST = re.compile(r"(?:^|\s)([0-9a-f]{16})(?:-(\d{1,3}))?$")
_CUT = 16


def rule_id(rule: str) -> str:
    """Of a shared rule."""
    found, plain = _DIGEST.search(rule), identity("price rule", rule)
    return f"{found[1]}{int(found[2] or 0):04x}{plain[20:]}" if found else plain


def account_rule_id(account: str) -> str:
    """Of the rule that holds one account's prices, where the shop has no prices of single customers."""
    return identity("price rule of account", account)


def tag_id(rule: str) -> str:
    """Of the tag by which customers are in a rule."""
    return identity("price rule tag", rule)


def condition_id(rule: str, place: str) -> str:
    """`rule` is an id; `place` is ``or``, ``and`` or ``who``."""
    return identity("price rule condition", rule, place)


def tier_id(rule: str, product: str, start: int) -> str:
    """Of a row of product_price; `rule` and `product` are ids."""
    return identity("price tier", rule, product, str(start))


def custom_price_id(customer: str, product: str) -> str:
    """Both are ids."""
    return identity("custom price", customer, product)


def part(rule: str) -> str:
    """Which of `PARTS` a rule belongs to, by its id: the vendor has no cursor of rules, so they are read by parts."""
    return identity("part", rule)[:2]


def title(words: str, name: str) -> str:
    """What people see of it in the administration. A name that is too long is cut, and still differs from others."""
    whole = f"{words}: {name}"
    if len(whole) <= NAME_LENGTH:
        return whole
    return f"{whole[: NAME_LENGTH - _CUT - 1]} {identity('title', name)[:_CUT]}"
