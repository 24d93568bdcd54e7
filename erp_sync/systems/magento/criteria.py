"""The vendor's search language: `searchCriteria` in query parameters.

Filters of one group are joined by OR, groups by AND; only attributes of the record itself can be filtered
by (commerce-webapi, "Search using REST endpoints").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

# Those that the vendor carries out: it takes any other one, `moreq` of its own documentation among them, for `eq` and
# says nothing (magento/magento2 `DB/Adapter/Pdo/Mysql::prepareSqlCondition`).
CONDITIONS = (
    "eq", "neq", "gt", "gteq", "lt", "lteq", "from", "to", "in", "nin", "like", "nlike", "null", "notnull",
    "finset", "nfinset",
)  # fmt: skip
TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Filter:
    """One condition. Raises ValueError for a condition that the vendor does not have."""

    field: str
    value: str
    condition: str = "eq"

    def __post_init__(self) -> None:
        if self.condition not in CONDITIONS:
            raise ValueError(f"condition {self.condition!r}; the vendor has: {', '.join(CONDITIONS)}")


@dataclass(frozen=True)
class Criteria:
    """A search. Immutable: each method returns a larger one.

    Attributes:
        groups: each a tuple of filters joined by OR; the groups are joined by AND.
        sort: (field, direction), most significant first.
        fields: what to answer, in the vendor's notation, e.g. ``items[entity_id],total_count``.
    """

    groups: tuple[tuple[Filter, ...], ...] = ()
    sort: tuple[tuple[str, str], ...] = ()
    page_size: int | None = None
    page: int | None = None
    fields: str = ""

    def where(self, field: str, value: object, condition: str = "eq") -> Criteria:
        return replace(self, groups=(*self.groups, (Filter(field, str(value), condition),)))

    def any_of(self, field: str, values: Iterable[str]) -> Criteria:
        """The field is one of the values. Values with a comma go one by one: `in` takes a comma list."""
        plain: list[str] = []
        others: list[str] = []
        for value in values:
            (others if "," in value else plain).append(value)
        group = [Filter(field, ",".join(plain), "in")] if plain else []
        group += [Filter(field, value) for value in others]
        if not group:
            raise ValueError(f"no values to look for in {field}")
        return replace(self, groups=(*self.groups, tuple(group)))

    def since(self, field: str, start: datetime) -> Criteria:
        return self.where(field, time_text(start), "gteq")

    def before(self, field: str, end: datetime) -> Criteria:
        """Up to but without `end`; a fraction of a second is rounded up, so that nothing is left out."""
        whole = end if end.microsecond == 0 else end.replace(microsecond=0) + timedelta(seconds=1)
        return self.where(field, time_text(whole), "lt")

    def sorted_by(self, *fields: str) -> Criteria:
        return replace(self, sort=tuple((field, "ASC") for field in fields))

    def paged(self, size: int, page: int | None = None) -> Criteria:
        return replace(self, page_size=size, page=page)

    def only(self, fields: str) -> Criteria:
        return replace(self, fields=fields)

    def params(self) -> list[tuple[str, str]]:
        """Query parameters. Never empty: the vendor answers 400 to a list without searchCriteria (unconfirmed)."""
        pairs: list[tuple[str, str]] = []
        for group, filters in enumerate(self.groups):
            for position, one in enumerate(filters):
                stem = f"searchCriteria[filter_groups][{group}][filters][{position}]"
                pairs += [
                    (f"{stem}[field]", one.field),
                    (f"{stem}[value]", one.value),
                    (f"{stem}[condition_type]", one.condition),
                ]
        for position, (field, direction) in enumerate(self.sort):
            pairs += [
                (f"searchCriteria[sortOrders][{position}][field]", field),
                (f"searchCriteria[sortOrders][{position}][direction]", direction),
            ]
        if self.page_size is not None:
            pairs.append(("searchCriteria[pageSize]", str(self.page_size)))
        if self.page is not None:
            pairs.append(("searchCriteria[currentPage]", str(self.page)))
        if not pairs:
            pairs.append(("searchCriteria", ""))
        if self.fields:
            pairs.append(("fields", self.fields))
        return pairs


def time_text(moment: datetime) -> str:
    """The vendor's notation of a time: UTC, whole seconds (rounded down). Raises ValueError for a naive time."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).strftime(TIME)


def time_of(text: str) -> datetime:
    """The aware UTC time of the vendor's notation. Raises ValueError."""
    return datetime.strptime(text.strip(), TIME).replace(tzinfo=UTC)


def chunks(values: Sequence[str], count: int, characters: int = 4000) -> Iterable[list[str]]:
    """Split values so that each part fits a query string that the usual web servers take (8 KB)."""
    part: list[str] = []
    length = 0
    for value in values:
        cost = 3 * len(value) + 3  # the worst that percent encoding makes of it
        if part and (len(part) >= count or length + cost > characters):
            yield part
            part, length = [], 0
        part.append(value)
        length += cost
    if part:
        yield part


def in_order(keys: Iterable[str]) -> list[str]:
    """Each key once: as numbers where all are (9 before 10), else as texts."""
    found = set(keys)
    numbers = all(one.isascii() and one.isdigit() for one in found)
    return sorted(found, key=lambda one: (int(one), one)) if numbers else sorted(found)
