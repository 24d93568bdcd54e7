"""Transactions: headers, lines, links, addresses, parcels. See the package for the form."""

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
"""
