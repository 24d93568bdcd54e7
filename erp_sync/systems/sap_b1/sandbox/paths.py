"""Resource paths: ``Orders(22)/Close``, ``SpecialPrices(CardCode='c1',ItemCode='i1')``, ``Items/$count``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync.systems.sap_b1.sandbox.errors import ServiceLayerError, malformed
from erp_sync.systems.sap_b1.sandbox.rows import Key

_SEGMENT = re.compile(r"^([$\w]+)(?:\((.*)\))?$", re.DOTALL)
_PART = re.compile(r"\s*(?:(\w+)\s*=\s*)?(?:'((?:[^']|'')*)'|(-?\d+))\s*(?:,|$)")


@dataclass(frozen=True)
class Resource:
    """What a path names.

    Attributes:
        name: entity set, service action, ``Login`` and so on.
        key: values in the order of the set's keys, or None for the set itself.
        tail: what follows the key, e.g. ``Close``, ``$count``, ``List``; else "".
    """

    name: str
    key: Key | None = None
    tail: str = ""


def parse(path: str) -> Resource:
    """The resource of a path below the service root, still percent-encoded.

    Raises ServiceLayerError: 200 "Unrecognized resource path." (obs.) or -1000 for a key that cannot be.
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match = _SEGMENT.match(parts[0])
    if match is None or len(parts) > 2:
        raise unrecognized()
    name, inside = match[1], match[2]
    key = None if inside is None else _key(name, inside)
    return Resource(name, key, parts[1] if len(parts) == 2 else "")


def unrecognized() -> ServiceLayerError:
    """400 code 200 (obs., in v1 and v2)."""
    return ServiceLayerError(200, "Unrecognized resource path.")


def _key(name: str, inside: str) -> Key | None:
    entity = SETS.get(name)
    if entity is None:
        return (inside.strip("'"),)
    named: dict[str, str | int] = {}
    position = 0
    for only in entity.keys:
        part = _PART.match(inside, position)
        if part is None:
            raise malformed(f"Invalid key for '{name}'")
        value: str | int = part[2].replace("''", "'") if part[2] is not None else int(part[3])
        if part[1] is None and len(entity.keys) > 1:
            raise malformed(f"Invalid key for '{name}'")
        named[part[1] or only] = value
        position = part.end()
    if position < len(inside) or set(named) != set(entity.keys):
        raise malformed(f"Invalid key for '{name}'")
    for property_name, kind in entity.keys.items():
        if isinstance(named[property_name], int) != (kind == "integer"):
            raise malformed(f"Invalid key for '{name}'")
    return tuple(named[property_name] for property_name in entity.keys)
