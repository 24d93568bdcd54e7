"""What an item costs a business partner: the order of precedence and each of the sources.

Written from the fact sheet's section 11 alone, cited there as [H] help.sap.com 10.0 "BP Master Data: Payment Terms
Tab", [H9] help.sap.com 9.x on special prices, price lists and discount groups, [SDK] SDK help 10.0, [L]
learning.sap.com. The price engine is tested against it and shares no code with it.
"""
