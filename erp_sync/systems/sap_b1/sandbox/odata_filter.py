"""``$filter`` and ``$orderby`` to SQL over the JSON rows, by a real parser (odata-query).

What Service Layer takes (fact sheet, section 3): eq ne gt ge lt le and or not, parentheses, the functions startswith,
endswith, contains and substringof, nothing else; ``any()`` is refused (obs., section 11). Enumerations match by name
or value. Date filters ignore the time part, and DocTime compares hours and minutes only. Texts compare
with their case (obs. on HANA).
"""

from __future__ import annotations

import re
from typing import Any

from odata_query import ast, exceptions
from odata_query.grammar import ODATA_FUNCTIONS, ODataLexer, ODataParser
from odata_query.visitor import NodeVisitor

from erp_sync.systems.sap_b1.sandbox import contract
from erp_sync.systems.sap_b1.sandbox.entities import EntitySet
from erp_sync.systems.sap_b1.sandbox.enum_values import OBJECT_CODES, member
from erp_sync.systems.sap_b1.sandbox.errors import (
    ServiceLayerError,
    malformed,
    wrong_filter_property,
    wrong_property,
)
from erp_sync.systems.sap_b1.sandbox.rows import column_of
from erp_sync.systems.sap_b1.sandbox.user_fields import UserFields
from erp_sync.systems.sap_b1.sandbox.values import date_text, kind_of, time_text

