"""From filters and sortings to SQL over the declared entities.

A field behind an association to one is a scalar subquery, which is null where nothing is referred to, as the vendor's
LEFT JOIN. Conditions of one group on the same association to many ask for one row that meets them all, those of
different groups each for a row of its own (Dbal/JoinGroupBuilder). A negated equals takes null for unequal, a plain
one does not (Search/Parser/SqlQueryParser: ``<=>`` when negated).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import errors, names
from erp_sync.systems.shopware.sandbox.criteria import Compare, Filter, Group, Sorting
from erp_sync.systems.shopware.sandbox.schema.fields import Association, Entity, Field

_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_LIKE = {"contains": "%{}%", "prefix": "{}%", "suffix": "%{}"}


@dataclass
class Sql:
    """A piece of SQL with the values of its placeholders."""

    text: str
    values: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Accessor:
    """SQL of a value, and the field it is of; None for a part of a structure."""

    text: str
    field: Field | None


class Compiler:
    """Compiles for one request. `inheritance`: a variant's empty field is its parent's."""

    def __init__(self, entities: Mapping[str, Entity], *, inheritance: bool = False) -> None:
        self._entities, self._inheritance = entities, inheritance
        self._numbers = itertools.count(1)

    def where(self, entity: Entity, alias: str, filters: Sequence[Filter]) -> Sql:
        """A condition that all filters hold; "1" when there are none. Raises ShopwareError for an unknown field."""
        return self._joined(entity, alias, filters, "and", negated=False)

    def order(self, entity: Entity, alias: str, sorting: Sequence[Sorting]) -> str:
        """ORDER BY terms; of an association to many the least value counts, descending the greatest."""
        terms = []
        for one in sorting:
            value, way = self._sorted(entity, alias, one), "DESC" if one.descending else "ASC"
            if one.natural:  # Dbal/CriteriaQueryBuilder: the longer text is the greater
                terms.append(f"LENGTH({value}) {way}")
            terms.append(f"{value} {way}")
        return ", ".join(terms)

    # -- groups --------------------------------------------------------------------------------------------------

    def _joined(self, entity: Entity, alias: str, filters: Sequence[Filter], operator: str, *, negated: bool) -> Sql:
        parts, behind = list[Sql](), dict[tuple[str, ...], list[Compare]]()
        for one in filters:
            if isinstance(one, Group):
                if one.parts:
                    parts.append(self._group(entity, alias, one, negated))
                continue
            path, _ = self._split(entity, self._stripped(entity, one.field))
            if path:
                behind.setdefault(path, []).append(one)
            else:
                parts.append(self._compare(entity, alias, one, negated))
        parts += [self._exists(entity, alias, path, found, operator) for path, found in behind.items()]
        if not parts:
            return Sql("1")
        glue = f" {operator.upper()} "
        return Sql(f"({glue.join(part.text for part in parts)})", [value for part in parts for value in part.values])

    def _group(self, entity: Entity, alias: str, group: Group, negated: bool) -> Sql:
        inner = self._joined(entity, alias, group.parts, group.operator, negated=negated or group.negated)
        return Sql(f"NOT {inner.text}" if group.negated else inner.text, inner.values)

    def _exists(self, entity: Entity, alias: str, path: tuple[str, ...], found: list[Compare], operator: str) -> Sql:
        """Rows behind an association to many, reached over associations to one."""
        owner, at, tables, links = entity, alias, list[str](), list[str]()
        for name in path:
            known = owner.associations[name]
            other, inner = self._entities[known.entity], f"t{next(self._numbers)}"
            if known.kind == "many_to_many":
                mapping = f"m{next(self._numbers)}"
                tables += [f'"{known.table}" {mapping}', f'"{other.name}" {inner}']
                links += [f'{mapping}."{known.near}" = {at}.id', f'{inner}.id = {mapping}."{known.far}"']
            else:
                tables.append(f'"{other.name}" {inner}')
                links.append(f'{inner}."{known.other}" = {self._column(owner, at, known.own)}')
                links += self._same_version(owner, at, other, inner)
            owner, at = other, inner
        prefix = ".".join(path) + "."
        conditions = [
            self._compare(owner, at, Compare(one.operator, self._stripped(entity, one.field)[len(prefix) :], one.value),
                          False)
            for one in found
        ]  # fmt: skip
        glue = f" {operator.upper()} "
        inside = glue.join(one.text for one in conditions)
        rows = f"SELECT 1 FROM {', '.join(tables)} WHERE {' AND '.join(links)}"
        text = f"EXISTS ({rows} AND ({inside}))"
        values = [value for one in conditions for value in one.values]
        if any(one.operator == "equals" and one.value is None for one in found):
            text = f"({text} OR NOT EXISTS ({rows}))"  # what a LEFT JOIN finds where there is no row
        return Sql(text, values)

    def _split(self, entity: Entity, path: str) -> tuple[tuple[str, ...], str]:
        """The way to and including the first association to many, and the rest."""
        parts, owner = path.split("."), entity
        for index, name in enumerate(parts[:-1]):
            known = owner.associations.get(name)
            if known is None:
                break
            if known.many:
                return tuple(parts[: index + 1]), ".".join(parts[index + 1 :])
            owner = self._entities[known.entity]
        return (), path

    def _stripped(self, entity: Entity, name: str) -> str:
        return name.removeprefix(f"{entity.name}.").replace("extensions.", "")

    # -- one condition -------------------------------------------------------------------------------------------

    def _compare(self, entity: Entity, alias: str, one: Compare, negated: bool) -> Sql:
        path, _ = self._split(entity, self._stripped(entity, one.field))
        if path:
            return self._exists(entity, alias, path, [one], "and")
        accessor = self.accessor(entity, alias, self._stripped(entity, one.field))
        known, text = accessor.field, accessor.text
        if known is not None and known.kind == "list" and one.operator in ("equals", "any") and one.value is not None:
            values = one.value if one.operator == "any" else [one.value]
            return Sql(
                f"EXISTS (SELECT 1 FROM json_each({text}) WHERE json_each.value IN ({_marks(values)}))", list(values)
            )
        match one.operator:
            case "equals":
                sign = "IS" if negated or one.value is None else "="
                return Sql(f"{text} {sign} ?", [_bound(known, one.value)])
            case "any":
                values = [_bound(known, value) for value in one.value]
                return Sql(f"{text} IN ({_marks(values)})", values)
            case "contains" | "prefix" | "suffix":
                escaped = "".join(f"\\{letter}" if letter in "\\_%" else letter for letter in str(one.value))
                return Sql(f"CAST({text} AS TEXT) LIKE ? ESCAPE '\\'", [_LIKE[one.operator].format(escaped)])
        return Sql(f"{text} {_OPERATORS[one.operator]} ?", [_bound(known, one.value)])

    def accessor(self, entity: Entity, alias: str, path: str) -> Accessor:
        """SQL of a field by its path over associations to one. Raises ShopwareError."""
        name, _, rest = path.partition(".")
        if path in entity.fields:
            return Accessor(self._column(entity, alias, path), entity.fields[path])
        known = entity.fields.get(name)
        if known is not None and known.structured:
            return Accessor(self._inside(known, self._column(entity, alias, name), rest), None)
        association = entity.associations.get(name)
        if association is None or not rest:
            raise errors.unmapped(f"{entity.name}.{path}", entity.name)
        other, inner = self._entities[association.entity], f"t{next(self._numbers)}"
        links = [f'{inner}."{association.other}" = {self._column(entity, alias, association.own)}']
        links += self._same_version(entity, alias, other, inner)
        value = self.accessor(other, inner, rest)
        return Accessor(f'(SELECT {value.text} FROM "{other.name}" {inner} WHERE {" AND ".join(links)})', value.field)

    def _column(self, entity: Entity, alias: str, name: str) -> str:
        own = f'{alias}."{name}"'
        if not self._inheritance or not entity.fields[name].inherited:
            return own
        parent = f"t{next(self._numbers)}"
        rows = f'FROM "{entity.name}" {parent} WHERE {parent}.id = {alias}."parentId"'
        return f'COALESCE({own}, (SELECT {parent}."{name}" {rows}))'

    def _inside(self, known: Field, column: str, path: str) -> str:
        """A part of a structure; a price without more is the default currency's gross."""
        if known.kind != "price":
            return f"json_extract({column}, '$.{_safe(path)}')"
        part = path.rpartition(".")[2] or "gross"
        return (
            f"(SELECT json_extract(value, '$.{_safe(part)}') FROM json_each({column}) "
            f"WHERE json_extract(value, '$.currencyId') = '{names.CURRENCY}')"
        )

    def _same_version(self, entity: Entity, alias: str, other: Entity, inner: str) -> list[str]:
        """Parts of an order are read in its version; everything else has the live one only."""
        if entity.versioned and other.versioned and entity.name.startswith("order") == other.name.startswith("order"):
            return [f'{inner}."versionId" = {alias}."versionId"']
        return []

    def _sorted(self, entity: Entity, alias: str, one: Sorting) -> str:
        name = self._stripped(entity, one.field)
        path, rest = self._split(entity, name)
        if not path:
            if name == "price" and "price" in entity.fields:
                return self._inside(entity.fields["price"], self._column(entity, alias, "price"), "gross")
            return self.accessor(entity, alias, name).text
        known: Association = entity.associations[path[0]]
        if len(path) > 1 or known.kind == "many_to_many":
            raise errors.unmapped(f"{entity.name}.{name}", entity.name)
        other, inner = self._entities[known.entity], f"t{next(self._numbers)}"
        links = [f'{inner}."{known.other}" = {alias}."{known.own}"', *self._same_version(entity, alias, other, inner)]
        function = "MAX" if one.descending else "MIN"
        value = self.accessor(other, inner, rest).text
        return f'(SELECT {function}({value}) FROM "{other.name}" {inner} WHERE {" AND ".join(links)})'


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _safe(path: str) -> str:
    """A path in a JSON structure; what could end the SQL text is not in the name of a custom field."""
    return "".join(letter for letter in path if letter.isalnum() or letter in "_.-")


def _bound(known: Field | None, value: Any) -> Any:
    """A filter's value as the database keeps values of the field. Raises ShopwareError for an id that is none."""
    if value is None:
        return None
    kind = known.kind if known is not None else None
    if kind == "id":
        if not names.is_id(str(value).lower()):
            raise errors.invalid_id(value)
        return str(value).lower()
    if kind == "time":
        moment = names.read_time(str(value))
        return names.stored_time(moment) if moment else str(value)
    if kind == "bool":
        return int(bool(value) and str(value).lower() not in ("0", "false"))
    if kind == "int":
        return _integer(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal) and kind is None:
        return float(value)  # compared with what json_extract gives; no money is calculated from it
    return str(value) if isinstance(value, Decimal) or kind in ("string", "float", "date", "version") else value


def _integer(value: Any) -> Any:
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return value
    return int(number) if number == number.to_integral_value() else float(number)
