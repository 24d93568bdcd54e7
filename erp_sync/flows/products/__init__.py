"""Products and variants, from an ERP to a store."""
