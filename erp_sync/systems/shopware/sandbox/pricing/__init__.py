"""What a customer pays: rules, price tables, taxes and rounding.

Written from Shopware's source and documents only, which are cited at each step; what was read in neither is marked
unconfirmed. [SW] is shopware/shopware, src/Core, at cfc087db (between 6.6.7 and 6.7.0); [D] is shopware/docs at
250673bb, products/extensions/b2b-components/individual-pricing/concepts.
"""
