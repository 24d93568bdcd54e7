"""Internal ids of what orders need: items by name, customers by e-mail address, currencies by code."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from erp_sync.ports.documents import Requirement
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import NetSuiteClient, chunks

log = logging.getLogger(__name__)

_OF_SUBSIDIARY = " of subsidiary "


def account_key(email: str, subsidiary: str) -> str:
    """What an order that waits for a customer lacks, as an operator reads it; no subsidiary outside OneWorld."""
    address = email.strip().lower()
    return f"{address}{_OF_SUBSIDIARY}{subsidiary}" if subsidiary else address


class OrderResolver:
    """Thread-safe; keeps no state but a cache of currency ids. Setting ``currencies`` gives them without asking."""

    def __init__(self, client: NetSuiteClient) -> None:
        self._client = client
        self._currencies: dict[str, str] = {
            str(code): str(identity) for code, identity in (client.connection.settings.get("currencies") or {}).items()
        }

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        """Internal ids of what exists: one SuiteQL per kind and 1,000 keys. Inactive records are left out.

        Two active items of one name are no answer: orders for it wait, and a warning names it.
        Raises the TransportError tree.
        """
        found: dict[Requirement, str] = {}
        kinds: dict[str, list[Requirement]] = {}
        for requirement in dict.fromkeys(requirements):
            kinds.setdefault(requirement.entity, []).append(requirement)
        for entity, wanted in kinds.items():
            if entity == "currency":
                found |= self._resolve_currencies(wanted)
            elif entity == "product":
                found |= self._resolve_items(wanted)
            elif entity == "customer":
                found |= self._resolve_customers(wanted)
            else:
                raise ValueError(f"NetSuite resolves product, currency and customer, not {entity}")
        return found

    def _resolve_items(self, wanted: Sequence[Requirement]) -> dict[Requirement, str]:
        found: dict[str, str] = {}
        for keys in chunks([requirement.key for requirement in wanted]):
            rows = self._client.query(
                f"SELECT itemid, MIN(id) AS id, COUNT(*) AS records FROM item WHERE itemid IN ({suiteql.texts(keys)}) "
                "AND isinactive = 'F' GROUP BY itemid ORDER BY itemid",
                operation="item.resolve",
            )
            for row in rows:
                if int(row["records"]) == 1:
                    found[str(row["itemid"])] = str(row["id"])
                else:
                    log.warning(
                        "several active items have one name", extra={"sku": row["itemid"], "system": "netsuite"}
                    )
        return {requirement: found[requirement.key] for requirement in wanted if requirement.key in found}

    def _resolve_customers(self, wanted: Sequence[Requirement]) -> dict[Requirement, str]:
        """By e-mail address and subsidiary, the customer's own or one that it is shared with; of several customers
        that share both, the oldest. One query for those of no subsidiary, one for the others."""
        found: dict[str, str] = {}
        for plain in (True, False):
            some = [one.key.partition(_OF_SUBSIDIARY) for one in wanted if (_OF_SUBSIDIARY not in one.key) == plain]
            for keys in chunks(some):
                rows = self._client.query(_customers(keys, plain=plain), operation="customer.resolve")
                found |= {
                    account_key(str(row["address"]), "" if plain else str(row["subsidiary"])): str(row["id"])
                    for row in rows
                }
        return {requirement: found[requirement.key] for requirement in wanted if requirement.key in found}

    def _resolve_currencies(self, wanted: Sequence[Requirement]) -> dict[Requirement, str]:
        unknown = [requirement.key for requirement in wanted if requirement.key not in self._currencies]
        if unknown:
            # Table and column are unconfirmed; setting `currencies` gives the ids without asking.
            rows = self._client.query(
                f"SELECT id, symbol FROM currency WHERE symbol IN ({suiteql.texts(unknown)}) ORDER BY id",
                operation="currency.resolve",
            )
            self._currencies = self._currencies | {str(row["symbol"]): str(row["id"]) for row in rows}
        return {
            requirement: self._currencies[requirement.key]
            for requirement in wanted
            if requirement.key in self._currencies
        }


def _customers(keys: Sequence[tuple[str, str, str]], *, plain: bool) -> str:
    addresses = suiteql.texts(dict.fromkeys(address for address, _, _ in keys))
    active = f"LOWER(c.email) IN ({addresses}) AND c.isinactive = 'F'"
    if plain:
        return (
            f"SELECT LOWER(c.email) AS address, MIN(c.id) AS id FROM customer c WHERE {active} "
            "GROUP BY LOWER(c.email) ORDER BY LOWER(c.email)"
        )
    subsidiaries = suiteql.numbers_in("s.subsidiary", sorted({subsidiary for _, _, subsidiary in keys}))
    return (
        "SELECT LOWER(c.email) AS address, s.subsidiary, MIN(c.id) AS id FROM customer c "
        f"JOIN customersubsidiaryrelationship s ON s.entity = c.id WHERE {active} AND {subsidiaries} "
        "GROUP BY LOWER(c.email), s.subsidiary ORDER BY LOWER(c.email), s.subsidiary"
    )
