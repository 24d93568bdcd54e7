"""NetSuite's reasons, and what a person does about each."""

from __future__ import annotations

from erp_sync.model.advice import Reason

_SHOW = ("erp-sync deadletters show ID", "erp-sync trace NUMBER")
_RETRY = ", then `erp-sync retry ID`."

REASONS = (
    Reason(
        code="order_restlet_too_old",
        means="A part of a line was cancelled in the store, on an account with legacy tax whose order RESTlet is of "
        "version 1: its tax cannot be taken off, so the line is open as it was. Lines that were cancelled whole are "
        "closed.",
        look=("erp-sync doctor ROUTE", *_SHOW),
        do="Upload the current script (systems/netsuite/suitescript/INSTALL.md)" + _RETRY + " Until then nobody may "
        "ship what was cancelled.",
    ),
    Reason(
        code="article_without_line",
        means="A part of an order was cancelled in the store, on an account with legacy tax, and NetSuite's order has "
        "no line of an article that the store sold: it was renamed or taken out. The tax that is left cannot be told; "
        "lines that were cancelled whole are closed, others are open as they were.",
        look=_SHOW,
        do="Give the item its name back, or add the line again" + _RETRY + " Or cut the line and its tax by hand, then "
        "`erp-sync deadletters dismiss ID --why TEXT`.",
    ),
    Reason(
        code="tax_of_added_lines",
        means="A part of an order was cancelled in the store, on an account with legacy tax that taxes orders as a "
        "whole, and somebody added a taxed line in NetSuite that the store has not sold: the order's tax afterwards "
        "cannot be told. Lines that were cancelled whole are closed, others are open as they were.",
        look=_SHOW,
        do="Cut the quantity and the order's tax by hand in NetSuite, then `erp-sync deadletters dismiss ID --why "
        "TEXT`. Or take the added line off the order, put it on one of its own" + _RETRY,
    ),
    Reason(
        code="edit_stays",
        means="What somebody edited in NetSuite was to go back to what was sent, and cannot: the order is fulfilled, "
        "billed or closed by now, or NetSuite refused it (an order, its deposit or its customer).",
        look=_SHOW,
        do="Correct the record in NetSuite by hand where it is wrong, then `erp-sync deadletters dismiss ID --why "
        "TEXT`: its values stand then until somebody changes them again.",
    ),
    Reason(
        code="unknown_ship_status",
        means="An item fulfillment has a status that is not known here: whether it has left cannot be told.",
        look=("erp-sync deadletters show ID",),
        do="Set it to Picked, Packed or Shipped in NetSuite: it is read again by itself.",
    ),
    Reason(
        code="unknown_order_status",
        means="A sales order has a status that is not known here: the store is not told of it.",
        look=("erp-sync deadletters show ID",),
        do="Report the letter that the reason names; the store's order can be brought up to date by hand meanwhile.",
    ),
    Reason(
        code="unknown_item",
        means="NetSuite has no item of this SKU: the order cannot be picked.",
        look=("erp-sync deadletters show ID", "erp-sync plan products"),
        do="Create the item (the order then goes by itself), or take the SKU proposed: `erp-sync deadletters fix ID "
        "--accept --remember`.",
    ),
    Reason(
        code="not_open_in_erp",
        means="More left by hand than the order has open in NetSuite: somebody fulfilled, closed or changed it there. "
        "The store has the shipment; until this is settled the goods are taken off what the store may sell.",
        look=("erp-sync deadletters show ID", "erp-sync fallback status"),
        do="Look at the order's fulfillments in NetSuite. What left is in one of them: enter the tracking number there "
        "(it is recognised), then dismiss. It is not: reopen the line" + _RETRY,
    ),
    Reason(
        code="not_committed",
        means="NetSuite has no stock committed for what left by hand: its figure of the item is too low, or another "
        "order holds it. It is tried again by itself.",
        look=_SHOW,
        do="Count the item and adjust it in NetSuite, or let the order have the stock (Commit)" + _RETRY,
    ),
    Reason(
        code="order_not_approved",
        means="The order of a shipment by hand is not approved in NetSuite: it cannot be fulfilled. It is tried again "
        "by itself.",
        look=_SHOW,
        do="Approve the order in NetSuite" + _RETRY,
    ),
    Reason(
        code="unknown_discount_item",
        means="The item that discounts are booked on does not exist: no order with a discount goes.",
        look=("erp-sync doctor ROUTE",),
        do="Correct setting `discount_item` of the connection, restart, then `erp-sync retry --code "
        "unknown_discount_item`.",
    ),
    Reason(
        code="unknown_customer",
        means="The customer of this order is gone, inactive or of another subsidiary in NetSuite.",
        look=_SHOW,
        do="Make the customer active again in NetSuite, or give it the subsidiary" + _RETRY,
    ),
    Reason(
        code="external_id_taken",
        means="Another record of NetSuite carries this document's external id: it cannot be created.",
        look=_SHOW,
        do="Look at the record that the reason names. It is this order: write the store's order number into its PO # "
        "again" + _RETRY + " It is recognised. It is not: remove its external id" + _RETRY,
    ),
    Reason(
        code="already_exists",
        means="NetSuite says that it has this record already and does not show it: a send of ours may be committing.",
        look=_SHOW,
        do="It is looked for again by itself until no send of ours can be committing any more, 21 minutes by default. "
        "Then look for the external id in NetSuite, also among inactive records and those that the integration's role "
        "may not see. It is this document: make it active and let the role see it" + _RETRY + " It is recognised. It "
        "is not: remove its external id" + _RETRY,
    ),
    Reason(
        code="name_taken",
        means="NetSuite has another customer or vendor of this name: the new one cannot be created. It says the same "
        "while a send of ours is committing, so first the reason is already_exists, and ours is looked for.",
        look=_SHOW,
        do="Turn on auto-numbering of customers (Setup, Company, Auto-Generated Numbers), or link that record" + _RETRY,
    ),
    Reason(
        code="customer_lacks_currency",
        means="The customer does not have the order's currency in NetSuite: the order cannot be booked.",
        look=_SHOW,
        do="Add the currency to the customer (Financial, Currencies)" + _RETRY,
    ),
    Reason(
        code="idempotency_key_used",
        means="NetSuite had this request before: its first answer counts, nothing was booked twice.",
        look=_SHOW,
        do="Look whether the record is there. If so dismiss, else `erp-sync retry ID`.",
    ),
    Reason(
        code="closed_period",
        means="The accounting period of the document's date is closed: it cannot be booked.",
        look=_SHOW,
        do="Let accounting open the period, or book it by hand into the next one and dismiss it. It is tried again by "
        "itself.",
    ),
    Reason(
        code="inactive_customer",
        means="The customer is inactive in the ERP: the order cannot be booked.",
        look=_SHOW,
        do="Make it active, or merge it with the right one" + _RETRY,
    ),
    Reason(
        code="inactive_item",
        means="An item of the order is inactive in the ERP: it is sold in the store and cannot be picked.",
        look=_SHOW,
        do="Make it active, or map the SKU to its successor, or end its sale in the store" + _RETRY,
    ),
    Reason(
        code="insufficient_permission",
        means="The integration's role may not do this: nothing of this kind goes.",
        look=("erp-sync doctor ROUTE", "erp-sync deadletters show ID"),
        do="Give the role the permission that the reason names (in NetSuite: Setup, Users/Roles, Manage Roles), then "
        "`erp-sync retry --code insufficient_permission`.",
    ),
    Reason(
        code="invalid_state",
        means="NetSuite does not know the state or region of an address: the parcel might go astray.",
        look=("erp-sync deadletters fix ID",),
        do="`erp-sync deadletters fix ID --accept` takes the likeliest code; else edit the address.",
    ),
    Reason(
        code="invalid_{field}",
        means="NetSuite does not take the value of field {field}: the document is not booked.",
        look=_SHOW,
        do="Correct the look-up table or setting that gives this value, then `erp-sync retry --code invalid_{field}`.",
    ),
    Reason(
        code="unknown_field",
        means="The account lacks a field that the mapping fills: no document with it goes.",
        look=("erp-sync doctor ROUTE", "erp-sync mapping"),
        do="Create the field in the account, or drop it from the mapping in the connection's YAML, then `erp-sync "
        "retry "
        "--code unknown_field`.",
    ),
    Reason(
        code="missing_field",
        means="The account demands a field that the mapping does not fill: no document of this kind goes.",
        look=_SHOW,
        do="Fill it by an overlay of the connection's mapping, or make it optional on the form, then `erp-sync retry "
        "--code missing_field`.",
    ),
    Reason(
        code="locked_record",
        means="A workflow or user locks the record. It is tried again by itself.",
        look=_SHOW,
        do="Where it stays, release the lock in NetSuite (workflow history of the record).",
    ),
    Reason(
        code="restlet_answer",
        means="The order RESTlet of the account answered something else than its contract says.",
        look=("erp-sync doctor ROUTE", "erp-sync trace NUMBER"),
        do="Upload the current script (systems/netsuite/suitescript/INSTALL.md)" + _RETRY,
    ),
    Reason(
        code="lines_do_not_add_up",
        means="The lines as the ERP would get them do not make the order's amount: it would book another total.",
        look=_SHOW,
        do="Report the order; enter it by hand meanwhile and dismiss it.",
    ),
    Reason(
        code="quantity_is_zero",
        means="A line has an amount and no quantity: no rate can be worked out for it.",
        look=_SHOW,
        do="Correct it in the store, or with `erp-sync deadletters edit ID --set FIELD=VALUE --why TEXT`.",
    ),
    Reason(
        code="quantity_not_positive",
        means="A line's quantity is zero or below: the ERP takes no such order.",
        look=_SHOW,
        do="Correct it in the store, or with `erp-sync deadletters edit ID --set FIELD=VALUE --why TEXT`.",
    ),
)  # fmt: skip
