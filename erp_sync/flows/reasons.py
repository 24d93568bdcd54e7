"""Reasons and alerts of the flows, their rules' included, and what a person does about each."""

from __future__ import annotations

from erp_sync.flows.contract_prices.checks import code_of
from erp_sync.flows.prices.engine.defects import WORDS
from erp_sync.model.advice import Alert, Reason

_SUMS = (
    "Let it pass with `erp-sync approve ID --why TEXT` where the difference is understood, else `erp-sync reject ID`, "
    "and have the store's calculation looked at."
)
_AT_SOURCE = "Correct it at the source: it is read again by itself."
_OR_HERE = "Correct it at the source, or here: `erp-sync deadletters edit ID --set FIELD=VALUE --why TEXT`."

_OF_TERMS = (
    *(
        Reason(
            code=code_of(defect),
            means=f"Price terms of the ERP are wrong: {words}. What they are about keeps the price that the store has; "
            "the name of the entry says for which account, price list and item.",
            do="Correct the terms in the ERP: they are read again by themselves, and the entry is settled.",
        )
        for defect, words in WORDS.items()
    ),
    Reason(
        code="ambiguous_name",
        means="Look-up tables give several answers for an article or account of the price terms: it has no prices.",
        do="Put the rows that the entry names right in sku_map.csv or customer_map.csv.",
    ),
    Reason(
        code="several_units",
        means="An article is to be sold in several units, and a product of the store has one: only the first unit has "
        "prices.",
        do="Give the article one unit in the store's setting of units, or one article a unit in the ERP.",
    ),
)

