"""An order whose values at the target are to be again as the source has them: what somebody edited there goes back."""

from __future__ import annotations

from erp_sync.model.order import SalesOrder


class OrderCorrection(SalesOrder, frozen=True, kw_only=True):
    """The order as it was sent, and what of it is put back.

    Attributes:
        put_back: the target's own words for what was edited (`ports.reconciling.Edited.mend`).
        token: tells this correction from earlier ones of the same order.
    """

    put_back: tuple[str, ...]
    token: str
