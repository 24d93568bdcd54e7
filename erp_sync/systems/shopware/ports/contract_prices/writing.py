"""Writes rows of contract prices: as many of a batch as may go, in one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember, native_key
from erp_sync.ports.outcomes import Again, Applied, Outcome, Receipt, Refused
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.mapping.products import price_rows
from erp_sync.systems.shopware.ports.catalogue import Catalogue
from erp_sync.systems.shopware.ports.contract_prices import ids, refusals
from erp_sync.systems.shopware.ports.contract_prices.checking import Change, Checking, Known
from erp_sync.systems.shopware.ports.contract_prices.exclusive import Exclusive
from erp_sync.systems.shopware.ports.contract_prices.held import PRICED
from erp_sync.systems.shopware.ports.contract_prices.ladder_writes import Edge, Edit, LadderWrites, Product
from erp_sync.systems.shopware.ports.contract_prices.ladders import ladder_of, steps_of
from erp_sync.systems.shopware.ports.contract_prices.request import Request
from erp_sync.systems.shopware.ports.contract_prices.shop import Kept, PriceShop
from erp_sync.systems.shopware.ports.currency import ShopCurrency
from erp_sync.systems.shopware.ports.outcomes import not_sent
from erp_sync.systems.shopware.ports.sync import Rows, write_all
from erp_sync.transport.errors import TransportError

Row = NativeRule | RuleMember | NativeRow
TOGETHER = 10  # batches that one request may hold, where rows belong together
_REPAIRS = 3


class _There(NamedTuple):
    """Records by (rule, product) and by (customer, product), and products' own prices by number."""

    tiers: dict[tuple[str, str], list[Kept]]
    own: dict[tuple[str, str], list[Kept]]
    base: dict[str, tuple[Mapping[str, Any], ...]]


