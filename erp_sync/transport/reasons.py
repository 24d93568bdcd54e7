"""Reasons that the transport gives by itself; `http_{status}` is explained with the ports."""

from __future__ import annotations

from erp_sync.model.advice import Reason

REASONS = (
    Reason(
        code="redirected",
        means="The system answered with a redirect: it is reached under another address now. Nothing was applied.",
        look=("erp-sync doctor ROUTE",),
        do="Put the address into the connection's `base_url`, restart with `erp-sync down` and `erp-sync up`, then "
        "`erp-sync retry --code redirected`.",
    ),
)
