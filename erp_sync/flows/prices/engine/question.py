"""One question, answered so that it can be read: what an account pays for an item, which rule won, and why.

For many at once see `schedules`, which does the same in DuckDB; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

import msgspec

from erp_sync.flows.prices.engine.book import Book, current
from erp_sync.flows.prices.engine.conversion import EXACT, HUNDRED, SAME, before_discount, converted, discounted
from erp_sync.flows.prices.engine.defects import LARGEST, Defect, first, in_range
from erp_sync.flows.prices.engine.discounts import of_rules
from erp_sync.model.price_terms import Account, Agreement, Item, ListPrice, Policy, Promotion, SpecialPrice
from erp_sync.ports.pricing import Level, Precedence, PriceSource, Rounding, rounded

Term = SpecialPrice | Agreement | Promotion | ListPrice


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    quantity: above zero, in `unit`; a unit of ``""`` is the item's own.
    currency: ``""`` is the account's.
    day: posting date.
    at: UTC, for promotions; None is the first moment of `day`.
    """

    account: str
    item: str
    quantity: Decimal = Decimal(1)
    unit: str = ""
    currency: str = ""
    day: date
    at: datetime | None = None

    @property
    def moment(self) -> datetime:
        return self.at or datetime.combine(self.day, time(), UTC)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the account pays for one unit.

    Attributes:
        price: rounded once; None: there is none, or it is held.
        gross: it includes tax.
        source, rule: what won; `rule` is the ERP's own name of it.
        discount: the percentage of discount rules that is for the pair.
        held: what is wrong with the terms.
        why: the sources one after the other, in words.
    """

    price: Decimal | None = None
    currency: str = ""
    gross: bool = False
    source: PriceSource | None = None
    rule: str = ""
    discount: Decimal | None = None
    held: Defect | None = None
    why: tuple[str, ...] = ()


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What one source asks for: exact, or what is wrong with it."""

    level: Level
    amount: Decimal | None = None
    rule: str = ""
    problem: Defect | None = None
    words: str = ""


def answer(
    question: Question, book: Book, precedence: Precedence, rounding: Mapping[str, Rounding] | None = None
) -> Answer:
    """Answer one question. Terms that are wrong answer with `held`, an item without any price with no price.

    Raises ValueError for a quantity that is not above zero.
    """
    if question.quantity <= 0:
        raise ValueError(f"{question.quantity} of {question.item} is no quantity to ask a price for")
    account, item = book.accounts.get(question.account), book.items.get(question.item)
    if account is None or item is None:
        return Answer(held=Defect.UNKNOWN_ACCOUNT if account is None else Defect.UNKNOWN_ITEM)
    wrong = book.wrong_with_account(account) | book.wrong_with_pair(account, item, question.day)
    if book.factor(item, question.unit) is None:
        wrong.add(Defect.UNIT_DOES_NOT_CONVERT)
    if wrong:
        return Answer(held=first(wrong))
    return _Asked(question, book, account, item, precedence).answer(precedence, rounding or {})