class Writing:
    """Thread-safe. Ladders are read right before they are written, and no two threads of this process have one ladder
    in hand. Another process may: of its writes only records are touched that change here too, and where a tier came or
    went the ends are looked at once more afterwards and put right, so that of two such writers the later one's check
    sees both."""

    def __init__(
        self,
        client: ShopwareClient,
        shop: PriceShop,
        catalogue: Catalogue,
        own_currency: ShopCurrency,
        batch_size: int,
        operation: str,
    ) -> None:
        self._client, self._shop, self._catalogue, self._own_currency = client, shop, catalogue, own_currency
        self._checking = Checking(shop, catalogue, own_currency)
        self._batch_size, self._operation, self._exclusive = batch_size, operation, Exclusive()

    def write(self, changes: Sequence[Change], *, together: bool = False) -> list[Outcome]:
        """One outcome each, in order."""
        try:
            known = self._checking.look(changes)
        except TransportError as error:
            return [not_sent(error)] * len(changes)
        refused = self._checking.refusals(changes, known)
        if together and (first := _to_come_again(refused.values())) is not None:
            rest = refusals.not_alone(first)
            return [refused.get(at, rest) for at in range(len(changes))]
        outcomes: dict[int, Outcome] = dict(refused)
        good = [at for at in range(len(changes)) if at not in refused]
        last = [at for at in good if changes[at].gone and isinstance(changes[at].row, NativeRule)]
        size = self._batch_size * (TOGETHER if together else 1)
        for some in _packed([at for at in good if at not in set(last)], changes, size):
            outcomes |= zip(some, self._sent([changes[at] for at in some], known, together), strict=True)
        failed = next((one for at, one in outcomes.items() if at not in refused and not isinstance(one, Applied)), None)
        for some in _packed(last, changes, size):
            if failed is not None:
                outcomes |= dict.fromkeys(some, refusals.not_before(failed))
            else:
                outcomes |= zip(some, self._rules_deleted([changes[at].row for at in some]), strict=True)
        return [outcomes[at] for at in range(len(changes))]

    # -- one request -------------------------------------------------------------------------------------------------

    def _sent(self, changes: Sequence[Change], known: Known, together: bool) -> list[Outcome]:
        """Of a batch that has passed."""
        things = {_thing(one.row) for one in changes}
        try:
            with self._exclusive.of(things):
                return self._sent_alone(changes, known, together)
        except TransportError as error:
            outcome = error.as_outcome()
            if isinstance(outcome, Refused):
                outcome = msgspec.structs.replace(outcome, whole_batch=len(changes) > 1)
            if isinstance(outcome, Refused) and outcome.code == "unknown_reference":
                # A rule or a customer that was remembered is gone: it is looked up anew.
                outcome = msgspec.structs.replace(
                    outcome, again=Again.LATER, retry_after_seconds=refusals.RULE_PAUSE_SECONDS
                )
            self._forget(changes)
            return [outcome] * len(changes)

    def _sent_alone(self, changes: Sequence[Change], known: Known, together: bool) -> list[Outcome]:
        request, edits, late = Request(), _edits(changes), dict[int, Refused]()
        try:
            there = self._read(edits, known)
            self._put_rules(request, changes)
        except TransportError as error:
            return [not_sent(error)] * len(changes)
        writes = LadderWrites(self._shop.amounts(), self._own_currency.code(), self._shop.factors(), request)
        moved: list[tuple[str, Product]] = []
        bad: dict[Edge, Refused] = {}
        for edge, edit in edits.items():
            product = known.products.get(edge.item)
            if product is None:
                continue  # gone with its prices
            if edge.kind == "base":
                whole = product._replace(price=there.base.get(edge.item, ()))
                if (wrong := self._base_refusal(edge, edit, whole)) is not None:
                    bad[edge] = wrong
                else:
                    writes.of_product(whole, edit)
            elif (rule := self._rule_of(edge)) is not None:
                if writes.of_rule(rule, product, there.tiers.get((rule, product.id), []), edit):
                    moved.append((rule, product))
            else:
                self._of_account(writes, edge, edit, product, known, there, bad)
        for change in changes:
            if isinstance(change.row, RuleMember):
                self._member(request, change.row, change.gone, known)
        for at, change in enumerate(changes):
            if isinstance(change.row, NativeRow) and (edge := _edge(change.row)) in bad:
                late[at] = bad[edge]
        if together and (first := _to_come_again(late.values())) is not None:
            return [late.get(at) or refusals.not_alone(first) for at in range(len(changes))]
        request.send(self._client, operation=self._operation)
        rules = [ids.rule_id(one.row.rule) for one in changes if isinstance(one.row, NativeRule)]
        self._shop.remember_rules(rules)
        self._ends_checked(moved)
        return [late.get(at) or _applied(change.row) for at, change in enumerate(changes)]

    def _read(self, edits: Mapping[Edge, Edit], known: Known) -> _There:
        there = _There({}, {}, {})
        of_rules, of_customers = set[tuple[str, str]](), set[tuple[str, str]]()
        for edge in edits:
            product = known.products.get(edge.item)
            if product is None or edge.kind == "base":
                continue
            if (rule := self._rule_of(edge)) is not None:
                of_rules.add((rule, product.id))
            else:
                of_customers |= {(customer, product.id) for customer in known.customers.get(edge.owner, ())}
        for rule, identity, record in self._shop.tiers(of_rules):
            there.tiers.setdefault((rule, identity), []).append(record)
        for customer, identity, records in self._shop.own_prices(of_customers):
            there.own.setdefault((customer, identity), []).extend(records)
        numbers = sorted({edge.item for edge in edits if edge.kind == "base"})
        for page in self._catalogue.rows(numbers, PRICED, operation="contract_prices.products"):
            there.base.update({str(row.get("productNumber")): tuple(price_rows(row)) for row in page})
        return there

    def _rule_of(self, edge: Edge) -> str | None:
        """Id of the rule that holds a ladder; None for the customer's own prices."""
        if edge.kind == "rule":
            return ids.rule_id(edge.owner)
        return None if self._shop.custom_prices else ids.account_rule_id(edge.owner)

    def _put_rules(self, request: Request, changes: Sequence[Change]) -> None:
        rules = [one.row for one in changes if isinstance(one.row, NativeRule)]
        for row in rules:
            request.put_rule(row.rule, row.priority)
        if rules:
            request.take_conditions(self._shop.foreign_conditions([ids.rule_id(one.rule) for one in rules]))
        if self._shop.custom_prices:
            return
        rows = [one.row for one in changes if isinstance(one.row, NativeRow) and not one.gone]
        accounts = {one.owner for one in rows if one.kind == "account"}
        there = self._shop.there({ids.account_rule_id(one) for one in accounts})
        for account in sorted(accounts):
            if ids.account_rule_id(account) not in there:
                request.put_account_rule(account)

    def _of_account(
        self,
        writes: LadderWrites,
        edge: Edge,
        edit: Edit,
        product: Product,
        known: Known,
        there: _There,
        bad: dict[Edge, Refused],
    ) -> None:
        customers = known.customers.get(edge.owner, ())
        for customer in customers:
            records = there.own.get((customer, product.id), [])
            if any(one.id != ids.custom_price_id(customer, product.id) for one in records):
                bad[edge] = refusals.made_by_others(edge)
                return
        for customer in customers:
            writes.of_customer(customer, product, there.own.get((customers[0], product.id), []), edit)

    def _base_refusal(self, edge: Edge, edit: Edit, product: Product) -> Refused | None:
        own = self._own_currency.code()
        there = self._shop.prices_of(product.id, product.price)
        return None if own in there or (1, own) in edit.puts else refusals.needs_own_currency(edge)

    def _member(self, request: Request, row: RuleMember, gone: bool, known: Known) -> None:
        for customer in known.customers.get(row.account, ()):
            link = {"customerId": customer, "tagId": ids.tag_id(row.rule)}
            if gone:
                request.take("customer_tag", link)
            else:
                request.put_tag(row.rule)
                request.put("customer_tag", link)

    def _ends_checked(self, moved: Sequence[tuple[str, Product]]) -> None:
        """Another process may have moved tiers of the same ladder meanwhile."""
        for _ in range(_REPAIRS):
            if not moved:
                return
            kept: dict[tuple[str, str], list[Kept]] = {}
            for rule, identity, record in self._shop.tiers({(rule, product.id) for rule, product in moved}):
                kept.setdefault((rule, identity), []).append(record)
            ends = []
            for rule, product in moved:
                records = kept.get((rule, product.id), [])
                wanted = {one.start: one.end for one in steps_of(ladder_of(one.step for one in records))}
                ends += [
                    {"id": one.id, "quantityEnd": wanted[one.step.start]}
                    for one in records
                    if one.step.start in wanted and wanted[one.step.start] != one.step.end
                ]
            if not ends:
                return
            write_all(self._client, [Rows("product_price", ends)], (), operation=self._operation)

    # -- rules that go -----------------------------------------------------------------------------------------------

    def _rules_deleted(self, rows: Sequence[Row]) -> list[Outcome]:
        names = [one.rule for one in rows if isinstance(one, NativeRule)]
        takes = [
            Rows("rule", [{"id": ids.rule_id(one)} for one in names]),
            Rows("tag", [{"id": ids.tag_id(one)} for one in names]),
        ]
        try:
            write_all(self._client, (), takes, operation=self._operation)
        except TransportError as error:
            outcome = error.as_outcome()
            if isinstance(outcome, Refused):  # rows of it may still be on their way out
                outcome = msgspec.structs.replace(outcome, again=Again.LATER, whole_batch=len(rows) > 1)
            return [outcome] * len(rows)
        finally:
            self._shop.forget(ids.rule_id(one) for one in names)
        return [_applied(one) for one in rows]

    def _forget(self, changes: Sequence[Change]) -> None:
        """What was remembered may be why it was refused."""
        rows = [one.row for one in changes]
        self._catalogue.forget(one.item for one in rows if isinstance(one, NativeRow))
        accounts = [one.account for one in rows if isinstance(one, RuleMember)]
        accounts += [one.owner for one in rows if isinstance(one, NativeRow) and one.kind == "account"]
        edges = [_edge(one) for one in rows if isinstance(one, NativeRow) and one.kind != "base"]
        self._shop.forget((rule for one in edges if (rule := self._rule_of(one)) is not None), accounts)


