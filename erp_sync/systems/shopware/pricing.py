"""How Shopware 6 finds the price that a customer pays, as data: what the price engine makes its rows for.

Sources: shopware/shopware src/Core (ProductPriceCalculator [PC], ProductCartProcessor [PP], RuleLoader [RL]),
shopware.yaml [Y], issues by number, docs "individual-pricing" [I]. The rest is marked unconfirmed.
"""

from __future__ import annotations

from erp_sync.ports.pricing import Fact, StoreMeans

MEANS = StoreMeans(
    system="Shopware 6",
    first_quantity=1,
    whole_quantities=True,
    most_rules=100,
    facts=(
        Fact(says="A custom price beats product_price, which beats the product's price", source="[I]"),
        Fact(
            says="Rules by priority, highest first, then by id: the first that has a row of the product wins "
            "whole, not the cheapest",
            source="[RL], #2873",
        ),
        Fact(says="A quantity below the first quantityStart gets the first tier", source="[PP]"),
        Fact(says="The same holds for custom prices", source="#17241"),
        Fact(says="Beyond 100 rules that match at once the rest is left out of the cheapest price", source="[Y]"),
        Fact(says="A quantity in the cart is a whole number", source="[PP]"),
        Fact(says="product_price and custom price have no dates", source="[PC], [I]"),
    ),
)
