"""Lists that records point to, periods, deletions, custom records. See the package for the form."""

from __future__ import annotations

TABLES = """
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
