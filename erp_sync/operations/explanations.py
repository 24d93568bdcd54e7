"""What a reason means to an operator, and what can be done: words for the codes of dead letters."""

from __future__ import annotations

import re

# (pattern of the code, what it means, what can be done besides retry, edit and dismiss)
_WORDS: tuple[tuple[str, str, str], ...] = (
    ("unmapped_(?P<table>.+)", "The look-up table {table} has no row or rule for a value of this document.",
     "add a row to {table}.csv and `erp-sync lookups import`, or take the one proposed"),
    ("ambiguous_(?P<table>.+)", "Two rules of look-up table {table} match one value.",
     "make one of the rules narrower, import the table, then retry"),
    ("ambiguous", "Several records of the target carry our key.", "keep one of them there, then retry"),
    ("requirement_missing|missing_product|unknown_item", "The target does not have an item of this document.",
     "create the item there (it then goes by itself), or take the SKU proposed"),
    ("malformed_address", "No carrier could deliver to this address.",
     "correct it in the store, or here with `erp-sync deadletters edit`"),
    ("invalid_state", "The target does not know this state or region.", "take the code proposed, or edit the address"),
    ("malformed_record", "The source's record has a field that cannot be read.",
     "correct it at the source; it is read again by itself"),
    ("outcome_unknown", "It was sent once and no answer came; the target cannot be searched for it.",
     "look it up there: retry if it is not there, dismiss if it is"),
    ("doubtful_.+", "The target holds something that may be this document, entered by somebody else.",
     "link it with `erp-sync adopt`, or retry where it is another"),
    ("tax_difference|total_difference", "Two calculations of its amounts differ by more than the tolerance.",
     "compare them below, then `erp-sync approve` it as it is with --why, or `erp-sync reject` it"),
    ("changed_after_delivery|changed_while_sending", "It was changed at the source after it, or a part, was sent.",
     "correct the target's record by hand, then approve or dismiss"),
    ("pending_payment|on_hold_in_store", "The store itself waits: for the payment, or for somebody there.",
     "nothing; its next version decides. `erp-sync approve` sends it all the same"),
    ("insufficient_permission", "The integration's role may not do this.", "give it the permission named, then retry"),
    ("closed_period", "The accounting period is closed.", "open it; it is tried again by itself"),
    ("inactive_.+|unknown_customer", "A record that it refers to is inactive or gone at the target.",
     "make it active again, then retry"),
    ("unreadable_payload", "What is stored of it is no document of this flow.", "edit it, or dismiss it"),
    (".*_add_up|quantities_are_positive|prices_are_not_negative|total_is_not_negative|has_lines|currency_is_a_code|"
     "exchange_rate_is_positive", "It breaks a rule that every document must keep.",
     "correct it at the source, or here with `erp-sync deadletters edit`"),
)  # fmt: skip


def meaning(code: str) -> str:
    """In a sentence; of a code that nobody explained, that the reason says it."""
    return _of(code)[0]


def remedy(code: str) -> str:
    """What can be done about it besides trying it again, editing and dismissing it; "" where nothing else."""
    return _of(code)[1]


def _of(code: str) -> tuple[str, str]:
    for pattern, what, remedy_ in _WORDS:
        match = re.fullmatch(pattern, code)
        if match:
            return what.format(**match.groupdict()), remedy_.format(**match.groupdict())
    return "The target, or the mapping, refused it; the reason says why.", ""
