"""Search criteria from a request's body or query, with the vendor's complaints about them.

Facts: shopware/shopware src/Core/Framework/DataAbstractionLayer/Search/RequestCriteriaBuilder.php and
Search/Parser/QueryStringParser.php. Two of its quirks are kept: a page without a limit is page 1 again, and a `multi`
with any operator but "or" is an "and". Aggregations and scored searches are not
reproduced and are refused by a code that the vendor does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import errors
from erp_sync.systems.shopware.sandbox.errors import Error, ShopwareError
from erp_sync.systems.shopware.sandbox.schema.fields import Entity

MAX_LIMIT = 500
_LARGEST = 1 << 60
_TOTALS = {"none": 0, "exact": 1, "next-pages": 2, "0": 0, "1": 1, "2": 2}
_WORDS = {"contains": "contains", "prefix": "prefix", "suffix": "suffix"}


@dataclass(frozen=True)
class Compare:
    """A condition on one field. `operator`: equals, any, contains, prefix, suffix, gt, gte, lt, lte."""

    operator: str
    field: str
    value: Any


@dataclass(frozen=True)
class Group:
    """Conditions joined by "and" or "or"; negated as a whole."""

    operator: str
    parts: tuple[Filter, ...]
    negated: bool = False


Filter = Compare | Group


@dataclass(frozen=True)
class Sorting:
    field: str
    descending: bool = False
    natural: bool = False


@dataclass
class Criteria:
    """What is wanted. `limit` None: everything."""

    filters: list[Filter] = field(default_factory=list)
    post_filters: list[Filter] = field(default_factory=list)
    sorting: list[Sorting] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    total: int = 0
    ids: list[str] | None = None
    associations: dict[str, Criteria] = field(default_factory=dict)
    includes: dict[str, list[str]] | None = None
    excludes: dict[str, list[str]] | None = None
    fields: list[str] = field(default_factory=list)
    grouping: list[str] = field(default_factory=list)

    def association(self, path: str) -> Criteria:
        """The criteria of an association by its path, added where missing."""
        at = self
        for name in path.split("."):
            at = at.associations.setdefault(name, Criteria())
        return at


def parse(
    payload: Mapping[str, Any], entity: Entity, entities: Mapping[str, Entity], *, max_limit: int | None = MAX_LIMIT,
    default_limit: int | None = None,
) -> Criteria:  # fmt: skip
    """Raises ShopwareError with all complaints at once, a pointer each; associations are looked at alone."""
    criteria, problems = Criteria(), list[Error]()
    for name in ("aggregations", "query", "term"):
        if payload.get(name):
            raise errors.failure("SANDBOX__NOT_REPRODUCED", f"This sandbox does not reproduce {name!r} of a search.")
    if payload.get("ids") is not None:
        given = payload["ids"]
        criteria.ids = [part for part in given.split("|") if part] if isinstance(given, str) else _list(payload, "ids")
        for identity in criteria.ids:
            if not isinstance(identity, str) or len(identity) != 32:
                raise errors.invalid_id(identity)
    else:
        _page(payload, criteria, problems, max_limit, default_limit)
    for name in ("includes", "excludes"):
        if payload.get(name) is not None:
            chosen = _object(payload, name)
            setattr(criteria, name, {key: _list(chosen, key) for key in chosen})
    criteria.filters = _filters(payload.get("filter"), "/filter", problems)
    criteria.post_filters = _filters(payload.get("post-filter"), "/post-filter", problems)
    criteria.sorting = _sorting(payload.get("sort"), problems)
    criteria.grouping = [str(one) for one in _list(payload, "grouping")]
    for name, value in _object(payload, "associations").items():
        if not isinstance(value, Mapping | list):
            continue
        known = entity.associations.get(str(name))
        if known is None:
            raise errors.no_association(str(name))
        inner = value if isinstance(value, Mapping) else {}
        criteria.associations[name] = parse(inner, entities[known.entity], entities, max_limit=None)
    criteria.fields = [str(one) for one in _list(payload, "fields")]
    if problems:
        raise ShopwareError(problems)
    return criteria


def _list(payload: Mapping[str, Any], name: str) -> list[Any]:
    """A list, none for nothing; of an object its values, as PHP has it. Raises ShopwareError."""
    given = payload.get(name)
    if isinstance(given, Mapping):
        return list(given.values())
    if given is not None and not isinstance(given, list):
        raise _no_array(name, given)
    return given or []


def _object(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object; a list is one by its indices, as PHP has it. Raises ShopwareError."""
    given = payload.get(name)
    if isinstance(given, list):
        return {str(index): value for index, value in enumerate(given)}
    if given is not None and not isinstance(given, Mapping):
        raise _no_array(name, given)
    return given or {}


