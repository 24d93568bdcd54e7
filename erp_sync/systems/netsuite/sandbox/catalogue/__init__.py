"""The tables of the sandbox, one line a column; see `schema` for how they are read.

A line is ``name kind [target table]``. A leading ``-`` marks what is the sandbox's own and does not exist for
SuiteQL. Names: NetSuite Records Catalog as used in public SuiteQL; itemprice, itemmember and deletedrecord are
unconfirmed.
"""

from __future__ import annotations

from erp_sync.systems.netsuite.sandbox.catalogue import list_tables, master_tables, own_tables, transaction_tables

TABLES = "".join(part.TABLES.lstrip() for part in (transaction_tables, master_tables, list_tables))
OWN = own_tables.OWN

# Tables of SuiteQL that say nothing of their own.
VIEWS = {
    "customersubsidiaryrelationship": (
        "SELECT id, id AS entity, subsidiary, 'T' AS isprimarysub, lastmodifieddate FROM customer"
    ),
    "inventorybalance": (
        "SELECT item, location, NULL AS binnumber, NULL AS inventorynumber, 1 AS inventorystatus, quantityonhand, "
        "quantityavailable, quantitypicked, quantitycommitted AS committedqtyperlocation FROM aggregateitemlocation"
    ),
    # the nkey of transaction.shippingaddress (public SuiteQL; columns as CData's driver lists them)
    "transactionshippingaddress": "SELECT * FROM transactionaddress",
    "previoustransactionlink": "SELECT * FROM nexttransactionlink",
    "previoustransactionlinelink": "SELECT * FROM nexttransactionlinelink",
}
