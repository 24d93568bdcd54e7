"""How the shop's records become raw records: key, version, time, redaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.raw import RawRecord
from erp_sync.systems.shopware.criteria import time_of
from erp_sync.transport.redaction import REDACTED, Redactor

# With it anybody reads a guest's order.
KEYS_TO_ORDERS = "deepLinkCode"
# Read at another time, of a record that has changes of its own: no part of this one's version.
_ASIDE = ("customer",)


def readable_time(record: Mapping[str, Any], field: str) -> datetime | None:
    """The UTC time of a field, None where it is missing or malformed (the mapping says so later)."""
    try:
        return time_of(str(record.get(field) or ""))
    except ValueError:
        return None


def _touched(record: Any, below: Sequence[str]) -> Iterator[datetime]:
    if isinstance(record, list):
        for one in record:
            yield from _touched(one, below)
    elif isinstance(record, Mapping):
        moment = readable_time(record, "updatedAt") or readable_time(record, "createdAt")
        if moment is not None:
            yield moment
        for path in below:
            name, _, rest = path.partition(".")
            yield from _touched(record.get(name), (rest,) if rest else ())


def last_touched(record: Mapping[str, Any], below: Sequence[str] = ()) -> datetime | None:
    """When the record, or one below it at these paths, was last written: a child's write does not move its parent."""
    return max(_touched(record, below), default=None)


def version_time(moment: datetime | None) -> str:
    """The first part of a version: sorts as the times do."""
    if moment is None:
        return "unreadable"
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def version_of(moment: datetime | None, payload: Mapping[str, Any]) -> str:
    """Time of change and a digest of the record.

    Two changes within a millisecond would look like one by the time alone; the order in which a list's records are
    answered is no change.
    """
    encoded = msgspec.json.encode(_ordered(payload), order="deterministic")
    return f"{version_time(moment)}-{hashlib.sha256(encoded).hexdigest()[:12]}"


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _ordered(inner) for name, inner in value.items() if name not in _ASIDE}
    if isinstance(value, list):
        inner = [_ordered(one) for one in value]
        if all(isinstance(one, dict) and "id" in one for one in inner):
            inner.sort(key=lambda one: str(one["id"]))
        return inner
    return value


class RawReader:
    """Makes raw records of one connection.

    The setting ``sales_channels`` (id to code) names scopes; a sales channel that it does not name is its id.
    """

    def __init__(self, connection: ConnectionSettings) -> None:
        self._redactor = Redactor(connection.credentials)
        codes = connection.settings.get("sales_channels") or {}
        self._codes = {str(identity): str(code) for identity, code in codes.items()}

    def scope(self, item: Mapping[str, Any]) -> str:
        identity = str(item.get("salesChannelId") or "")
        return self._codes.get(identity, identity)

    def record(self, item: Mapping[str, Any], below: Sequence[str]) -> RawRecord:
        changed = last_touched(item, below)
        clean = self._redactor.record(dict(item))
        payload = {**clean, KEYS_TO_ORDERS: REDACTED} if clean.get(KEYS_TO_ORDERS) else clean
        return RawRecord(
            native_id=str(item.get("id", "")),
            scope=self.scope(item),
            version=version_of(changed, payload),
            source_time=changed,
            created_time=readable_time(item, "createdAt"),
            payload=payload,
        )