REASONS = (
    *_OF_TERMS,
    # delivery
    Reason(
        code="ambiguous",
        means="Several records of the target carry our key: one document is there twice. Or one that lacks our key may "
        "be this document: the reason says so, and what of it differs.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Keep one of the records that the reason names, remove the others there, then `erp-sync retry ID`. Of one "
        "that lacks our key: write the key into it where it is this document, else change the number it was found by.",
    ),
    Reason(
        code="taken_back",
        means="The document was cancelled at its source while the target had it in work, or before it arrived there: "
        "it was taken back, the target has nothing of it. Nothing waits for anybody.",
        look=("erp-sync trace NUMBER",),
        do="Nothing.",
    ),
    Reason(
        code="unreadable_payload",
        means="What is stored of this document cannot be read as one of its flow (an order, a shipment), mostly after "
        "an edit. It is not delivered.",
        look=("erp-sync deadletters show ID",),
        do="Put it right with `erp-sync deadletters edit ID --file CORRECTED.json --why TEXT`, or dismiss it.",
    ),
    Reason(
        code="changed_while_sending",
        means="The document was changed at the source after a part of it was sent: the target has the earlier part.",
        look=("erp-sync trace NUMBER",),
        do="Correct the target's record by hand, then `erp-sync deadletters dismiss ID --why TEXT`.",
    ),
    Reason(
        code="changed_after_delivery",
        means="The document was changed at the source after it was delivered: both sides differ now. Later payments "
        "and cancelled units go by themselves: here something else was changed.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Correct the target's record by hand, then `erp-sync reject ID --why TEXT` (it is settled).",
    ),
    Reason(
        code="edited_at_target",
        means="Somebody changed in the target what the source owns of this document; both values stand in the reason. "
        "Later versions of the document wait behind it.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="`erp-sync approve ID --why TEXT` puts the source's values back; `erp-sync reject ID --why TEXT` lets the "
        "target's stand until somebody changes them again.",
    ),
    # orders
    Reason(
        code="pending_payment",
        means="The store waits for the payment. The order is not sent before it has come.",
        look=("erp-sync trace NUMBER",),
        do="Nothing: its next version decides. `erp-sync approve ID --why TEXT` sends it all the same.",
    ),
    Reason(
        code="on_hold_in_store",
        means="Somebody put the order on hold in the store. It is not sent.",
        look=("erp-sync trace NUMBER",),
        do="Release it in the store: it then goes by itself. `erp-sync approve ID --why TEXT` sends it all the same.",
    ),
    Reason(
        code="custom_{name}",
        means="A record breaks rule {name} of the flow's `checks` in the YAML: over a custom field, or by a function "
        "of the company's own. It is in quarantine.",
        look=("erp-sync deadletters show ID", "erp-sync mapping"),
        do="Correct the record at its source, or the rule where it asks too much or fails.",
    ),
    Reason(code="has_lines", means="The order or shipment has no line: there is nothing to book.", do=_AT_SOURCE),
    Reason(
        code="quantities_are_positive",
        means="A line's quantity is zero or below: it would book nothing, or backwards.",
        do=_OR_HERE,
    ),
    Reason(
        code="prices_are_not_negative",
        means="A line's price is below zero: the order would give money away.",
        do=_OR_HERE,
    ),
    Reason(
        code="total_is_not_negative",
        means="The order's total is below zero: the order would give money away.",
        do=_OR_HERE,
    ),
    Reason(
        code="totals_add_up",
        means="Subtotal, discount, shipping and tax do not make the order's total: what the customer paid is in doubt.",
        look=("erp-sync deadletters show ID",),
        do=_SUMS,
    ),
    Reason(
        code="lines_add_up",
        means="The lines do not make the order's subtotal: a line or a discount is missing.",
        look=("erp-sync deadletters show ID",),
        do=_SUMS,
    ),
    Reason(
        code="taxes_add_up",
        means="The tax of lines and shipping is not the order's tax: too much or too little would be declared.",
        look=("erp-sync deadletters show ID",),
        do=_SUMS,
    ),
    Reason(
        code="currency_is_a_code",
        means="The order's currency is no ISO 4217 code: its amounts cannot be booked.",
        do=_OR_HERE,
    ),
    Reason(
        code="exchange_rate_is_positive",
        means="The order's exchange rate is zero or below: its amounts cannot be booked.",
        do=_OR_HERE,
    ),
    # order status and shipments
    Reason(
        code="has_a_number",
        means="The ERP's order has no number yet: the store cannot be told it.",
        do=_AT_SOURCE,
    ),
    Reason(
        code="parcels_have_numbers",
        means="A parcel has no tracking number: the customer could not follow it.",
        do="Enter the number in the ERP: the shipment is read again by itself.",
    ),
    Reason(
        code="differs_from_hand",
        means="The ERP has a fulfillment with a tracking number of a shipment by hand, and other goods in it. The "
        "store keeps what it was told first: the customer sees one shipment.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Find out what is in the parcel. Correct the side that is wrong by hand, then `erp-sync reject ID --why "
        "TEXT` (it is settled). Do not approve it: that would make a second shipment and e-mail.",
    ),
    # inventory
    Reason(
        code="negative_quantity",
        means="The ERP has less than nothing of this item. It is offered as nothing.",
        look=("erp-sync deadletters --code negative_quantity",),
        do="Count the item, or book what is missing (a receipt that was not entered), in the ERP.",
    ),
    Reason(
        code="negative_allocation",
        means="An allocated, reserved, damaged or quarantined quantity is below zero: what may be sold is in doubt. "
        "The store keeps the quantity that it has.",
        do="Look at the item's open documents in the ERP and correct the one that is wrong.",
    ),
    Reason(code="sku_is_given", means="An item has no SKU: no store can be told of it.", do=_AT_SOURCE),
    Reason(
        code="duplicate_sku",
        means="Several items of the ERP have this SKU: which of them is meant cannot be told, so none is taken.",
        do="Give all but one another SKU in the ERP, make it inactive there, or map it in sku_map.csv.",
    ),
    Reason(
        code="duplicate_account",
        means="Several business accounts of the ERP have this number: which of them is meant cannot be told, so none "
        "is taken.",
        do="Give all but one another number in the ERP.",
    ),
    Reason(
        code="credit_limit_is_not_negative",
        means="The account's credit limit is below zero. Its terms are not passed on.",
        do=_AT_SOURCE,
    ),
    # prices and products
    Reason(
        code="price_is_zero",
        means="The price is zero: the item would be given away. The store keeps the price that it has.",
        do="Enter the price in the ERP. An item that is not sold any more belongs out of sale there, not at zero.",
    ),
    Reason(
        code="unknown_currency",
        means="The price's currency is no ISO 4217 code. The store keeps the price that it has.",
        do=_AT_SOURCE,
    ),
    Reason(
        code="dates_are_in_order",
        means="A special price ends before it begins: it would never hold.",
        do="Correct the dates in the ERP.",
    ),
    Reason(code="name_is_given", means="A product has no name: it cannot be shown.", do=_AT_SOURCE),
    Reason(
        code="weight_is_not_negative",
        means="A product's weight is below zero: shipping costs could not be calculated.",
        do=_AT_SOURCE,
    ),
)  # fmt: skip

ALERTS = (
    Alert(
        cause="cross_reference",
        means="A document was delivered, and its record at the target is known as another document's already: two "
        "of ours are one there.",
        look=("erp-sync trace NUMBER",),
        do="Look at the record in the target: which of the documents is it? Enter the other one by hand.",
    ),
)  # fmt: skip
