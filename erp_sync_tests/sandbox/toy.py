"""A vendor of one table, enough to see what the kit does around it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from erp_sync.sandbox.clock import Clock
from erp_sync.sandbox.contract import OWN, ContractBook, OperationContract, Side, closed
from erp_sync.sandbox.core import Commit, Endpoint, Handled, Request, Response, json_response


class Toy:
    vendor = "toy"

    def __init__(self, database: Path | str, clock: Clock, options: dict[str, Any]) -> None:
        self.path, self.clock, self.options = str(database), clock, options
        self.database = sqlite3.connect(self.path, isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("CREATE TABLE IF NOT EXISTS document (id INTEGER PRIMARY KEY, key TEXT)")
        self.background: list[str] = []
        self.slots_seen: list[int] = []

    def classify(self, request: Request) -> Endpoint:
        if request.method == "POST":
            return Endpoint("document.create", "create", writes=True, document=request.json().get("key"))
        return Endpoint("document.list", "read")

    def authenticate(self, request: Request) -> Response | None:
        return None if request.headers.get("authorization") == "yes" else json_response({"message": "who?"}, 401)

    def admit(self, request: Request, slots_in_use: int) -> Response | None:
        self.slots_seen.append(slots_in_use)
        limit = self.options.get("concurrency", 1000)
        return json_response({"message": "slots"}, 429) if slots_in_use >= limit else None

    def handle(self, request: Request) -> Handled:
        if request.method == "POST":
            key = request.json()["key"]
            if key == "defect":
                raise ZeroDivisionError("a defect of the sandbox")
            self.database.execute("INSERT INTO document (key) VALUES (?)", (key,))
            return Handled(Response(204), committed=True, document=key)
        keys = [key for (key,) in self.database.execute("SELECT key FROM document ORDER BY id")]
        return Handled(json_response({"keys": keys}))

    def tick(self) -> list[Commit]:
        done, self.background = self.background, []
        return [Commit("job", key) for key in done]

    def status(self) -> dict[str, Any]:
        return {"database": self.path, "credentials": {"authorization": "yes"}, "settle_seconds": {}}

    def seed(self, data: dict[str, Any]) -> dict[str, Any]:
        for key in data["keys"]:
            self.database.execute("INSERT INTO document (key) VALUES (?)", (key,))
        return {"keys": len(data["keys"])}

    def reset(self) -> None:
        self.database.execute("DELETE FROM document")


def create(database: Path | str, clock: Clock, options: dict[str, Any]) -> Toy:
    return Toy(database, clock, options)


def contract_book(options: dict[str, Any]) -> ContractBook:
    document = closed({"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]})
    listing = closed({"type": "object", "properties": {"keys": {"type": "array", "items": {"type": "string"}}}})
    error = closed({"type": "object", "properties": {"message": {"type": "string"}}})
    nothing = Side(OWN, None, "toy")
    return ContractBook(
        {
            "document.create": OperationContract(
                Side(OWN, document, "toy"), {"204": nothing, "4XX": Side(OWN, error, "toy")}
            ),
            "document.list": OperationContract(nothing, {"200": Side(OWN, listing, "toy")}),
        }
    )
