"""SAP Business One's reasons, and what a person does about each."""

from __future__ import annotations

from erp_sync.model.advice import Reason

_SHOW = ("erp-sync deadletters show ID", "erp-sync trace NUMBER")
_RETRY = ", then `erp-sync retry ID`."

REASONS = (
    Reason(
        code="approval_rejected",
        means="An approval procedure of SAP Business One kept the order as a draft, and somebody rejected it. The "
        "reason names who and why, as far as SAP says it. The store's customer does not know yet.",
        look=_SHOW,
        do="Talk to whoever rejected it. Cancel the order in the store, or change what was objected to" + _RETRY
        + " The rejected draft is removed in SAP then, and the order goes through the approval once more. When the "
        "store cancels the order, the draft is removed, too.",
    ),
    Reason(
        code="not_taken_back",
        means="A draft of this order is to be removed in SAP Business One, because the store cancelled the order or "
        "because a rejected one might still be approved beside the new one, and SAP does not let us.",
        look=_SHOW,
        do="Delete the draft that the reason names in SAP (or reject it and see that nobody adds it), or give the user "
        "the authorization to remove drafts" + _RETRY + " A cancelled order is not sent by that.",
    ),
    Reason(
        code="approval_cancelled",
        means="The order's draft in SAP Business One was cancelled or deleted in its approval: no order came of it.",
        look=_SHOW,
        do="Cancel the order in the store. Or send it again" + _RETRY,
    ),
    Reason(
        code="created_unrecognised",
        means="SAP Business One answered that it made the order, or added the draft of it, and no order or draft is "
        "recognised as it: an add-on may have changed the field of our key or NumAtCard, or deleted the order, or "
        "somebody closed the draft by hand. The reason names the DocEntry.",
        look=_SHOW,
        do="Look in SAP for the order by that DocEntry, and by the store's number in NumAtCard. If it is there, write "
        "our key into the key field (U_ErpSyncKey) and keep the add-on from changing it, then `erp-sync retry ID`: it "
        "is found and not sent. Only if there is none, neither order nor draft, the same command sends it again.",
    ),
    Reason(
        code="price_difference",
        means="The store sold lines for another price than SAP Business One would charge this account: the order is "
        "not posted. Both calculations stand side by side.",
        look=("erp-sync deadletters show ID",),
        do="Compare the agreement with both. `erp-sync approve ID --why TEXT` posts the order at the "
        "store's price, `erp-sync reject ID --why TEXT` refuses it. Correct what is wrong.",
    ),
    Reason(
        code="reference_not_found",
        means="SAP Business One says that something the order refers to is not there, and not what: an item, tax code, "
        "warehouse, branch, expense, shipping type, sales employee or the customer. No draft was made either.",
        look=_SHOW,
        do="Compare the codes of the exchange with SAP, correct the look-up table or setting that gives the wrong one"
        + _RETRY,
    ),
    Reason(
        code="no_matching_record",
        means="SAP Business One has no record that the call asked for or referred to.",
        look=_SHOW,
        do="Create it in SAP, or correct what names it" + _RETRY,
    ),
    Reason(
        code="refused_by_add_on",
        means="A rule of this installation (SBO_SP_TransactionNotification, or an add-on) refused the document. The "
        "words are the rule's own.",
        look=_SHOW,
        do="Ask whoever keeps the rule; correct the document or the rule" + _RETRY,
    ),
    Reason(
        code="credit_limit_exceeded",
        means="With this order the account would exceed its credit limit in SAP Business One: it is not booked, and "
        "the store's customer is told why.",
        look=_SHOW,
        do="Let it be paid, or raise the limit in the card" + _RETRY,
    ),
    Reason(
        code="below_minimum_order",
        means="The order is below the minimum order value (setting minimum_order, or a rule of the installation): it "
        "is not booked, and the store's customer is told why.",
        look=("erp-sync deadletters show ID",),
        do="`erp-sync approve ID --why TEXT` posts it all the same, `erp-sync reject ID --why TEXT` refuses it; then "
        "cancel it in the store.",
    ),
    Reason(
        code="account_missing",
        means="Only accounts of SAP Business One may order here, and the store gave no customer number with the order.",
        look=_SHOW,
        do="Give the buyer the number of the account in the store and send the order again, or with `erp-sync "
        "deadletters edit ID --set FIELD=VALUE --why TEXT`.",
    ),
    Reason(
        code="card_code_taken",
        means="The card code that this customer would get is that of a card that is no customer (a supplier, a lead).",
        look=_SHOW,
        do="Change the setting card_prefix, or that card" + _RETRY,
    ),
    Reason(
        code="several_tax_codes",
        means="The store taxed a line with several taxes that lead to different tax codes; a line has one in SAP "
        "Business One.",
        look=_SHOW,
        do="Let all of them lead to the combined tax code in tax_codes.csv" + _RETRY,
    ),
    Reason(
        code="unknown_tax_code",
        means="SAP Business One does not know a tax code, or it is inactive: the order is not booked.",
        look=_SHOW,
        do="Correct tax_codes.csv, or the setting tax_field (VatGroup or TaxCode, by the company's localisation)"
        + _RETRY,
    ),
    Reason(
        code="branch_missing",
        means="The company has branches, and the order names none, or one that the user may not use.",
        look=_SHOW,
        do="Set branch, or websites.<website>.branch, in the connection's settings" + _RETRY,
    ),
    Reason(
        code="freight_expense_missing",
        means="The order has shipping costs, and no additional expense is named to book them on.",
        look=_SHOW,
        do="Set freight_expense to the code of an expense (Administration, Setup, Financials, Freight)" + _RETRY,
    ),
    Reason(
        code="negative_inventory",
        means="The document would let stock fall below zero in SAP Business One. It is tried again by itself.",
        look=_SHOW,
        do="Where it stays, book the receipt of the goods, or correct the stock.",
    ),
    Reason(
        code="base_document_closed",
        means="The document that this one is made from was closed in SAP Business One meanwhile.",
        look=_SHOW,
        do="Reopen it, or book by hand; then `erp-sync deadletters dismiss ID --why TEXT`.",
    ),
    Reason(
        code="not_supported",
        means="SAP Business One does not allow this action on that document, or its Service Layer does not have the "
        "call.",
        look=_SHOW,
        do="Do it by hand in SAP, then `erp-sync deadletters dismiss ID --why TEXT`. Without OrdersService_Preview set "
        "price_check: off, then `erp-sync retry --code not_supported`.",
    ),
    Reason(
        code="changed_meanwhile",
        means="Somebody saved the record in the same moment. Nothing was applied; it is tried again by itself.",
        look=_SHOW,
        do="Nothing at first. Where it stays, somebody or an add-on saves the record all the time.",
    ),
    Reason(
        code="sap_{code}",
        means="SAP Business One refused with code {code}, which has no meaning of its own here; its words are in the "
        "reason. -10 and -5002 are its codes for most refusals.",
        look=_SHOW,
        do="Correct what the words name" + _RETRY + " Report words that come often.",
    ),
)  # fmt: skip
