"""Somebody who works in a company behind a socket: what a test lets happen there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx

from erp_sync.sandbox.evidence import ErpEvidence, ErpOrder, ErpShipment, erp_evidence
from erp_sync.sandbox.files import SystemFiles
from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync_tests.systems.sap_b1.sandbox.conftest import CATALOGUE, order_body


class Office:
    """A session of its own, and the judge's view of the same company."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        status = sandbox.status()
        self.http = httpx.Client(base_url=f"{sandbox.base_url}/b1s/v2/", trust_env=False)
        keys = status["credentials"]
        login = {"CompanyDB": keys["company_db"], "UserName": keys["user_name"], "Password": keys["password"]}
        assert self.http.post("Login", json=login).status_code == 200
        self.files = SystemFiles(sandbox.app.database, sandbox.app.journal.path, "sap_b1")

    @property
    def evidence(self) -> ErpEvidence:
        return erp_evidence(self.files)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON; a refusal fails the test."""
        answer = self.http.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return json.loads(answer.content, parse_float=Decimal) if answer.content else None

    def order(self, *lines: dict[str, Any], **fields: Any) -> int:
        entry: int = self.call("POST", "Orders", order_body(*lines, **fields))["DocEntry"]
        return entry

    def delivered(self, *lines: tuple[int, int, Any], **fields: Any) -> int:
        """Lines are (order, its row, quantity)."""
        rows = [
            {"BaseType": 17, "BaseEntry": order, "BaseLine": row, "Quantity": quantity}
            for order, row, quantity in lines
        ]
        entry: int = self.call("POST", "DeliveryNotes", {"CardCode": "C1", "DocumentLines": rows, **fields})["DocEntry"]
        return entry

    def stock(self, item: str, warehouse: str = "01") -> Decimal:
        """Units on hand."""
        (found,) = [units.units for units in self.evidence.on_hand() if (units.sku, units.place) == (item, warehouse)]
        return found

    def told(self, order: int) -> ErpOrder:
        (found,) = [one for one in self.evidence.orders() if one.id == order]
        return found

    def left(self, order: int) -> list[ErpShipment]:
        return [one for one in self.evidence.shipments() if one.order == order]


@contextmanager
def office(**options: Any) -> Iterator[Office]:
    """A company with the catalogue of these tests, and somebody in it."""
    with running(create, vendor="sap_b1", options=options) as sandbox:
        sandbox.control("POST", "seed", CATALOGUE)
        found = Office(sandbox)
        yield found
        found.http.close()
