"""Bodies that a contract allows, made from its schemas, and the same bodies with one thing wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from erp_sync.sandbox.contract import NOT_CHECKABLE, ContractBook, ContractCheck, Side
from erp_sync.sandbox.core import Request, Response
from erp_sync.sandbox.journal import Call, Violation

_OF_TYPE = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}, "null": None}
_TEXTS = ("text", "1", "0" * 32, "0" * 36, "2026-01-31", "2026-01-31T08:00:00Z", "08:00:00", "GET")
WRONG = {"surprise": 1}


@dataclass
class Samples:
    """Samples of one book; what is optional is filled down to `depth` levels."""

    book: ContractBook
    depth: int = 2

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return self.resolved(self.book.definitions[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema and "properties" not in schema:
            return self.resolved(schema["anyOf"][0])
        return schema

    def sample(self, schema: dict[str, Any], level: int = 0) -> Any:
        """A value that the schema allows."""
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kinds = schema.get("type", "string")
        kind = kinds[0] if isinstance(kinds, list) else kinds
        if kind == "object":
            return self._object(schema, level)
        if kind == "array":
            full = level < self.depth or schema.get("minItems")
            return [self.sample(schema["items"], level + 1)] if full and schema.get("items") else []
        if "pattern" in schema:
            return next(text for text in _TEXTS if re.search(schema["pattern"], text))
        return _OF_TYPE[kind]

    def _object(self, schema: dict[str, Any], level: int) -> dict[str, Any]:
        wanted = schema.get("properties", {})
        if level >= self.depth:
            wanted = {name: wanted[name] for name in schema.get("required", ())}
        found = {name: self.sample(inner, level + 1) for name, inner in wanted.items()}
        if isinstance(schema.get("additionalProperties"), dict):
            found["further"] = self.sample(schema["additionalProperties"], level + 1)
        return found

    def mutations(self, schema: dict[str, Any], value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
        """Place and value with one thing wrong there: an unknown property, or an object where a scalar belongs."""
        if not schema:
            return  # declared free
        schema = self.resolved(schema)
        if schema.get("type") == ["object", "array"] and "maxProperties" not in schema:
            yield place, "neither object nor array"  # parameters of an error
        elif isinstance(value, dict):
            yield f"{place}/surprise", {**value, "surprise": 1}
            for name, inner in value.items():
                below = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
                for where, bad in self.mutations(below, inner, f"{place}/{name}"):
                    yield where, {**value, name: bad}
        elif isinstance(value, list) and value:
            for where, bad in self.mutations(schema["items"], value[0], f"{place}/0"):
                yield where, [bad]
        else:
            yield place, [WRONG] if isinstance(value, list) else WRONG


def unnoticed(check: ContractCheck, name: str, tried: set[str], depth: int = 2) -> list[str]:
    """What the check of one operation does not notice, of both sides; what it finds wrong with sound bodies too.

    Every place of every schema is mutated once; an operation whose schema was `tried` with another gets the first
    mutation only, which shows that it is checked by that schema.

    A side that is declared checkable but in which nothing could be mutated is named as well.
    """
    samples, found = Samples(check.book, depth), list[str]()
    operation = check.book.operations[name]

    def breaches(side: str, body: bytes, response: Response | None, query: str = "") -> list[Violation]:
        request = Request.build("POST", f"https://vendor.example/x{query}", body=body)
        call = Call(0.0, "", "", "", "", "", name, "read")
        return [one for one in check.check(call, request, response) if one.side == side]

    def encoded(side: Side, value: Any) -> bytes:
        if side.form:
            return "&".join(f"{key}={one}" for key, one in value.items()).encode()
        return json.dumps(value).encode()

    def look(side: str, declared: Side, status: int | None) -> None:
        def said(body: bytes) -> list[Violation]:
            return breaches(
                side, body if status is None else b"", None if status is None else Response(status, {}, body)
            )

        if declared.checked_by == NOT_CHECKABLE:
            return
        what = f"{name} {side} {status or ''}"
        if declared.schema is None:
            if not said(json.dumps(WRONG).encode()):
                found.append(f"{what}: a body where none belongs")
            return
        good = samples.sample(dict(declared.schema))
        found.extend(f"{what}: sound, and yet {one.place} {one.message}" for one in said(encoded(declared, good)))
        bad = list(samples.mutations(dict(declared.schema), good))
        if not bad:
            found.append(f"{what}: nothing in it is checked")
        text = json.dumps(declared.schema, sort_keys=True, default=dict)
        for place, value in bad[:1] if text in tried else bad:
            if declared.form and place.count("/") > 0 and not place.endswith("/surprise"):
                continue  # a form holds texts only
            if not said(encoded(declared, value)):
                found.append(f"{what}{place}")
        tried.add(text)

    look("request", operation.request, None)
    for key, side in operation.responses.items():
        look("response", side, {"default": 500, "4XX": 400, "5XX": 500}.get(key) or int(key))
    if operation.request.checked_by != NOT_CHECKABLE:
        schema = operation.request.schema
        good_body = b"" if schema is None else encoded(operation.request, samples.sample(dict(schema)))
        if not breaches("request", good_body, None, "?surprise=1"):
            found.append(f"{name}: an unknown query parameter")
    return found
