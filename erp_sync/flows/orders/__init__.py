"""Sales orders, from a store to an ERP."""
