"""The shop's own currency, in which its prices stand."""

from __future__ import annotations

import threading

from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.systems.shopware.mapping.orders import DEFAULT_CURRENCY

NAMED = Criteria().including({"currency": ("id", "isoCode")})


class ShopCurrency:
    """Asked once: an installation chooses it when it is set up (core: Defaults::CURRENCY). Thread-safe."""

    def __init__(self, client: ShopwareClient) -> None:
        self._client, self._lock, self._code = client, threading.Lock(), ""

    def code(self) -> str:
        """ISO code. Raises a TransportError."""
        with self._lock:
            if not self._code:
                search = NAMED.only([DEFAULT_CURRENCY])
                rows = self._client.search("currency", search, operation="currency.read").rows
                code = str(rows[0].get("isoCode") or "") if rows else ""
                if not code:
                    raise UnexpectedAnswer("the shop does not name its own currency", operation="currency.read")
                self._code = code
            return self._code