# OData 3's function, which the parser of OData 4 has to be told of.
ODATA_FUNCTIONS.setdefault("substringof", 2)
# Texts are passed over; ``datetime'…'`` of OData 3 is a date in quotes like any other (manual v1.29, pages 33-34).
_LITERAL = re.compile(r"datetime'[^']*'|'(?:[^']|'')*'")
_FUNCTIONS = frozenset(["startswith", "endswith", "contains", "substringof"])
_OPERATORS = {ast.Eq: "=", ast.NotEq: "<>", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<="}
_LITERALS = (ast.String, ast.Integer, ast.Float, ast.Boolean, ast.Null, ast.Date, ast.DateTime, ast.Time)

Sql = tuple[str, list[Any]]


def where(entity: EntitySet, text: str, user_fields: UserFields) -> Sql:
    """The condition of a $filter. Raises ServiceLayerError (201 for an unknown property, -1000 for the rest)."""
    text = _LITERAL.sub(lambda found: found[0].removeprefix("datetime"), text)
    try:
        tree = ODataParser().parse(ODataLexer().tokenize(text))
    except exceptions.ODataException as error:
        raise malformed(f"Query string error: {error}") from error
    return _Filter(entity, user_fields).visit(tree)


def order(entity: EntitySet, text: str, user_fields: UserFields) -> list[str]:
    """The terms for ORDER BY of an $orderby. Raises ServiceLayerError."""
    found = []
    for part in text.split(","):
        words = part.split()
        if not 1 <= len(words) <= 2 or (len(words) == 2 and words[1].lower() not in ("asc", "desc")):
            raise malformed(f"Query string error: $orderby '{text}'")
        kind = kind_of(entity.type_name, words[0], user_fields)
        if kind is None or contract.element(kind):
            raise wrong_property(words[0], entity.type_name)
        found.append(column_of(entity, words[0]) + (" DESC" if words[-1].lower() == "desc" else ""))
    return found


class _Filter(NodeVisitor):
    """Every node becomes (SQL, values to bind)."""

    def __init__(self, entity: EntitySet, user_fields: UserFields) -> None:
        self.entity, self.user_fields = entity, user_fields

    def generic_visit(self, node: ast._Node) -> Any:
        raise malformed(f"Query string error: {type(node).__name__} is not supported in $filter")

    def visit_BoolOp(self, node: ast.BoolOp) -> Sql:
        (left, first), (right, second) = self.visit(node.left), self.visit(node.right)
        word = "AND" if isinstance(node.op, ast.And) else "OR"
        return f"({left} {word} {right})", first + second

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Sql:
        if not isinstance(node.op, ast.Not):
            self.generic_visit(node)
        inner, values = self.visit(node.operand)
        return f"NOT ({inner})", values

    def visit_Compare(self, node: ast.Compare) -> Sql:
        operator = _OPERATORS.get(type(node.comparator))
        if operator is None:
            raise malformed("Query string error: this operator is not supported in $filter")
        if isinstance(node.left, ast.Call) and isinstance(node.right, ast.Boolean):
            inner, values = self.visit(node.left)
            wanted = (node.right.val == "true") == (operator == "=")
            return (inner if wanted else f"NOT ({inner})"), values
        if isinstance(node.left, _LITERALS) and isinstance(node.right, ast.Identifier):
            turned = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
            return self._compared(node.right, turned.get(operator, operator), node.left)
        if not isinstance(node.left, ast.Identifier):
            raise malformed("Query string error: a comparison needs a property")
        if isinstance(node.right, ast.Identifier):
            (left, _), (right, _) = self._property(node.left), self._property(node.right)
            return f"{left} {operator} {right}", []
        return self._compared(node.left, operator, node.right)

    def visit_Call(self, node: ast.Call) -> Sql:
        name = node.func.name
        if name not in _FUNCTIONS:  # seen for toupper
            raise wrong_property(name, self.entity.type_name)
        place, what = (node.args[1], node.args[0]) if name == "substringof" else (node.args[0], node.args[1])
        if not isinstance(place, ast.Identifier) or not isinstance(what, ast.String):
            raise malformed(f"Query string error: arguments of {name}")
        column, kind = self._property(place)
        if kind != "string":
            raise malformed(f"Query string error: {name} needs a text property")
        if name == "startswith":
            return f"substr({column}, 1, length(?)) = ?", [what.val, what.val]
        if name == "endswith":
            return f"(? = '' OR substr({column}, -length(?)) = ?)", [what.val, what.val, what.val]
        return f"instr({column}, ?) > 0", [what.val]

    def visit_Identifier(self, node: ast.Identifier) -> Sql:
        self._property(node)
        raise malformed(f"Query string error: '{node.name}' is no condition")

    def _property(self, node: ast.Identifier) -> tuple[str, str]:
        kind = kind_of(self.entity.type_name, node.name, self.user_fields)
        if kind is None:
            raise wrong_filter_property(node.name)
        if contract.element(kind) or (kind[0].isupper() and contract.enum(kind) is None):
            raise malformed(f"Query string error: '{node.name}' cannot be compared")
        return column_of(self.entity, node.name), kind

    def _compared(self, place: ast.Identifier, operator: str, literal: ast._Node) -> Sql:
        column, kind = self._property(place)
        if isinstance(literal, ast.Null):
            if operator not in ("=", "<>"):
                raise malformed("Query string error: null compares by eq and ne only")
            return f"{column} IS {'NOT ' if operator == '<>' else ''}NULL", []
        if not isinstance(literal, _LITERALS):
            self.generic_visit(literal)
        value = self._bound(place.name, kind, literal)
        if place.name == "DocTime":
            return f"substr({column}, 1, 5) {operator} ?", [str(value)[:5]]
        return f"{column} {operator} ?", [value]

    def _bound(self, name: str, kind: str, literal: Any) -> Any:
        text = str(literal.val)
        if kind == "date" or contract.is_date(name, kind):
            if isinstance(literal, ast.Integer | ast.Float | ast.Boolean | ast.Time):
                raise self._mismatch(name)
            return date_text(text, name, self.entity.type_name)
        if kind == "string":
            if name == "DocObjectCode":
                return OBJECT_CODES.get(text, text)
            if not isinstance(literal, ast.String | ast.Time | ast.Date):
                raise self._mismatch(name)
            return time_text(text, name, self.entity.type_name) if contract.is_time(name, kind) else text
        if kind in ("integer", "number"):
            if not isinstance(literal, ast.Integer | ast.Float):
                raise self._mismatch(name)
            return int(text) if isinstance(literal, ast.Integer) else float(text)
        known = member(kind, text)
        if known is None:
            raise malformed(f"Enum value '{text}' is invalid for '{kind}'")
        return known

    def _mismatch(self, name: str) -> ServiceLayerError:
        return malformed(f"Query string error: the literal does not fit property '{name}'")
