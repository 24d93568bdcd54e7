"""The order in which SAP Business One finds a price, as data: what the price engine executes.

Sources: [H] help.sap.com 10.0 "BP Master Data: Payment Terms Tab"; [H9] help.sap.com/saphelp_sbo9x special prices,
price lists, discount groups; [SDK] help.sap.com SDKHelp 10.0; [C] Service Layer contract 1.27; [L] learning.sap.com
"Managing Discounts and Special Prices". What none of them says is marked unconfirmed.
"""

from __future__ import annotations

from erp_sync.ports.pricing import Fact, Level, Precedence, PriceSource

PRECEDENCE = Precedence(
    system="SAP Business One",
    levels=(
        Level(
            source=PriceSource.AGREEMENT,
            always=True,
            fact=Fact(
                says="A blanket agreement linked to the row wins under every EffectivePrice; an approved and valid one "
                "is linked by itself",
                source="[H], [SDK]",
            ),
        ),
        Level(
            source=PriceSource.ACCOUNT_SPECIAL,
            fact=Fact(
                says="SpecialPrices with CardCode = the partner; the percentage of discount groups is never for them",
                source="[H]",
            ),
        ),
        Level(
            source=PriceSource.LIST_SPECIAL,
            discount="replaces",
            exact_unit=True,
            fact=Fact(
                says="Period and volume discounts of a list (CardCode `*<list>`), the list of the document; the "
                "percentage of discount groups replaces their own; the row's own unit only",
                source="[H], [L]",
            ),
        ),
        Level(
            source=PriceSource.LIST_PRICE,
            discount="applies",
            fact=Fact(
                says="The price list, as stored in ItemPrices (base list and factor are not computed again), less the "
                "percentage of discount groups",
                source="[H], [H9]",
            ),
        ),
    ),
    comparing_needs_discount=True,
    facts=(
        Fact(
            says="EffectivePrice lowest and highest compare places 2 to 4, net of discounts; of equal prices the first",
            source="[H]",
        ),
        Fact(
            says="EffectivePriceConsidersPriceBeforeDiscount: all sources count whether or not a discount group is for "
            "the item; without it and without one the first place wins",
            source="[H]",
            confirmed=False,
        ),
        Fact(says="The posting date decides what is valid", source="[H]"),
        Fact(says="A current period beats the header", source="[H9]"),
        Fact(
            says="A current period under an expired header counts all the same",
            source="ShopInventory, live logs",
            confirmed=False,
        ),
        Fact(says="The break is the largest quantity not above the ordered one, per unit", source="[H9]"),
        Fact(
            says="Below the first break it is the period's own price, else the next place's",
            source="",
            confirmed=False,
        ),
        Fact(
            says="Several discount groups for an item: EffectiveDiscount lowest (default), highest, average, total or "
            "multiples (5 % and 7 % are 11.65 %)",
            source="[H]",
        ),
        Fact(
            says="DiscountRelations combines several properties of one group; groups for all, for a customer group and "
            "for a partner have no rank and are combined",
            source="[SDK]",
            confirmed=False,
        ),
        Fact(says="BusinessPartners.NoDiscounts and Items.NoDiscounts switch discount groups off", source="[C]"),
        Fact(
            says="A period and volume price together with a discount group: the price is the row's, the percentage the "
            "group's; whether the row's price is the one before its own discount",
            source="contentsiphon.com",
            confirmed=False,
        ),
        Fact(
            says="A list has a price of its own in its primary and in up to two additional currencies; any other is "
            "converted at the rate of the posting date",
            source="[H9]",
        ),
        Fact(
            says="A unit has a price of its own in UoMPrices, else the item's price times what the unit holds",
            source="[C]",
            confirmed=False,
        ),
        Fact(
            says="SpecialPrice is after its discount; a percentage without a price follows its list",
            source="[SDK]",
        ),
    ),
)
