"""Reasons that every system may give, and what a person does about each."""

from __future__ import annotations

from erp_sync.model.advice import Reason

REASONS = (
    Reason(
        code="malformed_record",
        means="The source's record has a field that cannot be read. This record alone is not passed on.",
        do="Correct the field that the reason names at the source: it is read again by itself. Where many records have "
        "it, the vendor has changed its format: add an overlay to the connection's mapping.",
    ),
    Reason(
        code="malformed_address",
        means="No carrier could deliver to this address. The order is not sent.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Ask the customer and correct it in the store, or here: `erp-sync deadletters edit ID --set "
        "shipping_address.postcode=VALUE --why TEXT`.",
    ),
    Reason(
        code="invalid_value",
        means="A value of this document does not fit the field that takes it at the target. It is not delivered.",
        look=("erp-sync deadletters show ID", "erp-sync mapping"),
        do="Correct the value at the source, or here with `erp-sync deadletters edit ID --set FIELD=VALUE --why TEXT`.",
    ),
    Reason(
        code="missing_value",
        means="A field that the target must have is empty. The document is not delivered.",
        look=("erp-sync deadletters show ID", "erp-sync mapping"),
        do="Fill it at the source, edit it here, or give the mapping a default for it in the connection's YAML.",
    ),
    Reason(
        code="not_found",
        means="The target does not have a record that the document refers to.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Look up there whether it was deleted. Restore or create it, then `erp-sync retry ID`; else dismiss.",
    ),
    Reason(
        code="no_lines",
        means="The document has nothing to sell or to ship. Nothing is booked.",
        do="Compare it with the source. Nothing is missing where all of it was cancelled: dismiss it. Else correct it "
        "at the source.",
    ),
    Reason(
        code="quantity_above_open",
        means="More was shipped than the order has open in the store: parcels left for something that was cancelled "
        "or returned. The store takes none of the shipment; what of it is open stays reserved there, and too little is "
        "offered meanwhile.",
        look=("erp-sync deadletters show ID", "erp-sync deadletters fix ID", "erp-sync trace NUMBER"),
        do="Is a part of it open: `erp-sync deadletters fix ID --accept` books that part, with its parcels and e-mail. "
        "For the rest, stop the parcel with the carrier, or settle it with the customer. Is nothing open: "
        "`erp-sync deadletters dismiss ID --why TEXT`.",
    ),
    Reason(
        code="tax_difference",
        means="Store and ERP calculate this order's tax differently by more than the tolerance. It is held.",
        look=("erp-sync deadletters show ID",),
        do="Compare both calculations. Mend the tax code or rate that differs, then `erp-sync approve ID --why TEXT` "
        "lets this one pass as it is, `erp-sync reject ID --why TEXT` refuses it.",
    ),
    Reason(
        code="total_difference",
        means="Two calculations of this order's total differ by more than the tolerance. It is held.",
        look=("erp-sync deadletters show ID",),
        do="Compare both calculations, then `erp-sync approve ID --why TEXT` or `erp-sync reject ID --why TEXT`.",
    ),
    Reason(
        code="held_by_policy",
        means="One of the company's own policies (a function that the route's YAML names) holds this document. The "
        "reason is the policy's.",
        look=("erp-sync deadletters show ID", "erp-sync mapping"),
        do="Decide what the policy asks: `erp-sync approve ID --why TEXT` lets it pass, `erp-sync reject ID --why "
        "TEXT` refuses it.",
    ),
    Reason(
        code="doubtful_match",
        means="The ERP holds an order that may be this one, entered by somebody else. Neither is touched.",
        look=("erp-sync deadletters show ID",),
        do="Say which it is: `erp-sync adopt ROUTE --apply --link NUMBER=ERP_ID`; `erp-sync retry ID` where it is "
        "another order; dismiss where nothing is to be done.",
    ),
    Reason(
        code="doubtful_customer",
        means="Several records of the ERP may be this order's customer. The order is not sent.",
        look=("erp-sync deadletters show ID",),
        do="Say which: `erp-sync adopt ROUTE --apply --link EMAIL=ERP_ID`; `erp-sync retry ID` where it is none.",
    ),
    Reason(
        code="already_fulfilled",
        means="The order, or a part of it, was cancelled in the store, and the ERP had picked, shipped or billed more "
        "of it than the store keeps. What was still open there is closed.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Stop the parcel, or take the goods back and refund them; a line that was closed while its parcel was "
        "packed is opened again to bill it. Then `erp-sync deadletters dismiss ID --why TEXT`.",
    ),
    Reason(
        code="order_not_found",
        means="The sales order is gone from the ERP: somebody deleted it, or took our key off. What follows it cannot "
        "be booked.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Look at its history in the ERP. Enter it again there and link it with `erp-sync adopt`, or dismiss.",
    ),
    Reason(
        code="record_changed",
        means="Somebody saved the record in the same moment. Nothing was applied; it is tried again by itself.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Nothing at first. Where it stays, find the script, workflow or add-on that saves the record again and "
        "again.",
    ),
    Reason(
        code="missing_{entity}",
        means="The target does not have the {entity} yet. The row waits and goes once it is there.",
        look=("erp-sync plan products",),
        do="Create it there, or approve the plan that does. Nothing else is to be done.",
    ),
    Reason(
        code="refused",
        means="The target said no, in words that are not known here. Nothing was applied.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="The reason has the vendor's own words. Mend what they name, then `erp-sync retry ID`.",
    ),
    Reason(
        code="http_{status}",
        means="The target refused with HTTP status {status} and said nothing that is understood. Nothing was applied.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Look at the exchange in the trace; ask the vendor where its words do not help. Then `erp-sync retry ID`.",
    ),
    Reason(
        code="{other}",
        means="A code that the vendor itself gave. The reason says why, in its words. Nothing was applied.",
        look=("erp-sync deadletters show ID", "erp-sync trace NUMBER"),
        do="Mend what the reason names, then `erp-sync retry ID`; or dismiss it.",
    ),
)  # fmt: skip
