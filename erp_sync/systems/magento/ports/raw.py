"""How the vendor's records become raw records: key, version, time, redaction."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.raw import RawRecord, Window
from erp_sync.systems.magento.client import MagentoClient, none_found
from erp_sync.systems.magento.criteria import Criteria, time_of
from erp_sync.transport.redaction import Redactor

_DIRECTORY_SECONDS = 3600.0
_MISSING_AGAIN_SECONDS = 60.0


def readable_time(record: Mapping[str, Any], field: str) -> datetime | None:
    """The UTC time of a field, None where it is missing or malformed (the mapping says so later)."""
    try:
        return time_of(str(record.get(field) or ""))
    except ValueError:
        return None


def version_time(moment: datetime | None) -> str:
    """The first part of a version, as `created` gives it too."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else "unreadable"


def version_of(moment: datetime | None, payload: Mapping[str, Any]) -> str:
    """Time of change and a digest of the record.

    The time alone has a resolution of one second: two changes within it would look like one.
    """
    encoded = msgspec.json.encode(payload, order="deterministic")
    return f"{version_time(moment)}-{hashlib.sha256(encoded).hexdigest()[:12]}"


def masked(record: Any) -> Any:
    """The record without whole gift card codes: they are money. The last four characters stay."""
    if isinstance(record, list):
        return [masked(one) for one in record]
    if not isinstance(record, dict):
        return record
    result = {name: masked(value) for name, value in record.items()}
    cards = result.get("gift_cards")
    if isinstance(cards, list):
        result["gift_cards"] = [
            {**card, "code": f"****{str(card['code'])[-4:]}"} if isinstance(card, dict) and card.get("code") else card
            for card in cards
        ]
    return result


class StoreViews:
    """Which website a store view belongs to: from the setting ``stores``, else asked once an hour.

    ``stores`` is a list of ``{id, code, website, website_id}``; ``website`` alone says that there is only one.
    """

    def __init__(self, client: MagentoClient, connection: ConnectionSettings) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._only = str(connection.settings.get("website") or "")
        declared = connection.settings.get("stores") or []
        self._codes = {str(one["id"]): str(one.get("code", "")) for one in declared}
        self._websites = {str(one["id"]): str(one["website"]) for one in declared}
        self._by_id = {str(one["website_id"]): str(one["website"]) for one in declared if "website_id" in one}
        self._fixed = bool(declared or self._only)
        self._read_at: float | None = None

    def website(self, store_id: Any) -> str:
        """Code of the website, "" for a store view that is gone (its orders carry no store)."""
        if store_id is None or store_id == "":
            return self._only
        key = str(store_id)
        if self._fixed:
            return self._websites.get(key, self._only)
        with self._lock:
            age = time.monotonic() - self._read_at if self._read_at is not None else None
            stale = age is None or age > _DIRECTORY_SECONDS
            if stale or (key not in self._websites and age is not None and age > _MISSING_AGAIN_SECONDS):
                self._read()
            return self._websites.get(key, "")

    def website_code(self, website_id: Any) -> str:
        """Code of a website by its id: of the stores that are declared, else asked."""
        if self._fixed:
            return self._by_id.get(str(website_id), self._only)
        with self._lock:
            if self._read_at is None:
                self._read()
            return self._by_id.get(str(website_id), "")

    def code(self, store_id: Any) -> str:
        """Code of the store view as far as it is known without asking, else its id."""
        return self._codes.get(str(store_id)) or ("" if store_id is None else str(store_id))

    def _read(self) -> None:
        websites = {
            one["id"]: str(one["code"]) for one in self._client.get("store/websites", operation="store.read_websites")
        }
        views = self._client.get("store/storeViews", operation="store.read_views")
        self._by_id = {str(number): code for number, code in websites.items()}
        self._websites = {str(one["id"]): websites.get(one["website_id"], "") for one in views}
        self._codes = {str(one["id"]): str(one["code"]) for one in views}
        self._read_at = time.monotonic()


PEEK_ROWS = 50


class RawReader:
    """Makes raw records of one connection."""

    def __init__(self, connection: ConnectionSettings, stores: StoreViews) -> None:
        self._redactor = Redactor(connection.credentials)
        self._stores = stores

    def _payload(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """What the shop's payment extensions write is searched through; a customer's note stays as it was written."""
        clean = self._redactor.record(masked(item))
        if isinstance(clean.get("payment"), Mapping):
            clean["payment"] = self._redactor.value(item["payment"])
        return clean

    def version(self, item: Mapping[str, Any]) -> str:
        return version_of(readable_time(item, "updated_at"), self._payload(item))

    def versions(
        self,
        client: MagentoClient,
        path: str,
        criteria: Criteria,
        window: Window,
        *,
        operation: str,
        id_field: str = "entity_id",
        id_name: str = "",
    ) -> dict[str, str] | None:
        """Ids and versions of what changed in the window, None if that is more than one small page.

        Whole records are asked for: their digest is part of the version. Mostly there are none.
        """
        search = (
            criteria.since("updated_at", window.start)
            .before("updated_at", window.end)
            .sorted_by("updated_at", id_field)
            .paged(PEEK_ROWS)
        )
        items, total = client.page(path, search, operation=operation, found_nothing=none_found)
        return (
            {str(item.get(id_name or id_field)): self.version(item) for item in items} if total <= len(items) else None
        )

    def record(self, item: Mapping[str, Any], *, id_name: str = "entity_id", website: str | None = None) -> RawRecord:
        changed, payload = readable_time(item, "updated_at"), self._payload(item)
        return RawRecord(
            native_id=str(item.get(id_name, "")),
            scope=self._stores.website(item.get("store_id")) if website is None else website,
            version=version_of(changed, payload),
            source_time=changed,
            created_time=readable_time(item, "created_at"),
            payload=payload,
        )
