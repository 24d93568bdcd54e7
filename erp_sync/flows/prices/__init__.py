"""Base, special and tier prices, from an ERP to a store."""
