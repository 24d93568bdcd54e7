"""The ports of a Magento connection, one module per entity; `connector` joins them."""
