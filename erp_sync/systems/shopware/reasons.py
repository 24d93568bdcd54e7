"""Shopware's reasons, and what a person does about each."""

from __future__ import annotations

from erp_sync.model.advice import Reason

_SHOW = ("erp-sync deadletters show ID", "erp-sync trace NUMBER")
_RETRY = ", then `erp-sync retry ID`."

REASONS = (
    Reason(
        code="unmapped_order_state",
        means="The shop's order is in a state that a plugin added and nobody explained: it is not sent.",
        look=_SHOW,
        do="Say what the state means in the connection's setting order_statuses" + _RETRY,
    ),
    Reason(
        code="unmapped_payment_state",
        means="A payment of the order is in a state that is not known here: the order is not sent.",
        look=_SHOW,
        do="Look at the transaction in the shop and put it into one of the shop's own states" + _RETRY,
    ),
    Reason(
        code="unknown_base_currency",
        means="The order is in another currency than the shop's own, and which that is nobody said: its exchange rate "
        "would be of nothing.",
        look=_SHOW,
        do="Give the connection's setting base_currency the ISO code of the shop's default currency" + _RETRY,
    ),
    Reason(
        code="several_shipping_addresses",
        means="The order's deliveries go to different addresses; the ERP's order has one.",
        look=_SHOW,
        do="Enter it in the ERP by hand as one order for each address, then `erp-sync deadletters dismiss ID --why "
        "TEXT`.",
    ),
    Reason(
        code="unknown_account",
        means="No customer of the shop has the customer number of this account of the ERP: its terms, its own prices "
        "and its place in price rules wait.",
        look=("erp-sync plan ROUTE customers", "erp-sync lookups export customer_map customer_map.csv"),
        do="Nothing, where the company is to sign up. Else give its customer in the shop the number of the ERP, or a "
        "row of look-up table customer_map. It goes by itself then.",
    ),
    Reason(
        code="unknown_account_group",
        means="The shop has no customer group of the name that the ERP's account has. The account's terms are not "
        "written, but for a lock.",
        look=("erp-sync lookups export account_groups account_groups.csv",),
        do="Make the group in the shop, or name the shop's group for it in look-up table account_groups"
        "; the next comparison writes it.",
    ),
    Reason(
        code="illegal_transition",
        means="The shop does not let the order, delivery or payment go from its state to the one that is wanted. "
        "Nothing was changed.",
        look=_SHOW,
        do="Look at its state and history in the shop; the reason names which steps it allows. Do what is missing there"
        + _RETRY,
    ),
    Reason(
        code="duplicate_number",
        means="Another product of the shop has this product number already. Nothing of the request was written.",
        look=("erp-sync deadletters show ID",),
        do="Look up the number in the shop. Is it the same product: delete the one that is not used. Is it another: "
        "give it a number of its own in the ERP.",
    ),
    Reason(
        code="missing_privilege",
        means="The role of the shop's integration lacks a right: nothing of the request was written.",
        look=("erp-sync doctor ROUTE",),
        do="Give the role the rights that the reason names (Settings, System, Users & permissions)" + _RETRY,
    ),
    Reason(
        code="in_use",
        means="Something in the shop still refers to what was to be deleted. It stays.",
        look=_SHOW,
        do="Take it out of what refers to it, or leave it: dismiss.",
    ),
    Reason(
        code="page_too_large",
        means="The shop answers fewer rows at once than are asked for: its limit was lowered.",
        look=("erp-sync doctor ROUTE",),
        do="Set the connection's page_size to the shop's shopware.api.max_limit, and restart.",
    ),
    Reason(
        code="unsupported_kind",
        means="The shop's core has no products of this kind (bundles, gift cards).",
        look=("erp-sync deadletters show ID",),
        do="Leave the kind out of the flow (rule kinds), and keep such products in the shop by hand.",
    ),
    Reason(
        code="unknown_tax",
        means="A new product needs a tax of the shop, and none is named for its tax class.",
        look=("erp-sync deadletters show ID",),
        do="Name it in the connection's settings tax_ids or tax_id (Settings, Tax: the id stands in the address)"
        + _RETRY,
    ),
    Reason(
        code="unknown_property_group",
        means="A variant differs by something that no property of the shop stands for.",
        look=("erp-sync deadletters show ID",),
        do="Make the property in the shop, and name its id in the connection's setting property_groups" + _RETRY,
    ),
    Reason(
        code="no_delivery",
        means="The shop's order has nothing to deliver, and the ERP shipped something of it.",
        look=_SHOW,
        do="Compare both orders. Was a download shipped by mistake, settle it with the customer and dismiss.",
    ),
    Reason(
        code="several_deliveries",
        means="A plugin split the shop's order into several deliveries: which one left is not known.",
        look=_SHOW,
        do="Enter the tracking codes at the right delivery in the shop, then `erp-sync deadletters dismiss ID --why "
        "TEXT`.",
    ),
    Reason(
        code="unknown_reference",
        means="The request refers to a record that the shop does not have. All of it was rolled back.",
        look=_SHOW,
        do="The reason has the database's own words: they name the table. Create the record in the shop" + _RETRY,
    ),
    Reason(
        code="price_side",
        means="A price includes tax where the connection's prices do not, or the other way round. Both stand in the "
        "shop beside each other, and which of them the ERP means is said once for all.",
        look=("erp-sync deadletters show ID",),
        do="Is it the price list of the ERP that is wrong, mend it there. Else set the connection's price_amounts.",
    ),
    Reason(
        code="unit_of_another",
        means="A price is for a unit of its own, and a product of the shop is sold in one unit only.",
        look=("erp-sync deadletters show ID",),
        do="Sell the other unit as a product of its own, or take its price out of what goes to the shop.",
    ),
    Reason(
        code="quantity_not_whole",
        means="A tier begins at a quantity that no cart of the shop can have.",
        look=("erp-sync deadletters show ID",),
        do="Let the tier begin at a whole quantity from 1 on in the ERP.",
    ),
    Reason(
        code="unknown_price_rule",
        means="A price belongs to a rule that the shop does not have yet. It goes once the rule is there.",
        look=("erp-sync deadletters show ID",),
        do="Nothing, if it passes. Else look why the rule was refused or held: its prices wait for it.",
    ),
    Reason(
        code="price_of_others",
        means="The customer has a price of this product that somebody else made (customer-specific pricing). It is not "
        "written over, and beside it the account's would not be sure to count.",
        look=("erp-sync deadletters show ID",),
        do="Delete that price in the shop (Customers, or the API's custom-price), and approve the plan again.",
    ),
    Reason(
        code="base_price_stays",
        means="A product's own price was to be taken away. The vendor requires one in the shop's own currency.",
        look=("erp-sync deadletters show ID",),
        do="Is the product not sold any more, deactivate it. The price stays.",
    ),
    Reason(
        code="no_price_in_own_currency",
        means="A product has no price in the shop's own currency, and the vendor takes none of another beside none.",
        look=("erp-sync deadletters show ID",),
        do="Give the product a price in the shop's own currency in the ERP: it then goes with that.",
    ),
    Reason(
        code="belongs_to_refused",
        means="Rows of a plan that belong together go all or not at all, and one of them could not go yet. It is tried "
        "again by itself.",
        look=("erp-sync deadletters show ID",),
        do="See the reason of the one that is named.",
    ),
)
