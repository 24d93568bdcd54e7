"""What an ERP answers about prices besides its terms: the price that an account pays, by its own calculation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol, runtime_checkable

import msgspec

from erp_sync.ports.raw import RawRecord


class PriceQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of an item costs an account.

    Attributes:
        account, item: as the ERP names them.
        quantity: above zero, in `unit`.
        unit: its code in the ERP; "" is the unit in which the ERP sells the item.
        day: posting date of the ERP's company.
        currency: ISO 4217; "" is the account's.
    """

    account: str
    item: str
    quantity: Decimal = Decimal(1)
    unit: str = ""
    day: date
    currency: str = ""


class PriceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    price: of one unit, after discounts; None: the ERP has none, or did not say.
    currency: ISO 4217; "" where there is no price.
    discount: the percentage that the ERP says beside the price.
    problem: why there is no answer, in words; "" where the ERP has answered.
    """

    price: Decimal | None = None
    currency: str = ""
    discount: Decimal = Decimal(0)
    problem: str = ""


class AsksPrices(Protocol):
    """A port that asks the ERP."""

    def prices(self, questions: Sequence[PriceQuestion]) -> list[PriceAnswer]:
        """One answer a question, in their order. What the ERP refuses is the answer's `problem`; raises a
        TransportError where it does not answer. Changes nothing."""


_ACCOUNT = "account:"


def named_account(account: str) -> str:
    """What an event names that asks for all of an account's own terms; `account` as the ERP names it."""
    return _ACCOUNT + account


def account_named(native_id: str) -> str:
    """The account that an event names so; "" for every other name."""
    return native_id.removeprefix(_ACCOUNT) if native_id.startswith(_ACCOUNT) else ""


@runtime_checkable
class ReadsAccounts(Protocol):
    """A source of price terms that reads what single accounts agreed."""

    def read_accounts(self, accounts: Sequence[str]) -> Iterator[list[RawRecord]]:
        """The accounts and their own terms (special prices, agreements) as they are now; what does not exist is left
        out. Raises a TransportError where the source does not answer."""