def _no_array(name: str, given: Any) -> ShopwareError:
    """DataAbstractionLayerException::expectedArrayWithType."""
    return errors.failure(
        "FRAMEWORK__EXPECTED_ARRAY_WITH_TYPE", f"Expected data at {name} to be an array.",
        parameters={"path": name, "type": type(given).__name__},
    )  # fmt: skip


def _page(
    payload: Mapping[str, Any], criteria: Criteria, problems: list[Error], max_limit: int | None, default: int | None
) -> None:
    if payload.get("total-count-mode") is not None:
        criteria.total = _TOTALS.get(str(payload["total-count-mode"]), 0)
    given = payload.get("limit")
    if given is not None:
        limit = _whole(given)
        if limit is None or limit <= 0:
            shown = "(empty)" if given == "" else given
            problems.append(_complaint(
                "FRAMEWORK__INVALID_LIMIT_QUERY",
                f"The limit parameter must be a positive integer greater or equals than 1. Given: {shown}",
                "/limit", {"limit": shown},
            ))  # fmt: skip
        elif max_limit and limit > max_limit:
            problems.append(_complaint(
                "FRAMEWORK__QUERY_LIMIT_EXCEEDED",
                f"The limit must be lower than or equal to MAX_LIMIT(={max_limit}). Given: {limit}",
                "/limit", {"maxLimit": max_limit, "limit": limit},
            ))  # fmt: skip
        else:
            criteria.limit = limit
    if criteria.limit is None:
        criteria.limit = default or max_limit
    if payload.get("page") is not None:
        page = _whole(payload["page"])
        if page is None or page <= 0:
            shown = "(empty)" if payload["page"] == "" else payload["page"]
            problems.append(_complaint(
                "FRAMEWORK__INVALID_PAGE_QUERY", f"The page parameter must be a positive integer. Given: {shown}",
                "/page", {"page": shown},
            ))  # fmt: skip
        else:
            criteria.offset = (_whole(payload.get("limit") or 0) or 0) * (page - 1)


def _whole(value: Any) -> int | None:
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return None
    return int(number) if number.is_finite() and abs(number) < _LARGEST else None


def _complaint(code: str, detail: str, pointer: str, parameters: Mapping[str, Any] | None = None) -> Error:
    return errors.error(code, detail, pointer=pointer, parameters=parameters)


def _wrong_filter(detail: str, pointer: str) -> Error:
    return _complaint("FRAMEWORK__INVALID_FILTER_QUERY", detail, pointer, {"path": pointer})


def _filters(given: Any, path: str, problems: list[Error]) -> list[Filter]:
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [one for name, value in given.items() if (one := _simple(str(name), value, path, problems))]
    if not isinstance(given, list):
        problems.append(_wrong_filter("The filter parameter has to be a list of filters.", path))
        return []
    return [one for index, part in enumerate(given) if (one := read_filter(part, f"{path}/{index}", problems))]


def _simple(name: str, value: Any, path: str, problems: list[Error]) -> Filter | None:
    if value == "" or isinstance(value, dict | list):
        wrong = "must not be blank" if value == "" else "must be scalar"
        problems.append(_wrong_filter(f'The value for filter "{name}" {wrong}.', f"{path}/{name}"))
        return None
    return Compare("equals", name, value)


