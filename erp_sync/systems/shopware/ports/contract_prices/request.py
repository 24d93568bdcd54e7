"""One sync request under way: records to write and to delete, in the order in which the vendor needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.ports.contract_prices import ids
from erp_sync.systems.shopware.ports.sync import Rows, write_all

OWN_RULES_PRIORITY = 2_000_000
"""Of rules that hold one account's prices: above those of all rules that accounts share."""
_ORDER = ("tag", "rule", "product", "product_price", "custom_price", "customer_tag", "rule_condition")


class Request:
    """Collects; a record that is put twice is written once, as it was put last."""

    def __init__(self) -> None:
        self._puts: dict[str, dict[str, dict[str, Any]]] = {}
        self._takes: dict[str, dict[str, dict[str, Any]]] = {}

    def put(self, entity: str, record: Mapping[str, Any]) -> None:
        self._puts.setdefault(entity, {})[_key(record)] = dict(record)

    def take(self, entity: str, record: Mapping[str, Any]) -> None:
        self._takes.setdefault(entity, {})[_key(record)] = dict(record)

    @property
    def empty(self) -> bool:
        return not (self._puts or self._takes)

    def send(self, client: ShopwareClient, *, operation: str) -> None:
        """All of it or nothing. Raises the errors of the transport; Rejected with ``whole_batch``."""
        if self.empty:
            return
        puts = [Rows(entity, list(self._puts[entity].values())) for entity in _ORDER if entity in self._puts]
        takes = [Rows(entity, list(self._takes[entity].values())) for entity in _ORDER if entity in self._takes]
        write_all(client, puts, takes, operation=operation)

    # -- rules -----------------------------------------------------------------------------------------------------

    def put_tag(self, rule: str) -> str:
        identity = ids.tag_id(rule)
        self.put("tag", {"id": identity, "name": ids.title("erp_sync prices", rule)})
        return identity

    def put_rule(self, rule: str, priority: int) -> None:
        """A rule that customers match who have its tag."""
        who = {"type": "customerTag", "value": {"operator": "=", "identifiers": [self.put_tag(rule)]}}
        title = ids.title("Contract prices", rule)
        self.put("rule", rule_body(ids.rule_id(rule), title, priority, who, {ids.RULE_FIELD: rule}))

    def put_account_rule(self, account: str) -> None:
        """A rule that one account matches, whether or not a customer has its number yet."""
        who = {"type": "customerCustomerNumber", "value": {"operator": "=", "numbers": [account]}}
        title = ids.title("Prices of customer", account)
        own = {ids.ACCOUNT_FIELD: account}
        self.put("rule", rule_body(ids.account_rule_id(account), title, OWN_RULES_PRIORITY, who, own))

    def take_conditions(self, conditions: Sequence[str]) -> None:
        for one in conditions:
            self.take("rule_condition", {"id": one})


def rule_body(
    identity: str, title: str, priority: int, who: Mapping[str, Any], own: Mapping[str, str]
) -> dict[str, Any]:
    """A rule with one condition in the containers that the administration's editor expects (fact sheet, section 11)."""
    leaf = {"id": ids.condition_id(identity, "who"), "position": 0, **who}
    inner = {"id": ids.condition_id(identity, "and"), "type": "andContainer", "position": 0, "children": [leaf]}
    outer = {"id": ids.condition_id(identity, "or"), "type": "orContainer", "position": 0, "children": [inner]}
    leaf["ruleId"] = inner["ruleId"] = identity
    return {
        "id": identity,
        "name": title,
        "description": "Kept by erp_sync: its conditions, priority and prices are written over.",
        "priority": priority,
        "moduleTypes": {"types": ["price"]},
        "customFields": {**own, ids.PART_FIELD: ids.part(identity)},
        "conditions": [outer],
    }


def _key(record: Mapping[str, Any]) -> str:
    return str(record["id"]) if "id" in record else f"{record['customerId']}/{record['tagId']}"
