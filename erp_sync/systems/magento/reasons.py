"""Magento's reasons, and what a person does about each."""

from __future__ import annotations

from erp_sync.model.advice import Reason

_SHOW = ("erp-sync deadletters show ID", "erp-sync trace NUMBER")
_RETRY = ", then `erp-sync retry ID`."
_PLANNED = "the next comparison plans it anew."

REASONS = (
    Reason(
        code="unknown_order_state",
        means="The store's order has a state that is not known here: it is not sent.",
        look=_SHOW,
        do="Give it one of Magento's own states in the store; a status of your own needs one of them behind it.",
    ),
    Reason(
        code="unknown_refund_state",
        means="A credit memo has a state that is not known here: the stock that it gives back is not counted.",
        look=("erp-sync deadletters show ID",),
        do="Look at the credit memo in the store. Report the state that the reason names.",
    ),
    Reason(
        code="unknown_order",
        means="The store has no such order: a shipment or a status has nowhere to go.",
        look=_SHOW,
        do="Look it up in the store by number. Was it deleted there: dismiss. Is it of another store: correct the "
        "order's reference in the ERP.",
    ),
    Reason(
        code="order_unknown",
        means="The fulfillment belongs to no order of the store that is known here: the customer is told nothing.",
        look=_SHOW,
        do="Link the order with `erp-sync adopt`" + _RETRY,
    ),
    Reason(
        code="order_not_cancellable",
        means="The ERP cancelled the order, and the store does not let it be cancelled: it is invoiced or shipped "
        "there.",
        look=_SHOW,
        do="Refund it in the store by hand, then `erp-sync deadletters dismiss ID --why TEXT`.",
    ),
    Reason(
        code="comment_refused",
        means="The store did not take the comment with the ERP's number and status.",
        look=_SHOW,
        do="Look at the store's log for the report id" + _RETRY,
    ),
    Reason(
        code="order_moved",
        means="The order was shipped or paid in the store while it was commented. It is tried again by itself.",
        look=_SHOW,
        do="Nothing at first. Where it stays, somebody changes the order again and again: look at its history.",
    ),
    Reason(
        code="status_not_allowed",
        means="The status is none that this state of the order may have in the store.",
        look=_SHOW,
        do="Assign the status to the state (Stores, Order Status)" + _RETRY,
    ),
    Reason(
        code="not_shipped",
        means="The fulfillment is not shipped yet: the store is told nothing before the carrier has the parcels.",
        look=_SHOW,
        do="Nothing: it goes once it is marked Shipped in the ERP.",
    ),
    Reason(
        code="location_unknown",
        means="A shipped line has no location: from which source the store would book it cannot be told.",
        look=_SHOW,
        do="Enter the location in the ERP" + _RETRY,
    ),
    Reason(
        code="sku_not_ordered",
        means="Something was shipped that is on no row of the store's order.",
        look=_SHOW,
        do="Compare both orders. Where the SKU is another one in the store, add it to sku_map.csv" + _RETRY,
    ),
    Reason(
        code="bundle_incomplete",
        means="The store ships this bundle as one, and its parts left apart: it cannot be booked part by part.",
        look=_SHOW,
        do="Book it in the store by hand once all of it has left, then dismiss; or let the bundle be shipped "
        "separately (product, Ship Bundle Items).",
    ),
    Reason(
        code="not_notified",
        means="The shipment is booked, and the customer had no e-mail about it.",
        look=_SHOW,
        do="Where every shipment has this, look at the store's mail server, and whether these e-mails are switched on "
        "(Stores > Configuration > Sales > Sales Emails, Shipment); with asynchronous sending the store may say so of "
        "one that its cron sends later. Send what is missing from the shipment's page (Send Tracking Information), "
        "then dismiss.",
    ),
    Reason(
        code="shipment_invalid",
        means="The store does not take the shipment: mostly its goods are shipped, refunded or cancelled there "
        "already.",
        look=_SHOW,
        do="Compare the order's shipments in the store with the fulfillment; book or correct it there, then dismiss.",
    ),
    Reason(
        code="shipment_unknown",
        means="A parcel was added to a fulfillment, and the store's order has no shipment of it any more: the customer "
        "does not get the parcel's number.",
        look=_SHOW,
        do="Look at the order's shipments in the store. Was the shipment deleted there, or booked anew by hand: add "
        "the parcel to the right one by hand, send its tracking information, then dismiss.",
    ),
    Reason(
        code="refund_invalid",
        means="The store does not take the refund: its amount or goods are refunded there already.",
        look=_SHOW,
        do="Compare the credit memos of the order on both sides; correct the wrong one, then dismiss.",
    ),
    Reason(
        code="not_enough_stock",
        means="The store's source has less than was shipped: its quantity is wrong. It is tried again by itself.",
        look=("erp-sync plan inventory", "erp-sync trace NUMBER"),
        do="Let stock be loaded first (`erp-sync plan inventory`); where it stays, correct the source's quantity.",
    ),
    Reason(
        code="locked",
        means="Two writers of the store got in each other's way. Nothing was applied; it is tried again by itself.",
        look=_SHOW,
        do="Nothing at first. Where it stays, look for indexers or imports that run all the time.",
    ),
    Reason(
        code="could_not_save",
        means="The store could not save it, and says why only in its own log. It is tried again by itself.",
        look=_SHOW,
        do="Look into the store's var/log/exception.log for the time of the attempt.",
    ),
    Reason(
        code="unknown_route",
        means="The store does not offer this call: a module is missing or switched off.",
        look=("erp-sync doctor ROUTE",),
        do="Compare version and modules of the store with what the doctor names" + _RETRY,
    ),
    Reason(
        code="exists",
        means="The store has a customer of this e-mail address already.",
        look=_SHOW,
        do="Link that record, or change the address" + _RETRY,
    ),
    Reason(
        code="unknown_sku",
        means="The store has no product of this SKU: neither stock nor price of it can be shown.",
        look=("erp-sync plan products",),
        do="Approve the plan that creates it, or map the SKU in sku_map.csv: " + _PLANNED,
    ),
    Reason(
        code="unknown_source",
        means="The store has no source of this code: the location's stock is not offered.",
        look=("erp-sync doctor ROUTE",),
        do="Create the source in the store, or correct locations.csv and import it: " + _PLANNED,
    ),
    Reason(
        code="twice_in_batch",
        means="Two rows of one plan are about the same product and source: neither is written.",
        look=("erp-sync deadletters show ID",),
        do="Two items of the ERP are mapped to one SKU: correct sku_map.csv: " + _PLANNED,
    ),
    Reason(
        code="negative_price",
        means="The price is below zero. The store keeps the price that it has.",
        look=("erp-sync deadletters show ID",),
        do="Correct it in the ERP: " + _PLANNED,
    ),
    Reason(
        code="wrong_currency",
        means="The price has another currency than the website: it is not shown.",
        look=("erp-sync deadletters show ID",),
        do="Name the price level of the website's currency in setting `price_levels`: " + _PLANNED,
    ),
    Reason(
        code="unsupported_price_kind",
        means="The store has no such kind of price (of this group or type of product).",
        look=("erp-sync deadletters show ID", "erp-sync mapping"),
        do="Leave the price level out in setting `price_levels`.",
    ),
    Reason(
        code="price_refused",
        means="The store took the other prices of the batch and not this one.",
        look=("erp-sync deadletters show ID",),
        do="Mend what the reason names, mostly group, website or dates: " + _PLANNED,
    ),
    Reason(
        code="price_missing",
        means="A new product has no price yet: the store would show it for nothing.",
        look=("erp-sync plan prices",),
        do="Enter its price in the ERP: " + _PLANNED,
    ),
    Reason(
        code="attribute_unfit",
        means="The store would cut, change or drop a value of this product without a word: it is not written.",
        look=("erp-sync deadletters show ID", "erp-sync mapping"),
        do="Shorten or correct the value in the ERP, or map it to an attribute that takes it: " + _PLANNED,
    ),
    Reason(
        code="product_refused",
        means="The store did not take this product; the others of the batch went.",
        look=("erp-sync deadletters show ID",),
        do="Mend what the reason names: " + _PLANNED,
    ),
    Reason(
        code="product_failed",
        means="The store took the product into its queue and failed to save it.",
        look=("erp-sync deadletters show ID",),
        do="Look at the bulk action's log in the store (System, Bulk Actions), mend what it names: " + _PLANNED,
    ),
    Reason(
        code="sku_with_slash",
        means="A SKU with a slash cannot have variants in the store: most web servers refuse its address.",
        look=("erp-sync deadletters show ID",),
        do="Map it to a SKU without a slash in sku_map.csv: " + _PLANNED,
    ),
    Reason(
        code="unknown_parent",
        means="The product that this one is a variant of is not in the store.",
        look=("erp-sync plan products",),
        do="Approve the plan that creates it first: " + _PLANNED,
    ),
    Reason(
        code="bundle_without_parts",
        means="A bundle without parts cannot be sold.",
        look=("erp-sync deadletters show ID",),
        do="Enter its members in the ERP: " + _PLANNED,
    ),
)  # fmt: skip