def read_filter(given: Any, path: str, problems: list[Error]) -> Filter | None:
    """A filter from JSON; what is wrong with it is added to the problems."""
    if not isinstance(given, Mapping):
        problems.append(_wrong_filter("The filter parameter has to be an array.", path))
        return None
    kind = given.get("type")
    if not kind:
        problems.append(_wrong_filter("Value for filter type is required.", ""))
        return None
    if kind in ("multi", "and", "or", "not", "nand", "nor"):
        return _group(str(kind), given, path, problems)
    name = given.get("field")
    if not name:
        problems.append(_wrong_filter(f'Parameter "field" for {kind} filter is missing.', f"{path}/field"))
        return None
    if kind in ("range",):
        return _range(str(name), given.get("parameters"), path, problems)
    value = given.get("value")
    if kind == "equals":
        if "value" not in given or value == "":
            problems.append(_wrong_filter('Parameter "value" for equals filter is missing.', f"{path}/value"))
            return None
        if isinstance(value, dict | list):
            problems.append(
                _wrong_filter('Parameter "value" for equals filter must be scalar or null.', f"{path}/value")
            )
            return None
        return Compare("equals", str(name), value)
    if kind in _WORDS:
        if value is None or value == "":
            problems.append(_wrong_filter(f'Parameter "value" for {kind} filter is missing.', f"{path}/value"))
            return None
        return Compare(_WORDS[str(kind)], str(name), value)
    if kind in ("equalsAny", "equalsAll"):
        if not value:
            problems.append(_wrong_filter(f'Parameter "value" for {kind} filter is missing.', f"{path}/value"))
            return None
        values = [part for part in value.split("|") if part] if isinstance(value, str) else value
        listed = list(values) if isinstance(values, list) else [values]
        if kind == "equalsAny":
            return Compare("any", str(name), listed)
        return Group("and", tuple(Group("and", (Compare("equals", str(name), one),)) for one in listed))
    problems.append(_wrong_filter(f"Unsupported filter type: {kind}", f"{path}/type"))
    return None


def _group(kind: str, given: Mapping[str, Any], path: str, problems: list[Error]) -> Filter:
    parts = tuple(
        one
        for index, part in enumerate(given.get("queries") or ())
        if (one := read_filter(part, f"{path}/queries/{index}", problems))
    )
    operator = str(given.get("operator") or "and").lower()
    if kind == "not":
        return Group("or" if operator == "or" else "and", parts, negated=True)
    if kind in ("nand", "nor"):
        return Group("or" if kind == "nor" else "and", parts, negated=True)
    if kind == "multi":
        return Group("or" if operator == "or" else "and", parts)
    return Group(kind, parts)


def _range(name: str, parameters: Any, path: str, problems: list[Error]) -> Filter | None:
    """Of gt and gte, and of lt and lte, the former wins (Search/Parser/SqlQueryParser)."""
    if not isinstance(parameters, Mapping) or not parameters:
        problems.append(_wrong_filter('Parameter "parameters" for range filter is missing.', f"{path}/parameters"))
        return None
    for key in parameters:
        if key not in ("gt", "gte", "lt", "lte"):
            problems.append(
                _wrong_filter(f"RangeFilter only accepts gt, gte, lt, lte. Got: {key}", f"{path}/parameters")
            )
            return None
    lower = next((key for key in ("gt", "gte") if parameters.get(key) is not None), None)
    upper = next((key for key in ("lt", "lte") if parameters.get(key) is not None), None)
    return Group("and", tuple(Compare(key, name, parameters[key]) for key in (lower, upper) if key))


def _sorting(given: Any, problems: list[Error]) -> list[Sorting]:
    if given is None or given == []:
        return []
    if isinstance(given, str):
        parts = [part for part in given.split(",") if part]
        if not parts:
            problems.append(_complaint(
                "FRAMEWORK__INVALID_SORT_QUERY",
                'The "sort" parameter needs to be a sorting array or a comma separated list of fields', "/sort",
                {"path": "/sort"},
            ))  # fmt: skip
        return [Sorting(part.removeprefix("-"), part.startswith("-")) for part in parts]
    found = []
    for index, part in enumerate(given if isinstance(given, list) else [given]):
        if not isinstance(part, Mapping) or not isinstance(part.get("field"), str):
            pointer = f"/sort/{index}"
            problems.append(_complaint(
                "FRAMEWORK__INVALID_SORT_QUERY",
                'The "sort" array needs to be an associative array at least containing a field name', pointer,
                {"path": pointer},
            ))  # fmt: skip
            continue
        found.append(
            Sorting(part["field"], str(part.get("order") or "asc").lower() == "desc", bool(part.get("naturalSorting")))
        )
    return found


def leaves(filters: Sequence[Filter]) -> list[Compare]:
    """All conditions on fields, whatever their nesting."""
    found: list[Compare] = []
    for one in filters:
        found += [one] if isinstance(one, Compare) else leaves(one.parts)
    return found
