"""What becomes of one version of a document: words that all document flows share."""

from __future__ import annotations

import msgspec


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one version of a document.

    Attributes:
        action: ``create`` (a document to deliver), ``update`` (delivered once more: steps that are confirmed
            stay so, new ones are sent), ``cancel`` (taken back where nothing of it has left,
            else cancelled at the target), ``hold`` (a document that waits, with code and reason), ``drop``
            (nothing to do, with the reason).
    """

    action: str
    code: str = ""
    reason: str = ""


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger has of the document already.

    Attributes:
        content: fingerprint of the latest version that was accepted.
        held: no version of it was ever free to go: it waits since it was first seen.
        begun: a version of it has left, or may leave at this moment.
        case: a person is asked about a version that came after the first had begun.
    """

    content: str
    held: bool
    begun: bool
    case: bool = False
