"""The tables of the sandbox, one line a column; see `schema` for how they are read.

A line is ``name kind [target table]``. A leading ``-`` marks what is the sandbox's own and does not exist for
SuiteQL. Names: NetSuite Records Catalog as used in public SuiteQL; itemprice, itemmember and deletedrecord are
unconfirmed.
"""

from __future__ import annotations

TABLES = """
table transaction id
  id id
  type text
  recordtype text
  abbrevtype text
  tranid text
  transactionnumber text
  trandisplayname text
  externalid text
  entity id customer
  trandate date
  duedate date
  shipdate date
  createddate datetime
  lastmodifieddate datetime
  closedate date
  status text transactionstatus
  approvalstatus id
  currency id currency
  exchangerate rate
  foreigntotal amount
  foreignamountpaid amount
  foreignamountunpaid amount
  otherrefnum text
  memo text
  email text
  source text
  shipmethod id shipitem
  shippingaddress id
  billingaddress id
  postingperiod id accountingperiod
  posting flag
  void flag
  voided flag
  terms id term
  nexus id
  shipcomplete flag
  actualshipdate date
  trackingnumberlist text
  paymentmethod id paymentmethod
  paymentoption id paymentmethod
  -createdfrom id
  -location id
  -subsidiary id
  -subtotal amount
  -discountitem id
  -discountrate text
  -discounttotal amount
  -shippingcost amount
  -handlingcost amount
  -taxtotal amount
  -taxdetailsoverride flag
  -taxitem id
  -taxrate percent
  -taxamountoverride amount
  -istaxable flag
  -salesorder id
  -account id
  -payment amount
  -shipstatus text
  -orderstatus text
  -custom json
  -other json
table transactionline transaction id
  transaction id transaction
  id integer
  uniquekey integer
  linesequencenumber integer
  mainline flag
  taxline flag
  itemtype text
  item id item
  quantity quantity
  rate rate
  rateamount rate
  ratepercent percent
  price id pricelevel
  foreignamount amount
  netamount amount
  memo text
  location id location
  inventorylocation id location
  subsidiary id subsidiary
  department id department
  class id classification
  entity id customer
  createdfrom id transaction
  isclosed flag
  isfullyshipped flag
  isbillable flag
  fulfillable flag
  kitcomponent flag
  iscogs flag
  isinventoryaffecting flag
  donotdisplayline flag
  quantitycommitted quantity
  quantitybackordered quantity
  quantitypicked quantity
  quantitypacked quantity
  quantityshiprecv quantity
  quantitybilled quantity
  commitinventory integer
  commitmentfirm flag
  expectedshipdate date
  requesteddate date
  linecreateddate datetime
  linelastmodifieddate datetime
  units id
  costestimate amount
  -taxdetailsreference text
  -taxcode id
  -taxrate1 percent
  -taxamount amount
  -istaxable flag
  -orderline integer
  -kitmemberof integer
  -unitcost rate
  -custom json
  -other json
table transactiontaxdetail -transaction -line
  -transaction id
  -line integer
  -taxdetailsreference text
  -linetype text
  -linename text
  -taxcode id
  -taxtype text
  -taxbasis amount
  -taxrate percent
  -taxamount amount
  -netamount amount
  -calcdetail text
table nexttransactionlink previousdoc nextdoc linktype
  previousdoc id transaction
  nextdoc id transaction
  linktype text
  previoustype text
  nexttype text
  foreignamount amount
  lastmodifieddate datetime
table nexttransactionlinelink previousdoc previousline nextdoc nextline linktype
  previousdoc id transaction
  previousline integer
  nextdoc id transaction
  nextline integer
  linktype text
  previoustype text
  nexttype text
  foreignamount amount
  lastmodifieddate datetime
view previoustransactionlink previousdoc nextdoc linktype
  previousdoc id transaction
  nextdoc id transaction
  linktype text
  previoustype text
  nexttype text
  foreignamount amount
  lastmodifieddate datetime
view previoustransactionlinelink previousdoc previousline nextdoc nextline linktype
  previousdoc id transaction
  previousline integer
  nextdoc id transaction
  nextline integer
  linktype text
  previoustype text
  nexttype text
  foreignamount amount
  lastmodifieddate datetime
table transactionaddress nkey
  nkey id
  addressee text
  attention text
  addr1 text
  addr2 text
  addr3 text
  city text
  state text
  zip text
  country text country
  addrphone text
  addrtext text
  override flag
  dropdownstate text
  recordowner id transaction
  lastmodifieddate datetime
view transactionshippingaddress nkey
  nkey id
  addressee text
  attention text
  addr1 text
  addr2 text
  addr3 text
  city text
  state text
  zip text
  country text country
  dropdownstate text
  override flag
table fulfillmentpackage id
  id id
  -transaction id
  -carrier text
  -descr text
  -trackingnumber text
  -weight quantity
  -other json
table trackingnumber id
  id id
  trackingnumber text
table trackingnumbermap transaction trackingnumber
  transaction id transaction
  trackingnumber id trackingnumber
table customer id
  id id
  entityid text
  entitynumber integer
  entitytitle text
  externalid text
  isperson flag
  firstname text
  middlename text
  lastname text
  salutation text
  companyname text
  altname text
  fullname text
  email text
  altemail text
  phone text
  altphone text
  mobilephone text
  fax text
  url text
  comments text
  isinactive flag
  searchstage text
  entitystatus id
  category id
  subsidiary id subsidiary
  currency id currency
  pricelevel id pricelevel
  terms id term
  taxable flag
  taxitem id salestaxitem
  vatregnumber text
  parent id customer
  defaultbillingaddress id
  defaultshippingaddress id
  balancesearch amount
  creditlimit amount
  language text
  emailpreference text
  globalsubscriptionstatus integer
  datecreated datetime
  lastmodifieddate datetime
  -custom json
  -other json
view customersubsidiaryrelationship id
  id id
  entity id customer
  subsidiary id subsidiary
  isprimarysub flag
  lastmodifieddate datetime
table customeraddressbook internalid
  internalid id
  entity id customer
  addressbookaddress id
  label text
  defaultbilling flag
  defaultshipping flag
  isresidential flag
  lastmodifieddate datetime
table customeraddressbookentityaddress nkey
  nkey id
  addressee text
  attention text
  addr1 text
  addr2 text
  addr3 text
  city text
  state text
  zip text
  country text country
  addrphone text
  addrtext text
  override flag
  dropdownstate text
  recordowner id customer
  lastmodifieddate datetime
table customeritempricing customer item
  customer id customer
  item id item
  level id pricelevel
  price rate
  currency id currency
table item id
  id id
  itemid text
  externalid text
  displayname text
  fullname text
  itemtype text itemtype
  subtype text
  description text
  parent id item
  matrixtype text
  class id classification
  department id department
  subsidiary text
  isinactive flag
  isonline flag
  isfulfillable flag
  isserialitem flag
  islotitem flag
  istaxable flag
  taxschedule id
  costingmethod text
  cost rate
  averagecost rate
  lastpurchaseprice rate
  manufacturer text
  mpn text
  upccode text
  vendorname text
  countryofmanufacture text
  weight quantity
  weightunit text
  shippingcost amount
  handlingcost amount
  stockdescription text
  purchasedescription text
  storedisplayname text
  storedescription text
  storedetaileddescription text
  pagetitle text
  urlcomponent text
  searchkeywords text
  onspecial flag
  outofstockbehavior text
  preferredlocation id location
  saleunit id
  stockunit id
  unitstype id
  minimumquantity integer
  maximumquantity integer
  incomeaccount id account
  assetaccount id account
  cogsaccount id account
  expenseaccount id account
  createddate datetime
  lastmodifieddate datetime
  -custom json
  -other json
table itemmember parentitem linenumber
  parentitem id item
  item id item
  quantity quantity
  linenumber integer
  memberunit id
table itemprice item pricelevel currency quantity
  item id item
  pricelevel id pricelevel
  pricelevelname text
  currency id currency
  currencypage id currency
  quantity quantity
  priceqty quantity
  price rate
  isinactive flag
  -lastmodified datetime
table aggregateitemlocation item location
  item id item
  location id location
  quantityonhand quantity
  quantityavailable quantity
  quantitycommitted quantity
  quantitybackordered quantity
  quantityonorder quantity
  quantityintransit quantity
  quantitypicked quantity
  averagecostmli rate
  onhandvaluemli amount
  reorderpoint quantity
  preferredstocklevel quantity
  safetystocklevel quantity
  leadtime integer
  lastquantityavailablechange datetime
view inventorybalance item location
  item id item
  location id location
  binnumber id
  inventorynumber id
  inventorystatus id
  quantityonhand quantity
  quantityavailable quantity
  quantitypicked quantity
  committedqtyperlocation quantity
table pricelevel id
  id id
  name text
  discountpct percent
  isinactive flag
  isonline flag
  externalid text
  lastmodifieddate datetime
table location id
  id id
  name text
  fullname text
  externalid text
  isinactive flag
  makeinventoryavailable flag
  makeinventoryavailablestore flag
  subsidiary text
  parent id location
  locationtype id
  mainaddress id
  lastmodifieddate datetime
table subsidiary id
  id id
  name text
  fullname text
  externalid text
  parent id subsidiary
  currency id currency
  country text country
  iselimination flag
  isinactive flag
  legalname text
  email text
  lastmodifieddate datetime
table currency id
  id id
  name text
  symbol text
  displaysymbol text
  exchangerate rate
  currencyprecision integer
  isbasecurrency flag
  isinactive flag
  externalid text
  lastmodifieddate datetime
table term id
  id id
  name text
  daysuntilnetdue integer
  isinactive flag
  externalid text
  lastmodifieddate datetime
table paymentmethod id
  id id
  name text
  methodtype text
  creditcard flag
  undepfunds flag
  isinactive flag
  externalid text
  lastmodifieddate datetime
table shipitem id
  id id
  itemid text
  displayname text
  carrier text
  isinactive flag
  externalid text
  lastmodifieddate datetime
table account id
  id id
  acctnumber text
  accountsearchdisplayname text
  accountsearchdisplaynamecopy text
  displaynamewithhierarchy text
  fullname text
  accttype text
  currency id currency
  isinactive flag
  externalid text
  lastmodifieddate datetime
table salestaxitem id
  id id
  itemid text
  displayname text
  description text
  rate percent
  taxtype text
  country text country
  state text
  isinactive flag
  externalid text
  lastmodifieddate datetime
table customrecord_ste_taxrate id
  id id
  name text
  custrecord_ste_taxrate_taxcode id salestaxitem
  custrecord_ste_taxrate_rate percent
  lastmodified datetime
table department id
  id id
  name text
  fullname text
  isinactive flag
  externalid text
  lastmodifieddate datetime
table classification id
  id id
  name text
  fullname text
  isinactive flag
  externalid text
  lastmodifieddate datetime
table accountingperiod id
  id id
  periodname text
  startdate date
  enddate date
  closed flag
  isquarter flag
  isyear flag
  isadjust flag
  lastmodifieddate datetime
table deletedrecord recordid type
  recordid integer
  type text
  name text
  scriptid text
  context text
  deleteddate datetime
  deletedby integer
  iscustomlist flag
  iscustomrecord flag
  iscustomtransaction flag
table customrecord -scriptid id
  -scriptid text
  id id
  name text
  externalid text
  isinactive flag
  created datetime
  lastmodified datetime
  -custom json
"""

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

