"""What every account pays by the ERP's price terms, as rules and prices of the store.

The book of all terms is resolved at each run, since one changed record can change the prices of thousands of accounts
(`flows.prices.engine`). It is compared with what the store is known to have as tables: only rows that differ become
rows of a plan.
"""
