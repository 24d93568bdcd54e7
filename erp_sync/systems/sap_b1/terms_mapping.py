"""Canonical rows of one record of price terms, by the set that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from erp_sync.model.price_terms import Row
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import BadRecord, RawRecord
from erp_sync.systems.sap_b1 import term_tables as tables
from erp_sync.systems.sap_b1.mapping import agreements, currency_rates, discount_groups, item_prices, special_prices
from erp_sync.systems.sap_b1.mapping.agreements import AGREEMENT
from erp_sync.systems.sap_b1.mapping.currency_rates import EXCHANGE_RATE
from erp_sync.systems.sap_b1.mapping.discount_groups import DISCOUNT_RULE
from erp_sync.systems.sap_b1.mapping.item_prices import ITEM_UNIT, LIST_PRICE
from erp_sync.systems.sap_b1.mapping.price_terms import ACCOUNT, ACCOUNT_GROUP, ITEM, PRICE_LIST
from erp_sync.systems.sap_b1.mapping.special_prices import SPECIAL_PRICE

MAPPINGS = (
    ACCOUNT_GROUP,
    ACCOUNT,
    ITEM,
    ITEM_UNIT,
    PRICE_LIST,
    LIST_PRICE,
    EXCHANGE_RATE,
    DISCOUNT_RULE,
    SPECIAL_PRICE,
    AGREEMENT,
)
Payload = Mapping[str, Any]
Steps = Callable[[Payload], Iterable[tuple[str, dict[str, Any]]]]
Apply = Callable[[Any, str], Any]


class TermsMapper:
    """Maps many records, one after the other. Not for threads."""

    def __init__(self, mappings: Mapping[str, RecordMapping], context: Context) -> None:
        self._apply = {one.name: mappings[one.name].repeated(context) for one in MAPPINGS}
        self._of: dict[str, Callable[[Payload, str], list[Row]]] = {
            tables.LISTS.entity_set: self._one(PRICE_LIST.name),
            tables.GROUPS.entity_set: self._one(ACCOUNT_GROUP.name),
            tables.ACCOUNTS.entity_set: self._account,
            tables.ITEMS.entity_set: self._item,
            tables.SPECIALS.entity_set: self._many(SPECIAL_PRICE.name, special_prices.steps_of),
            tables.AGREEMENTS.entity_set: self._many(AGREEMENT.name, agreements.lines_of),
            tables.DISCOUNTS.entity_set: self._many(DISCOUNT_RULE.name, discount_groups.lines_of),
            tables.RATES: self._many(EXCHANGE_RATE.name, currency_rates.rates_of),
        }

    def rows(self, record: RawRecord) -> tuple[Row, ...]:
        """Raises BadRecord, which names account, item or rule; KeyError for a record of another set."""
        kind = record.native_id.partition("/")[0]
        return tuple(self._of[kind](record.payload, record.native_id))

    def _one(self, name: str) -> Callable[[Payload, str], list[Row]]:
        apply = self._apply[name]
        return lambda payload, native_id: [apply(payload, native_id)]

    def _many(self, name: str, steps: Steps) -> Callable[[Payload, str], list[Row]]:
        apply = self._apply[name]
        return lambda payload, native_id: _each(apply, steps, payload, native_id)

    def _account(self, payload: Payload, native_id: str) -> list[Row]:
        """A lead and a supplier are no account. A locked one stays: its prices are not what is locked."""
        return [self._apply[ACCOUNT.name](payload, native_id)] if payload.get("CardType") == "cCustomer" else []

    def _item(self, payload: Payload, native_id: str) -> list[Row]:
        """What is not for sale has no price."""
        if payload.get("SalesItem") == "tNO":
            return []
        return [
            self._apply[ITEM.name](payload, native_id),
            *_each(self._apply[ITEM_UNIT.name], _units, payload, native_id),
            *_each(self._apply[LIST_PRICE.name], item_prices.prices_of, payload, native_id),
        ]


def _units(payload: Payload) -> Iterable[tuple[str, dict[str, Any]]]:
    return (("unit_group", row) for row in item_prices.units_of(payload))


def _each(apply: Apply, steps: Steps, payload: Payload, native_id: str) -> list[Row]:
    """Every step's row. The error says which step it is, and of which account and item."""
    rows, where, step = [], "", payload
    try:
        for where, step in steps(payload):  # noqa: B007 (the last one is named by the error)
            rows.append(apply(step, native_id))
    except BadRecord as error:
        raise BadRecord(native_id, f"{where}.{error.field}".strip("."), _words(step, error.problem)) from error
    except ValueError as error:
        after = f"after {where}" if where else ""
        raise BadRecord(native_id, after, _words(step, str(error))) from error
    return rows


def _words(step: Mapping[str, Any], problem: str) -> str:
    """With account and item, where the record's own name has only one of them, or neither."""
    account, item = step.get("BPCode") or step.get("account"), step.get("ItemNo") or step.get("ItemCode")
    who = [f"{word} {name}" for word, name in (("account", account), ("item", item)) if name]
    return f"{', '.join(who)}: {problem}" if who else problem