# The sandbox's own tables; nothing of the vendor's.
OWN = """
CREATE TABLE IF NOT EXISTS sandbox_state (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS sandbox_number (name TEXT PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sandbox_customer_currency (customer INTEGER, currency INTEGER,
  PRIMARY KEY (customer, currency)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox_nonce (consumer TEXT, token TEXT, nonce TEXT, at INTEGER,
    PRIMARY KEY (consumer, token, nonce, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox_assertion (digest TEXT PRIMARY KEY, expires INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox_bearer (digest TEXT PRIMARY KEY, scope TEXT, expires INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox_job (id INTEGER PRIMARY KEY, idempotency_key TEXT, method TEXT, created TEXT,
    started_wall REAL, finished_wall REAL, collection TEXT);
CREATE TABLE IF NOT EXISTS sandbox_task (job INTEGER, id INTEGER, request TEXT, due_wall REAL, progress TEXT,
    started TEXT, ended TEXT, status INTEGER, headers TEXT, body TEXT, PRIMARY KEY (job, id));
CREATE UNIQUE INDEX IF NOT EXISTS sandbox_job_key ON sandbox_job (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS transaction_changed ON "transaction" (type, lastmodifieddate);
CREATE INDEX IF NOT EXISTS transaction_external ON "transaction" (externalid);
CREATE INDEX IF NOT EXISTS transaction_number ON "transaction" (tranid);
CREATE INDEX IF NOT EXISTS transaction_reference ON "transaction" (otherrefnum);
CREATE INDEX IF NOT EXISTS transaction_created_from ON "transaction" (createdfrom);
CREATE INDEX IF NOT EXISTS transaction_entity ON "transaction" (entity);
CREATE INDEX IF NOT EXISTS transactionline_backorder ON transactionline (item, location)
    WHERE quantitybackordered <> '0.00000' AND quantitybackordered IS NOT NULL;
CREATE INDEX IF NOT EXISTS transactionline_item ON transactionline (item, location);
CREATE INDEX IF NOT EXISTS transactionline_created_from ON transactionline (createdfrom);
CREATE INDEX IF NOT EXISTS link_next ON nexttransactionlink (nextdoc);
CREATE INDEX IF NOT EXISTS linelink_next ON nexttransactionlinelink (nextdoc);
CREATE INDEX IF NOT EXISTS package_of ON fulfillmentpackage ("transaction");
CREATE INDEX IF NOT EXISTS customer_external ON customer (externalid);
CREATE INDEX IF NOT EXISTS customer_email ON customer (email);
CREATE INDEX IF NOT EXISTS customer_address ON customer (LOWER(email));
CREATE INDEX IF NOT EXISTS customer_changed ON customer (lastmodifieddate);
CREATE INDEX IF NOT EXISTS addressbook_of ON customeraddressbook (entity);
CREATE INDEX IF NOT EXISTS item_name ON item (itemid);
CREATE INDEX IF NOT EXISTS item_external ON item (externalid);
CREATE INDEX IF NOT EXISTS item_parent ON item (parent) WHERE parent IS NOT NULL;
CREATE INDEX IF NOT EXISTS item_changed ON item (lastmodifieddate);
CREATE INDEX IF NOT EXISTS member_of ON itemmember (item);
CREATE INDEX IF NOT EXISTS stock_changed ON aggregateitemlocation (lastquantityavailablechange);
CREATE INDEX IF NOT EXISTS tracking_of ON trackingnumber (trackingnumber)
"""
