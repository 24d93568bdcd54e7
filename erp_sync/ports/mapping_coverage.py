"""Which canonical fields a mapping fills, and which it reads: so that none is forgotten between two systems.

Paths are compared without the ``[]`` of lists: a mapping may write a list as a whole. Only leaves count; whoever reads
a record as a whole has not said which of its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from erp_sync.ports.mapping import RecordMapping, joined_path
from erp_sync.ports.published import Served

CUSTOM = "custom"


def plain(path: str) -> str:
    """Without the marks of lists."""
    return path.replace("[]", "")


def leaves_of(record: type[Any]) -> Mapping[str, str]:
    """Leaves of a canonical record, plain path to the path as people read it, in the order of the model."""
    return {plain(path): path for path in _leaves(msgspec.inspect.type_info(record), "")}


def _leaves(kind: msgspec.inspect.Type, path: str) -> Iterator[str]:
    if isinstance(kind, msgspec.inspect.UnionType):
        kind = next(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
    if isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            yield from _leaves(field.type, joined_path(path, field.name))
    elif isinstance(kind, msgspec.inspect.VarTupleType) and isinstance(kind.item_type, msgspec.inspect.StructType):
        yield from _leaves(kind.item_type, path + "[]")
    else:
        yield path


def record_of(mapping: RecordMapping) -> type[Any]:
    """The canonical record that a source's mapping builds."""
    if mapping.build is None:
        raise TypeError(f"mapping {mapping.name} builds no canonical record")
    return mapping.build


def filled(mapping: RecordMapping) -> dict[str, str]:
    """Canonical leaves that a source's mapping fills: path, and from what, in the order of the model."""
    shape = leaves_of(record_of(mapping))
    found: dict[str, str] = {}
    for target, source in _targets(mapping, "", ""):
        path = plain(target)
        if path in shape:
            found[shape[path]] = source
            continue
        # A rule that makes a whole record fills all of it; a custom field has no place in the model.
        below = [shown for leaf, shown in shape.items() if leaf.startswith(path + ".")]
        parent = path.rpartition(f".{CUSTOM}.")[0]
        around = f"{shape[f'{parent}.{CUSTOM}']}." if parent else f"{CUSTOM}."
        found |= dict.fromkeys(below or [around + path.rpartition(f"{CUSTOM}.")[2]], source)
    places = {shown: place for place, shown in enumerate(shape.values())}
    return dict(sorted(found.items(), key=lambda one: places.get(one[0], len(places))))


def _targets(mapping: RecordMapping, target_prefix: str, source_prefix: str) -> Iterator[tuple[str, str]]:
    for one in mapping.fields:
        target, source = joined_path(target_prefix, one.target), joined_path(source_prefix, one.source)
        reads = [source] if one.source else []
        reads += [joined_path(source_prefix, path) for path in one.rule.reads]
        words = ", ".join(path for path in reads if path) or one.rule.name
        if one.rule.nested is None:
            yield target, words
            continue
        yield from _targets(one.rule.nested, target, source + ("[]" if one.rule.many else ""))
        yield from ((joined_path(target, path), words) for path in one.rule.fills)


def read(mapping: RecordMapping) -> set[str]:
    """Plain canonical paths that a target's mapping reads."""
    found = set()
    for path in mapping.read_paths():
        prefix, stands_for = next(
            (one for one in mapping.stands_for if path.startswith(one[0])),
            ("", ""),
        )
        found.add(plain(stands_for + path.removeprefix("$.").removeprefix(prefix)))
    return found


def written_from(rows: Iterable[tuple[str, str, str]]) -> set[str]:
    """Plain canonical paths that a write reads which no record mapping makes."""
    return {plain(path) for source, _, _ in rows for path in source.split(", ") if path}


class Untargeted(msgspec.Struct, frozen=True, kw_only=True):
    """A canonical field that the source fills and no field of the target gets.

    Attributes:
        reason: why, in the target's words; "" where nobody has said it.
    """

    field: str
    source: str
    reason: str


def untargeted(fills: Mapping[str, str], reads: set[str], target: Served) -> tuple[Untargeted, ...]:
    """What of `fills` is not among `reads`."""
    reasons = {plain(path): reason for path, reason in target.no_target.items()}
    return tuple(
        Untargeted(field=field, source=source, reason=reasons.get(plain(field), ""))
        for field, source in fills.items()
        if plain(field) not in reads
    )
