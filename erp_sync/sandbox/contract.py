"""Checks every exchange of a sandbox, both ways, against the vendor's contract.

A vendor's sandbox package offers ``contract_book(options) -> ContractBook``. Each side of an operation falls
in one of three classes; unknown properties fail, which `closed` makes of schemas that would let them pass.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import jsonschema_rs

from erp_sync.sandbox.core import Request, Response
from erp_sync.sandbox.journal import Call, Violation

PUBLISHED: Final = "published contract"
OWN: Final = "own schema"
NOT_CHECKABLE: Final = "not checkable"
Class = Literal["published contract", "own schema", "not checkable"]
_WEAKEST_LAST: Final = (PUBLISHED, OWN, NOT_CHECKABLE)


@dataclass(frozen=True)
class Side:
    """What one side of an operation may carry.

    Attributes:
        checked_by: the class.
        schema: JSON schema (draft 2020-12) of the decoded body; None for "no body" when checkable. References
            go to ``#/$defs/NAME`` of the book's definitions.
        note: for OWN the source of the schema, for NOT_CHECKABLE the reason; may be empty for PUBLISHED.
        form: the body is application/x-www-form-urlencoded and is checked as an object of strings.
    """

    checked_by: Class
    schema: Mapping[str, Any] | None = None
    note: str = ""
    form: bool = False

    def __post_init__(self) -> None:
        if self.checked_by != PUBLISHED and not self.note:
            raise ValueError(f"a side of class {self.checked_by!r} needs a note: the source, or the reason")


@dataclass(frozen=True)
class OperationContract:
    """Contract of one endpoint name.

    `responses` is keyed by status ("204"), class ("4XX") or "default", the most exact one counts. `query`
    is checked as an object of strings when given; a request with a query is of the weaker of both classes.
    """

    request: Side
    responses: Mapping[str, Side]
    query: Side | None = None

    def response(self, status: int) -> Side | None:
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in self.responses:
                return self.responses[key]
        return None


@dataclass(frozen=True)
class ContractBook:
    """All operations of a vendor, by endpoint name, with the schemas they share.

    What a schema was compiled to is kept: a vendor has hundreds, and many operations say the same.
    """

    operations: Mapping[str, OperationContract]
    definitions: Mapping[str, Any] = field(default_factory=dict)
    _compiled: dict[str, jsonschema_rs.Draft202012Validator] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def validator(self, schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
        text = json.dumps(schema, sort_keys=True)
        if text not in self._compiled:
            shared = self._named_in(schema)
            self._compiled[text] = jsonschema_rs.Draft202012Validator(
                {**schema, "$defs": {**shared, **schema.get("$defs", {})}}
            )
        return self._compiled[text]

    def _named_in(self, schema: Any) -> dict[str, Any]:
        """The definitions that a schema refers to, also by way of others: all of them are much to compile."""
        found: dict[str, Any] = {}
        names = list(_references(schema))
        while names:
            name = names.pop()
            if name not in found and name in self.definitions:
                found[name] = self.definitions[name]
                names += _references(found[name])
        return found


def _references(schema: Any) -> Iterator[str]:
    """Names in references to ``#/$defs/NAME``, wherever they stand."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix("#/$defs/").partition("/")[0].replace("~1", "/").replace("~0", "~")
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def closed(schema: Any) -> Any:
    """The same schema with every object that lists properties refusing those it does not list.

    Inside ``allOf`` the members stay open and the whole refuses what none of them evaluated; a definition that an
    ``allOf`` refers to must therefore not be closed itself.
    """
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "allOf" in schema:
        members = [_open_members(member) for member in schema["allOf"]]
        rest = {key: closed(value) for key, value in schema.items() if key != "allOf"}
        rest.pop("additionalProperties", None)
        return {**rest, "allOf": members, "unevaluatedProperties": False}
    out = {key: _closed_child(key, value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        out["additionalProperties"] = False
    return out


def _closed_child(key: str, value: Any) -> Any:
    if key in ("properties", "$defs", "definitions", "patternProperties") and isinstance(value, dict):
        return {name: closed(child) for name, child in value.items()}
    if key in ("enum", "const", "required", "default", "example"):
        return value
    return closed(value)


def _open_members(member: Any) -> Any:
    shut = closed(member)
    if isinstance(shut, dict):
        shut.pop("additionalProperties", None)
        shut.pop("unevaluatedProperties", None)
    return shut


_NO_CONTRACT = "not declared"


class ContractCheck:
    """Validates exchanges and counts them per class. Safe to call from several threads."""

    def __init__(self, book: ContractBook) -> None:
        self.book = book
        self.counts: Counter[tuple[str, str]] = Counter()
        self.violations: deque[Violation] = deque(maxlen=1000)  # the latest; the journal keeps all
        self.violations_total = 0
        self._validators: dict[int, jsonschema_rs.Draft202012Validator] = {}
        self._lock = threading.Lock()

    def check(self, call: Call, request: Request, response: Response | None) -> list[Violation]:
        """Breaches of this exchange; sets the call's classes. An endpoint without a contract is a breach."""
        operation = self.book.operations.get(call.endpoint)
        if operation is None:
            call.request_class = call.response_class = _NO_CONTRACT
            found = [Violation("request", call.endpoint, "", "the contract book does not know this operation", "")]
        else:
            found = self._request(call, operation, request)
            if response is not None:
                found += self._response(call, operation, response)
        with self._lock:
            self.counts["request", call.request_class or _NO_CONTRACT] += 1
            if response is not None:
                self.counts["response", call.response_class or _NO_CONTRACT] += 1
            self.violations.extend(found)
            self.violations_total += len(found)
        return found

    def _request(self, call: Call, operation: OperationContract, request: Request) -> list[Violation]:
        call.request_class = operation.request.checked_by
        body: Any = request.form() if operation.request.form else request.body
        found = self._side("request", call.endpoint, operation.request, body)
        if operation.query is not None and request.query:
            found += self._side("request", call.endpoint, operation.query, dict(request.query), "?")
            call.request_class = max(operation.request.checked_by, operation.query.checked_by, key=_WEAKEST_LAST.index)
        return found

    def _response(self, call: Call, operation: OperationContract, response: Response) -> list[Violation]:
        side = operation.response(response.status)
        if side is None:
            call.response_class = _NO_CONTRACT
            message = f"status {response.status} is not in the contract"
            return [Violation("response", call.endpoint, "", message, "")]
        call.response_class = side.checked_by
        return self._side("response", call.endpoint, side, response.body)

    def _side(self, name: str, endpoint: str, side: Side, body: Any, prefix: str = "") -> list[Violation]:
        if side.checked_by == NOT_CHECKABLE:
            return []
        if side.schema is None:
            if body:
                return [Violation(name, endpoint, prefix, "a body where the contract has none", _short(body))]
            return []
        if isinstance(body, bytes):
            try:
                body = json.loads(body)
            except ValueError as error:
                return [Violation(name, endpoint, prefix, f"not JSON: {error}", _short(body))]
        return [
            Violation(
                name,
                endpoint,
                prefix + "".join(f"/{part}" for part in error.instance_path),
                error.message,
                _short(error.instance),
            )
            for error in self._validator(side.schema).iter_errors(body)
        ]

    def _validator(self, schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
        with self._lock:
            known = self._validators.get(id(schema))
            if known is None:
                known = self._validators[id(schema)] = self.book.validator(schema)
            return known

    def report(self) -> dict[str, Any]:
        """Counts per side and class, the sources and reasons behind them, and what was breached."""
        with self._lock:
            notes: dict[str, set[str]] = {OWN: set(), NOT_CHECKABLE: set()}
            for operation in self.book.operations.values():
                for side in (operation.request, operation.query, *operation.responses.values()):
                    if side is not None and side.note:
                        notes.setdefault(side.checked_by, set()).add(side.note)
            return {
                "counts": [
                    {"side": side, "class": name, "exchanges": count}
                    for (side, name), count in sorted(self.counts.items())
                ],
                "notes": {name: sorted(texts) for name, texts in notes.items() if texts},
                "violations": [
                    {"side": v.side, "endpoint": v.endpoint, "place": v.place, "message": v.message, "value": v.excerpt}
                    for v in self.violations
                ],
                "violations_total": self.violations_total,
            }


def _short(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def mutations(body: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Bodies with one defect each: an unknown property in every object, a wrong type in every leaf.

    Yields (JSON pointer, mutated copy). A contract check that does not notice one of them does not check that place.
    """
    if isinstance(body, dict):
        yield f"{place}/unknownProperty", {**body, "unknownProperty": 1}
        for name, value in body.items():
            for where, changed in mutations(value, f"{place}/{name}"):
                yield where, {**body, name: changed}
    elif isinstance(body, list):
        for index, value in enumerate(body):
            for where, changed in mutations(value, f"{place}/{index}"):
                yield where, [*body[:index], changed, *body[index + 1 :]]
    else:
        yield place, {"wrongType": True}
