"""Before a document's first send: does the target hold it already, entered by somebody else?

What a drain asks of it; which documents are looked for, and how, is each flow's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from erp_sync.ledger.documents import Claim
from erp_sync.ports.documents import Step
from erp_sync.ports.outcomes import Receipt

Looked = tuple[Claim, Any, list[Step]]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one document. Nothing of it is: it goes.

    Attributes:
        there: receipts by step: the whole document is at the target, nothing of it is sent.
        doubt: (code, reason): a person says whether it is.
    """

    there: dict[str, Receipt] = {}
    doubt: tuple[str, str] | None = None


class FirstLook(Protocol):
    """Looks for many documents at once."""

    def wants(self, claim: Claim, document: Any) -> bool:
        """Whether this document is to be looked for. No I/O."""

    def look(self, work: Sequence[Looked]) -> list[Verdict]:
        """One verdict per document, in order. Raises CallFailed: then none may be sent."""
