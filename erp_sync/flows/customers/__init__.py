"""Business accounts of the ERP and their terms, at the store."""
