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
    zero_is_none=True,
    facts=(
        Fact(
            says="A list that has zero for an item has no price of it: 'Remove Unpriced Items from Price List in "
            "Database' means those, and every item is in every list",
            source="[GS] General Settings: Pricing tab (ask.cornerstonesap.com)",
        ),
        Fact(
            says="A source without a price says nothing about the lowest or highest one",
            source="",
            confirmed=False,
        ),
        Fact(
            says="An inactive list, and one outside its dates, gives the price zero; what is bought by it is held",
            source="emerging-alliance.com 'Price Lists Validity in SAP Business One'",
        ),
        Fact(
            says="Without a rate of the posting date the newest earlier one is taken; SAP itself asks for the day's",
            source="",
            confirmed=False,
        ),
        Fact(
            says="Whether a price includes tax is said by the account's list (IsGrossPrice), for special prices and "
            "agreements too",
            source="name in [C]",
            confirmed=False,
        ),
        Fact(
            says="EffectivePrice lowest and highest: the lowest or highest of the prices of all available sources (2 "
            "to 4), discounts taken into account",
            source="[H]",
        ),
        Fact(
            says="'Effective Price Considers All Price Sources': all of them are compared, 'no matter whether you have "
            "defined a discount in the Discount Groups window or not'",
            source="[H]",
        ),
        Fact(
            says="So without that box not all are compared in one of both cases. Here: with a percentage all are, the "
            "account's special price too, since the note on lowest and highest takes the percentage off places 3 and 4 "
            "for it, and the box's name in the API is that prices before discount count",
            source="reading of [H], name in [C]",
            confirmed=False,
        ),
        Fact(
            says="That EffectivePriceConsidersPriceBeforeDiscount is that box",
            source="SDK table OCRD: EffcAllSrc; public code of one client",
            confirmed=False,
        ),
        Fact(
            says="Without the box and without a percentage: what is left out is said nowhere; here the first place "
            "wins",
            source="",
            confirmed=False,
        ),
        Fact(says="Of equal prices the first place wins", source="", confirmed=False),
        Fact(says="The posting date decides what is valid", source="[H]"),
        Fact(
            says="A volume discount is for its own unit of measure; special prices show the item's inventory unit",
            source="[H9] Volume Discounts window, Period and Volume Discounts window",
        ),
        Fact(
            says="A partner's special price, or an agreement's, of the inventory unit costs times what another holds; "
            "its breaks are reached by what the ordered units hold",
            source="",
            confirmed=False,
        ),
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
        Fact(says="'Do Not Apply Discount Groups' of a partner switches discount groups off", source="[H]"),
        Fact(
            says="BusinessPartners.NoDiscounts is that box; Items.NoDiscounts does the same for an item",
            source="names in [C]",
            confirmed=False,
        ),
        Fact(
            says="A period and volume price together with a discount group: the price is the row's, the percentage the "
            "group's; whether the row's price is the one before its own discount",
            source="contentsiphon.com",
            confirmed=False,
        ),
        Fact(
            says="A list has a price of its own in its primary and in up to two additional currencies: the primary "
            "one, unless the document's currency is an additional one's",
            source="[H9]",
        ),
        Fact(
            says="Any other currency is converted from the primary one at the rate of the posting date",
            source="sap-b1-blog.com",
            confirmed=False,
        ),
        Fact(
            says="A list price is for the pricing unit or the inventory unit of the item; other units have prices of "
            "their own in UoMPrices",
            source="[SDK] ITM1, AIT9; [H9] UoM Prices",
        ),
        Fact(
            says="A unit without a price of its own costs the item's price times what it holds",
            source="",
            confirmed=False,
        ),
        Fact(
            says="A special price is the price of its list less its discount, and is kept: it is after its discount",
            source="[SDK]",
        ),
        Fact(says="AutoUpdate tNO freezes it", source="[SDK]"),
        Fact(
            says="AutoUpdate tYES follows the list that it names, by its percentage",
            source="vinasystem.com: 'updated and recalculated when the price list it references is updated'",
            confirmed=False,
        ),
    ),
)
