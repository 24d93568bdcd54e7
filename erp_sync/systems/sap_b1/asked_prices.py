"""The price that SAP Business One itself calculates: `CompanyService_GetItemPrice`, one item a call.

Contract 1.27: `ItemPriceParams` (CardCode, ItemCode, Date, UoMEntry, UoMQuantity, Currency and others) answers Price,
Currency, Discount. That no price is 0 was seen. Unconfirmed: whether Price is after Discount (public code multiplies it
by the quantity as it is; setting ``item_price: before`` says otherwise), and whether an agreement that fits is taken by
itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from erp_sync.ports.price_questions import PriceAnswer, PriceQuestion
from erp_sync.systems.sap_b1.capabilities import capabilities_of
from erp_sync.systems.sap_b1.client import ServiceLayerClient
from erp_sync.systems.sap_b1.company import Company, read_company
from erp_sync.systems.sap_b1.mapping.item_prices import HUNDRED
from erp_sync.systems.sap_b1.mapping.price_terms import amount, percent
from erp_sync.transport.context import carried
from erp_sync.transport.errors import Rejected

GET_ITEM_PRICE = "CompanyService_GetItemPrice"
BEFORE, AFTER = "before", "after"


class AskedPrices:
    """`AsksPrices`. Thread-safe; keeps nothing."""

    def __init__(self, client: ServiceLayerClient) -> None:
        """Raises ValueError for a setting with a value that does not exist."""
        self._client = client
        settings = client.connection.settings
        self.capabilities = capabilities_of(settings)
        self._before = str(settings.get("item_price", AFTER))
        if self._before not in (BEFORE, AFTER):
            raise ValueError(f"setting item_price: {self._before!r} does not exist; known are {BEFORE}, {AFTER}")

    def prices(self, questions: Sequence[PriceQuestion]) -> list[PriceAnswer]:
        """As many calls at once as the connection allows."""
        if not questions:
            return []
        company = read_company(self._client)
        codes = {code: entry for entry, code in company.units.items()}
        currencies = {iso: code for code, iso in company.currencies.items()}
        with ThreadPoolExecutor(max_workers=self.capabilities.limits.concurrency or 1) as workers:
            ask = carried(lambda one: self._price(one, company, codes, currencies))
            return list(workers.map(ask, questions))

    def _price(
        self, question: PriceQuestion, company: Company, units: Mapping[str, int], currencies: Mapping[str, str]
    ) -> PriceAnswer:
        if question.unit and question.unit not in units:
            return PriceAnswer(problem=f"SAP Business One has no unit {question.unit}")
        asked: dict[str, Any] = {
            "CardCode": question.account,
            "ItemCode": question.item,
            "Date": question.day.isoformat(),
            "UoMQuantity": question.quantity,
        }
        if question.unit:
            asked["UoMEntry"] = units[question.unit]
        if question.currency:
            asked["Currency"] = currencies.get(question.currency, question.currency)
        try:
            answer = self._client.answer(
                GET_ITEM_PRICE,
                {"ItemPriceParams": asked},
                operation="price_terms.ask",
                document=f"{question.account}/{question.item}",
            )
        except Rejected as rejected:
            return PriceAnswer(problem=str(rejected))
        return self._answered(answer, company)

    def _answered(self, answer: Any, company: Company) -> PriceAnswer:
        """Raises ValueError's BadNumber as a problem: another question may be answered well."""
        said = answer if isinstance(answer, Mapping) else {}
        try:
            price, discount = amount(said.get("Price")), percent(said.get("Discount") or 0)
        except ValueError as error:
            return PriceAnswer(problem=f"{GET_ITEM_PRICE} answered no price: {error}")
        if not price:
            return PriceAnswer(discount=discount)
        if self._before == BEFORE and discount:
            price = price * (HUNDRED - discount) / HUNDRED
        code = str(said.get("Currency") or company.local_currency)
        return PriceAnswer(price=Decimal(price), currency=company.currencies.get(code, code), discount=discount)
