"""Puts things into an installation as flows would: documents in any state, exchanges, refusals, plans."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from erp_sync.components.installation import Installation
from erp_sync.ledger import Claim, NewDelivery
from erp_sync.ledger.plans import AddedPlan, NewPlan, PlanRow, Verdict
from erp_sync.model.keys import EntityKey
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt
from erp_sync.ports.raw import RawRecord

ROUTE, STORE, ERP = "us", "magento_us", "netsuite_us"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CREDENTIALS = {
    STORE: ("consumer_key", "consumer_secret", "access_token", "access_token_secret"),
    ERP: ("account", "consumer_key", "consumer_secret", "token_id", "token_secret"),
}


def write_defs(folder: Path, **changes: Any) -> None:
    """Connections and a route. `changes`: of the connections by name, of the route under ``route``."""
    connections = [
        {
            "name": name,
            "vendor": name.split("_")[0],
            "base_url": "http://127.0.0.1:9",
            "credentials": dict.fromkeys(CREDENTIALS[name], "x"),
            **changes.get(name, {}),
        }
        for name in (STORE, ERP)
    ]
    flow = {"mode": "on", "start": "2026-01-01T00:00:00Z"}
    route = {
        "name": ROUTE,
        "store": STORE,
        "erp": ERP,
        "flows": {"orders": flow, "shipments": flow, "inventory": {"mode": "on"}},
        **changes.get("route", {}),
    }
    folder.mkdir(exist_ok=True)
    documents = [{"type": "erp_sync.components.Connection", "attributes": one} for one in connections]
    documents.append({"type": "erp_sync.components.Route", "attributes": route})
    (folder / "defs.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))


class House:
    """Attributes: here, ledger."""

    def __init__(self, here: Installation) -> None:
        self.here, self.ledger = here, here.ledger

    def receive(self, native_id: str, payload: dict[str, Any], run_id: str = "run-1", version: str = "1") -> int:
        record = RawRecord(native_id=native_id, version=version, source_time=NOON, created_time=NOON, payload=payload)
        return self.ledger.receive(STORE, "sales_order", [record], advance_to=NOON, run_id=run_id)[0]

    def order(
        self,
        native_id: str,
        held: tuple[str, str] | None = None,
        sku: str = "MUG",
        version: str = "1",
        number: str = "",
    ) -> int:
        """A received order that became a due (or held) delivery; gives its id."""
        number = number or f"{int(native_id):09d}"
        payload = {"entity_id": int(native_id), "increment_id": number, "grand_total": 10.99}
        received = self.receive(native_id, payload, version=version)
        with self.ledger.handling(ROUTE, "orders", "run-1") as work:
            work.mark_handled([received])
            accepted = work.accept(
                [
                    NewDelivery(
                        key=EntityKey(STORE, "", "sales_order", native_id),
                        target=ERP,
                        version=version,
                        payload=json.dumps({"number": number, "lines": [{"sku": sku}]}, separators=(",", ":")).encode(),
                        number=number,
                        held=held,
                        received_id=received,
                    )
                ]
            )
        return accepted[0].id

    def claim(self) -> Claim:
        return self.ledger.deliveries.claim(ROUTE, "orders", ERP, limit=1, owner="run-2:1", run_id="run-2")[0]

    def delivered(self, native_id: str) -> int:
        delivery = self.order(native_id)
        claim = self.claim()
        self.ledger.steps.plan(
            claim, [Step(name="sales_order", operation="sales_order.create", key=f"key-{native_id}")]
        )
        self.ledger.steps.begin(claim, "sales_order")
        self.ledger.steps.confirm(claim, "sales_order", Receipt(target_id="901", number="SO901"))
        self.ledger.deliveries.complete(claim)
        return delivery

    def dead(self, native_id: str, code: str = "unmapped_payment_method", number: str = "") -> int:
        delivery = self.order(native_id, number=number)
        self.ledger.deliveries.dead(self.claim(), code, f"no answer for {native_id}")
        return delivery

    def refused(self, native_id: str, rule: str = "malformed_address", payload: dict[str, Any] | None = None) -> int:
        """A received record in quarantine; gives its received id."""
        received = self.receive(native_id, payload or {"increment_id": f"{int(native_id):09d}"})
        row = self.ledger.received.rows([received])[0]
        with self.ledger.handling(ROUTE, "orders", "run-1") as work:
            work.mark_handled([received])
            work.quarantine(row, rule=rule, field="postcode", problem="no postcode")
        return received

    def held_plan(self, key: str = "east/MUG") -> AddedPlan:
        plan = NewPlan(
            entity="stock_level",
            target=STORE,
            rows=[PlanRow(key=key, before='"5"', after='"0"', reason="sold out")],
            verdicts=(Verdict(check="zeroed", passed=False, words="all of it goes to zero"),),
        )
        with self.ledger.handling(ROUTE, "inventory", "run-3") as work:
            return work.add_plan(plan)

    def exchange(self, **changes: Any) -> None:
        self.here.exchanges.record(
            {
                "time": NOON,
                "connection": ERP,
                "operation": "sales_order.create",
                "document": "",
                "run_id": "run-2",
                "route": ROUTE,
                "flow": "orders",
                "lane": "now",
                "attempt": 1,
                "method": "POST",
                "url": "https://erp.example/salesOrder",
                "status": 204,
                "verdict": "ok",
                "error": "",
                "seconds": 0.25,
                "found_nothing": False,
                "request_headers": [],
                "request_body": b"",
                "response_headers": [],
                "response_body": b"",
                **changes,
            }
        )
        self.here.exchanges.flush()
