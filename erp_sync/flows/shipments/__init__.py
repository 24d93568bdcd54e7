"""Shipments, from an ERP to a store."""
