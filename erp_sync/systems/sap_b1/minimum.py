"""The least that an order has to come to. SAP Business One has no such field of its own: it is a setting here, or an
add-on's rule there (`errors`)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.model.money import ZERO, decimal_of
from erp_sync.model.order import SalesOrder
from erp_sync.ports.differences import Difference, undecided
from erp_sync.ports.documents import StepRequest
from erp_sync.ports.outcomes import Again, Refused
from erp_sync.systems.sap_b1.customer_words import BELOW_MINIMUM

PART, AGAINST = "goods before tax", "the minimum order value"


def minimum_of(order: SalesOrder, settings: Mapping[str, Any]) -> Decimal | None:
    """Setting ``minimum_order`` ({currency: amount}); None where there is none for the order's currency."""
    found = (settings.get("minimum_order") or {}).get(order.currency)
    return None if found is None else decimal_of(found)


def too_small(request: StepRequest, settings: Mapping[str, Any]) -> Refused | None:
    """Refused where the order's goods, before tax and without shipping, come to less, until a person lets it pass."""
    order: SalesOrder = request.document
    least = minimum_of(order, settings)
    goods = sum((line.amount for line in order.lines), ZERO)
    if least is None or goods >= least:
        return None
    compared = [Difference(part=PART, stated=goods, found=least, tolerance=ZERO, against=AGAINST)]
    if not undecided(compared, request.allowed):
        return None
    return Refused(
        code=BELOW_MINIMUM,
        message=f"The order is not in SAP Business One yet. Its goods come to {goods.normalize():f} {order.currency} "
        f"before tax, and the minimum order value is {least.normalize():f}.",
        again=Again.AFTER_DECISION,
        differences=tuple(compared),
    )