def _to_come_again(refused: Iterable[Refused]) -> Refused | None:
    """The first that is sent once more by itself: what belongs to it then goes with it."""
    return next((one for one in refused if one.again is Again.LATER), None)


def _edge(row: NativeRow) -> Edge:
    return Edge(row.kind, row.owner, row.item)


def _thing(row: Row) -> object:
    """What a row is written with as one."""
    return _edge(row) if isinstance(row, NativeRow) else native_key(row)


def _edits(changes: Sequence[Change]) -> dict[Edge, Edit]:
    found: dict[Edge, Edit] = {}
    for one in changes:
        if isinstance(row := one.row, NativeRow):
            edit = found.setdefault(_edge(row), Edit({}, set()))
            tier = (int(row.quantity), row.currency)
            if one.gone:
                edit.takes.add(tier)
            else:
                edit.puts[tier] = Decimal(row.price)
    return found


def _packed(some: Sequence[int], changes: Sequence[Change], size: int) -> Iterator[list[int]]:
    """Positions in batches of up to `size`; what is written as one is not torn apart."""
    groups: dict[object, list[int]] = {}
    for at in some:
        groups.setdefault(_thing(changes[at].row), []).append(at)
    batch: list[int] = []
    for group in groups.values():
        if batch and len(batch) + len(group) > size:
            yield batch
            batch = []
        batch += group
    if batch:
        yield batch


def _applied(row: Row) -> Applied:
    return Applied(receipt=Receipt(target_id=native_key(row)))
