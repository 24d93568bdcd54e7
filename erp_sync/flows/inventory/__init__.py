"""Sellable stock, from an ERP to a store."""
