"""SAP's own calculation of an order, asked for before it is posted.

`OrdersService_Preview` saves nothing and gives totals (contract 1.27; a hidden action; what it returns was seen:
LineTotal, DocTotal). SAP takes any unit price that it is given, so what it would charge itself is
asked for without prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from erp_sync.model.order import SalesOrder
from erp_sync.ports.differences import Difference, code_of, undecided, words_of
from erp_sync.ports.documents import StepRequest
from erp_sync.ports.outcomes import Again, NotSent, Outcome, Refused
from erp_sync.systems.sap_b1.client import ServiceLayerClient
from erp_sync.systems.sap_b1.errors import NO_MATCH, NOT_SUPPORTED
from erp_sync.systems.sap_b1.mapping.comparison import PRICE, by_prices, by_sap
from erp_sync.systems.sap_b1.mapping.order import lines_of
from erp_sync.systems.sap_b1.mapping.order_lines import PreparedLine
from erp_sync.transport.errors import Rejected, TransportError

PREVIEW = "OrdersService_Preview"
_PRICES = ("UnitPrice", "DiscountPercent")


class PriceCheck(StrEnum):
    """Setting ``price_check``: what SAP is asked before an order is posted."""

    OFF = "off"
    AMOUNTS = "amounts"  # what the order comes to as it is sent: total and tax
    PRICES = "prices"  # besides, what its lines cost by SAP's own prices


class Preview:
    """Thread-safe; keeps nothing."""

    def __init__(self, client: ServiceLayerClient) -> None:
        """Raises ValueError for a setting with a value that does not exist."""
        self._client, self._settings = client, client.connection.settings
        self._check = PriceCheck(self._settings.get("price_check", PriceCheck.AMOUNTS))

    def objection(self, request: StepRequest, body: Mapping[str, Any]) -> Outcome | None:
        """Why the order is not to be posted now; None: nothing is against it.

        A difference beyond its tolerance that nobody let pass waits for a person, with both calculations side by side.
        Never raises for what SAP or the network did: nothing was posted yet.
        """
        if self._check is PriceCheck.OFF:
            return None
        try:
            compared = self._compared(request, body)
        except Rejected as rejected:
            # An approval procedure may be what answers so (unconfirmed): what the POST comes to is looked up.
            return None if rejected.code == NO_MATCH else _told(rejected)
        except TransportError as error:
            return NotSent(why=str(error), retry_after_seconds=error.retry_after_seconds)
        open_ones = undecided(compared, request.allowed)
        return _refused(request.document, open_ones, compared) if open_ones else None

    def _compared(self, request: StepRequest, body: Mapping[str, Any]) -> list[Difference]:
        order: SalesOrder = request.document
        lines = lines_of(order, self._settings)
        compared = by_sap(order, lines, self._asked(order, body), self._settings)
        if self._check is PriceCheck.PRICES:
            compared += self._by_prices(order, lines, body)
        return compared

    def _by_prices(self, order: SalesOrder, lines: Sequence[PreparedLine], body: Mapping[str, Any]) -> list[Difference]:
        rows = [{name: value for name, value in row.items() if name not in _PRICES} for row in body["DocumentLines"]]
        return by_prices(lines, self._asked(order, {**body, "DocumentLines": rows}), self._settings)

    def _asked(self, order: SalesOrder, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._client.act(
            PREVIEW, {"Document": body}, operation="sales_order.preview", document=order.number, repeatable=True
        )


def _told(rejected: Rejected) -> Outcome:
    if rejected.code != NOT_SUPPORTED:
        return rejected.as_outcome()
    hint = "Setting price_check: off posts orders without asking for SAP's own calculation."
    return Refused(code=NOT_SUPPORTED, message=f"{rejected.message} {hint}")


def _refused(order: SalesOrder, open_ones: Sequence[Difference], compared: Sequence[Difference]) -> Refused:
    prices = all(one.part.startswith(PRICE) for one in open_ones)
    return Refused(
        code="price_difference" if prices else code_of(open_ones),
        message=f"The order is not in SAP Business One yet. {words_of(open_ones)}",
        again=Again.AFTER_DECISION,
        differences=tuple(compared),
    )
