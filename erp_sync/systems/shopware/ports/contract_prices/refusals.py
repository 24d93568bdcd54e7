"""Rows that must not be sent, or not yet, and why."""

from __future__ import annotations

from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember, native_key
from erp_sync.ports.outcomes import Again, NotSent, Outcome, Refused, Unknown
from erp_sync.systems.shopware.ports.contract_prices.amounts import GROSS, Amounts
from erp_sync.systems.shopware.ports.contract_prices.ladder_writes import Edge

RULE_PAUSE_SECONDS = 2.0
LARGEST_QUANTITY = 2_147_483_647  # product_price.quantity_start is an INT (core, ProductPriceDefinition)
Row = NativeRule | RuleMember | NativeRow


def of_row(row: NativeRow, amounts: Amounts) -> Refused | None:
    """What is wrong with a price, whatever the shop has; None where nothing is."""
    key = native_key(row)
    if row.unit:
        return Refused(
            code="unit_of_another", message=f"{key}: the shop sells {row.item} in one unit, not by {row.unit}"
        )
    if row.quantity != row.quantity.to_integral_value() or not 1 <= row.quantity <= LARGEST_QUANTITY:
        return Refused(
            code="quantity_not_whole", message=f"{key}: tiers of the shop begin at whole quantities from 1 on"
        )
    if row.kind == "base" and row.quantity != 1:
        return Refused(code="unsupported_price_kind", message=f"{key}: a product's own price has no tiers")
    if row.price < 0:
        return Refused(code="negative_price", message=f"{key}: price {row.price}")
    if not amounts.knows(row.currency):
        return Refused(code="wrong_currency", message=f"{key}: the shop has no currency {row.currency}")
    if row.gross != (amounts.leading == GROSS):
        said = "includes tax" if row.gross else "does not include tax"
        text = f"{key}: the price {said}, and setting price_amounts says {amounts.leading}"
        return Refused(code="price_side", message=text)
    return None


def unknown_product(row: NativeRow) -> Refused:
    return Refused(
        code="unknown_sku",
        message=f"the shop has no product {row.item}",
        again=Again.AFTER_DEPENDENCY,
        requirement=("product", row.item),
    )


def unknown_customer(account: str) -> Refused:
    return Refused(
        code="unknown_account",
        message=f"the shop has no customer {account}",
        again=Again.AFTER_DEPENDENCY,
        requirement=("customer", account),
    )


def no_tax(row: NativeRow) -> Refused:
    return Refused(code="unknown_tax", message=f"product {row.item} of the shop has no tax")


def no_rule(row: NativeRow) -> Refused:
    """The rule is on its way: another batch may have it in hand."""
    return Refused(
        code="unknown_price_rule",
        message=f"the shop does not have the rule {row.owner} yet",
        again=Again.LATER,
        retry_after_seconds=RULE_PAUSE_SECONDS,
    )


def twice(row: Row) -> Refused:
    return Refused(code="twice_in_batch", message=f"{native_key(row)} stands in the batch twice")


def made_by_others(edge: Edge) -> Refused:
    text = f"{edge.item} for {edge.owner}: the customer has a price of the product that somebody else has made"
    return Refused(code="price_of_others", message=text)


def stays(row: NativeRow) -> Refused:
    return Refused(
        code="base_price_stays", message=f"{row.item}: the vendor requires a price in the shop's own currency"
    )


def needs_own_currency(edge: Edge) -> Refused:
    text = f"{edge.item}: the product has no price in the shop's own currency, which must stand beside it"
    return Refused(code="no_price_in_own_currency", message=text, again=Again.LATER)


def not_alone(first: Refused) -> Refused:
    """Of rows that belong together none goes while one has to come again."""
    return Refused(
        code="belongs_to_refused",
        message=f"goes together with what could not go yet: {first.message}",
        again=Again.LATER,
        retry_after_seconds=first.retry_after_seconds,
    )


def not_before(failed: Outcome) -> Refused:
    """A rule goes after its rows."""
    why = failed.why if isinstance(failed, NotSent | Unknown) else getattr(failed, "message", "")
    return Refused(
        code="belongs_to_refused",
        message=f"goes after what did not get through: {why}",
        again=Again.LATER,
        retry_after_seconds=RULE_PAUSE_SECONDS,
    )