class _Asked:
    def __init__(self, question: Question, book: Book, account: Account, item: Item, precedence: Precedence) -> None:
        self.zero_is_none, self.digits = precedence.zero_is_none, precedence.price_digits
        self.question, self.book, self.account, self.item = question, book, account, item
        self.currency = question.currency or account.currency
        self.unit = question.unit or item.unit
        self.factor = book.factor(item, self.unit) or Decimal(1)
        self.gross = book.lists[account.price_list].gross
        self.percent = of_rules(book.discount_rules(account, item, question.day), account.combination)

    def answer(self, precedence: Precedence, rounding: Mapping[str, Rounding]) -> Answer:
        candidates = [one for level in precedence.levels for one in self.candidates(level)]
        won = self.winner(candidates, precedence)
        known = Answer(
            currency=self.currency,
            gross=self.gross,
            discount=self.percent,
            why=tuple(f"{str(one.level.source).replace('_', ' ')}: {one.words}" for one in candidates),
        )
        if won is None:
            return known
        if won.amount is None:
            return msgspec.structs.replace(known, held=won.problem)
        return msgspec.structs.replace(
            known,
            price=rounded(won.amount, self.currency, rounding),
            source=won.level.source,
            rule=won.rule,
        )

    def winner(self, candidates: Sequence[Candidate], precedence: Precedence) -> Candidate | None:
        if not candidates or candidates[0].level.always or self.account.policy is Policy.DEFAULT:
            return next(iter(candidates), None)
        if precedence.comparing_needs_discount and self.percent is None and not self.account.every_source:
            return candidates[0]
        for candidate in candidates:
            if candidate.amount is None:
                return candidate
        if precedence.zero_is_none:  # what has no price says nothing about the lowest one
            candidates = [one for one in candidates if one.amount or self.is_given_away(one)] or candidates
        choose = min if self.account.policy is Policy.LOWEST else max
        return choose(candidates, key=lambda one: one.amount or Decimal(0))  # of equal ones the first

    def is_given_away(self, candidate: Candidate) -> bool:
        """It has a price, of which discount rules take all."""
        return self.percent == HUNDRED and candidate.level.discount != "none"

    # -- one source ----------------------------------------------------------------------------------

    def candidates(self, level: Level) -> list[Candidate]:
        """What a source has for the question: nothing, or one."""
        match level.source:
            case PriceSource.LIST_PRICE:
                return self._list_price(level)
            case PriceSource.PROMOTION:
                return self._promotions(level)
            case PriceSource.AGREEMENT:
                lines = self.book.agreements(self.account, self.item)
                rows: Sequence[Term] = [one for one in lines if one.active and current(one, self.question.day)]
            case PriceSource.ACCOUNT_SPECIAL:
                specials = self.book.account_specials(self.account, self.item)
                rows = [one for one in specials if current(one, self.question.day)]
            case PriceSource.LIST_SPECIAL:
                name = self.account.price_list
                specials = self.book.list_specials(name, self.item)
                problem = self.book.wrong_with_list(name) if specials else None
                problem = first(self.book.wrong_with_list_specials(name, self.item, self.question.day)) or problem
                if problem is not None:
                    return [Candidate(level=level, problem=problem, words=str(problem))]
                rows = [one for one in specials if current(one, self.question.day)]
        row = self._step(rows, level)
        return [] if row is None else [self._priced(row, level)]

    def _promotions(self, level: Level) -> list[Candidate]:
        found = [
            self._priced(row, level)
            for one in self.book.promotions(self.account, self.item)
            if one.starts <= self.question.moment < one.ends and (row := self._step([one], level)) is not None
        ]
        broken = [one for one in found if one.amount is None]
        return broken[:1] or sorted(found, key=lambda one: (one.amount or Decimal(0), one.rule))[:1]

    def _step(self, rows: Sequence[Term], level: Level) -> Term | None:
        """The row whose break the quantity reaches: ordered unit before own unit, period before header."""
        own = [one for one in rows if (one.unit or self.item.unit) == self.unit]
        if not own and not level.exact_unit:
            own = [one for one in rows if one.unit in ("", self.item.unit)]
        periods = [one for one in own if isinstance(one, SpecialPrice) and one.level == "period"]
        reached = [
            one for one in periods or own if _start(one) <= EXACT.multiply(self.question.quantity, self._per(one))
        ]
        return max(reached, key=_start, default=None)

    def _per(self, row: Term) -> Decimal:
        """The row's units in one of the ordered unit."""
        return Decimal(1) if (row.unit or self.item.unit) == self.unit else self.factor

    def _priced(self, row: Term, level: Level) -> Candidate:
        """The row's price for one ordered unit, in the currency asked for, discounted as the level says."""
        off = self.percent if level.discount != "none" else None
        price, discount, rule = row.price, getattr(row, "discount", None), _name(row)
        if price is None and discount is None:
            return Candidate(level=level, rule=rule, problem=Defect.NO_PRICE_GIVEN, words="no price given")
        if discount is not None and not in_range(discount):
            return Candidate(level=level, rule=rule, problem=Defect.PERCENT_OUT_OF_RANGE, words=f"{discount} %")
        if price is None:
            name = getattr(row, "from_list", "") or self.account.price_list
            amount, problem = self._listed(name)
            if problem is None and self.book.lists[name].gross != self.gross:
                problem = Defect.GROSS_AND_NET
            if problem is None and amount is None:
                problem = Defect.ITEM_IN_NO_LIST
            off = discount if off is None else off
        else:
            rate = self.book.rate(row.currency, self.currency, self.question.day)
            problem = Defect.NO_EXCHANGE_RATE if rate is None else None
            amount = converted(price, self._per(row), rate or SAME, self.digits)
            if off is not None:  # in the place of the row's own
                amount = before_discount(amount, discount, self.digits)
        return self._discounted(level, amount, off, problem, rule)

    def _list_price(self, level: Level) -> list[Candidate]:
        name = self.account.price_list
        amount, problem = self._listed(name)
        if amount is None and problem is None:
            return []
        return [self._discounted(level, amount, self.percent if level.discount != "none" else None, problem, name)]

    def _discounted(
        self, level: Level, amount: Decimal | None, off: Decimal | None, problem: Defect | None, rule: str
    ) -> Candidate:
        if problem is not None or amount is None:
            return Candidate(level=level, rule=rule, problem=problem, words=str(problem))
        words = f"{rule}: {amount.normalize():f}"
        if off:
            amount = discounted(amount, off, self.digits)
            words += f" less {off.normalize():f} %"
        if amount < 0 or amount >= LARGEST:
            problem = Defect.PRICE_BELOW_ZERO if amount < 0 else Defect.NUMBER_TOO_LARGE
            return Candidate(level=level, rule=rule, problem=problem, words=words)
        return Candidate(level=level, amount=amount, rule=rule, words=words)

    def _is_none(self, row: ListPrice) -> bool:
        return self.zero_is_none and row.price == 0

    def _listed(self, price_list: str) -> tuple[Decimal | None, Defect | None]:
        """What a list has: in the ordered unit, else the item's own; in the currency, else the list's own, else any."""
        problem = self.book.wrong_with_list(price_list)
        if problem is not None:
            return None, problem
        own = self.book.lists[price_list].currency
        rows = self.book.list_prices(price_list, self.item)
        for unit in (self.unit, self.item.unit):
            here = [one for one in rows if (one.unit or self.item.unit) == unit]
            asked = [one for one in here if one.currency == self.currency and not self._is_none(one)]
            kept = [one for one in here if one.currency == own]
            others = sorted(here, key=lambda one: one.currency)
            row = next(iter(asked or kept or others), None)
            if row is not None and not self._is_none(row):
                if abs(row.price) >= LARGEST:
                    return None, Defect.NUMBER_TOO_LARGE
                rate = self.book.rate(row.currency, self.currency, self.question.day)
                if rate is None:
                    return None, Defect.NO_EXCHANGE_RATE
                return converted(row.price, self._per(row), rate, self.digits), None
        return None, None


def _start(row: Term) -> Decimal:
    return getattr(row, "quantity", Decimal(0))


def _name(row: Term) -> str:
    match row:
        case SpecialPrice():
            return row.rule or f"special price of {row.account or row.price_list} for {row.item}"
        case Agreement():
            return row.agreement
        case Promotion():
            return row.promotion
        case _:
            return row.price_list
