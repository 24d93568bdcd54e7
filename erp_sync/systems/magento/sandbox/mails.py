"""Mails that the shop would send: kept in `sandbox_mail`, never sent.

kind: order, order_comment, shipment, shipment_comment, invoice, creditmemo. A shipment's mail names the parcels
(tracks) that the shipment has when the mail goes out. Times: `created_at` calendar, `wall_at` technical.
"""

from __future__ import annotations

from typing import Any

from erp_sync.systems.magento.sandbox.database import Row
from erp_sync.systems.magento.sandbox.shop import Shop, json_text


def keep(
    shop: Shop,
    order: Row,
    kind: str,
    subject: str,
    *,
    document_id: int | None = None,
    tracks: list[dict[str, Any]] | None = None,
) -> None:
    shop.database.insert(
        "sandbox_mail",
        {
            "kind": kind,
            "order_id": order["entity_id"],
            "order_increment_id": order["increment_id"],
            "document_id": document_id,
            "recipient": order["customer_email"] or "",
            "subject": subject,
            "tracks": json_text(tracks or []),
            "created_at": shop.now(),
            "wall_at": shop.wall(),
        },
    )


def order_placed(shop: Shop, order: Row) -> None:
    keep(shop, order, "order", f"Your order #{order['increment_id']} confirmation")
    shop.database.update("sales_order", {"entity_id": order["entity_id"]}, {"email_sent": 1})
