"""Product attributes as the store has them: ids, options by label, and what their columns can hold.

A product is saved whatever a value is like: what is too long is cut, a word becomes 0 where a number is kept, and an
attribute that the store lacks is dropped, all without an error (magento/magento2 `DB/Adapter/Pdo/Mysql` sets
``SQL_MODE=''``; issues 30159, 9594). So values are measured here before they are sent.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from erp_sync.systems.magento.client import MagentoClient, segment
from erp_sync.transport.errors import Rejected

VARCHAR_LENGTH, TEXT_BYTES = 255, 65_535
_NUMBERS = {"int": re.compile(r"-?\d+"), "decimal": re.compile(r"-?\d+(\.\d+)?")}
# The core's own, of its default set: known without asking.
_CORE = {"description": "text", "short_description": "text", "url_key": "varchar"}


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

    def unfit(self, code: str, value: str) -> str | None:
        """Why the store would not keep the value as it is, in words; None where it does."""
        kind = _CORE.get(code)
        if kind is None:
            try:
                attribute = self.of(code)
            except Rejected as error:
                return f"the store has no product attribute {code}: {error.message}"
            kind = str(attribute.get("backend_type") or "")
            if kind == "int" and attribute.get("frontend_input") in ("select", "boolean") and not value.isdigit():
                return f"attribute {code} is a list: it takes the id of an option, not {value[:40]!r}"
        if kind == "varchar" and len(value) > VARCHAR_LENGTH:
            return f"attribute {code} would be cut: {len(value)} characters, it holds {VARCHAR_LENGTH}"
        if kind == "text" and len(value.encode()) > TEXT_BYTES:
            return f"attribute {code} would be cut: {len(value.encode())} bytes, it holds {TEXT_BYTES}"
        if kind in _NUMBERS and not _NUMBERS[kind].fullmatch(value):
            return f"attribute {code} keeps a number, not {value[:40]!r}"
        return None

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
