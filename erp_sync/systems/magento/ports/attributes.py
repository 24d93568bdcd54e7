"""Product attributes that tell variants apart: their ids, and the ids of their options by label."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from erp_sync.systems.magento.client import MagentoClient, segment


class Attributes:
    """Attributes by code, read when first needed and kept. Thread-safe."""

    def __init__(self, client: MagentoClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}

    def of(self, code: str, *, fresh: bool = False) -> dict[str, Any]:
        """The attribute. Raises Rejected where the store has none of this code."""
        with self._lock:
            if fresh or code not in self._known:
                self._known[code] = self._client.get(
                    f"products/attributes/{segment(code)}", operation="product.read_attribute"
                )
            return self._known[code]

    def options(self, code: str, *, fresh: bool = False) -> dict[str, str]:
        """Option ids by label; the empty choice left out."""
        listed = self.of(code, fresh=fresh).get("options") or ()
        return {
            str(one["label"]).strip(): str(one["value"])
            for one in listed
            if isinstance(one, Mapping) and one.get("value") not in ("", None) and str(one.get("label") or "").strip()
        }

    def option(self, code: str, label: str) -> str:
        """The id of an option; made where the attribute has none of this label.

        Looks again before it makes one: somebody else may have. A lost answer is therefore harmless,
        the option is found the next time.
        """
        found = self.options(code).get(label) or self.options(code, fresh=True).get(label)
        if found:
            return found
        self._client.post(
            f"products/attributes/{segment(code)}/options",
            {"option": {"label": label, "value": ""}},  # the contract wants a value, the store makes it
            operation="product.add_option",
        )
        # The answer has the id with a prefix in some versions: what is stored is read instead.
        return self.options(code, fresh=True)[label]
