"""Customers and items, with what hangs off them: addresses, prices, stock. See the package for the form."""

from __future__ import annotations

TABLES = """
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
"""
