"""Values of enumerations, which a filter or a body may give instead of the name (``'Y'`` for ``tYES``).

The published contract has names only. The values are those of the database columns behind the properties (SAP
Business One SDK help, BoYesNoEnum, BoStatus and others); an enumeration without an entry here goes by name alone,
and so does a real one in this sandbox (unconfirmed which values Service Layer takes beyond these).
"""

from __future__ import annotations

from erp_sync.systems.sap_b1.sandbox import contract

VALUES: dict[str, dict[str, str]] = {
    "BoYesNoEnum": {"Y": "tYES", "N": "tNO"},
    "BoStatus": {"O": "bost_Open", "C": "bost_Close", "P": "bost_Paid", "D": "bost_Delivered"},
    "BoCardTypes": {"C": "cCustomer", "S": "cSupplier", "L": "cLid"},
    "BoAddressType": {"S": "bo_ShipTo", "B": "bo_BillTo"},
    "CancelStatusEnum": {"Y": "csYes", "N": "csNo", "C": "csCancellation"},
    "BoDocumentTypes": {"I": "dDocument_Items", "S": "dDocument_Service"},
    "BoVatStatus": {"Y": "vLiable", "N": "vExempted", "E": "vEC"},
    "DocumentAuthorizationStatusEnum": {
        "-": "dasWithout", "W": "dasPending", "Y": "dasApproved", "N": "dasRejected", "P": "dasGenerated",
        "A": "dasGeneratedbyAuthorizer", "C": "dasCancelled",
    },
    "BoApprovalRequestStatusEnum": {
        "W": "arsPending", "Y": "arsApproved", "N": "arsNotApproved", "P": "arsGenerated",
        "A": "arsGeneratedByAuthorizer", "C": "arsCancelled",
    },
    "BoApprovalRequestDecisionEnum": {"W": "ardPending", "Y": "ardApproved", "N": "ardNotApproved"},
    "BlanketAgreementStatusEnum": {"A": "asApproved", "F": "asOnHold", "D": "asDraft", "T": "asTerminated",
                                   "C": "asCancelled"},
}  # fmt: skip

#: Types of business objects, by the number that the database has (SDK help, BoObjectTypes; only those in use).
OBJECT_CODES: dict[str, str] = {
    "17": "oOrders", "15": "oDeliveryNotes", "13": "oInvoices", "14": "oCreditNotes", "16": "oReturns",
    "20": "oPurchaseDeliveryNotes",
}  # fmt: skip


def member(enum: str, text: str) -> str | None:
    """The member that a name or value stands for, or None."""
    members = contract.enum(enum) or ()
    if text in members:
        return text
    return VALUES.get(enum, {}).get(text)
