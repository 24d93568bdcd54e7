"""The contract as the sandbox uses it: column lists, rendering, conversion of arguments.

Magento's service layer is driven by its data interfaces: `ServiceInputProcessor` refuses a property
without an accessor and converts simple types, `DataObjectProcessor` prints what the interface has. The
published Swagger is those interfaces, so both are done from it here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from erp_sync.systems.magento.sandbox.errors import InputException, InternalError

FILE = Path(__file__).with_name("rest-2.4.8.json")

# Declared as text in the Swagger, an associative array or any value in life (PHP `string[]` and `mixed`).
_FREE_VALUES = {("framework-attribute-interface", "value"), ("quote-data-payment-interface", "additional_data")}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@cache
def load() -> Contract:
    """The contract that ships with the package."""
    return Contract(json.loads(FILE.read_text(encoding="utf-8")))


def snake(name: str) -> str:
    """``sourceCode`` and ``source_code`` reach the same accessor."""
    return _CAMEL.sub("_", name).lower()


class Contract:
    """Operations and data interfaces of the published REST API."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.definitions: dict[str, dict[str, Any]] = document["definitions"]
        self.paths: dict[str, dict[str, Any]] = document["paths"]
        self._properties: dict[str, list[tuple[str, str, bool]]] = {}
        self._arguments: dict[tuple[str, str], tuple[dict[str, Any], list[str]]] = {}

    def properties(self, definition: str) -> dict[str, Any]:
        return self.definitions[definition].get("properties", {})

    def scalars(self, definition: str) -> dict[str, str]:
        """Properties of simple type with that type: number, integer, string, boolean."""
        return {
            name: schema["type"]
            for name, schema in self.properties(definition).items()
            if schema.get("type") in ("number", "integer", "string", "boolean")
        }

    def render(self, definition: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """What Magento prints of a row: the interface's properties, cast; null only where always present."""
        result: dict[str, Any] = {}
        for name, kind, stays in self._shown(definition):
            value = row.get(name)
            if value is not None:
                result[name] = value if kind == "number" and type(value) is Decimal else _printed(value, kind)
            elif stays and (name in row or kind in ("string", "number", "integer")):
                result[name] = None
        return result

    def _shown(self, definition: str) -> list[tuple[str, str, bool]]:
        """Name and type of an interface's properties, and whether they are there even when they are null."""
        if definition not in self._properties:
            declared = self.definitions[definition]
            required = set(declared.get("required", ()))
            self._properties[definition] = [
                (name, schema.get("type", ""), name in required)
                for name, schema in declared.get("properties", {}).items()
            ]
        return self._properties[definition]

    def arguments(self, method: str, template: str) -> tuple[dict[str, Any], list[str]]:
        """Names and schemas of the body's arguments, and which are required."""
        key = (method, template)
        if key not in self._arguments:
            body = [p for p in self.paths[template][method.lower()].get("parameters", ()) if p["in"] == "body"]
            schema = self._resolved(body[0]["schema"]) if body else {}
            self._arguments[key] = (schema.get("properties", {}), list(schema.get("required", ())))
        return self._arguments[key]

    def convert(self, method: str, template: str, body: Any, path: Mapping[str, str]) -> dict[str, Any]:
        """Arguments of a service from a request's body, as `ServiceInputProcessor` converts them.

        Raises InputException for a missing argument or a value of another type, InternalError for a
        property that the interface does not have. Unknown arguments beside the known ones are ignored.
        """
        schemas, required = self.arguments(method, template)
        given = {snake(name): value for name, value in body.items()} if isinstance(body, dict) else {}
        result: dict[str, Any] = {}
        missing = []
        for name, schema in schemas.items():
            value = given.get(snake(name))
            if value is None:
                if name in required and name not in path:
                    missing.append(name)
                continue
            result[name] = self._converted(value, schema, name, ("", name))
        if missing:
            raise InputException.required(missing)
        return result

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        return self.definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def _converted(self, value: Any, schema: dict[str, Any], name: str, where: tuple[str, str]) -> Any:
        if where in _FREE_VALUES:
            return value
        if "$ref" in schema:
            definition = schema["$ref"].rpartition("/")[2]
            return self._object(value, definition) if isinstance(value, dict) else {}
        kind = schema.get("type")
        if kind == "array":
            if not isinstance(value, list):
                value = list(value.values()) if isinstance(value, dict) else [value]
            return [self._converted(part, schema["items"], name, where) for part in value]
        return _simple(value, kind or "", name)

    def _object(self, value: dict[str, Any], definition: str) -> dict[str, Any]:
        properties = self.properties(definition)
        result = {}
        for given, part in value.items():
            name = given if given in properties else snake(given)
            if name not in properties:
                raise InternalError(f'Property "{given}" does not have accessor method in "{definition}".')
            if part is not None:
                result[name] = self._converted(part, properties[name], name, (definition, name))
        return result


def _printed(value: Any, kind: str) -> Any:
    if kind == "number" and isinstance(value, int | str):
        return Decimal(value)
    if kind == "integer" and isinstance(value, Decimal | str | bool):
        return int(Decimal(value))
    if kind == "boolean" and not isinstance(value, bool):
        return bool(int(value))
    if kind == "string" and not isinstance(value, str | list | dict):
        return str(value)
    return value


_PHP_TYPES = {"number": "float", "integer": "int", "boolean": "bool"}


def _wrong(value: Any, kind: str, name: str) -> InputException:
    return InputException(
        f'Error occurred during "{name}" processing. The "{value}" value\'s type is invalid. '
        f'The "{_PHP_TYPES.get(kind, kind)}" type was expected. Verify and try again.'
    )


def _simple(value: Any, kind: str, name: str) -> Any:
    if isinstance(value, dict | list):
        raise _wrong(value, kind, name)
    if kind == "string":
        return {True: "1", False: ""}[value] if isinstance(value, bool) else str(value)
    if kind == "boolean":
        if value in (True, False, 1, 0, "1", "0", "true", "false"):
            return value in (True, 1, "1", "true")
        raise _wrong(value, kind, name)
    if isinstance(value, int):
        return int(value) if kind == "integer" else Decimal(value)
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise _wrong(value, kind, name) from None
    if not number.is_finite():
        raise _wrong(value, kind, name)
    return int(number) if kind == "integer" else number
